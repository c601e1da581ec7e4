package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/token"
)

func TestAllowances(t *testing.T) {
	for _, row := range []struct{ rule, recurs, start, steps, want string }{
		{"D24: a day, to its last millisecond", "DAY", "2026-01-10",
			"2026-01-10 8; 2026-01-10 23:59:59.999 3; 2026-01-11 10", "8 for 8: a 8; 306; 10 for 10: a 10"},
		{"D24: nothing rolls over", "DAY", "2026-01-10", "2026-01-10 1; 2026-01-13 11; 2026-01-13 10", "1 for 1: a 1; 306; 10 for 10: a 10"},
		{"D24: anchored at the start", "MONTH", "2026-01-15 12:00:00",
			"2026-02-15 11:59:59 10; 2026-02-15 12:00:00 10; 2026-03-15 1", "10 for 10: a 10; 10 for 10: a 10; 306"},
		{"D24: from the 31st", "MONTH", "2026-01-31",
			"2026-02-27 10; 2026-02-28 10; 2026-03-30 1; 2026-03-31 1", "10 for 10: a 10; 10 for 10: a 10; 306; 1 for 1: a 1"},
		{"D24: allowances that nobody saw", "WEEK", "2026-01-01", "2026-01-01 10; 2031-01-01 10", "10 for 10: a 10; 10 for 10: a 10"},
		{"a refund in the same allowance", "DAY", "2026-01-10", "2026-01-10 8; 2026-01-10 back; 2026-01-10 10", "8 for 8: a 8; back 0; 10 for 10: a 10"},
		{"a refund of an allowance that is over gives nothing back", "DAY", "2026-01-10",
			"2026-01-10 8; 2026-01-11 6; 2026-01-11 back; 2026-01-11 4; 2026-01-11 1", "8 for 8: a 8; 6 for 6: a 6; back 6; 4 for 4: a 4; 306"},
		{"nor when nothing was used of the next", "DAY", "2026-01-10", "2026-01-10 8; 2026-01-11 back; 2026-01-11 11", "8 for 8: a 8; back 0; 306"},
		{"what finds too little in the next allowance leaves the one before as it was", "DAY", "2026-01-10",
			"2026-01-10 8; 2026-01-12 11; 2026-01-11 9; 2026-01-13 11; 2026-01-11 2; 2026-01-11 1; 2026-01-12 10",
			"8 for 8: a 8; 306; 9 for 9: a 9; 306; 306; 1 for 1: a 1; 10 for 10: a 10"},
		{"and what comes back then", "DAY", "2026-01-10", "2026-01-10 8; 2026-01-11 11; 2026-01-10 back; 2026-01-10 10; 2026-01-11 10",
			"8 for 8: a 8; 306; back 0; 10 for 10: a 10; 10 for 10: a 10"},
		{"a clock that goes back stays in the allowance", "DAY", "2026-01-10",
			"2026-01-11 8; 2026-01-10 2; 2026-01-10 1; 2026-01-11 1; 2026-01-12 1", "8 for 8: a 8; 2 for 2: a 2; 306; 306; 1 for 1: a 1"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, "a: 0 of 10 at 1").ever().rules("a recurs " + row.recurs)
			w.LineItems[0].StartMS = ms(t, row.start)
			if got := w.steps(t, row.steps); got != row.want {
				t.Errorf("%s is\n%s, want\n%s", row.steps, got, row.want)
			}
		})
	}
}

// What is booked of the next allowance and undone leaves no trace either, nor does what is only held of it, of which the record has no use; what is booked
// stays, also of no tokens.
func TestAllowanceUndone(t *testing.T) {
	for _, row := range []struct {
		rule, count, want string
		then              func(*Outcome)
	}{
		{"booked", "3", "3 of 2026-01-11", func(*Outcome) {}},
		{"booked and undone", "3", "8 of 2026-01-10", (*Outcome).Revert},
		{"booked, of no tokens", "0", "0 of 2026-01-11", func(*Outcome) {}},
		{"booked and undone, of no tokens", "0", "8 of 2026-01-10", (*Outcome).Revert},
		{"held", "3", "8 of 2026-01-10", func(o *Outcome) { Withhold([]Outcome{*o}) }},
	} {
		w := newWorld(t, "a: 0 of 10 at 1").ever().rules("a recurs DAY")
		w.LineItems[0].StartMS = ms(t, "2026-01-10")
		w.steps(t, "2026-01-10 8; 2026-01-11 11")
		w.NowMS = ms(t, "2026-01-11")
		o := w.ask("3", false)
		if row.count == "0" {
			o.Slices[0].Tokens = token.Amount{}
		}
		o.Apply()
		row.then(&o)
		w.At(ms(t, "2026-01-10"))
		l := w.LineItems[0]
		if got := l.Used.String() + " of " + time.UnixMilli(l.ResetMS).UTC().Format(time.DateOnly); got != row.want {
			t.Errorf("%s: used are %s, want %s", row.rule, got, row.want)
		}
	}
}

