// Package usage holds the record of what was used: receipts, the usage events that follow from them, and how events are
// filtered and printed. It is pure.
package usage

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// Receipt is all that one access request did. It is what the books keep: the answer to the caller, the usage events
// and every balance follow from receipts, so they cannot tell different stories. Receipts are never changed.
type Receipt struct {
	CorrelationID string            `json:"correlationId"`    // a UUIDv7
	TimeMS        int64             `json:"time"`             // as of when it was decided
	WrittenMS     int64             `json:"written,omitzero"` // when, if later
	AccountID     string            `json:"accountId"`
	InstanceID    string            `json:"instanceId"`
	Requester     access.Requester  `json:"requester"`
	Source        *Source           `json:"source,omitzero"`     // where it came from, if that is recorded
	Session       *Session          `json:"session,omitzero"`    // what it did to a session; nil of a one-off request
	Hold          *Hold             `json:"hold,omitzero"`       // what it did to a hold
	RefundedTo    *access.Requester `json:"refundedTo,omitzero"` // who had been charged, if another than Requester
	Refunds       []Item            `json:"refunds,omitzero"`    // before Items were charged
	Items         []Item            `json:"items"`
	Correction    *Correction       `json:"correction,omitzero"` // nil: no administrator made it
	Key           string            `json:"idempotencyKey,omitzero"`
	Fingerprint   []byte            `json:"fingerprint,omitzero"` // of the request that came with Key
}

// Source is where a request came from, as far as the producer has it recorded.
type Source struct {
	Address   string `json:"address,omitzero"`   // the caller's, shortened as told: an IP address or prefix
	UserAgent string `json:"userAgent,omitzero"` // as the caller's software calls itself
}

// Session is a move of a session and the state that the move left it in.
type Session struct {
	ID             string           `json:"id"`
	Operation      access.Operation `json:"operation"`
	State          access.State     `json:"state"`
	Reason         access.Reason    `json:"reason,omitzero"`       // why it ended
	FromMS         int64            `json:"from,omitzero"`         // the period that is charged
	UntilMS        int64            `json:"until,omitzero"`        // until when, and when the next charge is due
	HeartbeatDueMS int64            `json:"heartbeatDue,omitzero"` // 0: no heartbeat is owed

	Forecast *access.Forecast `json:"forecast,omitzero"` // if it was asked for
}

// Item is what became of one requested item, or what was refunded of it.
type Item struct {
	Item     string         `json:"item"`
	Version  string         `json:"version,omitzero"`
	Count    token.Amount   `json:"count"` // granted; of a denial, as asked
	Tokens   token.Amount   `json:"tokens"`
	Status   ledger.Status  `json:"status"`
	Detail   string         `json:"detail,omitzero"` // of a denial: more than the status says
	MetaData jsontext.Value `json:"metaData,omitzero"`

	Variables rate.Variables `json:"variables,omitzero"` // of the price's formula
	Slices    []Slice        `json:"slices,omitzero"`

	CoveredUntilMS int64        `json:"coveredUntil,omitzero"` // its charge, or one before, covers this requester's use until then
	CoverCount     token.Amount `json:"coverCount,omitzero"`   // the count that is covered until then
	Covered        token.Amount `json:"covered,omitzero"`      // the part of Count that was covered before: the first slice, of 0 tokens
}

// Slice is what one line item paid, or got back.
type Slice struct {
	ActivationID string       `json:"activationId"`
	Number       int64        `json:"lineItem"` // the store's name for the line item
	Series       string       `json:"series,omitzero"`
	TableVersion string       `json:"tableVersion"`
	Rate         token.Amount `json:"rate"`
	Tokens       token.Amount `json:"tokens"`
	Overdraft    token.Amount `json:"overdraft,omitzero"`
	Overdrawn    token.Amount `json:"overdrawn,omitzero"` // the part of Overdraft or Tokens that was past all that is allowed, of a settlement
	Quantity     int64        `json:"quantity"`           // of the line item, then
	Used         token.Amount `json:"used"`               // of the line item, after this slice
	ResetMS      int64        `json:"reset,omitzero"`     // when the allowance began that paid; of a recurring line item
	UsedResetMS  int64        `json:"usedReset,omitzero"` // when the one began that Used is of, if that is a later one
	Kind         ledger.Kind  `json:"kind,omitzero"`      // FREE, or nothing
	UnitPrice    token.Amount `json:"unitPrice,omitzero"` // of the line item, then: what a token was sold for, in Currency
	Currency     string       `json:"currency,omitzero"`
	Ruled        *Ruled       `json:"ruled,omitzero"` // what it counts against besides
}

// Ruled is what a slice counts against besides its line item, and how that stood after it.
type Ruled struct {
	ActionID   string       `json:"action,omitzero"` // whose allocation
	ActionUsed token.Amount `json:"actionUsed,omitzero"`
	Limited    bool         `json:"limited,omitzero"` // the line item's consumption limit
	SinceMS    int64        `json:"since,omitzero"`   // whose period began then
	Consumed   token.Amount `json:"consumed,omitzero"`
}

// Balance returns how the line item stood after a slice.
func (s *Slice) Balance() Balance { return Balance{s.Used, max(s.ResetMS, s.UsedResetMS)} }

// NewReceipt records a decided request. The outcomes must be booked already, in the order of the items, and nothing else
// since.
func NewReceipt(id string, nowMS int64, book *ledger.Book, request *access.Request, outcomes []ledger.Outcome) *Receipt {
	return newReceipt(id, nowMS, book, request, outcomes)
}

