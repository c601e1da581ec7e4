package access

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// A lease is a hold whose tokens a named client spends by itself, without asking: what it keeps is not settled for what work came to, but for what the
// client reports. So it keeps, lapses and is booked as a hold does.

// Bounds of leases.
const (
	LeaseLeast     = time.Second
	LeaseMost      = 90 * 24 * time.Hour
	LeaseItemsMost = 100
)

// The operations of a lease.
const (
	MakeLease   HoldOperation = "LEASE"
	ReportLease HoldOperation = "REPORT"
	EndLease    HoldOperation = "END"
)

// Lease is what a lease was granted for; it never changes. Its JSON is the one in the books.
type Lease struct {
	Client string       `json:"client"` // who spends it
	Tokens token.Amount `json:"tokens"` // at most
	KeyID  string       `json:"keyId"`  // of the key that signs it
	Items  []LeasedItem `json:"items"`  // what they may be spent for
}

// LeasedItem is an item that leased tokens may be spent for, with what one of it costs for as long as the lease lives.
type LeasedItem struct {
	Item      string         `json:"item"`
	Version   string         `json:"version,omitzero"`
	Price     token.Amount   `json:"price"`
	Variables rate.Variables `json:"variables,omitzero"` // of the price's formula
	MetaData  jsontext.Value `json:"metaData,omitzero"`
}

// NewLease asks for a lease.
type NewLease struct {
	Client    string
	Requester Requester // whom rules and limits are about, and who is charged
	Tokens    token.Amount
	Items     []Item // without counts
}

// Validate checks what is asked for.
func (n *NewLease) Validate() error {
	if why := problem.Unnamed(n.Client); why != "" {
		return problem.Field("client", "%s", why)
	}
	if err := n.Requester.validate(); err != nil {
		return err
	}
	switch {
	case n.Tokens.Sign() <= 0:
		return problem.Field("tokens", "must be more than 0")
	case len(n.Items) == 0 || len(n.Items) > LeaseItemsMost:
		return problem.Field("items", "must be 1 to %d", LeaseItemsMost)
	}
	for i := range n.Items {
		item := n.Items[i]
		item.Count = token.FromInt(1) // which a lease does not have
		if err := item.validate(); err != nil {
			err.Field = fmt.Sprintf("items[%d].%s", i, err.Field)
			return err
		}
		if slices.ContainsFunc(n.Items[:i], func(other Item) bool { return other.Item == item.Item && other.Version == item.Version }) {
			return problem.Field(fmt.Sprintf("items[%d].item", i), "is there twice, so that a report could not tell the two apart")
		}
	}
	return nil
}

// Request returns what is asked for as a request, as it is recorded.
func (n *NewLease) Request() *Request { return &Request{Requester: n.Requester, Items: n.Items} }

// MakeLease makes a lease on a book for a time, signed by a key, if all its tokens can be granted; else it returns none, and an outcome for each
// item that says why.
func (w *World) MakeLease(id, keyID string, n *NewLease, ttl time.Duration, nowMS int64) (*Hold, []ledger.Outcome) {
	asks := make([]ledger.Ask, len(n.Items))
	for i := range n.Items {
		asks[i] = n.Items[i].Ask
	}
	found := ledger.Lease(w.Book, w.at(nowMS), w.who(&n.Requester), n.Tokens, asks)
	if found.Why != nil {
		return nil, found.Why
	}
	lease := &Lease{Client: n.Client, Tokens: n.Tokens, KeyID: keyID, Items: make([]LeasedItem, len(n.Items))}
	for i := range n.Items {
		item := &n.Items[i]
		lease.Items[i] = LeasedItem{item.Item, item.Version, found.Prices[i], item.Variables, item.MetaData}
	}
	found.Apply()
	h := &Hold{
		ID: id, InstanceID: w.Book.InstanceID, Promise: Promise{Requester: n.Requester, CreatedMS: nowMS, Lease: lease},
		Holding: Holding{
			State: Held, Type: n.Requester.Type, Value: n.Requester.Value, UntilMS: nowMS + ttl.Milliseconds(),
			Shares: ledger.Withhold([]ledger.Outcome{found.Outcome}), Reported: make([]token.Amount, len(n.Items)),
		},
	}
	w.Book.Keep(h.OnBook(h.ID, h.InstanceID))
	return h, nil
}

// Report is what a client says it has used of a lease since that was made.
type Report struct {
	Items []Reported
	Final bool // it will use no more
}

