package usage

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/jsonwriter"
)

// AppendJSON appends a receipt as json.Marshal writes it, in one line and a third of the time: every charge waits for it. What
// callers gave as JSON (metadata, dictionaries) stays as it is but for white space.
func (r *Receipt) AppendJSON(b []byte) ([]byte, error) {
	w := writer{jsonwriter.Writer{B: append(b, '{')}}
	w.Text("correlationId", r.CorrelationID)
	w.Int("time", r.TimeMS)
	w.IntIf("written", r.WrittenMS)
	w.Text("accountId", r.AccountID)
	w.Text("instanceId", r.InstanceID)
	w.requester("requester", &r.Requester)
	if r.Source != nil {
		w.Any("source", r.Source)
	}
	if r.Session != nil {
		w.Any("session", r.Session)
	}
	if r.Hold != nil {
		w.hold(r.Hold)
	}
	if r.RefundedTo != nil {
		w.requester("refundedTo", r.RefundedTo)
	}
	if r.Refunds != nil {
		w.items("refunds", r.Refunds)
	}
	w.items("items", r.Items)
	if r.Correction != nil {
		w.Any("correction", r.Correction)
	}
	w.TextIf("idempotencyKey", r.Key)
	if r.Fingerprint != nil {
		w.Bytes("fingerprint", r.Fingerprint)
	}
	w.Close('}')
	return w.B, w.Err
}

// writer writes what receipts are made of.
type writer struct{ jsonwriter.Writer }

// hold keeps what callers gave as it is, as the items of a receipt do.
func (w *writer) hold(h *Hold) {
	w.Any("hold", h, json.Deterministic(true), jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true))
}

func (w *writer) requester(name string, r *access.Requester) {
	w.Name(name)
	w.Open('{')
	w.Text("type", r.Type)
	w.Text("value", r.Value)
	w.Raw("dictionary", r.Dictionary)
	w.Close('}')
}

func (w *writer) items(name string, items []Item) {
	w.Name(name)
	w.Open('[')
	for i := range items {
		w.item(&items[i])
	}
	w.Close(']')
}

func (w *writer) item(i *Item) {
	w.Open('{')
	w.Text("item", i.Item)
	w.TextIf("version", i.Version)
	w.Amount("count", i.Count)
	w.Amount("tokens", i.Tokens)
	w.Text("status", string(i.Status))
	w.TextIf("detail", i.Detail)
	w.Raw("metaData", i.MetaData)
	if i.Variables != nil {
		w.Any("variables", i.Variables)
	}
	if i.Slices != nil {
		w.Name("slices")
		w.Open('[')
		for j := range i.Slices {
			w.slice(&i.Slices[j])
		}
		w.Close(']')
	}
	w.IntIf("coveredUntil", i.CoveredUntilMS)
	w.AmountIf("coverCount", i.CoverCount)
	w.AmountIf("covered", i.Covered)
	w.Close('}')
}

func (w *writer) slice(s *Slice) {
	w.Open('{')
	w.Text("activationId", s.ActivationID)
	w.Int("lineItem", s.Number)
	w.TextIf("series", s.Series)
	w.Text("tableVersion", s.TableVersion)
	w.Amount("rate", s.Rate)
	w.Amount("tokens", s.Tokens)
	w.AmountIf("overdraft", s.Overdraft)
	w.AmountIf("overdrawn", s.Overdrawn)
	w.Int("quantity", s.Quantity)
	w.Amount("used", s.Used)
	w.IntIf("reset", s.ResetMS)
	w.IntIf("usedReset", s.UsedResetMS)
	w.TextIf("kind", string(s.Kind))
	w.AmountIf("unitPrice", s.UnitPrice)
	w.TextIf("currency", s.Currency)
	if s.Ruled != nil {
		w.Any("ruled", s.Ruled)
	}
	w.Close('}')
}
