package ledger

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

const nowMS = 1767225600000

// world is a book and prices in which item "x" costs, in each series, what the series is called.
type world struct {
	Book
	Prices
	Who
}

// newWorld reads line items such as "a: 3 of 10 at 0.5 over 4": 3 of 10 tokens are used, x costs 0.5 there, and the
// overdraft is 4 ("over all" is unlimited). They are drawn in the order in which they are given.
func newWorld(t testing.TB, lineItems ...string) *world {
	w := &world{Prices: Prices{NowMS: nowMS}, Who: Who{Standing: NewStanding(RequesterKey{"A", "USER", "u"})}}
	var tables []*rate.Table
	for i, text := range lineItems {
		var used, price, over string
		l := &LineItem{State: Deployed, Elastic: true, StartMS: nowMS, EndMS: nowMS + 1, Priority: int64(i), Number: int64(i)}
		if n, _ := fmt.Sscanf(strings.Replace(text, ":", " :", 1), "%s : %s of %d at %s over %s", &l.ActivationID, &used, &l.Quantity, &price, &over); n < 4 {
			t.Fatalf("line item %q cannot be read", text)
		}
		l.Used, l.Series = token.MustParse(used), price
		if over == "all" {
			l.Overdraft = UnlimitedOverdraft
		} else if over != "" {
			l.Overdraft = NumberOverdraft
			if _, err := fmt.Sscan(over, &l.OverdraftLimit); err != nil {
				t.Fatal(err)
			}
		}
		w.LineItems = append(w.LineItems, l)
		tables = append(tables, &rate.Table{Series: price, Version: "1", Serial: int64(i), Items: []rate.Item{{Name: "x", Rate: token.MustParse(price)}}})
	}
	w.Catalog = rate.NewCatalog(tables)
	return w
}

func (w *world) ask(count string, partial bool) Outcome {
	return w.decide(Ask{Item: "x", Count: token.MustParse(count), AllowPartial: partial})
}

func (w *world) decide(ask Ask) Outcome { return Decide(&w.Book, &w.Prices, &w.Who, ask, nil) }

