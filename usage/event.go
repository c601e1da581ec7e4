package usage

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// Kind says what an event did.
type Kind string

// The kinds of event (decisions.md D34) that there are so far.
const (
	Charge          Kind = "CHARGE"           // tokens were taken from a line item
	AutomaticCharge Kind = "AUTOMATIC_CHARGE" // the same, for a session's next period
	Refund          Kind = "REFUND"           // tokens went back to a line item
	Adjustment      Kind = "ADJUSTMENT"       // an administrator moved tokens, for no item
	Denial          Kind = "DENIAL"           // an item was not granted
	Settlement      Kind = "SETTLEMENT"       // a charge for work that tokens were held for
	LeaseReport     Kind = "LEASE_REPORT"     // a charge for what a client used of a lease
)

// Kinds are all kinds of event.
var Kinds = []Kind{Charge, AutomaticCharge, Refund, Settlement, LeaseReport, Adjustment, Denial}

// Tenant stands in TENANT_ID: one Farebox serves one producer.
const Tenant = "default"

// Event is one row of the usage record: a slice that a line item paid, or a denied item (decisions.md D34). Events of one
// receipt share its correlation id.
type Event struct {
	ID               string           `json:"id"` // stable: the correlation id and a number
	CorrelationID    string           `json:"correlationId"`
	Kind             Kind             `json:"kind"`
	Status           ledger.Status    `json:"status"`
	UsageTimeMS      int64            `json:"usageTime"`
	WriteTimeMS      int64            `json:"writeTime"`
	AccountID        string           `json:"accountId"`
	InstanceID       string           `json:"instanceId"`
	ActivationID     string           `json:"activationId,omitzero"` // empty of a denial
	Requester        access.Requester `json:"requester"`
	Item             string           `json:"item"`
	ItemVersion      string           `json:"itemVersion,omitzero"`
	Count            token.Amount     `json:"count"`
	Rate             token.Amount     `json:"rate"`
	Tokens           token.Amount     `json:"tokens"`
	Overdraft        token.Amount     `json:"overdraft"`
	EntitledCount    int64            `json:"mappedEntitledCount,omitzero"` // quantity of the line item, then
	Used             token.Amount     `json:"used"`                         // of the line item, after this event
	SessionID        string           `json:"sessionId,omitzero"`
	RateTableSeries  string           `json:"rateTableSeries,omitzero"`
	RateTableVersion string           `json:"rateTableVersion,omitzero"`
	MetaData         jsontext.Value   `json:"metaData,omitzero"`
	CoveredUntilMS   int64            `json:"coveredUntil,omitzero"` // this use, and more until then, is covered by one charge
	Source           *Source          `json:"source,omitzero"`       // where the request came from, if that is recorded
	UnitPrice        token.Amount     `json:"unitPrice,omitzero"`    // what a token of the line item was sold for, in Currency
	Currency         string           `json:"currency,omitzero"`

	// Requests is 1 on the first event of an item that was decided on, be it charged or denied, and 0 on all others: the
	// further line items that pay for it, refunds and adjustments. So its sum counts the items that were asked for.
	Requests int `json:"requests,omitzero"`

	HoldID    string       `json:"holdId,omitzero"`    // of a settlement: what it settles
	LeaseID   string       `json:"leaseId,omitzero"`   // of a report: the lease that it is of
	Late      bool         `json:"late,omitzero"`      // the hold had lapsed before, or the lease was over
	Overdrawn token.Amount `json:"overdrawn,omitzero"` // the part of Tokens that was past all that is allowed

	LineItemKind ledger.Kind `json:"lineItemKind,omitzero"` // FREE of given tokens
	Detail       string      `json:"detail,omitzero"`       // of a denial: more than its status says

	RefundOf string `json:"refundOf,omitzero"` // the correlation id of the charge that an administrator refunded
	By       string `json:"by,omitzero"`       // of what an administrator did: the id of the key whose token asked for it
	Reason   string `json:"reason,omitzero"`   // what was said of it

	LineItem int64   `json:"-"` // the store's name for the line item
	ResetMS  int64   `json:"-"` // when the allowance began that paid, and that Used is of
	Balance  Balance `json:"-"`
	Ruled    *Ruled  `json:"-"`
}

// Money returns what an event's tokens were sold for, in Currency: rounded half to even at the 12th digit, event by event, so that
// the sums of any two groupings agree.
func (e *Event) Money() token.Amount {
	if e.UnitPrice.IsZero() {
		return token.Amount{}
	}
	return token.MulHalfEven(e.Tokens, e.UnitPrice)
}

// Events appends the events of a receipt, in the order in which tokens were moved.
func (r *Receipt) Events(to []Event) []Event {
	first := len(to)
	for i := range r.Refunds {
		to = r.refundEvents(&r.Refunds[i], to)
	}
	for i := range r.Items {
		to = r.itemEvents(&r.Items[i], to)
	}
	for i := range to[first:] {
		to[first+i].ID = r.CorrelationID + "." + strconv.Itoa(i)
	}
	return to
}

