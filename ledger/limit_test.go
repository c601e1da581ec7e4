package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/token"
)

func ms(t testing.TB, date string) int64 {
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02 15:04:05.000"} {
		if at, err := time.Parse(layout, date); err == nil {
			return at.UnixMilli()
		}
	}
	t.Fatalf("%q is no time", date)
	return 0
}

// ever makes all line items usable at any time.
func (w *world) ever() *world {
	for _, l := range w.LineItems {
		l.StartMS, l.EndMS = 0, period.LatestMS
	}
	w.Sort()
	return w
}

// A step is a time and a count to ask for; a count of "back" gives back what the first step paid.
func (w *world) steps(t *testing.T, steps string) string {
	var got []string
	var first []Share
	for i, step := range strings.Split(steps, "; ") {
		at := strings.LastIndex(step, " ")
		w.NowMS = ms(t, step[:at])
		w.Who.matched = nil
		w.At(w.NowMS)
		if step[at+1:] == "back" {
			back := Refund(&w.Book, w.Standing, first, Sum(first))
			back.Apply()
			got = append(got, "back "+w.uses())
			continue
		}
		o := w.ask(step[at+1:], false)
		o.Apply()
		if i == 0 {
			first = Shares(o.Slices)
		}
		got = append(got, text(o))
	}
	return strings.Join(got, "; ")
}

func TestLimitPeriods(t *testing.T) {
	for _, row := range []struct{ rule, limit, nextReset, steps, want string }{
		{"D23: to the last millisecond of a day, and from the first of the next", "5 DAY", "2026-01-10",
			"2026-01-10 5; 2026-01-10 23:59:59.999 1; 2026-01-11 5", "5 for 5: a 5; 303; 5 for 5: a 5"},
		{"D23: before nextReset", "5 DAY", "2026-01-10",
			"2026-01-08 12:00:00 5; 2026-01-08 23:59:59 1; 2026-01-09 5", "5 for 5: a 5; 303; 5 for 5: a 5"},
		{"D23: a day begins when nextReset says", "5 DAY", "2026-01-10 18:30:00",
			"2026-01-12 18:29:59 5; 2026-01-12 18:30:00 5; 2026-01-13 01:00:00 1", "5 for 5: a 5; 5 for 5: a 5; 303"},
		{"D23: weeks", "5 WEEK", "2026-01-05",
			"2026-01-18 23:59:59 5; 2026-01-19 5; 2026-01-25 1; 2026-01-26 1", "5 for 5: a 5; 5 for 5: a 5; 303; 1 for 1: a 1"},
		{"D23: months from the 31st are clipped, and not for good", "5 MONTH", "2026-01-31",
			"2026-02-27 23:59:59 5; 2026-02-28 5; 2026-03-30 1; 2026-03-31 5; 2026-04-29 1; 2026-04-30 5",
			"5 for 5: a 5; 5 for 5: a 5; 303; 5 for 5: a 5; 303; 5 for 5: a 5"},
		{"D23: quarters", "5 QUARTER", "2026-01-31",
			"2026-04-29 5; 2026-04-30 5; 2026-07-30 1; 2026-07-31 5", "5 for 5: a 5; 5 for 5: a 5; 303; 5 for 5: a 5"},
		{"D23: years from the 29th of February", "5 YEAR", "2024-02-29",
			"2026-02-27 5; 2026-02-28 5; 2027-02-27 1; 2028-02-28 1; 2028-02-29 1",
			"5 for 5: a 5; 5 for 5: a 5; 303; 1 for 1: a 1; 1 for 1: a 1"},
		{"refunds give back in the same period", "5 DAY", "2026-01-10",
			"2026-01-10 4; 2026-01-10 2; 2026-01-10 back; 2026-01-10 5", "4 for 4: a 4; 303; back 0; 5 for 5: a 5"},
		{"D23: refunds give back to the period that was charged, and to no other", "5 DAY", "2026-01-10",
			"2026-01-10 4; 2026-01-11 5; 2026-01-11 back; 2026-01-11 1; 2026-01-10 5; 2026-01-10 1",
			"4 for 4: a 4; 5 for 5: a 5; back 5; 303; 5 for 5: a 5; 303"},
		{"nor before anything was consumed in the next", "5 DAY", "2026-01-10",
			"2026-01-10 4; 2026-01-11 back; 2026-01-11 5; 2026-01-11 1", "4 for 4: a 4; back 0; 5 for 5: a 5; 303"},
		{"D23: what is made late counts in its own period, not in the one after it", "5 DAY", "2026-01-10",
			"2026-01-11 4; 2026-01-10 3; 2026-01-11 1; 2026-01-11 1; 2026-01-10 3; 2026-01-10 2",
			"4 for 4: a 4; 3 for 3: a 3; 1 for 1: a 1; 303; 303; 2 for 2: a 2"},
		{"D23: with what was consumed then", "5 DAY", "2026-01-10",
			"2026-01-10 2; 2026-01-11 4; 2026-01-12 4; 2026-01-10 4; 2026-01-10 3; 2026-01-11 2; 2026-01-11 1",
			"2 for 2: a 2; 4 for 4: a 4; 4 for 4: a 4; 303; 3 for 3: a 3; 303; 1 for 1: a 1"},
		{"D23: and gets its refund there", "5 DAY", "2026-01-10",
			"2026-01-10 3; 2026-01-11 4; 2026-01-11 back; 2026-01-11 2; 2026-01-10 5", "3 for 3: a 3; 4 for 4: a 4; back 4; 303; 5 for 5: a 5"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, "a: 0 of 1000 at 1").rules("a limit " + row.limit).ever()
			w.LineItems[0].Limit.NextResetMS = ms(t, row.nextReset)
			if got := w.steps(t, row.steps); got != row.want {
				t.Errorf("%s is\n%s, want\n%s", row.steps, got, row.want)
			}
		})
	}
}

