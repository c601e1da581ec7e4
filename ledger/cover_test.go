package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// price sets the window of x, at the prices that newWorld has set.
func (w *world) price(window time.Duration) {
	var tables []*rate.Table
	for i, l := range w.LineItems {
		x := rate.Item{Name: "x", Rate: token.MustParse(l.Series), Window: window}
		tables = append(tables, &rate.Table{Series: l.Series, Version: "1", Serial: int64(i), Items: []rate.Item{x}})
	}
	w.Catalog = rate.NewCatalog(tables)
}

// coveredText is text with what was covered before and what is covered now.
func coveredText(o Outcome) string {
	line := text(o)
	if c := o.Coverage; c != nil {
		line += fmt.Sprintf("; %s was covered, %s is until %s", c.Covered(), c.Count(), time.Duration(c.UntilMS()-nowMS)*time.Millisecond)
	}
	return line
}

func TestDecideCovered(t *testing.T) {
	const week = 7 * 24 * time.Hour
	type step struct {
		after  time.Duration
		ask    string // "part of 3" if a part would do
		want   string
		before func(*world)
	}
	for _, row := range []struct {
		rule      string
		lineItems string
		steps     []step
	}{
		{"a charge covers the same count until its window ends", "a: 0 of 10 at 2", []step{
			{0, "3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{0, "3", "3 for 0: a 0; 3 was covered, 3 is until 1h0m0s", nil},
			{time.Minute, "0.000000000001", "0.000000000001 for 0: a 0; 0.000000000001 was covered, 3 is until 1h0m0s", nil},
			{time.Hour - time.Millisecond, "3", "3 for 0: a 0; 3 was covered, 3 is until 1h0m0s", nil},
		}},
		{"at its very end it covers nothing", "a: 0 of 10 at 2", []step{
			{0, "3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{time.Hour, "1", "1 for 2: a 2; 0 was covered, 1 is until 2h0m0s", nil},
			{2*time.Hour + time.Second, "2", "306", nil},
			{2*time.Hour + time.Second, "1", "1 for 2: a 2; 0 was covered, 1 is until 3h0m1s", nil},
		}},
		{"a larger count is charged for the difference, until the same time", "a: 0 of 100 at 2", []step{
			{0, "3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{30 * time.Minute, "3.5", "3.5 for 1: a 0 a 1; 3 was covered, 3.5 is until 1h0m0s", nil},
			{40 * time.Minute, "3.5", "3.5 for 0: a 0; 3.5 was covered, 3.5 is until 1h0m0s", nil},
			{50 * time.Minute, "2", "2 for 0: a 0; 2 was covered, 3.5 is until 1h0m0s", nil},
		}},
		{"the difference is paid by whoever can", "a: 6 of 10 at 2; b: 0 of 10 at 2 over 3", []step{
			{0, "2", "2 for 4: a 4; 0 was covered, 2 is until 1h0m0s", nil},
			{0, "8.5", "8.5 for 13: a 0 b 13(3); 2 was covered, 8.5 is until 1h0m0s", nil},
		}},
		{"a difference that is not covered is denied, and the cover stays", "a: 0 of 10 at 2", []step{
			{0, "3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{0, "5.000000000001", "306", nil},
			{0, "3", "3 for 0: a 0; 3 was covered, 3 is until 1h0m0s", nil},
			{0, "5", "5 for 4: a 0 a 4; 3 was covered, 5 is until 1h0m0s", nil},
		}},
		{"D5: a part is what is covered and what can be paid", "a: 0 of 10 at 2", []step{
			{0, "part of 3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{0, "part of 7", "5 for 4: a 0 a 4; 3 was covered, 5 is until 1h0m0s", nil},
			{0, "part of 7", "5 for 0: a 0; 5 was covered, 5 is until 1h0m0s", nil},
			{0, "part of 4", "4 for 0: a 0; 4 was covered, 5 is until 1h0m0s", nil},
		}},
		{"D5: the part that was charged is what is covered", "a: 0 of 3 at 2", []step{
			{0, "part of 7", "1.5 for 3: a 3; 0 was covered, 1.5 is until 1h0m0s", nil},
			{0, "1.5", "1.5 for 0: a 0; 1.5 was covered, 1.5 is until 1h0m0s", nil},
		}},
		{"covered use is granted when no line item is usable", "a: 0 of 10 at 2", []step{
			{0, "3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{0, "2", "2 for 0: a 0; 2 was covered, 3 is until 1h0m0s", func(w *world) { w.LineItems[0].Deleted = true }},
			{0, "4", "301", nil},
			{0, "part of 4", "3 for 0: a 0; 3 was covered, 3 is until 1h0m0s", nil},
		}},
		{"and when nothing prices the item any more", "a: 0 of 10 at 2", []step{
			{0, "3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{0, "2", "2 for 0: a 0; 2 was covered, 3 is until 1h0m0s", func(w *world) { w.Catalog = rate.NewCatalog(nil) }},
			{0, "4", "201", nil},
			{0, "part of 4", "3 for 0: a 0; 3 was covered, 3 is until 1h0m0s", nil},
		}},
		{"what is on top of a cover is charged each time once the item has no window", "a: 0 of 100 at 2", []step{
			{0, "3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{0, "4", "4 for 2: a 0 a 2; 3 was covered, 3 is until 1h0m0s", func(w *world) { w.price(0) }},
			{0, "4", "4 for 2: a 0 a 2; 3 was covered, 3 is until 1h0m0s", nil},
			{time.Hour, "4", "4 for 8: a 8", nil},
		}},
		{"a window that becomes longer does so from the next charge on", "a: 0 of 100 at 2", []step{
			{0, "3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{0, "4", "4 for 2: a 0 a 2; 3 was covered, 4 is until 1h0m0s", func(w *world) { w.price(week) }},
			{time.Hour, "4", "4 for 8: a 8; 0 was covered, 4 is until 169h0m0s", nil},
		}},
		{"a charge of 0 tokens covers too", "a: 10 of 10 at 0", []step{
			{0, "3", "3 for 0: a 0; 0 was covered, 3 is until 1h0m0s", nil},
			{0, "2", "2 for 0: a 0; 2 was covered, 3 is until 1h0m0s", func(w *world) { w.LineItems[0].State = Inactive }},
		}},
		{"a denied charge covers nothing", "a: 0 of 10 at 2", []step{
			{0, "6", "306", nil},
			{0, "1", "1 for 2: a 2; 0 was covered, 1 is until 1h0m0s", nil},
		}},
		{"a clock that goes back leaves the cover", "a: 0 of 10 at 2", []step{
			{0, "3", "3 for 6: a 6; 0 was covered, 3 is until 1h0m0s", nil},
			{-time.Hour, "3", "3 for 0: a 0; 3 was covered, 3 is until 1h0m0s", nil},
		}},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, strings.Split(row.lineItems, "; ")...)
			for _, l := range w.LineItems {
				l.StartMS, l.EndMS = 0, period.LatestMS
			}
			w.price(time.Hour)
			cover := w.Standing.cover(ItemKey{Item: "x"})
			for i, s := range row.steps {
				if s.before != nil {
					s.before(w)
				}
				w.NowMS = nowMS + s.after.Milliseconds()
				count, partial := strings.CutPrefix(s.ask, "part of ")
				o := DecideCovered(&w.Book, &w.Prices, &w.Who, Ask{Item: "x", Count: token.MustParse(count), AllowPartial: partial}, nil)
				if got := coveredText(o); got != s.want {
					t.Fatalf("step %d, after %s: %s of x is %q, want %q", i, s.after, s.ask, got, s.want)
				}
				if o.Status != Granted && (o.Count.String() != count || len(o.Slices) > 0 || o.Coverage != nil) {
					t.Fatalf("step %d: a denial is %+v; want the count as asked and nothing else", i, o)
				}
				before, uses := *cover, w.uses()
				changed := o.Coverage != nil && o.Coverage.Changed() == cover
				o.Apply()
				if changed == cmp.Equal(before, *cover, equalAmounts) {
					t.Fatalf("step %d: the cover is said to be changed is %v; it was %+v and is %+v", i, changed, before, *cover)
				}
				o.Revert()
				if after := w.uses(); !cmp.Equal(before, *cover, equalAmounts) || after != uses {
					t.Fatalf("step %d: Revert leaves %+v and %s, there were %+v and %s", i, *cover, after, before, uses)
				}
				o.Apply()
			}
		})
	}
}

func (w *world) uses() string {
	var all []string
	for _, l := range w.LineItems {
		all = append(all, l.Used.String())
	}
	return strings.Join(all, " ")
}

// However use is asked for, a window costs what its largest count costs; and a denied request costs nothing.
func TestWindowCostsItsLargestCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amounts := rapid.StringMatching(`[1-9]?[0-9]\.[0-9]{0,5}[1-9]`) // sums and products of these are exact
		price := amounts.Draw(t, "price")
		w := newWorldOf(t, []string{fmt.Sprintf("a: 0 of 500 at %s", price), fmt.Sprintf("b: 0 of 3 at %s over 300", price)})
		for _, l := range w.LineItems {
			l.StartMS, l.EndMS = 0, period.LatestMS
		}
		w.price(time.Hour)
		cover := w.Standing.cover(ItemKey{Item: "x"})
		var charged, largest token.Amount
		buf := make([]Slice, 0, 8)
		for range rapid.IntRange(1, 20).Draw(t, "asks") {
			w.NowMS = nowMS + rapid.Int64Range(0, time.Hour.Milliseconds()-1).Draw(t, "after")
			if largest.IsZero() {
				w.NowMS = nowMS
			}
			ask := Ask{Item: "x", Count: token.MustParse(amounts.Draw(t, "count")), AllowPartial: rapid.Bool().Draw(t, "partial")}
			o := DecideCovered(&w.Book, &w.Prices, &w.Who, ask, buf)
			if rapid.Bool().Draw(t, "revert") {
				o.Apply()
				o.Revert()
				continue
			}
			o.Apply()
			charged = charged.Add(o.Tokens)
			if o.Status != Granted {
				continue
			}
			if o.Count.Less(ask.Count) && (!ask.AllowPartial || o.Count.Less(largest)) || ask.Count.Less(o.Count) {
				t.Fatalf("%+v is granted for %s, and %s was covered before", ask, o.Count, largest)
			}
			if largest.Less(o.Count) {
				largest = o.Count
			}
			sum := token.Amount{}
			for _, s := range o.Slices {
				sum = sum.Add(s.Tokens)
			}
			if !sum.Equal(o.Tokens) {
				t.Fatalf("%s tokens in all, the slices add up to %s", o.Tokens, sum)
			}
		}
		used := w.LineItems[0].Used.Add(w.LineItems[1].Used)
		if want := token.MulHalfEven(largest, token.MustParse(price)); !charged.Equal(want) || !used.Equal(want) || !cover.Count.Equal(largest) {
			t.Fatalf("%s was charged and %s used, and %s is covered; want %s for %s", charged, used, cover.Count, want, largest)
		}
	})
}

// Several decisions on one cover, undone backwards, leave no trace.
func TestRevertRestoresCovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorldOf(t, anyLineItems(t))
		w.price(time.Hour)
		cover := w.Standing.cover(ItemKey{Item: "x"})
		cover.Count, cover.UntilMS = token.FromInt(rapid.Int64Range(0, 2).Draw(t, "covered")), nowMS+rapid.Int64Range(-1, 1).Draw(t, "until")
		before, uses := *cover, w.uses()
		var outcomes []Outcome
		for range rapid.IntRange(1, 5).Draw(t, "asks") {
			count := token.FromInt(rapid.Int64Range(1, 9).Draw(t, "count"))
			o := DecideCovered(&w.Book, &w.Prices, &w.Who, Ask{Item: "x", Count: count, AllowPartial: rapid.Bool().Draw(t, "partial")}, nil)
			o.Apply()
			outcomes = append(outcomes, o)
		}
		for i := len(outcomes) - 1; i >= 0; i-- {
			outcomes[i].Revert()
		}
		if after := w.uses(); !cmp.Equal(before, *cover, equalAmounts) || after != uses {
			t.Fatalf("%+v and %s are left, there were %+v and %s", *cover, after, before, uses)
		}
	})
}
