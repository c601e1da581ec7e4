package access

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// State is what a session is fit for.
type State string

// The states of a session. FAILED, which the reference names, never arises (decisions.md D15).
const (
	Idle       State = "IDLE"       // uses nothing
	Active     State = "ACTIVE"     // uses items, which are charged every period
	Terminated State = "TERMINATED" // can never be used again
)

// Reason says why a session ended.
type Reason string

// The reasons why sessions end.
const (
	Closed          Reason = "CLOSED"
	Denied          Reason = "DENIED"           // a request without rollbackOnDeny was denied
	NotCovered      Reason = "NOT_COVERED"      // an automatic charge was denied
	HeartbeatMissed Reason = "HEARTBEAT_MISSED" // by its deadline
	Lapsed          Reason = "LAPSED"           // idle for IdleMost
)

// IdleMost is how long a session may be IDLE (decisions.md D19).
const IdleMost = 30 * 24 * time.Hour

// Session is a set of items in use, charged for a period ahead and again every period. Its methods are the moves it can
// make; each first needs the session to be up to date (Due). Times are milliseconds since 1970. Its JSON is the one in the books.
type Session struct {
	Number     int64  `json:"-"` // the store's name for it
	ID         string `json:"-"`
	InstanceID string `json:"-"`

	State  State  `json:"state"`
	Reason Reason `json:"reason,omitzero"` // of the end

	CreatedMS   int64 `json:"created"`
	RequestMS   int64 `json:"lastRequest,omitzero"`   // 0: none
	HeartbeatMS int64 `json:"lastHeartbeat,omitzero"` // 0: none
	IdleMS      int64 `json:"idle"`                   // IDLE since
	EndedMS     int64 `json:"ended,omitzero"`

	Requester      Requester `json:"requester,omitzero"` // of the last granted request
	Items          []InUse   `json:"items,omitzero"`
	FromMS         int64     `json:"from,omitzero"`         // the period that is charged: from then ...
	UntilMS        int64     `json:"until,omitzero"`        // ... until then, when the next automatic charge is due
	HeartbeatDueMS int64     `json:"heartbeatDue,omitzero"` // the deadline of the heartbeat that is owed; 0: none is

	Net     token.Amount `json:"net,omitzero"`   // all charges - all refunds
	RetryMS int64        `json:"retry,omitzero"` // after a fault of ours: not before then
}

// InUse is an item that a session uses. Its JSON is the one in the books.
type InUse struct {
	Item      string         `json:"item"`
	Version   string         `json:"version,omitzero"`
	Count     token.Amount   `json:"count"`
	MetaData  jsontext.Value `json:"metaData,omitzero"`
	Variables rate.Variables `json:"variables,omitzero"`

	SinceMS int64          `json:"since"`              // when this use began
	FreeMS  int64          `json:"freeUntil,omitzero"` // if it ends before then it costs nothing
	Paid    []ledger.Share `json:"paid,omitzero"`      // for the period that runs; what covers a window is not among it
	Kept    []ledger.Share `json:"kept,omitzero"`      // for the time before, while it may still turn out to be free
}

// World is what a session's move is decided on, besides the session.
type World struct {
	Book   *ledger.Book
	Prices ledger.Prices // NowMS is set by the moves
	Period time.Duration // session.charge.period
	// Standing returns what a requester has behind it on the book's instance.
	Standing func(*Requester) *ledger.Standing
	// AwakeMS is when the service was last out of reach, to its end. A heartbeat's deadline that passed by then is given
	// anew, so that an outage of ours ends no session (decisions.md D20).
	AwakeMS int64
}

func (w *World) at(nowMS int64) *ledger.Prices {
	w.Prices.NowMS = nowMS
	return &w.Prices
}

// Operation says which move of a session a receipt records; a one-off request has none.
type Operation string

// The operations.
const (
	Create          Operation = "CREATE"
	AccessRequest   Operation = "ACCESS_REQUEST"
	AutomaticCharge Operation = "AUTOMATIC_CHARGE"
	Close           Operation = "CLOSE"
	MissedHeartbeat Operation = "MISSED_HEARTBEAT"
	Lapse           Operation = "LAPSE"
)