// A refund of what was consumed in a period that was forgotten gives nothing back, and begins no period anew.
func TestRefundOfAForgottenPeriod(t *testing.T) {
	w := newWorld(t, "a: 0 of 1000 at 1").rules("a limit 5 DAY").ever()
	w.NowMS = ms(t, "2026-01-10")
	o := w.ask("3", false)
	o.Apply()
	w.Standing = NewStanding(w.Standing.RequesterKey)
	back := Refund(&w.Book, w.Standing, Shares(o.Slices), o.Tokens)
	back.Apply()
	if r := back.Slices[0].Ruled; r != nil || len(w.Standing.Consumed) != 0 || !w.LineItems[0].Used.IsZero() {
		t.Errorf("the refund counts against %+v; consumed is %v, used %s", r, w.Standing.Consumed, w.LineItems[0].Used)
	}
}

// What was consumed goes on to count under another limit whose period began when that of the one before did; of the periods
// before, only under one that is as long.
func TestLimitContinues(t *testing.T) {
	for _, row := range []struct{ before, next, want string }{
		{"", "DAY 2026-01-01", "from 2026-01-12 12:00:00"},
		{"DAY 2026-01-01", "DAY 2026-01-31", "goes on, from 2026-01-10 12:00:00"},
		{"DAY 2026-01-01", "DAY 2026-01-01 01:00:00", "from 2026-01-12 12:00:00"},
		{"DAY 2026-01-01", "WEEK 2026-01-05", "goes on, from 2026-01-12 00:00:00"},
		{"WEEK 2026-01-05", "DAY 2026-01-01", "goes on, from 2026-01-12 00:00:00"},
		{"MONTH 2026-01-12", "YEAR 2026-01-12", "goes on, from 2026-01-12 00:00:00"},
		{"MONTH 2026-01-01", "WEEK 2026-01-05", "from 2026-01-12 12:00:00"},
		{"MONTH 2026-01-01", "QUARTER 2026-01-01", "goes on, from 2026-01-10 12:00:00"},
		{"MONTH 2026-01-01", "MONTH 2026-05-01", "goes on, from 2026-01-10 12:00:00"},
		{"MONTH 2025-12-31", "MONTH 2026-01-31", "goes on, from 2026-01-10 12:00:00"},
		{"MONTH 2025-12-31", "MONTH 2026-02-28", "from 2026-01-12 12:00:00"},
	} {
		limit := func(text string) *Limit {
			every, anchor, set := strings.Cut(text, " ")
			if !set {
				return nil
			}
			return &Limit{Period: period.Frequency(every), NextResetMS: ms(t, anchor), FromMS: ms(t, "2026-01-10 12:00:00")}
		}
		next, got := limit(row.next), ""
		if next.Continues(limit(row.before), ms(t, "2026-01-12 12:00:00")) {
			got = "goes on, "
		}
		if got += "from " + time.UnixMilli(next.FromMS).UTC().Format(time.DateTime); got != row.want {
			t.Errorf("%s after %q: %s, want %s", row.next, row.before, got, row.want)
		}
	}
}

