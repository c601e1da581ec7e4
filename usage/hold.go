package usage

import (
	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// Hold is a move of a hold and how that left it. Of a hold that was refused only the operation is there; the receipt's items say why.
type Hold struct {
	ID          string               `json:"id,omitzero"`
	Operation   access.HoldOperation `json:"operation"`
	Items       []Item               `json:"items,omitzero"`       // of HOLD: what was asked for, with slices that are held, not used
	Late        bool                 `json:"late,omitzero"`        // of SETTLE: it had lapsed
	OverdrawnBy token.Amount         `json:"overdrawnBy,omitzero"` // of SETTLE: tokens of it that were past all that is allowed
	Lease       *access.Lease        `json:"lease,omitzero"`       // of LEASE: what was leased
	access.Holding
}

// NewHoldReceipt records the making of a hold, nil when it was refused.
func NewHoldReceipt(id string, nowMS int64, book *ledger.Book, request *access.Request, h *access.Hold, outcomes []ledger.Outcome) *Receipt {
	r := newReceipt(id, nowMS, book, request, outcomes)
	r.Hold = &Hold{Operation: access.MakeHold}
	if h != nil {
		r.Hold.ID, r.Hold.Holding, r.Hold.Items, r.Items = h.ID, h.Holding, r.Items, []Item{}
	}
	return r
}

// NewLeaseReceipt records the making of a lease, nil when it was refused.
func NewLeaseReceipt(id string, nowMS int64, book *ledger.Book, request *access.Request, h *access.Hold, refused []ledger.Outcome) *Receipt {
	r := newReceipt(id, nowMS, book, request, refused)
	r.Hold = &Hold{Operation: access.MakeLease}
	if h != nil {
		r.Hold.ID, r.Hold.Holding, r.Hold.Lease = h.ID, h.Holding, h.Lease
	}
	return r
}

// NewHoldMoveReceipt records another move of a hold, booked already and nothing else since. The hold is as the move left it.
func NewHoldMoveReceipt(id string, nowMS int64, book *ledger.Book, h *access.Hold, operation access.HoldOperation, items []access.Item, outcomes []ledger.Outcome, late bool) *Receipt {
	r := newReceipt(id, nowMS, book, &access.Request{Requester: h.Requester, Items: items}, outcomes)
	r.Hold = &Hold{ID: h.ID, Operation: operation, Late: late, Holding: h.Holding}
	for i := range outcomes {
		for j := range outcomes[i].Slices {
			r.Hold.OverdrawnBy = r.Hold.OverdrawnBy.Add(outcomes[i].Slices[j].Overdrawn)
		}
	}
	return r
}

// Makes reports whether a move is the first of its hold or lease.
func (h *Hold) Makes() bool { return h.Operation == access.MakeHold || h.Operation == access.MakeLease }

// OfLease reports whether a move is one of a lease.
func (h *Hold) OfLease() bool {
	return h.Operation == access.MakeLease || h.Operation == access.ReportLease || h.Operation == access.EndLease
}

// HoldEffect is how a hold stands after receipts.
type HoldEffect struct {
	InstanceID string
	Promise    *access.Promise // of one that is new
	access.Holding
}

// PromiseOf returns what a receipt of a new hold promises; nil of any other.
func (r *Receipt) PromiseOf() *access.Promise {
	switch {
	case r.Hold == nil || r.Hold.ID == "" || !r.Hold.Makes():
		return nil
	case r.Hold.Lease != nil:
		return &access.Promise{Requester: r.Requester, CreatedMS: r.TimeMS, Lease: r.Hold.Lease}
	}
	p := &access.Promise{Requester: r.Requester, CreatedMS: r.TimeMS, Items: make([]access.Promised, len(r.Hold.Items))}
	for i := range r.Hold.Items {
		item := &r.Hold.Items[i]
		p.Items[i] = access.Promised{Item: item.Item, Version: item.Version, Count: item.Count, Variables: item.Variables, MetaData: item.MetaData}
	}
	return p
}

func (e *Effects) hold(r *Receipt) {
	if r.Hold == nil || r.Hold.ID == "" {
		return
	}
	if e.Holds == nil {
		e.Holds = map[string]HoldEffect{}
	}
	effect := HoldEffect{r.InstanceID, r.PromiseOf(), r.Hold.Holding}
	if earlier := e.Holds[r.Hold.ID]; effect.Promise == nil {
		effect.Promise = earlier.Promise
	}
	e.Holds[r.Hold.ID] = effect
}
