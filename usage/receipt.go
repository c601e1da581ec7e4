// Package usage holds the record of what was used: receipts, the usage events that follow from them, and how events are
// filtered and printed. It is pure.
package usage

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// Receipt is all that one access request did. It is what the books keep: the answer to the caller, the usage events
// and every balance follow from receipts, so they cannot tell different stories. Receipts are never changed.
type Receipt struct {
	CorrelationID string           `json:"correlationId"` // a UUIDv7
	TimeMS        int64            `json:"time"`          // when it was decided
	AccountID     string           `json:"accountId"`
	InstanceID    string           `json:"instanceId"`
	Requester     access.Requester `json:"requester"`
	Items         []Item           `json:"items"`
	Key           string           `json:"idempotencyKey,omitzero"`
	Fingerprint   []byte           `json:"fingerprint,omitzero"` // of the request that came with Key
}

// Item is what became of one requested item.
type Item struct {
	Item     string         `json:"item"`
	Version  string         `json:"version,omitzero"`
	Count    token.Amount   `json:"count"` // granted; of a denial, as asked
	Tokens   token.Amount   `json:"tokens"`
	Status   ledger.Status  `json:"status"`
	MetaData jsontext.Value `json:"metaData,omitzero"`
	Slices   []Slice        `json:"slices,omitzero"`
}

// Slice is what one line item paid.
type Slice struct {
	ActivationID string       `json:"activationId"`
	Number       int64        `json:"lineItem"` // the store's name for the line item
	Series       string       `json:"series,omitzero"`
	TableVersion string       `json:"tableVersion"`
	Rate         token.Amount `json:"rate"`
	Tokens       token.Amount `json:"tokens"`
	Overdraft    token.Amount `json:"overdraft,omitzero"`
	Quantity     int64        `json:"quantity"` // of the line item, then
	Used         token.Amount `json:"used"`     // of the line item, after this slice
}

// NewReceipt records a decided request. The outcomes must be booked already, in the order of the items, and nothing else
// since.
func NewReceipt(id string, nowMS int64, book *ledger.Book, request *access.Request, outcomes []ledger.Outcome) *Receipt {
	r := &Receipt{
		CorrelationID: id, TimeMS: nowMS, AccountID: book.AccountID, InstanceID: book.InstanceID,
		Requester: request.Requester, Items: make([]Item, len(outcomes)),
	}
	// The books hold the uses after all items; going backwards gives those after each slice.
	var later []taken
	for i := len(outcomes) - 1; i >= 0; i-- {
		r.Items[i], later = newItem(&request.Items[i], &outcomes[i], later)
	}
	return r
}

// taken is what items after the one looked at took from a line item.
type taken struct {
	lineItem *ledger.LineItem
	tokens   token.Amount
}

func newItem(asked *access.Item, outcome *ledger.Outcome, later []taken) (Item, []taken) {
	item := Item{
		Item: asked.Item, Version: asked.Version, Count: outcome.Count, Tokens: outcome.Tokens, Status: outcome.Status,
		MetaData: asked.MetaData,
	}
	if len(outcome.Slices) > 0 {
		item.Slices = make([]Slice, len(outcome.Slices))
	}
	for i := range outcome.Slices {
		s := &outcome.Slices[i]
		used := s.LineItem.Used
		found := false
		for j := range later {
			if later[j].lineItem == s.LineItem {
				used = used.Sub(later[j].tokens)
				later[j].tokens = later[j].tokens.Add(s.Tokens)
				found = true
			}
		}
		if !found {
			later = append(later, taken{s.LineItem, s.Tokens})
		}
		item.Slices[i] = Slice{
			ActivationID: s.LineItem.ActivationID, Number: s.LineItem.Number, Series: s.Table.Series, TableVersion: s.Table.Version,
			Rate: s.Rate, Tokens: s.Tokens, Overdraft: s.Overdraft, Quantity: s.LineItem.Quantity, Used: used,
		}
	}
	return item, later
}