// Line items are drawn by when what they have left is gone, which the time changes.
func TestAllowancesInOrder(t *testing.T) {
	w := newWorld(t, "bought: 0 of 100 at 1", "monthly: 0 of 10 at 1", "weekly: 0 of 10 at 1").ever().rules("monthly recurs MONTH; weekly recurs WEEK")
	for _, l := range w.LineItems {
		l.Priority = 0
	}
	w.named("bought").EndMS = ms(t, "2026-03-30")
	w.named("monthly").StartMS = ms(t, "2026-01-20") // the last day of each is the 19th
	w.named("weekly").StartMS = ms(t, "2026-01-01")  // Thursdays
	got := w.steps(t, "2026-01-29 25; 2026-02-14 25; 2026-02-18 11; 2026-03-21 25; 2026-03-29 15")
	want := "25 for 25: weekly 10 monthly 10 bought 5; " + // until the 5th, the 20th, the end of March
		"25 for 25: weekly 10 bought 15; " + // until the 19th
		"11 for 11: bought 11; " +
		"25 for 25: weekly 10 bought 15; " + // the month's lasts longer than what was bought
		"15 for 15: bought 15" // and so does the week's
	if got != want {
		t.Errorf("D24: drawn are\n%s, want\n%s", got, want)
	}
}

// A line item may end before its last allowance does.
func TestLastAllowanceInOrder(t *testing.T) {
	w := newWorld(t, "bought: 0 of 100 at 1", "yearly: 0 of 10 at 1").ever().rules("yearly recurs YEAR")
	w.named("bought").EndMS, w.named("yearly").EndMS = ms(t, "2026-03-30"), ms(t, "2026-02-01")
	for _, l := range w.LineItems {
		l.Priority = 0
	}
	if got, want := w.steps(t, "2026-01-10 11"), "11 for 11: yearly 10 bought 1"; got != want {
		t.Errorf("D24: drawn are %s, want %s", got, want)
	}
}