// text writes an outcome as in the tables below.
func text(o Outcome) string {
	if o.Status != Granted {
		return string(o.Status)
	}
	words := []string{fmt.Sprintf("%s for %s:", o.Count, o.Tokens)}
	for _, s := range o.Slices {
		word := fmt.Sprintf("%s %s", s.LineItem.ActivationID, s.Tokens)
		if !s.Overdraft.IsZero() {
			word += fmt.Sprintf("(%s)", s.Overdraft)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// What is in parentheses is overdraft.
func TestDecide(t *testing.T) {
	for _, row := range []struct {
		rule      string
		lineItems string
		ask       string
		want      string
	}{
		{"D1: the split is in tokens, not in units", "a: 3 of 10 at 7; b: 0 of 10 at 7", "2", "2 for 14: a 7 b 7"},
		{"D1: a unit may straddle line items", "a: 9 of 10 at 7; b: 0 of 10 at 7", "1", "1 for 7: a 1 b 6"},
		{"D1: exactly all there is", "a: 9 of 10 at 7; b: 4 of 10 at 7", "1", "1 for 7: a 1 b 6"},
		{"D1: one token short", "a: 9 of 10 at 7; b: 5 of 10 at 7", "1", "306"},
		{"D1: the last digit short", "a: 0.000000000001 of 7 at 7", "1", "306"},
		{"D2: rates differ, the rest is repriced", "a: 9 of 10 at 2; b: 0 of 10 at 4", "1", "1 for 3: a 1 b 2"},
		{"D2: the uncovered count is rounded up", "a: 9 of 10 at 3; b: 0 of 10 at 1", "1", "1 for 1.666666666667: a 1 b 0.666666666667"},
		{"D2: the repriced cost is rounded half to even", "a: 9 of 10 at 3; b: 0 of 10 at 0.5", "1", "1 for 1.333333333334: a 1 b 0.333333333334"},
		{"D2: back at the first rate it is priced anew", "a: 9 of 10 at 3; b: 9 of 10 at 7; c: 0 of 10 at 3", "1", "1 for 3.57142857143: a 1 b 1 c 1.57142857143"},
		{"D2: a line item with nothing to give plays no part", "a: 9 of 10 at 3; b: 10 of 10 at 7; c: 8 of 10 at 3", "1", "1 for 3: a 1 c 2"},
		{"D2: nor one that is past its quantity", "a: 9 of 10 at 3; b: 12 of 10 at 7; c: 8 of 10 at 3", "1", "1 for 3: a 1 c 2"},
		{"D2: nor in the way to an overdraft", "a: 9 of 10 at 3 over 2; b: 10 of 10 at 7", "1", "1 for 3: a 3(2)"},
		{"D2: nor before the one that pays", "a: 10 of 10 at 7; b: 0 of 10 at 3", "1", "1 for 3: b 3"},
		{"D3: overdraft after all balances", "a: 8 of 10 at 1 over 5; b: 8 of 10 at 1 over 5", "6", "6 for 6: a 4(2) b 2"},
		{"D3: overdrafts in the same order", "a: 10 of 10 at 1 over 2; b: 10 of 10 at 1 over 5", "4", "4 for 4: a 2(2) b 2(2)"},
		{"D3: the whole overdraft and no more", "a: 0 of 10 at 1 over 5", "15", "15 for 15: a 15(5)"},
		{"D3: past the overdraft", "a: 0 of 10 at 1 over 5", "15.000000000001", "306"},
		{"D3: an overdraft begun before", "a: 13 of 10 at 1 over 5", "2", "2 for 2: a 2(2)"},
		{"D3: an overdraft that is gone", "a: 15 of 10 at 1 over 5", "0.000000000001", "306"},
		{"D3: an overdraft of 0", "a: 10 of 10 at 1 over 0", "1", "306"},
		{"D25: a quantity below the use", "a: 15 of 10 at 1", "1", "306"},
		{"D25: a quantity below the use, with overdraft", "a: 15 of 10 at 1 over 6", "1", "1 for 1: a 1(1)"},
		{"D25: a quantity and overdraft below the use", "a: 15 of 10 at 1 over 4", "1", "306"},
		{"D7: a rate of 0 costs nothing", "a: 0 of 10 at 0", "5", "5 for 0: a 0"},
		{"D7: a rate of 0 needs no balance", "a: 10 of 10 at 0", "5", "5 for 0: a 0"},
		{"D7: a rate of 0 waits for its turn", "a: 9 of 10 at 2; b: 10 of 10 at 0", "5", "5 for 1: a 1 b 0"},
		{"the cost rounds to 0", "a: 10 of 10 at 0.1", "0.000000000001", "0.000000000001 for 0: a 0"},
		{"half of the last digit rounds to even, down", "a: 0 of 10 at 0.5", "0.000000000001", "0.000000000001 for 0: a 0"},
		{"half of the last digit rounds to even, up", "a: 0 of 10 at 0.5", "0.000000000003", "0.000000000003 for 0.000000000002: a 0.000000000002"},
		{"unlimited overdraft", "a: 0 of 10 at 1 over all", "1000000", "1000000 for 1000000: a 1000000(999990)"},
		{"unlimited overdraft to the end", "a: 0 of 10 at 1 over all", "9999999999999999999", "9999999999999999999 for 9999999999999999999: a 9999999999999999999(9999999999999999989)"},
		{"unlimited overdraft past the end", "a: 1 of 10 at 1 over all", "9999999999999999999", "306"},
		{"a number overdraft ends there too", "a: 0 of 9223372036854775807 at 1 over 9223372036854775807", "9999999999999999999.000000000001", "306"},
		{"no item costs more than can be booked", "a: 0 of 9223372036854775807 at 3; b: 0 of 9223372036854775807 at 3", "5000000000000000000", "306"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, strings.Split(row.lineItems, "; ")...)
			if got := text(w.ask(row.ask, false)); got != row.want {
				t.Errorf("with %s, %s of x is %q, want %q", row.lineItems, row.ask, got, row.want)
			}
			if !strings.HasPrefix(row.want, "306") { // what is granted whole is granted the same when part would do
				if got := text(w.ask(row.ask, true)); got != row.want {
					t.Errorf("with %s, %s of x or part is %q, want %q", row.lineItems, row.ask, got, row.want)
				}
			}
		})
	}
}

func TestDecidePart(t *testing.T) {
	for _, row := range []struct{ rule, lineItems, ask, want string }{
		{"what the tokens buy", "a: 0 of 10 at 3", "5", "3.333333333333 for 9.999999999999: a 9.999999999999"},
		{"all balances, then all overdrafts", "a: 8 of 10 at 2 over 1; b: 9 of 10 at 2 over 3", "50", "3.5 for 7: a 3(1) b 4(3)"},
		{"nothing left", "a: 10 of 10 at 3", "5", "306"},
		{"less than the smallest count", "a: 9.999999999999 of 10 at 1000000", "5", "306"},
		{"the smallest count", "a: 9.999999999999 of 10 at 1", "5", "0.000000000001 for 0.000000000001: a 0.000000000001"},
		{"a small rate", "a: 9 of 10 at 0.000003", "1000000", "333333.333333333333 for 1: a 1"},
		{"several rates", "a: 8 of 10 at 2; b: 8 of 10 at 4", "50", "1.5 for 4: a 2 b 2"},
		{"unlimited overdraft", "a: 0 of 10 at 2 over all", "9999999999999999999", "4999999999999999999.5 for 9999999999999999999: a 9999999999999999999(9999999999999999989)"},
		{"no item costs more than can be booked", "a: 0 of 9223372036854775807 at 1; b: 0 of 9223372036854775807 at 1", "9999999999999999999.5",
			"9999999999999999999 for 9999999999999999999: a 9223372036854775807 b 776627963145224192"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, strings.Split(row.lineItems, "; ")...)
			if got := text(w.ask(row.ask, true)); got != row.want {
				t.Errorf("with %s, %s of x or part is %q, want %q", row.lineItems, row.ask, got, row.want)
			}
		})
	}
}

