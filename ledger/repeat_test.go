package ledger

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/token"
)

func TestRepeat(t *testing.T) {
	for _, row := range []struct {
		rule, lineItems, ask string
		most                 int64
		want                 int64
		uses                 string
	}{
		{"as often as the balance is there", "a: 0 of 10 at 3", "1", 100, 2, "9"},
		{"exactly", "a: 1 of 10 at 3", "1", 100, 2, "10"},
		{"at most so often", "a: 0 of 10 at 1", "1", 3, 3, "4"},
		{"not at all", "a: 0 of 10 at 1", "1", 0, 0, "1"},
		{"not past a split", "a: 0 of 10 at 3; b: 9 of 10 at 3", "1", 100, 2, "9 9"},
		{"nor a split itself", "a: 9 of 10 at 3; b: 0 of 10 at 3", "1", 100, 0, "10 2"},
		{"an overdraft", "a: 10 of 10 at 3 over 10", "1", 100, 2, "19"},
		{"not from a balance into an overdraft", "a: 5 of 10 at 3 over 10", "1", 100, 0, "8"},
		{"not when both paid", "a: 8 of 10 at 3 over 10", "1", 100, 0, "11"},
		{"an unlimited overdraft", "a: 10 of 10 at 3 over all", "1", 100, 100, "313"},
		{"what costs nothing, for ever", "a: 10 of 10 at 0", "1", 1_000_000, 1_000_000, "10"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, strings.Split(row.lineItems, "; ")...)
			o := w.ask(row.ask, false)
			o.Apply()
			if got := Repeat([]Outcome{o}, row.most); got != row.want || w.uses() != row.uses {
				t.Errorf("repeated %d times, to uses of %s; want %d and %s", got, w.uses(), row.want, row.uses)
			}
		})
	}
}

func TestRepeatKeepsOffChangingCovers(t *testing.T) {
	w := newWorld(t, "a: 0 of 100 at 2")
	w.price(time.Hour)
	for _, row := range []struct {
		rule, count string
		want        int64
	}{{"a new one", "1", 0}, {"one that stays", "1", 5}, {"a larger one", "2", 0}} {
		o := DecideCovered(&w.Book, &w.Prices, &w.Who, Ask{Item: "x", Count: token.MustParse(row.count)}, nil)
		o.Apply()
		if got := Repeat([]Outcome{o}, 5); got != row.want {
			t.Errorf("%s is repeated %d times, want %d", row.rule, got, row.want)
		}
	}
}

// What is repeated is what would have been decided.
func TestRepeatIsDecidingAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lineItems := anyLineItems(t)
		repeated, decided := newWorldOf(t, lineItems), newWorldOf(t, lineItems)
		counts := rapid.SliceOfN(rapid.SampledFrom([]string{"0.1", "1", "0.333333333333", "0.000000000001"}), 1, 3).Draw(t, "counts")
		all := func(w *world) (outcomes []Outcome, line string) {
			for _, count := range counts {
				o := w.ask(count, false)
				o.Apply()
				outcomes = append(outcomes, o)
				line += text(o) + ";"
			}
			return outcomes, line
		}
		for range 5 {
			outcomes, line := all(repeated)
			if strings.Contains(line, "306") {
				return
			}
			n := Repeat(outcomes, rapid.Int64Range(0, 50).Draw(t, "most"))
			for range n + 1 {
				if _, again := all(decided); again != line {
					t.Fatalf("%s, and then %s, was said to be the same %d times", line, again, n)
				}
			}
			if repeated.uses() != decided.uses() {
				t.Fatalf("the uses are %s, want %s", repeated.uses(), decided.uses())
			}
		}
	})
}
