package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// getReceipt shows what a request did. A client learns nothing of receipts of other instances.
func getReceipt(c *call) (*reply, error) {
	b, err := c.server.engine.Receipt(c.Context(), c.PathValue("correlationId"))
	if c.hides(err, func() string { return b.InstanceID }) {
		return nil, problem.New(problem.Forbidden, "the instances of this token have no receipt %q", c.PathValue("correlationId"))
	}
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, wireReceipt(b, c.server.engine.Settings().Rates))
}

// refundReceipt gives back what a request was charged.
func refundReceipt(c *call) (*reply, error) {
	var in api.NewRefund
	if len(c.body) > 0 {
		if err := decode(c.body, &in); err != nil {
			return nil, err
		}
	}
	if in.Items != nil && len(in.Items) == 0 {
		return nil, problem.Field("items", "is empty: name the parts that go back, or leave it out to give back all that is left")
	}
	f := &engine.Refund{Of: c.PathValue("correlationId"), By: c.principal.KeyID, Reason: in.Reason, Once: c.once, Source: c.source(), Size: len(c.body)}
	for i, p := range in.Items {
		if p.Place == nil {
			return nil, problem.Field(usage.PartField(i, "place"), "is required: that of the item in the charge, from 0")
		}
		f.Parts = append(f.Parts, usage.BackOf{Place: *p.Place, Tokens: p.Tokens, Count: p.Count})
	}
	receipt, replayed, err := c.server.engine.Refund(c.Context(), f)
	return c.corrected(receipt, replayed, err)
}

// adjustLineItem moves tokens of a line item for no item.
func adjustLineItem(c *call) (*reply, error) {
	var in api.NewAdjustment
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.Tokens == nil {
		return nil, problem.Field("tokens", "is required: more than 0 are used, less are given back")
	}
	receipt, replayed, err := c.server.engine.Adjust(&engine.Adjustment{
		InstanceID: c.PathValue("instanceId"), ActivationID: c.PathValue("lineItemId"), Tokens: *in.Tokens, By: c.principal.KeyID, Reason: in.Reason,
		Once: c.once, Source: c.source(), Size: len(c.body),
	})
	return c.corrected(receipt, replayed, err)
}

// corrected answers with the receipt of a correction, which is the same whenever it is asked for again.
func (c *call) corrected(receipt *usage.Receipt, replayed bool, err error) (*reply, error) {
	if err != nil {
		return nil, err
	}
	return replying(replayed)(jsonReply(http.StatusCreated, wireReceipt(&engine.Booked{Receipt: receipt}, nil)))
}

func topUpLineItem(c *call) (*reply, error) {
	var in api.NewTopUp
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	return changeTo(c, http.StatusOK, wireMoved, func(tx *engine.Change) (*engine.Moved, error) {
		return tx.TopUp(c.PathValue("instanceId"), c.PathValue("lineItemId"), in.Tokens, in.RequestID)
	})
}

func transferTokens(c *call) (*reply, error) {
	var in api.NewTransfer
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	for _, one := range []struct{ field, value string }{
		{"from.instanceId", in.From.InstanceID}, {"from.activationId", in.From.ActivationID}, {"to.instanceId", in.To.InstanceID}, {"to.activationId", in.To.ActivationID},
	} {
		if one.value == "" {
			return nil, problem.Field(one.field, "is required")
		}
	}
	return c.change(func(tx *engine.Change) (*reply, error) {
		from, to, err := tx.Transfer(&engine.Transfer{
			FromInstance: in.From.InstanceID, From: in.From.ActivationID, ToInstance: in.To.InstanceID, To: in.To.ActivationID, Tokens: in.Tokens,
		})
		if err != nil {
			return nil, err
		}
		return jsonReply(http.StatusOK, api.Transfer{From: wireMoved(from), To: wireMoved(to)})
	})
}

func wireMoved(m *engine.Moved) api.LineItemMoved {
	return api.LineItemMoved{Before: wireLineItemV11(m.Before), After: wireLineItemV11(m.After)}
}

