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

// HoldState is what became of a hold.
type HoldState string

// The states of a hold. LAPSED follows from the time alone and is never written: such a hold keeps nothing, but can still be settled.
const (
	Held       HoldState = "HELD"
	LapsedHold HoldState = "LAPSED"
	Settled    HoldState = "SETTLED"
	Released   HoldState = "RELEASED"
)

// HoldOperation says which move of a hold a receipt records.
type HoldOperation string

// The operations.
const (
	MakeHold    HoldOperation = "HOLD"
	ExtendHold  HoldOperation = "EXTEND"
	SettleHold  HoldOperation = "SETTLE"
	ReleaseHold HoldOperation = "RELEASE"
)

// Bounds of holds.
const (
	HoldLeast = time.Second
	HoldMost  = 24 * time.Hour
	HoldsMost = 10_000 // live on one instance
)

// Hold keeps tokens back for work that is under way, until it is settled for what it really came to. Its methods are the moves it can
// make. Times are milliseconds since 1970.
type Hold struct {
	Number     int64  // the store's name for it
	ID         string // a UUIDv7
	InstanceID string
	Promise
	Holding
}

// Promise is what a hold was asked and granted for; it never changes. Its JSON is the one in the books.
type Promise struct {
	Requester Requester  `json:"requester"`
	CreatedMS int64      `json:"created"`        // the rate tables in force then price the work
	Items     []Promised `json:"items"`          // none of a lease
	Lease     *Lease     `json:"lease,omitzero"` // nil of any other hold
}

// Promised is an item of a hold.
type Promised struct {
	Item      string         `json:"item"`
	Version   string         `json:"version,omitzero"`
	Count     token.Amount   `json:"count"`
	Variables rate.Variables `json:"variables,omitzero"`
	MetaData  jsontext.Value `json:"metaData,omitzero"`
}

// Holding is how a hold stands: what changes of it, and all that a book has to know. Its JSON is the one in the books.
type Holding struct {
	State     HoldState        `json:"state"`
	Type      string           `json:"requesterType"`
	Value     string           `json:"requesterValue"`
	UntilMS   int64            `json:"until"`            // live before then, unless it has ended
	EndedMS   int64            `json:"ended,omitzero"`   // when it was settled for good or released
	Shares    [][]ledger.Share `json:"shares"`           // still kept, for each item, in the order in which they were drawn; of a lapsed one, when it lapsed
	Settled   token.Amount     `json:"settled,omitzero"` // tokens, in all
	Overdrawn token.Amount     `json:"overdrawn,omitzero"`
	Reported  []token.Amount   `json:"reported,omitzero"` // of a lease: how much of each of its items was used, in all
}

// Ended reports whether a hold was settled for good or released.
func (h *Holding) Ended() bool { return h.State != Held }

// At returns the state of a hold at a time.
func (h *Holding) At(nowMS int64) HoldState {
	if !h.Ended() && nowMS >= h.UntilMS {
		return LapsedHold
	}
	return h.State
}

// Left returns what a hold still keeps at a time.
func (h *Holding) Left(nowMS int64) (left token.Amount) {
	if h.At(nowMS) == Held {
		for _, of := range h.Shares {
			left = left.Add(ledger.Sum(of))
		}
	}
	return left
}

// OnBook returns a hold as its book knows it.
func (h *Holding) OnBook(id, instanceID string) *ledger.Hold {
	key := ledger.RequesterKey{InstanceID: instanceID, Type: h.Type, Value: h.Value}
	return &ledger.Hold{ID: id, RequesterKey: key, UntilMS: h.UntilMS, Shares: slices.Concat(h.Shares...)}
}