// Reported is how much of an item was used in all.
type Reported struct {
	Item, Version string
	Count         token.Amount
	MetaData      jsontext.Value
}

// Validate checks a report, but for whether its items are those of the lease.
func (r *Report) Validate() error {
	if len(r.Items) > LeaseItemsMost {
		return problem.Field("items", "are %d, at most %d are allowed", len(r.Items), LeaseItemsMost)
	}
	for i, of := range r.Items {
		item := Item{Ask: ledger.Ask{Item: of.Item, Version: of.Version, Count: of.Count}, MetaData: of.MetaData}
		if err := item.validateUsed(); err != nil {
			err.Field = fmt.Sprintf("items[%d].%s", i, err.Field)
			return err
		}
	}
	return nil
}

// Report books what a client used of a lease that was not booked before. Counts are of all since the lease was made, so that a report that comes
// again, or after a later one, changes nothing. It is paid as a settlement of a hold is, at the prices of the lease; late once the lease is over.
// Items are what was booked. It fails with a problem, and then nothing was done: Invalid for an item that the lease does not have; Conflict for
// more than was leased, and for more than a final report said.
func (h *Hold) Report(w *World, r *Report, nowMS int64) (items []Item, outcomes []ledger.Outcome, changed, late bool, err error) {
	counts := slices.Clone(h.Reported)
	metaData := make([]jsontext.Value, len(counts))
	for i := range r.Items {
		of := &r.Items[i]
		at := slices.IndexFunc(h.Lease.Items, func(l LeasedItem) bool { return l.Item == of.Item && l.Version == of.Version })
		if at < 0 {
			return nil, nil, false, false, problem.Field(fmt.Sprintf("items[%d].item", i), "is not an item of the lease; charge it on its own")
		}
		counts[at], metaData[at] = maxOf(counts[at], of.Count), of.MetaData
	}
	var spent token.Amount
	s := &ledger.Settling{
		Hold: h.OnBook(h.ID, h.InstanceID), MadeMS: h.CreatedMS, Kept: h.Shares, Promised: []rate.Variables{nil}, Final: r.Final, Late: h.At(nowMS) == LapsedHold,
	}
	for i := range counts {
		l := &h.Lease.Items[i]
		comes := ledger.Spent(counts[i], l.Price)
		spent = spent.Add(comes)
		if counts[i].Equal(h.Reported[i]) {
			continue
		}
		item := Item{Ask: ledger.Ask{Item: l.Item, Version: l.Version, Count: counts[i].Sub(h.Reported[i]), Variables: l.Variables}, MetaData: l.MetaData}
		if metaData[i] != nil {
			item.MetaData = metaData[i]
		}
		items = append(items, item)
		s.Work = append(s.Work, ledger.Finished{Ask: item.Ask, Leased: &ledger.Leased{Price: l.Price, Tokens: comes.Sub(ledger.Spent(h.Reported[i], l.Price))}})
	}
	switch {
	case len(items) == 0 && (!r.Final || h.Ended()):
		return nil, nil, false, false, nil
	case h.Ended():
		return nil, nil, false, false, problem.New(problem.Conflict, "the client has reported for the last time before, so nothing more can be used of the lease")
	case h.Lease.Tokens.Less(spent):
		return nil, nil, false, false, problem.New(problem.Conflict, "the lease is of %s tokens, and what is reported comes to %s: nothing of it was booked; report what the lease covers, and charge the rest on its own",
			h.Lease.Tokens, spent)
	}
	outcomes, _, wrong := h.pay(w, s, nowMS)
	if wrong != nil {
		return nil, nil, false, false, wrong
	}
	h.Reported = counts
	return items, outcomes, true, s.Late && len(items) > 0, nil
}

func maxOf(a, b token.Amount) token.Amount {
	if a.Less(b) {
		return b
	}
	return a
}

// EndNow has a lease lapse now, if it is live: what was not reported returns at once, and what was used before is booked late. To end one again does
// nothing.
func (h *Hold) EndNow(w *World, nowMS int64) (changed bool) {
	if h.At(nowMS) != Held {
		return false
	}
	h.UntilMS = nowMS
	w.Book.Drop(h.ID)
	w.Book.HeldSinceMS = max(w.Book.HeldSinceMS, nowMS) // if the clock steps back it is live again, as it is to who loads it then
	return true
}