// NewMoveReceipt records a session's move, booked already and nothing else since. The session is as the move left it.
func NewMoveReceipt(id string, nowMS int64, book *ledger.Book, s *access.Session, move *access.Move) *Receipt {
	r := newReceipt(id, move.AtMS, book, &move.Request, move.Outcomes)
	if nowMS > move.AtMS {
		r.WrittenMS = nowMS
	}
	r.Session = StateOf(s, move.Operation)
	if len(move.Refunds) > 0 {
		r.Refunds = make([]Item, len(move.Refunds))
		if to := &move.Refunded; !to.Same(&r.Requester) {
			r.RefundedTo = to
		}
	}
	for i := range move.Refunds {
		refund := &move.Refunds[i]
		r.Refunds[i] = newItem(&refund.Item, &refund.Outcome, nil)
		r.Refunds[i].Count = refundedCount(&refund.Outcome)
	}
	return r
}

// StateOf returns the state that an operation left a session in.
func StateOf(s *access.Session, operation access.Operation) *Session {
	return &Session{
		ID: s.ID, Operation: operation, State: s.State, Reason: s.Reason, FromMS: s.FromMS, UntilMS: s.UntilMS, HeartbeatDueMS: s.HeartbeatDueMS,
	}
}

// refundedCount returns the count that refunded tokens had bought, as far as it can be read back: that of many periods may
// be larger than any that is asked for.
func refundedCount(o *ledger.Outcome) (count token.Amount) {
	for i := range o.Slices {
		count = count.Add(bought(o.Slices[i].Tokens, o.Slices[i].Rate))
	}
	return token.Min(count, token.Max)
}

func bought(tokens, rate token.Amount) token.Amount {
	if rate.IsZero() {
		return token.Amount{}
	}
	return token.MulDivHalfEven(tokens, one, rate)
}

var one = token.FromInt(1)

// OnceID returns the id of the idempotency key that a receipt's request came with; false if there was none. The key of a
// request to a session or a hold belongs to that.
func (r *Receipt) OnceID() (OnceID, bool) {
	switch {
	case r.Key == "":
		return OnceID{}, false
	case r.Session != nil && r.Session.Operation != access.Create:
		return NewOnceID(r.Session.ID, r.Key), true
	case r.Hold != nil && !r.Hold.Makes():
		return NewOnceID(r.Hold.ID, r.Key), true
	}
	return NewOnceID(r.InstanceID, r.Key), true
}

// MadeMS returns when a receipt was written down, which is later than its time if it was made late.
func (r *Receipt) MadeMS() int64 { return max(r.TimeMS, r.WrittenMS) }

func newReceipt(id string, nowMS int64, book *ledger.Book, request *access.Request, outcomes []ledger.Outcome) *Receipt {
	var r *Receipt
	var room []Slice
	if len(outcomes) == 1 && len(outcomes[0].Slices) == 1 {
		all := new(plainReceipt)
		r, room = &all.Receipt, all.slice[:]
		r.Items = all.item[:]
	} else {
		r = &Receipt{Items: make([]Item, len(outcomes))}
	}
	r.CorrelationID, r.TimeMS, r.AccountID, r.InstanceID, r.Requester = id, nowMS, book.AccountID, book.InstanceID, request.Requester
	for i := range outcomes {
		r.Items[i] = newItem(&request.Items[i], &outcomes[i], room)
	}
	return r
}

// plainReceipt is a receipt as most are, of one item for which one line item pays, in one piece of memory.
type plainReceipt struct {
	Receipt
	item  [1]Item
	slice [1]Slice
}

// newItem returns an item with its slices, in room if there is some.
func newItem(asked *access.Item, outcome *ledger.Outcome, room []Slice) Item {
	item := Item{
		Item: asked.Item, Version: asked.Version, Count: outcome.Count, Tokens: outcome.Tokens, Status: outcome.Status, Detail: outcome.Detail,
		MetaData: asked.MetaData, Variables: asked.Variables,
	}
	if c := outcome.Coverage; c != nil {
		item.CoverCount, item.Covered = c.Count(), c.Covered()
		if !item.CoverCount.Less(outcome.Count) { // or a part of it is charged every time
			item.CoveredUntilMS = c.UntilMS()
		}
	}
	if item.Slices = room; room == nil && len(outcome.Slices) > 0 {
		item.Slices = make([]Slice, len(outcome.Slices))
	}
	for i := range outcome.Slices {
		item.Slices[i] = newSlice(&outcome.Slices[i])
	}
	return item
}

func newSlice(s *ledger.Slice) Slice {
	slice := Slice{
		ActivationID: s.LineItem.ActivationID, Number: s.LineItem.Number, Series: s.Series, TableVersion: s.Version,
		Rate: s.Rate, Tokens: s.Tokens, Overdraft: s.Overdraft, Overdrawn: s.Overdrawn, Quantity: s.LineItem.Quantity, Used: s.Used, ResetMS: s.ResetMS,
	}
	if s.UsedResetMS != s.ResetMS {
		slice.UsedResetMS = s.UsedResetMS
	}
	if s.LineItem.Kind == ledger.Free {
		slice.Kind = ledger.Free
	}
	if l := s.LineItem; !l.UnitPrice.IsZero() {
		slice.UnitPrice, slice.Currency = l.UnitPrice, l.Currency
	}
	if r := s.Ruled; r != nil {
		slice.Ruled = new(Ruled)
		if r.Consumed != nil {
			slice.Ruled.Limited, slice.Ruled.SinceMS, slice.Ruled.Consumed = true, r.Consumed.SinceMS, r.ConsumedTokens
		}
		if r.Action != nil {
			slice.Ruled.ActionID, slice.Ruled.ActionUsed = r.Action.ID, r.ActionUsed
		}
	}
	return slice
}