// Move is what a move did: first tokens were refunded, then items were decided on.
type Move struct {
	Operation Operation
	AtMS      int64
	Refunds   []Refund
	Refunded  Requester // to whom: who had been charged
	Request   Request   // whose items the outcomes decide; of an automatic charge, the session's
	Outcomes  []ledger.Outcome
}

// Refund is what an item that was in use gets back.
type Refund struct {
	Item Item
	ledger.Outcome
}

// NewSession returns an IDLE session.
func NewSession(id, instanceID string, nowMS int64) *Session {
	return &Session{ID: id, InstanceID: instanceID, State: Idle, CreatedMS: nowMS, IdleMS: nowMS}
}

// Due returns when something is to be done next about a session: 0 once it has ended.
func (s *Session) Due() int64 {
	var due int64
	switch s.State {
	case Idle:
		due = s.IdleMS + IdleMost.Milliseconds()
	case Active:
		due = s.UntilMS
		if s.HeartbeatDueMS != 0 {
			due = min(due, s.HeartbeatDueMS)
		}
	default:
		return 0
	}
	return max(due, s.RetryMS)
}

// Catch does what is due next, as of the time when it was due, on books that the move changes. It returns nil when that
// leaves no record.
func (s *Session) Catch(w *World) *Move {
	awakeMS := max(w.AwakeMS, s.RetryMS) // to wait after a fault of ours is an outage of this session
	s.RetryMS = 0
	switch due := s.Due(); {
	case s.State == Idle:
		return s.end(w, Lapse, Lapsed, due)
	case due != s.HeartbeatDueMS:
		return s.charge(w, due, awakeMS)
	case due <= awakeMS:
		s.renew(awakeMS)
		return nil
	default:
		return s.missHeartbeat(w, due)
	}
}

// now returns a time that never goes back within a session, whatever the clock does, so that no time is charged twice.
func (s *Session) now(nowMS int64) int64 {
	return max(nowMS, s.IdleMS, s.FromMS, s.RequestMS, s.HeartbeatMS)
}

// renew gives the deadline of the heartbeat that is owed anew, half a period from when it could be sent.
func (s *Session) renew(awakeMS int64) {
	s.HeartbeatDueMS = awakeMS + (s.UntilMS-s.FromMS)/2
}

// charge makes the automatic charge that is due.
func (s *Session) charge(w *World, dueMS, awakeMS int64) *Move {
	move := &Move{Operation: AutomaticCharge, AtMS: dueMS, Refunded: s.Requester, Request: s.request()}
	if !s.decide(w, move) {
		move.Refunds = s.finish(w, NotCovered, dueMS)
		return move
	}
	for i := range s.Items {
		item := &s.Items[i]
		item.keep(item.Paid, dueMS)
		item.Paid = refundable(&move.Outcomes[i])
	}
	s.begin(w, dueMS, move)
	s.HeartbeatDueMS = max(s.HeartbeatDueMS, dueMS+w.Period.Milliseconds()/2)
	if s.HeartbeatDueMS <= awakeMS {
		s.renew(awakeMS)
	}
	return move
}

// decide grants all items of a move or none, after its refunds, and reports which. A session is not charged past token.Max,
// as no line item is: the sum could not be read back from the books.
func (s *Session) decide(w *World, move *Move) bool {
	move.Request.AllOrNothing = true
	move.Outcomes = Decide(w.Book, w.at(move.AtMS), w.Standing(&move.Request.Requester), &move.Request)
	if !granted(move.Outcomes) {
		return false
	}
	net := s.Net
	for i := range move.Refunds {
		net = net.Sub(move.Refunds[i].Tokens)
	}
	for i := range move.Outcomes {
		net = net.Add(move.Outcomes[i].Tokens)
	}
	if token.Max.Less(net) {
		withdraw(&move.Request, move.Outcomes)
		move.Outcomes[len(move.Outcomes)-1].Status = ledger.Insufficient
		return false
	}
	return true
}

// request is what the session uses, as a request.
func (s *Session) request() Request {
	r := Request{Requester: s.Requester, Items: make([]Item, len(s.Items))}
	for i := range s.Items {
		r.Items[i] = s.Items[i].asked()
	}
	return r
}

func (u *InUse) asked() Item {
	return Item{Ask: ledger.Ask{Item: u.Item, Version: u.Version, Count: u.Count, Variables: u.Variables}, MetaData: u.MetaData}
}

