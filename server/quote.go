package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// quoteAccess says what an access request would come to. It takes nothing, so that an idempotency key has no meaning.
func quoteAccess(c *call) (*reply, error) {
	request, err := decodeAccessRequest(c.family, c.body)
	if err != nil {
		return nil, err
	}
	q, err := c.server.engine.Quote(c.Context(), c.PathValue("instanceId"), request)
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, wireQuote(c.family, q))
}

func wireQuote(f family, q *engine.Quote) *api.Quote {
	out := &api.Quote{Time: q.Receipt.TimeMS, RequestedItems: make([]api.QuotedItem, len(q.Receipt.Items))}
	for i := range q.Receipt.Items {
		item := &q.Receipt.Items[i]
		out.Tokens = out.Tokens.Add(item.Tokens)
		quoted := api.QuotedItem{
			Item: item.Item, Version: item.Version, Count: item.Count, Price: q.Prices[i], Tokens: item.Tokens,
			LineItems: make([]api.QuotedLineItem, len(item.Slices)), Status: quotedStatus(f, item), CoveredUntil: item.CoveredUntilMS,
		}
		for j := range item.Slices {
			quoted.LineItems[j] = wireQuotedSlice(&item.Slices[j], q.Held[item.Slices[j].Number], q.Paces[item.Slices[j].Number])
		}
		out.RequestedItems[i] = quoted
	}
	return out
}

// quotedStatus words a status for what has not happened.
func quotedStatus(f family, item *usage.Item) api.Status {
	s := wireStatus(f, item.Status, item.Detail)
	if item.Status == ledger.Granted {
		s.Description = "Would be granted"
	}
	return s
}

func wireQuotedSlice(s *usage.Slice, held token.Amount, pace *engine.Pace) api.QuotedLineItem {
	out := api.QuotedLineItem{ActivationID: s.ActivationID, Rate: s.Rate, Tokens: s.Tokens, Overdraft: s.Overdraft}
	out.Held = held
	left := token.FromInt(s.Quantity).Sub(s.Used)
	if left.Sign() < 0 {
		out.OverdraftUsed = left.Neg()
	}
	if left = left.Sub(held); left.Sign() > 0 {
		out.Balance = left
	}
	if pace != nil {
		out.TokensPerDay, out.LastsUntil = &pace.TokensPerDay, pace.LastsUntilMS
	}
	return out
}
