package notify

import (
	"fmt"
	"math"
	"time"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// TopUp is when the producer's system is asked to sell more tokens of a line item, and how many. Its JSON is the one in the books.
type TopUp struct {
	Below     token.Amount `json:"below"`     // asked for when less than this is left
	Tokens    int64        `json:"tokens"`    // so many at a time, or a multiple
	MonthMost int64        `json:"monthMost"` // at most, in a calendar month of UTC
}

// Between requests. Whatever goes wrong elsewhere, no more than these and MonthMost allow is asked for.
const (
	TopUpApart  = 10 * time.Minute // from one to the next
	backOff     = time.Hour        // after the first decline; twice as long after each that follows
	backOffMost = 24 * time.Hour
)

// TopUpRequest is one purchase that was asked for. Its JSON is the one in the books, and on the wire.
type TopUpRequest struct {
	ID         string       `json:"requestId"`
	TimeMS     int64        `json:"time"`
	Tokens     int64        `json:"tokens"`            // asked for
	Left       token.Amount `json:"left"`              // of the line item, then; less than 0 of one that is overdrawn
	Outcome    TopUpOutcome `json:"outcome,omitzero"`  // none while it is open
	AnsweredMS int64        `json:"answered,omitzero"` // when
	Granted    int64        `json:"granted,omitzero"`  // tokens that were sold
	Reason     string       `json:"reason,omitzero"`   // of a decline
}

// TopUpOutcome is how a request was answered.
type TopUpOutcome string

// The outcomes.
const (
	TopUpGranted  TopUpOutcome = "GRANTED"
	TopUpDeclined TopUpOutcome = "DECLINED"
)

// TopUpState is what is remembered of the automatic top-up of a line item. Its JSON is the one in the books.
type TopUpState struct {
	AcknowledgedMS int64         `json:"acknowledged,omitzero"` // 0: nothing is asked for
	By             string        `json:"by,omitzero"`           // the key whose token did
	Open           *TopUpRequest `json:"open,omitempty"`        // nothing else is asked for before it was answered
	Last           *TopUpRequest `json:"last,omitempty"`        // answered
	Declines       int           `json:"declines,omitzero"`     // in a row
	NotBeforeMS    int64         `json:"notBefore,omitzero"`    // nothing is asked for until then
	MonthMS        int64         `json:"month,omitzero"`        // when the month began ...
	Asked          int64         `json:"asked,omitzero"`        // ... in which so many were asked for and not declined
}

// TopUpStanding is how an automatic top-up stands at a time.
type TopUpStanding string

// How it may stand. All but Off and Ready are about a line item that has less left than it should.
const (
	TopUpOff     TopUpStanding = "OFF"     // its terms were not acknowledged
	TopUpReady   TopUpStanding = "READY"   // enough is left
	TopUpAsked   TopUpStanding = "ASKED"   // a request is open
	TopUpWaiting TopUpStanding = "WAITING" // it is not time yet to ask again
	TopUpCapped  TopUpStanding = "CAPPED"  // no more may be asked for this month
	TopUpOver    TopUpStanding = "OVER"    // the line item has ended, is obsolete or recurs
)

// Validate checks terms.
func (t *TopUp) Validate() error {
	switch {
	case t.Below.Sign() <= 0 || token.Max.Less(t.Below):
		return problem.Field("below", "must be more than 0: how much is to be left at least")
	case t.Tokens < 1:
		return problem.Field("tokens", "must be a whole number of at least 1: how many are asked for")
	case t.MonthMost < t.Tokens:
		return problem.Field("monthMost", "must be at least tokens, or nothing could ever be asked for")
	}
	return nil
}

// Look says how an automatic top-up stands at a time, how many tokens are to be asked for now (0: none), and when time alone changes that (0:
// never). The line item must have been brought to the time. What holds keep counts as there: it may come back.
func (t *TopUp) Look(s *TopUpState, l *ledger.LineItem, nowMS int64) (standing TopUpStanding, tokens, dueMS int64) {
	left := t.left(l)
	switch {
	case s.Open != nil:
		return TopUpAsked, 0, 0
	case s.AcknowledgedMS == 0:
		return TopUpOff, 0, 0
	case gone(l, nowMS) != "" || l.Recurs != "":
		return TopUpOver, 0, 0
	case !left.Less(t.Below):
		return TopUpReady, 0, 0
	case nowMS < s.NotBeforeMS:
		return TopUpWaiting, 0, s.NotBeforeMS
	}
	_, nextMS := monthAround(nowMS)
	room := min(t.MonthMost-s.AskedIn(nowMS), math.MaxInt64-l.Quantity) / t.Tokens
	if room < 1 {
		return TopUpCapped, 0, nextMS
	}
	if times := token.MulDivUp(t.Below.Sub(left), one, token.FromInt(t.Tokens)); times.Less(token.FromInt(room)) {
		room = wholeUp(times)
	}
	return TopUpReady, room * t.Tokens, 0
}

func (t *TopUp) left(l *ledger.LineItem) token.Amount { return token.FromInt(l.Quantity).Sub(l.Used) }

// wholeUp rounds a positive amount, of less than 2^63, up to a whole number.
func wholeUp(a token.Amount) int64 {
	n, _ := a.Whole()
	if token.FromInt(n).Less(a) {
		n++
	}
	return n
}

// Ask opens a request.
func (t *TopUp) Ask(s *TopUpState, id string, l *ledger.LineItem, tokens, nowMS int64) *TopUpRequest {
	asked := s.AskedIn(nowMS)
	s.MonthMS, _ = monthAround(nowMS)
	s.Asked = asked + tokens
	s.NotBeforeMS = nowMS + TopUpApart.Milliseconds()
	s.Open = &TopUpRequest{ID: id, TimeMS: nowMS, Tokens: tokens, Left: t.left(l)}
	return s.Open
}

// AskedIn returns how many tokens were asked for, and not declined, in the calendar month of a time.
func (s *TopUpState) AskedIn(nowMS int64) int64 {
	if monthMS, _ := monthAround(nowMS); monthMS != s.MonthMS {
		return 0
	}
	return s.Asked
}

// Grant closes the open request: so many tokens were sold. What was sold counts in place of what was asked for. It fails with a problem Conflict.
func (s *TopUpState) Grant(id string, tokens, nowMS int64) error {
	r, err := s.answer(id, TopUpGranted, nowMS)
	if err != nil {
		return err
	}
	r.Granted, s.Declines = tokens, 0
	s.count(r, tokens-r.Tokens)
	return nil
}

// Decline closes the open request: nothing was sold. It fails with a problem Conflict.
func (s *TopUpState) Decline(id, reason string, nowMS int64) error {
	r, err := s.answer(id, TopUpDeclined, nowMS)
	if err != nil {
		return err
	}
	r.Reason = reason
	s.count(r, -r.Tokens)
	wait := min(backOff<<min(s.Declines, 10), backOffMost)
	s.Declines++
	s.NotBeforeMS = max(s.NotBeforeMS, nowMS+wait.Milliseconds())
	return nil
}

// count corrects what was asked for in the month of a request.
func (s *TopUpState) count(r *TopUpRequest, more int64) {
	if monthMS, _ := monthAround(r.TimeMS); monthMS != s.MonthMS {
		return
	}
	if s.Asked = s.Asked + more; s.Asked < 0 { // so many were sold that the sum passed what there is
		s.Asked = math.MaxInt64
	}
}

func (s *TopUpState) answer(id string, outcome TopUpOutcome, nowMS int64) (*TopUpRequest, error) {
	switch {
	case s.Open != nil && s.Open.ID == id:
	case s.Last != nil && s.Last.ID == id:
		return nil, problem.New(problem.Conflict, "requestId: %s was answered before (%s); nothing was done", id, s.Last.Outcome)
	default:
		return nil, problem.New(problem.Conflict, "requestId: %s is not the request that is open; nothing was done", id)
	}
	r := *s.Open
	r.Outcome, r.AnsweredMS = outcome, nowMS
	s.Open, s.Last = nil, &r
	return &r, nil
}

// Acknowledge has terms in force from a time on, by whoever a key's token speaks for. What had held requests back does no more, but what was
// asked for in this month still counts.
func (s *TopUpState) Acknowledge(by string, nowMS int64) {
	s.AcknowledgedMS, s.By, s.Declines = nowMS, by, 0
	if s.Open == nil && s.Last != nil && s.Last.Outcome == TopUpDeclined {
		s.NotBeforeMS = s.Last.TimeMS + TopUpApart.Milliseconds()
	}
}

// monthAround returns when the calendar month around a time begins, and the next one.
func monthAround(nowMS int64) (fromMS, nextMS int64) {
	t := time.UnixMilli(nowMS).UTC()
	from := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	return from.UnixMilli(), from.AddDate(0, 1, 0).UnixMilli()
}

// TopUpRequested is the data of the webhook event that asks for a purchase.
type TopUpRequested struct {
	RequestID    string       `json:"requestId"`
	TimeMS       int64        `json:"time"`
	AccountID    string       `json:"accountId"`
	InstanceID   string       `json:"instanceId"`
	ActivationID string       `json:"activationId"`
	Tokens       int64        `json:"tokens"`
	Left         token.Amount `json:"left"`
	Below        token.Amount `json:"below"`
	Message      string       `json:"message"`
}

// Requested words a request.
func (t *TopUp) Requested(r *TopUpRequest, accountID string, l *ledger.LineItem) *TopUpRequested {
	return &TopUpRequested{
		RequestID: r.ID, TimeMS: r.TimeMS, AccountID: accountID, InstanceID: l.InstanceID, ActivationID: l.ActivationID, Tokens: r.Tokens, Left: r.Left, Below: t.Below,
		Message: fmt.Sprintf("Line item %s of account %s has %s tokens left, less than %s: sell %d more, and top it up with this requestId, or decline.",
			l.ActivationID, accountID, r.Left, t.Below, r.Tokens),
	}
}
