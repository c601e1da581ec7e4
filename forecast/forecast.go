// Package forecast estimates how long tokens last. It is the one folder that counts in floating point, because nothing that is
// charged, billed or proved comes from it. It reads no clock, and its chance is always the same: the same history and books
// give the same forecast. docs/FORECASTS.md says how it works and how well.
package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// DayMS is the length of a day, in milliseconds. Days are those of UTC.
const DayMS = 24 * 60 * 60 * 1000

// HistoryDays is how many whole days a forecast looks back at most, and HorizonDays how far it looks ahead.
const (
	HistoryDays = lookMost
	HorizonDays = 400
)

// Of 100 ranges, about 80 are to hold what comes: they leave out the tenth of futures on either side.
const (
	paths  = 400
	beyond = paths / 10
)

// History is what an instance's line items were charged in all, less refunds, day by day.
type History struct {
	Days  []token.Amount // whole days up to today's beginning, the oldest first; those before the first use may be left out or 0
	Today token.Amount   // since then
}

// Paces are averages over whole days, up to today's beginning, in tokens per day.
type Paces struct {
	Day1, Day7, Day30 token.Amount
}

// Paces returns how fast tokens were used lately. Exact, but for the last digit.
func (h *History) Paces() Paces { return Paces{h.pace(1), h.pace(7), h.pace(30)} }

func (h *History) pace(days int) (sum token.Amount) {
	for _, used := range h.Days[max(0, len(h.Days)-days):] {
		sum = sum.Add(used)
	}
	return token.MulDivHalfEven(sum, token.FromInt(1), token.FromInt(int64(days)))
}

// Forecast is what is likely to come, if use goes on as it did. Times are milliseconds since 1970, good to the day.
type Forecast struct {
	TooLittle string // why nothing is estimated; empty when it is

	RunsOut *Moment         // when no usable line item has a balance left for the first time; nil: hardly within HorizonDays
	Denied  *Moment         // and no overdraft either
	Unused  *Range          // of all line items: the sum of those below
	Lines   map[int64]*Line // by number, those that may be used now or later
}

// Line is what is likely to become of one line item; of a recurring one, of the allowance that runs or comes next.
type Line struct {
	RunsOut *Moment // when its balance is gone; nil: hardly before it ends
	EndMS   int64   // when what is left of it then expires
	Unused  *Range  // how much that is; nil: it ends after HorizonDays
}

// Moment is a time with the range that 8 of 10 futures lie in; 0 is past HorizonDays, or never.
type Moment struct {
	LikelyMS, EarliestMS, LatestMS int64
}

// Range is a number of tokens with the range that 8 of 10 futures lie in, rounded to whole tokens.
type Range struct {
	Likely, Least, Most int64
}

// Of forecasts how the line items of a book are drawn down, in their order, from now on. Who may use a line item, and what it
// prices, is left aside.
func Of(h *History, book *ledger.Book, nowMS int64, tolerant bool) *Forecast {
	days := trimmed(Floats(h.Days))
	if why := tooLittle(days); why != "" {
		return &Forecast{TooLittle: why}
	}
	plan := newPlan(book, nowMS, tolerant, nowMS+HorizonDays*DayMS)
	d := newDemand(days)
	if stopped(h) {
		d.level = 0
	}
	chance := rand.New(rand.NewPCG(1, 2)) // the same for all: a forecast can be repeated
	ahead := make([]float64, HorizonDays+1)
	tally := newTally(len(plan.lines))
	for range paths {
		d.path(chance, ahead)
		tally.add(plan.draw(ahead))
	}
	return tally.forecast(plan)
}

// LastsMS returns how long a line item's balance is likely to last from a time on, in milliseconds; HorizonDays when it lasts longer, or to its end, or
// nothing is estimated. It is false of a line item that cannot be used now or later.
func (f *Forecast) LastsMS(number, nowMS int64) (int64, bool) {
	const longMS = HorizonDays * DayMS
	if f.TooLittle != "" {
		return longMS, true
	}
	line := f.Lines[number]
	switch {
	case line == nil:
		return 0, false
	case line.RunsOut == nil || line.RunsOut.LikelyMS == 0:
		return longMS, true
	}
	return line.RunsOut.LikelyMS - nowMS, true
}