// event returns what the events of an item have in common.
func (r *Receipt) event(item *Item, kind Kind) Event {
	e := Event{
		CorrelationID: r.CorrelationID, Kind: kind, Status: item.Status, UsageTimeMS: r.TimeMS, WriteTimeMS: r.MadeMS(),
		AccountID: r.AccountID, InstanceID: r.InstanceID, Requester: r.Requester,
		Item: item.Item, ItemVersion: item.Version, Count: item.Count, MetaData: item.MetaData, CoveredUntilMS: item.CoveredUntilMS, Detail: item.Detail,
		Source: r.Source,
	}
	if r.Session != nil {
		e.SessionID = r.Session.ID
	}
	if c := r.Correction; c != nil {
		e.RefundOf, e.By, e.Reason = c.Of, c.By, c.Reason
	}
	switch {
	case r.Hold == nil:
	case r.Hold.OfLease():
		e.LeaseID, e.Late = r.Hold.ID, r.Hold.Late
	default:
		e.HoldID, e.Late = r.Hold.ID, r.Hold.Late
	}
	return e
}

// of adds to an event which line item it moved tokens of.
func (e Event) of(s *Slice) Event {
	e.ActivationID, e.LineItem = s.ActivationID, s.Number
	e.Rate, e.Tokens, e.Overdraft, e.EntitledCount, e.Used, e.Overdrawn = s.Rate, s.Tokens, s.Overdraft, s.Quantity, s.Used, s.Overdrawn
	e.RateTableSeries, e.RateTableVersion, e.LineItemKind = s.Series, s.TableVersion, s.Kind
	e.UnitPrice, e.Currency = s.UnitPrice, s.Currency
	e.ResetMS, e.Balance, e.Ruled = s.ResetMS, s.Balance(), s.Ruled
	return e
}

func (r *Receipt) refundEvents(item *Item, to []Event) []Event {
	base := r.event(item, Refund)
	if r.RefundedTo != nil {
		base.Requester = *r.RefundedTo
	}
	for i := range item.Slices {
		s := &item.Slices[i]
		e := base.of(s)
		e.Count, e.Tokens, e.Overdraft = bought(s.Tokens, s.Rate).Neg(), s.Tokens.Neg(), s.Overdraft.Neg()
		to = append(to, e)
	}
	return to
}

func (r *Receipt) itemEvents(item *Item, to []Event) []Event {
	if item.Status != ledger.Granted {
		denied := r.event(item, Denial)
		denied.Requests = 1
		return append(to, denied)
	}
	base := r.event(item, Charge)
	if r.Session != nil && r.Session.Operation == access.AutomaticCharge {
		base.Kind = AutomaticCharge
	}
	if r.Correction != nil {
		base.Kind = Adjustment
	}
	switch {
	case r.Hold == nil:
	case r.Hold.OfLease():
		base.Kind = LeaseReport
	default:
		base.Kind = Settlement
	}
	left := item.Count
	for i := range item.Slices {
		s := &item.Slices[i]
		e := base.of(s)
		e.Count = left
		if i == 0 && r.Correction == nil {
			e.Requests = 1
		}
		switch last := i == len(item.Slices)-1; {
		case i == 0 && !item.Covered.IsZero():
			e.Count = item.Covered
		case !last && !s.Rate.IsZero():
			e.Count = token.Min(left, token.DivDown(s.Tokens, s.Rate))
		}
		left = left.Sub(e.Count) // so that the counts of the slices add up to the item's
		to = append(to, e)
	}
	return to
}

// Filter selects events; an empty field selects all.
type Filter struct {
	InstanceIDs    []string // any of them
	ActivationID   string
	Item           string
	RequesterType  string
	RequesterValue string
	Kind           Kind
	FromMS         int64 // usage time, inclusive
	ToMS           int64 // usage time, exclusive; 0 is no end
}

// Match reports whether a filter selects an event.
func (f *Filter) Match(e *Event) bool {
	return f.MatchReceipt(e.InstanceID, e.UsageTimeMS) &&
		(f.ActivationID == "" || f.ActivationID == e.ActivationID) &&
		(f.Item == "" || f.Item == e.Item) &&
		(f.RequesterType == "" || f.RequesterType == e.Requester.Type) &&
		(f.RequesterValue == "" || f.RequesterValue == e.Requester.Value) &&
		(f.Kind == "" || f.Kind == e.Kind)
}

// MatchReceipt reports whether a filter can select events of a receipt.
func (f *Filter) MatchReceipt(instanceID string, timeMS int64) bool {
	if timeMS < f.FromMS || f.ToMS != 0 && timeMS >= f.ToMS {
		return false
	}
	for _, id := range f.InstanceIDs {
		if id == instanceID {
			return true
		}
	}
	return len(f.InstanceIDs) == 0
}
