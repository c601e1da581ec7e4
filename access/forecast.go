package access

import (
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// Forecast is what lies ahead of an ACTIVE session if it goes on as it is and nobody else draws on its line items. Its JSON
// is the one in the books.
type Forecast struct {
	NextChargeMS int64         `json:"nextCharge"`       // when the next automatic charge is due
	Tokens       *token.Amount `json:"tokens,omitempty"` // what it will cost, covered or not; nil if nothing will price it
	HeartbeatMS  int64         `json:"heartbeat"`        // the deadline of the next heartbeat that is needed
	Periods      int64         `json:"periods"`          // how many more periods the tokens cover, at least, and at most PeriodsMost
}

// PeriodsMost is where a forecast stops counting.
const PeriodsMost = 1_000_000

// forecastWork bounds the work of one forecast, in items decided on: a batch waits for it. A charge is decided when a line item,
// a price or a window begins or ends, so that it is enough for most; a forecast that is cut short tells fewer periods.
const forecastWork = 2_000

// Forecast looks ahead, on copies. It returns nil of a session that uses nothing.
func (s *Session) Forecast(w *World) *Forecast {
	if s.State != Active {
		return nil
	}
	f := &Forecast{NextChargeMS: s.UntilMS, HeartbeatMS: s.HeartbeatDueMS}
	if f.HeartbeatMS == 0 {
		f.HeartbeatMS = s.UntilMS + w.Period.Milliseconds()/2
	}
	request := s.request()
	request.AllOrNothing = true
	ahead := &ahead{World: *w, request: &request, dueMS: s.UntilMS}
	ahead.Book = w.Book.Clone()
	ahead.standing = w.Standing(&s.Requester).Clone()
	f.Tokens = ahead.price()
	for work := 0; work < forecastWork && f.Periods < PeriodsMost; work += len(request.Items) {
		periods := ahead.charge(PeriodsMost - f.Periods)
		if periods == 0 {
			break
		}
		f.Periods += periods
	}
	return f
}

// ahead is a session's future, as far as it was followed.
type ahead struct {
	World
	standing *ledger.Standing
	request  *Request
	dueMS    int64
}

// price returns what the next charge costs, whether or not the tokens cover it; nil also of more than can be charged.
func (a *ahead) price() *token.Amount {
	total, ok := a.total(a.Book)
	if !ok {
		book := a.Book.Clone()
		for _, l := range book.LineItems {
			l.Overdraft, l.Limit = ledger.UnlimitedOverdraft, nil
			for i := range l.Actions {
				l.Actions[i].Allocation = nil
			}
		}
		total, ok = a.total(book)
	}
	if !ok || token.Max.Less(total) {
		return nil
	}
	return &total
}

func (a *ahead) total(book *ledger.Book) (total token.Amount, ok bool) {
	outcomes := Decide(book, a.at(a.dueMS), a.standing, a.request)
	if !granted(outcomes) {
		return total, false
	}
	for i := len(outcomes) - 1; i >= 0; i-- {
		total = total.Add(outcomes[i].Tokens)
		outcomes[i].Revert()
	}
	return total, true
}

// charge makes the next charge, and with it those after it that are the same, at most so many in all. It returns how many
// that were: 0 if the next is denied.
func (a *ahead) charge(most int64) int64 {
	outcomes := Decide(a.Book, a.at(a.dueMS), a.standing, a.request)
	if !granted(outcomes) {
		return 0
	}
	periods := 1 + ledger.Repeat(outcomes, min(most, a.alike(outcomes))-1)
	a.dueMS += periods * a.Period.Milliseconds()
	return periods
}

// alike returns for how many charges, from the next on, line items, prices and covers stay as they are at the next: at least 1.
func (a *ahead) alike(outcomes []ledger.Outcome) int64 {
	until := a.Prices.Catalog.NextMS(a.dueMS)
	earlier := func(ms int64) {
		if ms != 0 && (until == 0 || ms < until) {
			until = ms
		}
	}
	for _, l := range a.Book.LineItems {
		earlier(l.NextMS(a.dueMS, a.Prices.Tolerant))
	}
	for i := range outcomes {
		if c := outcomes[i].Coverage; c != nil {
			earlier(c.UntilMS())
		}
	}
	if until == 0 {
		return PeriodsMost
	}
	period := a.Period.Milliseconds()
	return (until - a.dueMS + period - 1) / period
}
