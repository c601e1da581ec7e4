package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
		l.StartMS, l.EndMS = 0, LatestMS
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
		{"D23: refunds give back nothing of a period that is over", "5 DAY", "2026-01-10",
			"2026-01-10 4; 2026-01-11 5; 2026-01-11 back; 2026-01-11 1", "4 for 4: a 4; 5 for 5: a 5; back 5; 303"},
		{"nor before anything was consumed in the next", "5 DAY", "2026-01-10",
			"2026-01-10 4; 2026-01-11 back; 2026-01-11 5; 2026-01-11 1", "4 for 4: a 4; back 0; 5 for 5: a 5; 303"},
		{"what is made late does not count in the period after it", "5 DAY", "2026-01-10",
			"2026-01-11 4; 2026-01-10 3; 2026-01-11 1; 2026-01-11 1", "4 for 4: a 4; 3 for 3: a 3; 1 for 1: a 1; 303"},
		{"and never passes the limit itself", "5 DAY", "2026-01-10",
			"2026-01-11 4; 2026-01-10 5.1", "4 for 4: a 4; 303"},
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

// A slice that is made late says that it counts against no limit, and so does its share: its refund gives nothing back.
func TestLateChargesAreNotOfTheLimit(t *testing.T) {
	w := newWorld(t, "a: 0 of 1000 at 1").rules("a limit 5 DAY").ever()
	w.steps(t, "2026-01-11 4")
	before := *w.Standing.Consumed[0]
	w.NowMS = ms(t, "2026-01-10")
	late := w.ask("3", false)
	late.Apply()
	if s := late.Slices[0]; s.Ruled != nil {
		t.Errorf("the slice counts against %+v", s.Ruled)
	}
	w.steps(t, "2026-01-11 0.5")
	back := Refund(&w.Book, w.Standing, Shares(late.Slices), late.Tokens)
	back.Apply()
	before.Tokens = token.MustParse("4.5")
	if diff := cmp.Diff(before, *w.Standing.Consumed[0], equalAmounts); diff != "" {
		t.Errorf("consumed (-want +got)\n%s", diff)
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
		if c := w.Standing.Consumed[l.Number]; c != nil && !c.Tokens.IsZero() {
			fmt.Fprintf(&all, " consumed %s since %d", c.Tokens, c.SinceMS)
		}
		fmt.Fprintln(&all)
	}
	return all.String()
}

func TestCloneStanding(t *testing.T) {
	s := NewStanding(RequesterKey{"A", "USER", "u"})
	s.cover(ItemKey{"x", "1"}).Count = token.FromInt(3)
	s.consumed(7).Tokens = token.FromInt(4)
	c := s.Clone()
	if diff := cmp.Diff(s, c, equalAmounts); diff != "" {
		t.Fatalf("(-was +clone)\n%s", diff)
	}
	c.cover(ItemKey{"x", "1"}).Count, c.consumed(7).Tokens = token.FromInt(1), token.FromInt(1)
	c.cover(ItemKey{"y", ""})
	c.consumed(8)
	if len(s.Covers) != 1 || len(s.Consumed) != 1 || s.Covers[ItemKey{"x", "1"}].Count.String() != "3" || s.Consumed[7].Tokens.String() != "4" {
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
