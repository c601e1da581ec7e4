package notify

import (
	"time"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// State is what a rule remembers of a subject: a line item, a requester on an instance, or an instance.
type State struct {
	Fired   bool  `json:"fired,omitzero"`
	SinceMS int64 `json:"since,omitzero"` // when it fired
	Recent  Ring  `json:"recent,omitzero"`
	Usual   Ring  `json:"usual,omitzero"`

	// Of a RunningOut rule and an instance: when it was last forecast how long its line items last, and when that is next to be done.
	ForecastMS int64 `json:"forecast,omitzero"`
	NextMS     int64 `json:"next,omitzero"`
}

// Step is what a look at a subject has come to.
type Step string

// The steps.
const (
	None     Step = ""
	Fired    Step = "FIRED"
	Resolved Step = "RESOLVED"
)

// Why an alert was over.
const (
	Back     = "BACK"     // it crossed back: a top-up, a new allowance, a refund, a slower pace
	Ended    = "ENDED"    // the line item's time was over
	Obsolete = "OBSOLETE" // the line item will never be charged again
	Deleted  = "DELETED"  // the line item was deleted
)

// Verdict is a step with what it was taken on.
type Verdict struct {
	Step      Step
	Reason    string       // of Resolved
	Value     token.Amount // what was compared ...
	Threshold token.Amount // ... and with what
	Unit      Unit         // of both
}

// Unit says what a number counts.
type Unit string

// The units.
const (
	Tokens       Unit = "TOKENS"
	Percent      Unit = "PERCENT"
	Milliseconds Unit = "MILLISECONDS"
)

// Line returns what a rule about line items makes of one at a time, and changes the state with it. The line item must have been brought to
// that time (ledger.LineItem.At). An alert fires once a crossing: it does not fire again before it was resolved. A RunningOut rule sees here
// only whether the line item is gone; the rest takes a forecast (Lasts).
func (r *Rule) Line(s *State, l *ledger.LineItem, nowMS int64) Verdict {
	v := r.measure(l, nowMS)
	holds := r.beyond(v.Value, v.Threshold, s.Fired)
	if r.Kind == RunningOut {
		holds = s.Fired
	}
	if over := gone(l, nowMS); over != "" {
		holds, v.Reason = false, over
	}
	return s.step(v, holds, nowMS)
}

// gone says why nobody needs to be told of a line item any more; empty while somebody does.
func gone(l *ledger.LineItem, nowMS int64) string {
	switch {
	case l.Deleted:
		return Deleted
	case l.State == ledger.Obsolete:
		return Obsolete
	case nowMS >= l.EndMS:
		return Ended
	}
	return ""
}

// Lasts is Line of a RunningOut rule, given how long a line item is likely to last, in milliseconds.
func (r *Rule) Lasts(s *State, l *ledger.LineItem, lastsMS, nowMS int64) Verdict {
	v := r.measure(l, nowMS)
	v.Value = token.FromInt(lastsMS)
	holds := r.beyond(v.Value, v.Threshold, s.Fired)
	if over := gone(l, nowMS); over != "" {
		holds, v.Reason = false, over
	}
	return s.step(v, holds, nowMS)
}

// Value returns what a rule about line items compares with its threshold; nil of RunningOut, which takes a forecast.
func (r *Rule) Value(l *ledger.LineItem, nowMS int64) *token.Amount {
	if r.Kind == RunningOut {
		return nil
	}
	value := r.measure(l, nowMS).Value
	return &value
}

// measure returns what is compared, with what; of RunningOut only with what.
func (r *Rule) measure(l *ledger.LineItem, nowMS int64) Verdict {
	switch r.Kind {
	case BalanceBelow:
		least := r.Tokens
		if !r.Percent.IsZero() {
			least = token.MulDivHalfEven(token.FromInt(l.Quantity), r.Percent, hundred)
		}
		return Verdict{Value: l.Balance(), Threshold: least, Unit: Tokens}
	case Exhausted:
		return Verdict{Value: l.Balance(), Unit: Tokens}
	case Overdraft:
		return Verdict{Value: l.OverdraftUsed(), Unit: Tokens}
	case Ending:
		return Verdict{Value: token.FromInt(l.EndMS - nowMS), Threshold: token.FromInt(r.within.Milliseconds()), Unit: Milliseconds}
	}
	return Verdict{Threshold: token.FromInt(r.within.Milliseconds()), Unit: Milliseconds}
}

// beyond reports whether a value is on the side of a threshold that is alerted. What goes up and down by itself has to come back by a
// tenth, or it would be told of again and again.
func (r *Rule) beyond(value, threshold token.Amount, fired bool) bool {
	if fired {
		switch r.Kind {
		case RunningOut:
			threshold = tenths(threshold, 11)
		case Pace, Denials:
			threshold = tenths(threshold, 9)
		}
	}
	switch r.Kind {
	case BalanceBelow:
		return value.Less(threshold)
	case Exhausted:
		return value.IsZero()
	case Overdraft:
		return value.Sign() > 0
	case Ending, RunningOut:
		return value.Cmp(threshold) <= 0
	}
	return value.Cmp(threshold) >= 0
}

func tenths(a token.Amount, n int64) token.Amount {
	return token.MulDivHalfEven(a, token.FromInt(n), token.FromInt(10))
}

// Empty reports whether a state says nothing.
func (s *State) Empty() bool {
	return !s.Fired && s.Recent.empty() && s.Usual.empty() && s.ForecastMS == 0 && s.NextMS == 0
}

// step takes a state to whether something holds.
func (s *State) step(v Verdict, holds bool, nowMS int64) Verdict {
	switch {
	case holds && !s.Fired:
		v.Step, v.Reason = Fired, ""
		s.Fired, s.SinceMS = true, nowMS
	case !holds && s.Fired:
		v.Step = Resolved
		if v.Reason == "" {
			v.Reason = Back
		}
		s.Fired, s.SinceMS = false, 0
	default:
		v.Reason = ""
	}
	return v
}

// Quiet returns between which amounts of use, both excluded, a line item of unchanged terms changes nothing for a rule that looks at
// the balance alone; ok is false of another rule. A bound that is not there is nil.
func (r *Rule) Quiet(s *State, l *ledger.LineItem) (above, below *token.Amount, ok bool) {
	quantity := token.FromInt(l.Quantity)
	var at token.Amount
	switch r.Kind {
	case BalanceBelow:
		at = quantity.Sub(r.measure(l, 0).Threshold)
	case Exhausted, Overdraft:
		at = quantity
	default:
		return nil, nil, false
	}
	if s.Fired {
		return &at, nil, true
	}
	return nil, &at, true
}

// forget is how long what was seen of a subject matters.
const forget = (days + 1) * 24 * time.Hour

// LineDueMS returns when a line item has to be looked at again because time goes by: an alert that has fired may be over then. 0: never. The
// line item must have been brought to the time.
func (r *Rule) LineDueMS(s *State, l *ledger.LineItem, nowMS int64) int64 {
	if !s.Fired {
		return 0
	}
	due := l.EndMS
	if l.Recurs != "" {
		_, next := l.Recurs.Around(l.StartMS, max(nowMS, l.StartMS))
		due = min(due, next)
	}
	return max(due, nowMS+1)
}

// forecastEvery is how often it is forecast at most how long the line items of an instance last.
const forecastEvery = time.Hour

// Moved tells a RunningOut rule's state of an instance that its line items moved at a time, or with told that they were told to be otherwise. It
// reports whether the next forecast is sooner by that.
func (s *State) Moved(nowMS int64, told bool) bool {
	next := max(nowMS, s.ForecastMS+forecastEvery.Milliseconds())
	if told {
		next = nowMS
	}
	if s.NextMS != 0 && s.NextMS <= next {
		return false
	}
	s.NextMS = next
	return true
}

// Forecast tells a RunningOut rule's state of an instance that it was forecast, and when that has to be done again although nothing moves
// (0: never).
func (s *State) Forecast(nowMS, againMS int64) {
	s.ForecastMS, s.NextMS = nowMS, 0
	if againMS != 0 {
		s.NextMS = max(nowMS+forecastEvery.Milliseconds(), againMS)
	}
}

// Stale reports whether a state says no more than that there was a forecast once.
func (s *State) Stale(nowMS int64) bool {
	return s.NextMS == 0 && s.ForecastMS+forecastEvery.Milliseconds() <= nowMS
}

// WithinMS is how soon a RunningOut rule wants a line item to be used up, in milliseconds.
func (r *Rule) WithinMS() int64 { return r.within.Milliseconds() }