func TestDecideReasonsInOrder(t *testing.T) {
	for _, row := range []struct {
		rule   string
		change func(*world)
		want   Status
	}{
		{"priced and usable", func(*world) {}, Granted},
		{"no table prices it: 201", func(w *world) { w.Catalog = rate.NewCatalog(nil) }, NotFound},
		{"no table prices it, though there is no line item: 201", func(w *world) { w.Catalog, w.LineItems = rate.NewCatalog(nil), nil }, NotFound},
		{"no line item: 301", func(w *world) { w.LineItems = nil }, NoLineItem},
		{"not begun: 301", func(w *world) { w.LineItems[0].StartMS++ }, NoLineItem},
		{"ended: 301", func(w *world) { w.LineItems[0].EndMS-- }, NoLineItem},
		{"inactive: 301", func(w *world) { w.LineItems[0].State = Inactive }, NoLineItem},
		{"obsolete: 301", func(w *world) { w.LineItems[0].State = Obsolete }, NoLineItem},
		{"not elastic: 301", func(w *world) { w.LineItems[0].Elastic = false }, NoLineItem},
		{"deleted: 301", func(w *world) { w.LineItems[0].Deleted = true }, NoLineItem},
		{"another series prices it: 201", func(w *world) { w.LineItems[0].Series = "other" }, NotFound},
		{"another series prices it and nothing is usable: 301", func(w *world) {
			w.LineItems[0].Series, w.LineItems[0].State = "other", Inactive
		}, NoLineItem},
		{"no balance: 306", func(w *world) { w.LineItems[0].Used = token.FromInt(10) }, Insufficient},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, "a: 0 of 10 at 1")
			row.change(w)
			o := w.ask("1", false)
			if o.Status != row.want {
				t.Errorf("got %s, want %s", o.Status, row.want)
			}
			if o.Status != Granted && (len(o.Slices) > 0 || !o.Tokens.IsZero() || o.Count.String() != "1") {
				t.Errorf("a denial is %+v; want the count as asked and nothing else", o)
			}
		})
	}
}