// NewHold makes a hold on a book for a time, if all items can be granted; else it returns none, and the outcomes say why. It decides as a
// charge would, but that what covers later use plays no part: neither the hold nor what settles it uses or makes any.
func NewHold(id string, w *World, request *Request, ttl time.Duration, nowMS int64) (*Hold, []ledger.Outcome) {
	who, prices := w.who(&request.Requester), w.at(nowMS)
	outcomes := make([]ledger.Outcome, len(request.Items))
	denied := false
	for i := range request.Items {
		outcomes[i] = ledger.Decide(w.Book, prices, who, request.Items[i].Ask, nil)
		outcomes[i].Apply()
		denied = denied || outcomes[i].Status != ledger.Granted
	}
	if denied {
		withdraw(request, outcomes)
		return nil, outcomes
	}
	h := &Hold{
		ID: id, InstanceID: w.Book.InstanceID, Promise: Promise{Requester: request.Requester, CreatedMS: nowMS, Items: make([]Promised, len(request.Items))},
		Holding: Holding{State: Held, Type: request.Requester.Type, Value: request.Requester.Value, UntilMS: nowMS + ttl.Milliseconds()},
	}
	for i := range request.Items {
		item := &request.Items[i]
		h.Items[i] = Promised{item.Item, item.Version, item.Count, item.Variables, item.MetaData}
	}
	h.Shares = ledger.Withhold(outcomes)
	w.Book.Keep(h.OnBook(h.ID, h.InstanceID))
	return h, outcomes
}

func (w *World) who(r *Requester) *ledger.Who {
	who := &ledger.Who{Standing: w.Standing(r)}
	if w.Book.Ruled() {
		who.Dictionary = dictionary(r.Dictionary)
	}
	return who
}

// Extend has a hold live for a time from now, if that is longer than it would. It fails with a problem Conflict when it is not live.
func (h *Hold) Extend(w *World, ttl time.Duration, nowMS int64) error {
	switch {
	case h.Ended():
		return h.over("extended")
	case h.At(nowMS) == LapsedHold:
		return problem.New(problem.Conflict, "the hold has lapsed, so it keeps nothing that could be kept longer; make another, or settle it for what the work came to")
	}
	h.UntilMS = max(h.UntilMS, nowMS+ttl.Milliseconds())
	w.Book.Keep(h.OnBook(h.ID, h.InstanceID))
	return nil
}

// over is the problem of a hold that has ended.
func (h *Hold) over(what string) error {
	how := "released"
	if h.State == Settled {
		how = "settled for good"
	}
	return problem.New(problem.Conflict, "the hold was %s before, so it cannot be %s", how, what)
}

// Release gives back all that a hold keeps. One that has lapsed keeps nothing, but can no more be settled then. It fails with a problem
// Conflict when the hold was settled for good; to release it again does nothing.
func (h *Hold) Release(w *World, nowMS int64) (changed bool, err error) {
	switch h.State {
	case Released:
		return false, nil
	case Settled:
		return false, h.over("released")
	}
	h.end(w, Released, nowMS)
	return true, nil
}

func (h *Hold) end(w *World, state HoldState, nowMS int64) {
	h.State, h.EndedMS = state, nowMS
	shares := make([][]ledger.Share, len(h.Shares)) // receipts have the ones before
	for i := range shares {
		shares[i] = slices.Clone(h.Shares[i])
		for j := range shares[i] {
			shares[i][j].Tokens = token.Amount{}
		}
	}
	h.Shares = shares
	w.Book.Drop(h.ID)
}