// wireReceipt renders a receipt; rates, which may be nil, know the formulas of its prices.
func wireReceipt(b *engine.Booked, rates *rate.Catalog) *api.Receipt {
	r := b.Receipt
	out := &api.Receipt{
		CorrelationID: r.CorrelationID, Time: r.TimeMS, Written: r.MadeMS(), AccountID: r.AccountID, InstanceID: r.InstanceID,
		Requester: api.Requester(r.Requester), Source: r.Source, IdempotencyKey: r.Key, Items: make([]api.ReceiptItem, len(r.Items)),
	}
	if s := r.Session; s != nil {
		out.Session = &api.ReceiptSession{ID: s.ID, Operation: string(s.Operation), State: string(s.State)}
	}
	if h := r.Hold; h != nil {
		did := &api.ReceiptHold{ID: h.ID, Operation: string(h.Operation), Late: h.Late, Overdrawn: h.OverdrawnBy}
		if h.OfLease() {
			out.Lease = did
		} else {
			out.Hold = did
		}
	}
	if c := r.Correction; c != nil {
		out.RefundOf, out.By, out.Reason = c.Of, c.By, c.Reason
	}
	for i := range r.Items {
		item := wireReceiptItem(&r.Items[i], rates)
		status := wireStatus(farebox, r.Items[i].Status, r.Items[i].Detail)
		item.Status, item.Refunded = &status, usage.TokensBack(b.Given, i)
		out.Items[i], out.Tokens, out.Refunded = item, out.Tokens.Add(item.Tokens), out.Refunded.Add(item.Refunded)
	}
	for i := range r.Refunds {
		out.Refunds = append(out.Refunds, wireReceiptItem(&r.Refunds[i], rates))
	}
	for _, g := range b.Given {
		later := api.ReceiptRefund{CorrelationID: g.CorrelationID, Time: g.TimeMS, By: g.By, Reason: g.Reason}
		for _, item := range g.Items {
			later.Items = append(later.Items, api.ReceiptItemBack{Place: item.Place, Item: r.Items[item.Place].Item, Tokens: item.Tokens})
		}
		out.RefundedBy = append(out.RefundedBy, later)
	}
	return out
}

func wireReceiptItem(item *usage.Item, rates *rate.Catalog) api.ReceiptItem {
	out := api.ReceiptItem{
		Item: item.Item, Version: item.Version, Count: item.Count, Tokens: item.Tokens, Variables: map[string]token.Amount(item.Variables),
		MetaData: item.MetaData, CoveredUntil: item.CoveredUntilMS, LineItems: make([]api.ReceiptLineItem, len(item.Slices)),
	}
	for i := range item.Slices {
		out.LineItems[i] = wireReceiptLineItem(&item.Slices[i])
	}
	if len(item.Slices) > 0 && rates != nil {
		if t := rates.Find(item.Slices[0].Series, item.Slices[0].TableVersion); t != nil {
			if priced := t.Item(item.Item, item.Version); priced != nil && priced.Formula != nil {
				out.Formula = priced.Formula.String()
			}
		}
	}
	return out
}

func wireReceiptLineItem(s *usage.Slice) api.ReceiptLineItem {
	out := api.ReceiptLineItem{
		ActivationID: s.ActivationID, RateTableSeries: s.Series, RateTableVersion: s.TableVersion, Rate: s.Rate, Tokens: s.Tokens, Overdraft: s.Overdraft,
		Quantity: s.Quantity, Used: s.Used, Allowance: s.ResetMS, Currency: s.Currency,
	}
	if s.Currency != "" {
		out.UnitPrice = &s.UnitPrice
	}
	if r := s.Ruled; r != nil && r.ActionID != "" {
		out.Action = &api.ReceiptAllocation{ID: r.ActionID, Used: r.ActionUsed}
	}
	if r := s.Ruled; r != nil && r.Limited {
		out.Limit = &api.ReceiptLimit{Since: r.SinceMS, Consumed: r.Consumed}
	}
	return out
}