// begin starts a charged period.
func (s *Session) begin(w *World, fromMS int64, move *Move) {
	for i := range move.Outcomes {
		s.Net = s.Net.Add(move.Outcomes[i].Tokens)
	}
	s.FromMS, s.UntilMS, s.RetryMS = fromMS, fromMS+w.Period.Milliseconds(), 0
}

func granted(outcomes []ledger.Outcome) bool {
	for i := range outcomes {
		if outcomes[i].Status != ledger.Granted {
			return false
		}
	}
	return true
}

// refundable returns what of a charge can be refunded: a charge that covers a window stays, as does the cover.
func refundable(o *ledger.Outcome) []ledger.Share {
	if o.Terms == nil || o.Terms.Window != 0 {
		return nil
	}
	return ledger.Shares(o.Slices)
}

// keep remembers what was paid before, as long as the use may turn out to be free.
func (u *InUse) keep(paid []ledger.Share, nowMS int64) {
	if nowMS >= u.FreeMS {
		u.Kept = nil
		return
	}
	u.Kept = ledger.Join(u.Kept, paid)
}

// Ask makes an access request: the complete new set of items to use, all of which are granted or none. No items is a halt.
func (s *Session) Ask(w *World, request *Request, rollbackOnDeny bool, nowMS int64) *Move {
	nowMS = s.now(nowMS)
	s.RequestMS = nowMS
	move := &Move{Operation: AccessRequest, AtMS: nowMS, Refunded: s.Requester, Request: *request}
	if len(request.Items) == 0 {
		if s.State == Active {
			move.Refunds = s.stop(w, nowMS)
			s.State, s.IdleMS = Idle, nowMS
		}
		return move
	}
	next, begun, refunds := s.replace(w, request, nowMS)
	move.Refunds = refunds
	apply(move.Refunds)
	if !s.decide(w, move) {
		revert(move.Refunds)
		move.Refunds = nil
		if !rollbackOnDeny {
			move.Refunds = s.finish(w, Denied, nowMS)
		}
		return move
	}
	for i := range next {
		next[i].Paid = refundable(&move.Outcomes[i])
		if begun[i] && move.Outcomes[i].Terms != nil {
			if free := move.Outcomes[i].Terms.FreeSeconds; free > 0 {
				next[i].FreeMS = nowMS + free*1000
			}
		}
	}
	s.credit(move.Refunds)
	s.Items, s.Requester, s.State, s.HeartbeatDueMS = next, request.Requester, Active, 0
	s.begin(w, nowMS, move)
	return move
}

// replace returns the items as they will be in use, which of them begin, and what the present ones get back. An item that goes
// on keeps the beginning of its use, and in its free time what it has paid for so far; by another requester it is another use.
func (s *Session) replace(w *World, request *Request, nowMS int64) (next []InUse, begun []bool, refunds []Refund) {
	asked, same := request.Items, request.Requester.Same(&s.Requester)
	goesOn := make([]*InUse, len(s.Items)) // the new item that an old one becomes
	next, begun = make([]InUse, len(asked)), make([]bool, len(asked))
	for i := range asked {
		a := &asked[i]
		begun[i] = true
		next[i] = InUse{Item: a.Item, Version: a.Version, Count: a.Count, MetaData: a.MetaData, Variables: a.Variables, SinceMS: nowMS}
		for j := range s.Items {
			if old := &s.Items[j]; same && goesOn[j] == nil && old.Item == a.Item && old.Version == a.Version {
				goesOn[j], begun[i] = &next[i], false
				next[i].SinceMS, next[i].FreeMS = old.SinceMS, old.FreeMS
				break
			}
		}
	}
	for j := len(s.Items) - 1; j >= 0; j-- {
		old := &s.Items[j]
		if goesOn[j] == nil {
			refunds = append(refunds, s.drop(w, old, nowMS)...)
			continue
		}
		back := s.refund(w, old.Paid, s.unused(old, nowMS), nowMS)
		refunds = add(refunds, old, back)
		goesOn[j].Kept = old.Kept
		goesOn[j].keep(ledger.Rest(old.Paid, &back), nowMS)
	}
	return next, begun, refunds
}