// A charge in a new period, undone, leaves what was consumed in the one before, in which a late charge may yet be made.
func TestRevertAcrossPeriods(t *testing.T) {
	w := newWorld(t, "a: 0 of 1000 at 1").rules("a limit 5 DAY; a allow - 5000").ever()
	w.steps(t, "2026-01-10 4")
	before := w.state()
	w.NowMS = ms(t, "2026-01-11")
	var outcomes []Outcome
	for range 3 {
		o := w.ask("1.5", false)
		o.Apply()
		outcomes = append(outcomes, o)
	}
	for i := len(outcomes) - 1; i >= 0; i-- {
		outcomes[i].Revert()
	}
	if after := w.state(); after != before {
		t.Errorf("there was\n%s and is\n%s", before, after)
	}
	if got := w.steps(t, "2026-01-10 2; 2026-01-10 1"); got != "303; 1 for 1: a 1" {
		t.Errorf("then, in the period before, %s", got)
	}
}

// state writes all that charges and refunds change.
func (w *world) state() string {
	var all strings.Builder
	for _, l := range w.LineItems {
		fmt.Fprintf(&all, "%s %s since %d:", l.ActivationID, l.Used, l.ResetMS)
		for i := range l.Actions {
			fmt.Fprintf(&all, " %s %s", l.Actions[i].ID, l.Actions[i].Used)
		}
		for _, c := range w.Standing.of(l.Number) {
			fmt.Fprintf(&all, " consumed %s since %d", c.Tokens, c.SinceMS)
		}
		fmt.Fprintln(&all)
	}
	return all.String()
}

// of returns what was consumed from a line item, period by period.
func (s *Standing) of(number int64) (all []*Consumed) {
	for _, c := range s.Consumed {
		if c.Number == number && !c.Tokens.IsZero() {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(x, y *Consumed) int { return cmp.Compare(x.SinceMS, y.SinceMS) })
	return all
}

func TestCloneStanding(t *testing.T) {
	s := NewStanding(RequesterKey{"A", "USER", "u"})
	s.cover(ItemKey{"x", "1"}).Count = token.FromInt(3)
	s.consumed(PeriodKey{7, 1}).Tokens = token.FromInt(4)
	c := s.Clone()
	if diff := gocmp.Diff(s, c, equalAmounts); diff != "" {
		t.Fatalf("(-was +clone)\n%s", diff)
	}
	c.cover(ItemKey{"x", "1"}).Count, c.consumed(PeriodKey{7, 1}).Tokens = token.FromInt(1), token.FromInt(1)
	c.cover(ItemKey{"y", ""})
	c.consumed(PeriodKey{7, 2})
	if len(s.Covers) != 1 || len(s.Consumed) != 1 || s.Covers[ItemKey{"x", "1"}].Count.String() != "3" || s.Consumed[PeriodKey{7, 1}].Tokens.String() != "4" {
		t.Errorf("changes of a clone leave %+v", s)
	}
}

// NextMS is the next time at which an allowance or a limit's period begins, and nothing changes before.
func TestNextMSOfPeriods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := LineItem{State: Deployed, Elastic: true, StartMS: nowMS + rapid.Int64Range(-1e10, 1e10).Draw(t, "start")}
		l.EndMS = l.StartMS + rapid.Int64Range(1, 4e10).Draw(t, "length")
		if rapid.Bool().Draw(t, "recurs") {
			l.Recurs = rapid.SampledFrom(period.Frequencies).Draw(t, "frequency")
		}
		if rapid.Bool().Draw(t, "limit") {
			l.Limit = &Limit{Period: rapid.SampledFrom(period.Frequencies).Draw(t, "period"), NextResetMS: nowMS + rapid.Int64Range(-1e10, 1e10).Draw(t, "next reset")}
		}
		tolerant := rapid.Bool().Draw(t, "tolerant")
		at := nowMS + rapid.Int64Range(-1e10, 1e11).Draw(t, "now")
		state := func(ms int64) string {
			if !l.Usable(ms, tolerant) {
				return "no"
			}
			of, since := l, int64(0)
			of.At(ms)
			if l.Limit != nil {
				since, _ = l.Limit.Around(ms)
			}
			return fmt.Sprint(of.ResetMS, since)
		}
		next := l.NextMS(at, tolerant)
		if next == 0 {
			for _, later := range []int64{1, 1e9, 1e10, 1e11} {
				if state(at+later) != state(at) {
					t.Fatalf("%+v is said never to change, and does", l)
				}
			}
			return
		}
		if next <= at || state(next-1) != state(at) || state(next) == state(at) {
			t.Fatalf("after %d, %+v is said to change at %d: it is %s, %s just before, and then %s", at, l, next, state(at), state(next-1), state(next))
		}
	})
}
