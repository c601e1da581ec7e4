package forecast

import (
	"math"

	"github.com/farebox/farebox/ledger"
)

// plan is which line items are drawn in what order from now on, as far as time alone decides it. It is made once, by the
// ledger's own rules, and drawn down by every path.
type plan struct {
	nowMS, endMS int64
	lines        []line
	spans        []span // one after the other, from nowMS to endMS
}

// line is a line item to be drawn down.
type line struct {
	number             int64
	balance, overdraft float64 // now
	quantity, past     float64 // what an allowance that begins anew has of each
	endMS              int64   // of what it has: its own, or that of the allowance that runs or comes next
	usable             bool    // now or later
}

// span is a time in which nothing begins or ends.
type span struct {
	fromMS, toMS int64
	order        []int // the usable lines as they are drawn
	renewed      []int // the lines whose allowance begins anew at fromMS
}

func newPlan(book *ledger.Book, nowMS int64, tolerant bool, endMS int64) *plan {
	p := &plan{nowMS: nowMS, endMS: endMS}
	book = book.Clone()
	book.At(nowMS)
	book.Sort()
	at := map[int64]int{} // the place of a line item in lines
	resets := make([]int64, len(book.LineItems))
	for i, l := range book.LineItems {
		at[l.Number] = i
		resets[i] = l.ResetMS
		p.lines = append(p.lines, newLine(l, nowMS, tolerant))
	}
	for fromMS := nowMS; fromMS < endMS; {
		s := span{fromMS: fromMS, toMS: endMS}
		book.At(fromMS)
		for _, l := range book.LineItems {
			i := at[l.Number]
			if l.ResetMS != resets[i] {
				resets[i] = l.ResetMS
				s.renewed = append(s.renewed, i)
			}
			if l.Usable(fromMS, tolerant) {
				s.order = append(s.order, i)
				p.lines[i].usable = true
			}
			if next := l.NextMS(fromMS, tolerant); next > fromMS {
				s.toMS = min(s.toMS, next)
			}
		}
		p.spans = append(p.spans, s)
		fromMS = s.toMS
	}
	return p
}

func newLine(l *ledger.LineItem, nowMS int64, tolerant bool) line {
	made := line{number: l.Number, balance: float(l.Balance()), overdraft: float(l.OverdraftLeft()), quantity: float64(l.Quantity), endMS: l.EndMS}
	if tolerant {
		made.endMS += ledger.Tolerance
	}
	switch l.Overdraft {
	case ledger.UnlimitedOverdraft:
		made.overdraft, made.past = math.Inf(1), math.Inf(1)
	case ledger.NumberOverdraft:
		made.past = float64(l.OverdraftLimit)
	}
	if l.Recurs != "" {
		_, next := l.Recurs.Around(l.StartMS, max(nowMS, l.StartMS))
		made.endMS = min(made.endMS, next)
	}
	return made
}

// outcome is what became of the line items on one path. Times are milliseconds since 1970, infinite for never.
type outcome struct {
	runsOut, denied float64
	lines           []lineOutcome
}

type lineOutcome struct {
	out    float64 // when the balance was gone, of the allowance that runs or comes next
	unused float64 // what was left when it ended
}

// draw draws the line items down. Ahead are the days from today on; of today only what is left of it counts, evenly.
func (p *plan) draw(ahead []float64) *outcome {
	o := &outcome{runsOut: math.Inf(1), denied: math.Inf(1), lines: make([]lineOutcome, len(p.lines))}
	state := make([]line, len(p.lines))
	copy(state, p.lines)
	for i := range o.lines {
		o.lines[i].out = math.Inf(1)
	}
	firstDay := p.nowMS / DayMS
	for i := range p.spans {
		s := &p.spans[i]
		for _, k := range s.renewed {
			state[k].balance, state[k].overdraft = state[k].quantity, state[k].past
		}
		for fromMS := s.fromMS; fromMS < s.toMS; {
			day := fromMS / DayMS
			toMS := min(s.toMS, (day+1)*DayMS)
			p.use(s.order, state, ahead[day-firstDay]/DayMS, float64(fromMS), float64(toMS), o)
			fromMS = toMS
		}
		for k := range state {
			if p.lines[k].endMS == s.toMS && p.lines[k].usable {
				o.lines[k].unused = state[k].balance
			}
		}
	}
	return o
}

// use draws what is used in a time, first from balances and then from overdrafts.
func (p *plan) use(order []int, state []line, perMS, from, to float64, o *outcome) {
	at := from
	for _, k := range order {
		at = take(&state[k].balance, perMS, at, to)
		if state[k].balance <= 0 && at <= float64(p.lines[k].endMS) {
			o.lines[k].out = min(o.lines[k].out, at)
		}
	}
	if at >= to {
		return
	}
	o.runsOut = min(o.runsOut, at)
	for _, k := range order {
		at = take(&state[k].overdraft, perMS, at, to)
	}
	if at < to {
		o.denied = min(o.denied, at)
	}
}

// take lets what there is last from a time on, and returns until when it does.
func take(there *float64, perMS, at, to float64) float64 {
	needed := (to - at) * perMS
	switch {
	case at >= to || *there <= 0:
		return at
	case needed < *there:
		*there -= needed
		return to
	}
	lasts := at + *there/perMS
	*there = 0
	return lasts
}