func exact(a token.Amount) *big.Rat {
	r, _ := new(big.Rat).SetString(a.String())
	return r
}

// A partial grant at one rate costs count x rate, rounded half to even, and one last digit more of the count would not be
// covered; and no decision takes what is not there.
func TestDecideNeverTakesMoreThanThereIs(t *testing.T) {
	digits := rapid.StringMatching(`(0|[1-9][0-9]{0,6})\.[0-9]{0,11}[1-9]`)
	rapid.Check(t, func(t *rapid.T) {
		price := digits.Draw(t, "price")
		prices := []string{price, price, price}
		oneRate := rapid.Bool().Draw(t, "one rate")
		if !oneRate {
			prices = []string{price, digits.Draw(t, "second price"), digits.Draw(t, "third price")}
		}
		var lineItems []string
		for i, id := range []string{"a", "b", "c"} {
			quantity := rapid.IntRange(1, 1000).Draw(t, "quantity")
			used := rapid.StringMatching(`(0|[1-9][0-9]{0,2})\.[0-9]{0,11}[1-9]`).Draw(t, "used")
			lineItems = append(lineItems, fmt.Sprintf("%s: %s of %d at %s over %d", id, used, quantity, prices[i], rapid.IntRange(0, 50).Draw(t, "over")))
		}
		w := newWorldOf(t, lineItems)
		available := new(big.Rat)
		for _, l := range w.LineItems {
			available.Add(available, exact(l.Balance()))
			available.Add(available, exact(l.OverdraftLeft()))
		}
		count := digits.Draw(t, "count")
		o := w.ask(count, true)
		if o.Status == Granted {
			checkGrant(t, w, &o)
		}
		if !oneRate {
			return
		}
		rate := exact(token.MustParse(price))
		if o.Status == Granted {
			if want := token.MulHalfEven(o.Count, token.MustParse(price)); !o.Tokens.Equal(want) {
				t.Fatalf("%s costs %s, want %s", o.Count, o.Tokens, want)
			}
		}
		if o.Status != Granted {
			o.Count = token.Amount{}
		} else if asked := w.ask(o.Count.String(), false); asked.Status != Granted {
			t.Fatalf("%s was granted as part but not as a whole", o.Count)
		}
		more := exact(o.Count.Add(token.Smallest))
		if more.Mul(more, rate); o.Count.Less(token.MustParse(count)) && more.Cmp(available) <= 0 {
			t.Fatalf("%s was granted, though there are tokens for a last digit more", o.Count)
		}
	})
}

func newWorldOf(t *rapid.T, lineItems []string) *world {
	return newWorld(failer{nil, t}, lineItems...)
}

// failer lets rapid's T stand in for testing's, as far as newWorld needs.
type failer struct {
	testing.TB
	t *rapid.T
}

func (f failer) Fatal(args ...any)                 { f.t.Fatal(args...) }
func (f failer) Fatalf(format string, args ...any) { f.t.Fatalf(format, args...) }