// Settle books what finished work came to, in full: first from what the hold keeps (ledger.Settling). Once a final settlement has been made
// there can be no other. It is late when the hold has lapsed. It fails with a problem, and then nothing was done: Conflict when the
// hold has ended, Invalid for an item that cannot be priced, or comes to more than can be booked.
func (h *Hold) Settle(w *World, items []Item, final bool, nowMS int64) (outcomes []ledger.Outcome, late bool, err error) {
	if h.Ended() {
		return nil, false, h.over("settled")
	}
	s := &ledger.Settling{
		Hold: h.OnBook(h.ID, h.InstanceID), MadeMS: h.CreatedMS, Kept: h.Shares, Promised: make([]rate.Variables, len(h.Items)),
		Work: make([]ledger.Finished, len(items)), Final: final, Late: h.At(nowMS) == LapsedHold,
	}
	for i := range h.Items {
		s.Promised[i] = h.Items[i].Variables
	}
	for i, of := range h.places(items) {
		s.Work[i] = ledger.Finished{Ask: items[i].Ask, Of: of}
	}
	outcomes, at, wrong := h.pay(w, s, nowMS)
	if wrong != nil {
		wrong.Field = fmt.Sprintf("requestedItems[%d].%s", at, wrong.Field)
		return nil, false, wrong
	}
	return outcomes, s.Late, nil
}

// pay books what a settlement comes to. It fails with a problem, and then nothing was done; at is which of its work that is about.
func (h *Hold) pay(w *World, s *ledger.Settling, nowMS int64) (outcomes []ledger.Outcome, at int, err *problem.Error) {
	outcomes, at, err = s.Settle(w.Book, w.at(nowMS), w.who(&h.Requester))
	if err == nil {
		if err = h.add(outcomes); err != nil && !s.Late {
			w.Book.Keep(h.OnBook(h.ID, h.InstanceID))
		}
	}
	if err != nil {
		return nil, at, err
	}
	h.Shares = s.Kept
	if s.Final {
		h.end(w, Settled, nowMS)
	}
	return outcomes, at, nil
}

// Complete gives items that were settled what they leave out: variables and metadata are those that were asked for with the hold.
func (h *Hold) Complete(items []Item) []Item {
	items = slices.Clone(items)
	for i, of := range h.places(items) {
		if of < 0 {
			continue
		}
		if items[i].Variables == nil {
			items[i].Variables = h.Items[of].Variables
		}
		if items[i].MetaData == nil {
			items[i].MetaData = h.Items[of].MetaData
		}
	}
	return items
}

// places returns which item of the hold each item is; less than 0: none. The second of a name is the second of that name, and all
// others of it are the last.
func (h *Hold) places(items []Item) []int {
	places := make([]int, len(items))
	taken := make([]bool, len(h.Items))
	for i := range items {
		places[i] = -1
		for j := range h.Items {
			if h.Items[j].Item == items[i].Item && h.Items[j].Version == items[i].Version {
				places[i] = j
				if !taken[j] {
					taken[j] = true
					break
				}
			}
		}
	}
	return places
}

// add adds up what was settled.
func (h *Hold) add(outcomes []ledger.Outcome) *problem.Error {
	settled, overdrawn := h.Settled, h.Overdrawn
	for i := range outcomes {
		settled = settled.Add(outcomes[i].Tokens)
		for j := range outcomes[i].Slices {
			overdrawn = overdrawn.Add(outcomes[i].Slices[j].Overdrawn)
		}
	}
	if token.Max.Less(settled) {
		for i := len(outcomes) - 1; i >= 0; i-- {
			outcomes[i].Revert()
		}
		return problem.Field("count", "comes to more tokens than can be booked")
	}
	h.Settled, h.Overdrawn = settled, overdrawn
	return nil
}

// ValidateSettlement checks the items of a settlement; none is allowed, and so are counts of 0.
func ValidateSettlement(items []Item) error {
	if len(items) > ItemsMost {
		return problem.Field("requestedItems", "has %d items, at most %d are allowed", len(items), ItemsMost)
	}
	for i := range items {
		if err := items[i].validateUsed(); err != nil {
			err.Field = fmt.Sprintf("requestedItems[%d].%s", i, err.Field)
			return err
		}
	}
	return nil
}

// validateUsed is validate of an item that was used: perhaps nothing of it.
func (item Item) validateUsed() *problem.Error {
	if item.Count.IsZero() {
		item.Count = token.FromInt(1)
	}
	err := item.validate()
	if err != nil && err.Field == "count" {
		err.Message = "must not be negative"
	}
	return err
}