// timezone.tolerant stretches the time in which a line item is usable, not its allowances.
func TestToleranceAddsNoAllowance(t *testing.T) {
	w := newWorld(t, "a: 0 of 10 at 1").ever().rules("a recurs DAY")
	w.Tolerant = true
	w.LineItems[0].StartMS, w.LineItems[0].EndMS = ms(t, "2026-01-10"), ms(t, "2026-01-12")
	got := w.steps(t, "2026-01-09 12:00:00 4; 2026-01-10 7; 2026-01-10 6; 2026-01-11 9; 2026-01-12 2; 2026-01-12 11:59:59 1; 2026-01-12 12:00:00 1")
	if want := "4 for 4: a 4; 306; 6 for 6: a 6; 9 for 9: a 9; 306; 1 for 1: a 1; 301"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A PUT keeps what was used (D25). What recurs from now on has a whole allowance: of what was used before, none is of it.
func TestReplaceAndAllowances(t *testing.T) {
	put := func(w *world, at string, change func(*LineItem)) {
		next := *w.LineItems[0]
		next.Used, next.ResetMS, next.BegunMS = token.FromInt(99), 99, 99 // not the caller's to say
		change(&next)
		kept, err := Replace(w.LineItems[0], next, ms(t, at))
		if err != nil {
			t.Fatal(err)
		}
		*w.LineItems[0] = kept
		w.Sort()
	}
	recurs := func(f period.Frequency) func(*LineItem) { return func(l *LineItem) { l.Recurs = f } }
	until := func(date string) func(*LineItem) { return func(l *LineItem) { l.EndMS = ms(t, date) } }
	for _, row := range []struct {
		rule, recurs, before, at string
		changes                  []func(*LineItem)
		after, want              string
	}{
		{"recurrence introduced", "", "2026-01-10 8", "2026-01-10", []func(*LineItem){recurs("DAY")},
			"2026-01-10 10; 2026-01-10 1; 2026-01-11 10", "10 for 10: a 10; 306; 10 for 10: a 10"},
		{"recurrence dropped: what was used of the last allowance stays used", "DAY", "2026-01-10 8; 2026-01-11 3", "2026-01-11", []func(*LineItem){recurs("")},
			"2026-01-12 8; 2026-01-12 7; 2026-01-20 1", "306; 7 for 7: a 7; 306"},
		{"recurrence dropped: the last allowance is the one that runs, used or not", "DAY", "2026-01-10 8", "2026-01-11", []func(*LineItem){recurs("")},
			"2026-01-12 10; 2026-01-12 1; 2026-01-20 1", "10 for 10: a 10; 306; 306"},
		{"recurrence dropped, and the clock is set back", "DAY", "2026-01-10 8", "2026-01-11", []func(*LineItem){recurs("")},
			"2026-01-10 10; 2026-01-11 1", "10 for 10: a 10; 306"},
		{"dropped and introduced again", "DAY", "2026-01-10 8", "2026-01-10", []func(*LineItem){recurs(""), recurs("DAY")},
			"2026-01-10 3; 2026-01-11 10", "306; 10 for 10: a 10"},
		{"another frequency, whose allowance began before", "DAY", "2026-01-10 8", "2026-01-10", []func(*LineItem){recurs("MONTH")},
			"2026-01-11 3; 2026-01-11 2; 2026-02-01 10", "306; 2 for 2: a 2; 10 for 10: a 10"},
		{"another frequency, and nothing is used of the allowance that runs", "DAY", "2026-01-10 8", "2026-01-11", []func(*LineItem){recurs("MONTH")},
			"2026-01-11 10; 2026-01-31 1; 2026-02-01 10", "10 for 10: a 10; 306; 10 for 10: a 10"},
		{"another frequency, whose allowance begins later", "MONTH", "2026-01-10 8", "2026-01-10", []func(*LineItem){recurs("DAY")},
			"2026-01-10 10", "10 for 10: a 10"},
		{"an end that has passed, and one that has not", "DAY", "2026-01-05 8", "2026-01-10", []func(*LineItem){until("2026-01-06"), until("2026-02-01")},
			"2026-01-10 10; 2026-01-10 1", "10 for 10: a 10; 306"},
		{"a start that is to come, and the one before", "MONTH", "2026-01-10 8", "2026-01-20", []func(*LineItem){
			func(l *LineItem) { l.StartMS = ms(t, "2026-03-01") }, func(l *LineItem) { l.StartMS = ms(t, "2026-01-01") }},
			"2026-01-20 3; 2026-02-01 10; 2026-03-01 10", "306; 10 for 10: a 10; 10 for 10: a 10"},
		{"a quantity below what was used", "DAY", "2026-01-10 8", "2026-01-10", []func(*LineItem){func(l *LineItem) { l.Quantity = 5 }},
			"2026-01-10 1; 2026-01-11 5; 2026-01-11 1", "306; 5 for 5: a 5; 306"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, "a: 0 of 10 at 1").ever()
			w.LineItems[0].StartMS = ms(t, "2026-01-01")
			if row.recurs != "" {
				w.rules("a recurs " + row.recurs)
			}
			w.steps(t, row.before)
			for _, change := range row.changes {
				put(w, row.at, change)
			}
			if got := w.steps(t, row.after); got != row.want {
				t.Errorf("%s, and after the PUT %s is\n%s, want\n%s", row.before, row.after, got, row.want)
			}
		})
	}
}

func TestRestore(t *testing.T) {
	w := newWorld(t, "a: 0 of 10 at 1", "b: 0 of 10 at 1").ever().rules("a allow - 5; a recurs DAY; b allow - 9")
	w.steps(t, "2026-01-10 7")
	before, was := w.state(), w.Clone()
	for range 2 {
		w.steps(t, "2026-01-11 7; 2026-01-12 1")
		if w.state() == before {
			t.Fatal("nothing changed")
		}
		w.Restore(was)
		if after := w.state(); after != before {
			t.Fatalf("there was\n%s and is\n%s", before, after)
		}
	}
	clone := &world{Book: *was, Prices: w.Prices, Who: Who{Standing: w.Standing.Clone()}}
	clone.steps(t, "2026-01-11 7")
	if after := w.state(); after != before {
		t.Fatalf("charges of a clone leave\n%s, there was\n%s", after, before)
	}
	if !strings.Contains(before, "a 5 since") {
		t.Errorf("the state is %s", before)
	}
}