func checkGrant(t *rapid.T, w *world, o *Outcome) {
	sum := token.Amount{}
	seen := map[*LineItem]bool{}
	for _, s := range o.Slices {
		if seen[s.LineItem] {
			t.Fatalf("%s pays in two slices", s.LineItem.ActivationID)
		}
		seen[s.LineItem] = true
		sum = sum.Add(s.Tokens)
		if s.Tokens.Sign() < 0 || s.Overdraft.Sign() < 0 || s.Tokens.Less(s.Overdraft) {
			t.Fatalf("slice %+v", s)
		}
		if s.LineItem.Balance().Less(s.Tokens.Sub(s.Overdraft)) || s.LineItem.OverdraftLeft().Less(s.Overdraft) {
			t.Fatalf("%s gives %s, %s of it overdraft, and has %s and %s", s.LineItem.ActivationID, s.Tokens, s.Overdraft,
				s.LineItem.Balance(), s.LineItem.OverdraftLeft())
		}
	}
	if !sum.Equal(o.Tokens) {
		t.Fatalf("%s tokens in all, the slices add up to %s", o.Tokens, sum)
	}
	before := make([]string, len(w.LineItems))
	for i, l := range w.LineItems {
		before[i] = l.Used.String()
	}
	o.Apply()
	for i, l := range w.LineItems { // one past its limit already may still pay what costs 0 tokens
		if limit := token.FromInt(l.Quantity + l.OverdraftLimit); l.Used.String() != before[i] && limit.Less(l.Used) {
			t.Fatalf("%s of %s is used, its quantity and overdraft are %s", l.Used, l.ActivationID, limit)
		}
	}
	o.Revert()
	for i, l := range w.LineItems {
		if l.Used.String() != before[i] {
			t.Fatalf("Revert left %s of %s used, it was %s", l.Used, l.ActivationID, before[i])
		}
	}
}

// The whole of what may be drawn can be granted, whatever was granted before: nothing is lost in roundings at one rate.
func TestDecideDrawsTheLastDigit(t *testing.T) {
	w := newWorld(t, "a: 0 of 7 at 0.000003", "b: 0 of 5 at 0.000003 over 2")
	left := token.FromInt(14)
	for _, count := range []string{"1", "0.333333333333", "77777.777777777777", "1000000.1", "0.000000000007"} {
		o := w.ask(count, false)
		if o.Status != Granted {
			t.Fatalf("%s: %s", count, o.Status)
		}
		o.Apply()
		left = left.Sub(o.Tokens)
	}
	o := w.ask("999999999", true)
	o.Apply()
	// 14 tokens are less than one last digit of a count apart from what a count can buy.
	if rest := left.Sub(o.Tokens); rest.Sign() < 0 || token.Smallest.Less(rest) {
		t.Errorf("%s tokens remain after a grant of all the rest", rest)
	}
}

func TestDecideAllocatesNothingInTheCommonCase(t *testing.T) {
	buf := make([]Slice, 0, 8)
	for name, w := range map[string]*world{
		"one line item":         newWorld(t, "a: 0 of 1000000 at 0.000003"),
		"a split at one rate":   newWorld(t, "a: 999999.5 of 1000000 at 3", "b: 0 of 1000000 at 3"),
		"an overdraft":          newWorld(t, "a: 1000000 of 1000000 at 3 over 1000"),
		"exhausted line items":  newWorld(t, "a: 10 of 10 at 3", "b: 10 of 10 at 3", "c: 0 of 10 at 3"),
		"exhausted, other rate": newWorld(t, "a: 10 of 10 at 7", "b: 0 of 10 at 3"),
	} {
		ask := Ask{Item: "x", Count: token.MustParse("2.5")}
		if n := testing.AllocsPerRun(100, func() {
			if o := Decide(&w.Book, &w.Prices, &w.Who, ask, buf); o.Status != Granted {
				t.Fatal(o.Status)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 50} {
		b.Run(fmt.Sprintf("%d line items", n), func(b *testing.B) {
			var lineItems []string
			for i := range n {
				used := 1000 // all but the last are exhausted: the longest way
				if i == n-1 {
					used = 0
				}
				lineItems = append(lineItems, fmt.Sprintf("%d: %d of 1000 at 0.000003", i, used))
			}
			w := newWorld(b, lineItems...)
			ask := Ask{Item: "x", Count: token.MustParse("4808")}
			buf := make([]Slice, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				if o := Decide(&w.Book, &w.Prices, &w.Who, ask, buf); o.Status != Granted {
					b.Fatal(o.Status)
				}
			}
		})
	}
}