// Used reports whether anything was used.
func (h *History) Used() bool {
	for _, used := range h.Days {
		if !used.IsZero() {
			return true
		}
	}
	return !h.Today.IsZero()
}

// Lasts reports whether a balance lasts for so many days without a doubt: were each of them four times the most that ever was, it would. It
// spares the estimate where most line items are most of their time.
func (h *History) Lasts(balance token.Amount, days int64) bool {
	var most token.Amount
	for _, used := range append(h.Days[:len(h.Days):len(h.Days)], h.Today) {
		if most.Less(used) {
			most = used
		}
	}
	return token.MulHalfEven(most, token.FromInt(4*(days+1))).Less(balance)
}

// tooLittle says why days since the first use do not tell how it will go on; empty when they do.
func tooLittle(days []float64) string {
	if len(days) == 0 {
		return "nothing was used before today"
	}
	if len(days) < enoughDays {
		return fmt.Sprintf("the first use was %d days ago; %d whole days are needed", len(days), enoughDays)
	}
	used := 0
	for _, tokens := range days[max(0, len(days)-lookMost):] {
		if tokens > 0 {
			used++
		}
	}
	if used > 0 && used < enoughUsed {
		return fmt.Sprintf("there was use on %d days only; on %d it takes", used, enoughUsed)
	}
	return ""
}

// stopped reports whether there is no use any more, which a fading level would take half a year to notice.
func stopped(h *History) bool { return h.pace(30).Sign() <= 0 && h.Today.Sign() <= 0 }

// trimmed leaves out the days before the first use.
func trimmed(days []float64) []float64 {
	for len(days) > 0 && days[0] <= 0 {
		days = days[1:]
	}
	return days
}

// Floats returns amounts as estimates count them.
func Floats(amounts []token.Amount) []float64 {
	out := make([]float64, len(amounts))
	for i, a := range amounts {
		out[i] = float(a)
	}
	return out
}

// float is near enough for an estimate.
func float(a token.Amount) float64 {
	f, err := strconv.ParseFloat(a.String(), 64)
	if err != nil {
		return math.Inf(1) // an amount always reads as a number
	}
	return f
}

// tally gathers what became of every path.
type tally struct {
	runsOut, denied, unused []float64
	lineOut, lineUnused     [][]float64
}

func newTally(lines int) *tally {
	return &tally{lineOut: make([][]float64, lines), lineUnused: make([][]float64, lines)}
}

func (t *tally) add(o *outcome) {
	t.runsOut, t.denied = append(t.runsOut, o.runsOut), append(t.denied, o.denied)
	sum := 0.0
	for i, line := range o.lines {
		t.lineOut[i] = append(t.lineOut[i], line.out)
		t.lineUnused[i] = append(t.lineUnused[i], line.unused)
		sum += line.unused
	}
	t.unused = append(t.unused, sum)
}

func (t *tally) forecast(p *plan) *Forecast {
	f := &Forecast{RunsOut: moment(t.runsOut), Denied: moment(t.denied), Unused: tokens(t.unused), Lines: make(map[int64]*Line, len(p.lines))}
	for i := range p.lines {
		if !p.lines[i].usable {
			continue
		}
		line := &Line{RunsOut: moment(t.lineOut[i]), EndMS: p.lines[i].endMS}
		if line.EndMS <= p.endMS {
			line.Unused = tokens(t.lineUnused[i])
		}
		f.Lines[p.lines[i].number] = line
	}
	return f
}

// moment returns nil when nine of ten futures have none.
func moment(at []float64) *Moment {
	slices.Sort(at)
	if math.IsInf(at[beyond], 1) {
		return nil
	}
	return &Moment{EarliestMS: ms(at[beyond]), LikelyMS: ms(at[paths/2]), LatestMS: ms(at[paths-1-beyond])}
}

func ms(at float64) int64 {
	if math.IsInf(at, 1) {
		return 0
	}
	return int64(at)
}

func tokens(of []float64) *Range {
	slices.Sort(of)
	return &Range{Least: round(of[beyond]), Likely: round(of[paths/2]), Most: round(of[paths-1-beyond])}
}

func round(f float64) int64 { return int64(math.Round(min(f, math.MaxInt64/2))) }