// unused returns the part of an item's charge that pays for the time from now on (decisions.md D11): none past the period's
// end, if the next charge waits for a fault of ours.
func (s *Session) unused(item *InUse, nowMS int64) token.Amount {
	return token.MulDivHalfEven(ledger.Sum(item.Paid), token.FromInt(max(0, s.UntilMS-nowMS)), token.FromInt(s.UntilMS-s.FromMS))
}

// drop returns what an item gets back when its use ends: all that it has paid if that is within its free time, else what
// pays for the time from now on.
func (s *Session) drop(w *World, item *InUse, nowMS int64) []Refund {
	if nowMS < item.FreeMS {
		return s.whole(w, item, nowMS)
	}
	return add(nil, item, s.refund(w, item.Paid, s.unused(item, nowMS), nowMS))
}

func (s *Session) refund(w *World, paid []ledger.Share, tokens token.Amount, nowMS int64) ledger.Outcome {
	w.Book.At(nowMS) // not only in the charge that follows: whether it comes too late must not depend on who came before
	return ledger.Refund(w.Book, w.Standing(&s.Requester), paid, tokens)
}

// whole returns all that an item has paid for the period that runs, and in its free time also for those before.
func (s *Session) whole(w *World, item *InUse, nowMS int64) []Refund {
	all := add(nil, item, s.refund(w, item.Paid, ledger.Sum(item.Paid), nowMS))
	if nowMS < item.FreeMS {
		all = add(all, item, s.refund(w, item.Kept, ledger.Sum(item.Kept), nowMS))
	}
	return all
}

// add leaves out refunds of nothing.
func add(to []Refund, item *InUse, back ledger.Outcome) []Refund {
	if back.Tokens.IsZero() {
		return to
	}
	back.Status = ledger.Granted
	return append(to, Refund{item.asked(), back})
}

func apply(refunds []Refund) {
	for i := range refunds {
		refunds[i].Apply()
	}
}

func revert(refunds []Refund) {
	for i := len(refunds) - 1; i >= 0; i-- {
		refunds[i].Revert()
	}
}

func (s *Session) credit(refunds []Refund) {
	for i := range refunds {
		s.Net = s.Net.Sub(refunds[i].Tokens)
	}
}

// stop ends the use of all items.
func (s *Session) stop(w *World, nowMS int64) (refunds []Refund) {
	for i := len(s.Items) - 1; i >= 0; i-- {
		refunds = append(refunds, s.drop(w, &s.Items[i], nowMS)...)
	}
	return s.giveBack(refunds)
}

func (s *Session) giveBack(refunds []Refund) []Refund {
	apply(refunds)
	s.credit(refunds)
	s.Items, s.FromMS, s.UntilMS, s.HeartbeatDueMS, s.RetryMS = nil, 0, 0, 0, 0
	return refunds
}

// finish ends a session.
func (s *Session) finish(w *World, why Reason, nowMS int64) []Refund {
	refunds := s.stop(w, nowMS)
	s.State, s.Reason, s.EndedMS = Terminated, why, nowMS
	return refunds
}

func (s *Session) end(w *World, operation Operation, why Reason, nowMS int64) *Move {
	return &Move{
		Operation: operation, AtMS: nowMS, Refunded: s.Requester, Request: Request{Requester: s.Requester}, Refunds: s.finish(w, why, nowMS),
	}
}

// missHeartbeat ends a session whose application is gone: it gets back the whole last automatic charge.
func (s *Session) missHeartbeat(w *World, dueMS int64) *Move {
	move := &Move{Operation: MissedHeartbeat, AtMS: dueMS, Refunded: s.Requester, Request: Request{Requester: s.Requester}}
	for i := len(s.Items) - 1; i >= 0; i-- {
		move.Refunds = append(move.Refunds, s.whole(w, &s.Items[i], dueMS)...)
	}
	s.giveBack(move.Refunds)
	s.State, s.Reason, s.EndedMS = Terminated, HeartbeatMissed, dueMS
	return move
}

// Beat takes note of a heartbeat. One that is not owed does no harm (decisions.md D13).
func (s *Session) Beat(nowMS int64) {
	s.HeartbeatMS = s.now(nowMS)
	s.HeartbeatDueMS = 0
}

// Close ends a session that has not ended.
func (s *Session) Close(w *World, nowMS int64) *Move {
	return s.end(w, Close, Closed, s.now(nowMS))
}
