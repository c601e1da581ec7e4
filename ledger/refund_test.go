package ledger

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/token"
)

// slicesText writes the slices of an outcome as in the tables: what is in parentheses is overdraft.
func slicesText(o Outcome) string {
	o.Status, o.Count = Granted, o.Tokens
	_, text, _ := strings.Cut(text(o), ": ")
	return text
}

// sharesText writes shares such as "a 5 b 2 a over 3".
func (w *world) sharesText(shares []Share) string {
	var words []string
	for _, s := range shares {
		word := w.mustHave(s.Number).ActivationID + " "
		if s.Overdraft {
			word += "over "
		}
		words = append(words, word+s.Tokens.String())
	}
	return strings.Join(words, " ")
}

func TestRefund(t *testing.T) {
	const (
		split     = "a: 5 of 10 at 1; b: 0 of 10 at 1"
		over      = "a: 8 of 10 at 1 over 5"
		bothOver  = "a: 8 of 10 at 1 over 5; b: 8 of 10 at 1 over 5"
		firstGone = "a: 10 of 10 at 1 over 2; b: 8 of 10 at 1 over 5"
		prices    = "a: 8 of 10 at 2; b: 0 of 10 at 4"
	)
	for _, row := range []struct {
		rule, lineItems, ask, tokens string
		want, rest                   string
	}{
		{"nothing", split, "8", "0", "", "a 5 b 3"},
		{"D12: the line item drawn last first", split, "8", "2", "b 2", "a 5 b 1"},
		{"D12: all of it", split, "8", "3", "b 3", "a 5"},
		{"D12: then the one before", split, "8", "3.5", "b 3 a 0.5", "a 4.5"},
		{"the whole charge", split, "8", "8", "b 3 a 5", ""},
		{"D12: overdraft before balance", over, "4", "1", "a 1(1)", "a 2 a over 1"},
		{"D12: the last digit of an overdraft", over, "4", "1.999999999999", "a 1.999999999999(1.999999999999)", "a 2 a over 0.000000000001"},
		{"D12: all of an overdraft, then balance", over, "4", "3", "a 3(2)", "a 1"},
		{"D12: all overdrafts before any balance", bothOver, "12", "8.5", "b 3.5(3) a 5(5)", "a 2 b 1.5"},
		{"D12: of overdrafts the one drawn last first", bothOver, "12", "4", "b 3(3) a 1(1)", "a 2 b 2 a over 4"},
		{"D12: of balances the one drawn last first", bothOver, "12", "11", "b 5(3) a 6(5)", "a 1"},
		{"D12: an overdraft drawn last, of a line item drawn first", firstGone, "6", "2", "b 2(2)", "b 2 a over 2"},
		{"D12: and then the overdraft before", firstGone, "6", "3", "b 2(2) a 1(1)", "b 2 a over 1"},
		{"what was paid at another price", prices, "2", "5", "b 4 a 1", "a 1"},
		{"D25: it takes back what was past a lowered quantity", "a: 15 of 10 at 1 over 9", "3", "3", "a 3(3)", ""},
		{"what cost nothing gives nothing back", "a: 0 of 10 at 0", "3", "0", "", ""},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, strings.Split(row.lineItems, "; ")...)
			charge := w.ask(row.ask, false)
			charge.Apply()
			paid := Shares(charge.Slices)
			if !Sum(paid).Equal(charge.Tokens) {
				t.Fatalf("%s is remembered of a charge of %s", Sum(paid), charge.Tokens)
			}
			back := Refund(&w.Book, w.Standing, paid, token.MustParse(row.tokens))
			if got := slicesText(back); got != row.want {
				t.Errorf("%s of %q back is %q, want %q", row.tokens, slicesText(charge), got, row.want)
			}
			if !back.Refund || back.Tokens.String() != row.tokens {
				t.Errorf("the refund of %s is %+v", row.tokens, back)
			}
			if got := w.sharesText(Rest(paid, &back)); got != row.rest {
				t.Errorf("after %s of %q is back the rest is %q, want %q", row.tokens, slicesText(charge), got, row.rest)
			}
		})
	}
}

// Line items may have changed since they paid.
func TestRefundWhateverTheState(t *testing.T) {
	for _, row := range []struct {
		rule   string
		change func(*LineItem)
	}{
		{"inactive", func(l *LineItem) { l.State = Inactive }},
		{"obsolete", func(l *LineItem) { l.State = Obsolete }},
		{"deleted", func(l *LineItem) { l.Deleted = true }},
		{"ended", func(l *LineItem) { l.EndMS = nowMS - 1 }},
		{"not begun", func(l *LineItem) { l.StartMS, l.EndMS = nowMS+1, nowMS+2 }},
		{"not elastic", func(l *LineItem) { l.Elastic = false }},
		{"of another series", func(l *LineItem) { l.Series = "other" }},
		{"of another priority", func(l *LineItem) { l.Priority = 99 }},
		{"without overdraft now", func(l *LineItem) { l.Overdraft = NoOverdraft }},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, "a: 8 of 10 at 1 over 5", "b: 10 of 10 at 1 over 5")
			charge := w.ask("9", false)
			charge.Apply()
			for _, l := range w.LineItems {
				row.change(l)
			}
			w.Sort()
			back := Refund(&w.Book, w.Standing, Shares(charge.Slices), charge.Tokens)
			back.Apply()
			if got := w.mustHave(0).Used.String() + " " + w.mustHave(1).Used.String(); got != "8 10" {
				t.Errorf("the uses are %s after a refund of everything, they were 8 and 10", got)
			}
			back.Revert()
			if got := w.mustHave(0).Used.String() + " " + w.mustHave(1).Used.String(); got != "15 12" {
				t.Errorf("the uses are %s after the refund was reverted, they were 15 and 12", got)
			}
		})
	}
}

// A refund is the charge played backwards: what it leaves is the shares that were drawn first.
func TestRefundReplaysBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorldOf(t, anyLineItems(t))
		charge := w.ask(rapid.StringMatching(`[1-9][0-9]?\.[0-9]{0,11}[1-9]`).Draw(t, "count"), true)
		if charge.Status != Granted {
			t.Skip("nothing was charged")
		}
		charge.Apply()
		paid := Shares(charge.Slices)
		tokens := token.MulDivHalfEven(charge.Tokens, token.FromInt(rapid.Int64Range(0, 1000).Draw(t, "share")), token.FromInt(1000))
		back := Refund(&w.Book, w.Standing, paid, tokens)

		sum, of := token.Amount{}, map[*LineItem]Slice{}
		for _, s := range charge.Slices {
			of[s.LineItem] = s
		}
		for _, s := range back.Slices {
			was, paid := of[s.LineItem]
			delete(of, s.LineItem)
			if s.Tokens.Sign() <= 0 || s.Overdraft.Sign() < 0 || was.Tokens.Less(s.Tokens) || was.Overdraft.Less(s.Overdraft) || !was.Rate.Equal(s.Rate) || !paid {
				t.Fatalf("%+v is back of %+v", s, was)
			}
			sum = sum.Add(s.Tokens)
		}
		if !sum.Equal(tokens) || !back.Tokens.Equal(tokens) {
			t.Fatalf("%s of %s are back, want %s", sum, back.Tokens, tokens)
		}

		rest := Rest(paid, &back)
		if !Sum(rest).Add(tokens).Equal(charge.Tokens) {
			t.Fatalf("%s rest and %s are back of %s", Sum(rest), tokens, charge.Tokens)
		}
		for i := range rest {
			whole := rest[i].Tokens.Equal(paid[i].Tokens) || i == len(rest)-1
			if rest[i].Number != paid[i].Number || rest[i].Overdraft != paid[i].Overdraft || paid[i].Tokens.Less(rest[i].Tokens) || !whole {
				t.Fatalf("of %s the rest is %s", w.sharesText(paid), w.sharesText(rest))
			}
		}
		again := Refund(&w.Book, w.Standing, rest, Sum(rest)) // what goes back in two steps is what was paid
		both := map[*LineItem]token.Amount{}
		for _, s := range append(again.Slices, back.Slices...) {
			both[s.LineItem] = both[s.LineItem].Add(s.Tokens)
		}
		for _, s := range charge.Slices {
			if !both[s.LineItem].Equal(s.Tokens) {
				t.Fatalf("%s of %s is back in two steps, want %s", both[s.LineItem], s.LineItem.ActivationID, s.Tokens)
			}
		}
	})
}

func anyLineItems(t *rapid.T) (lineItems []string) {
	for _, id := range []string{"a", "b", "c", "d"} {
		lineItems = append(lineItems, fmt.Sprintf("%s: %s of %d at %s over %d", id, rapid.SampledFrom([]string{"0", "3.5", "5", "9.999999999999"}).Draw(t, "used"),
			rapid.IntRange(1, 15).Draw(t, "quantity"), rapid.SampledFrom([]string{"1", "1", "0.3", "7"}).Draw(t, "price"), rapid.IntRange(0, 9).Draw(t, "over")))
	}
	return lineItems
}

func TestJoin(t *testing.T) {
	share := func(number int64, version, price, tokens string, overdraft bool) Share {
		return Share{Number: number, Version: version, Rate: token.MustParse(price), Tokens: token.MustParse(tokens), Overdraft: overdraft}
	}
	for _, row := range []struct {
		rule            string
		all, more, want []Share
	}{
		{"nothing", nil, nil, nil},
		{"the first", nil, []Share{share(1, "v", "2", "3", false)}, []Share{share(1, "v", "2", "3", false)}},
		{"one line item at one price adds up", []Share{share(1, "v", "2", "3", false)}, []Share{share(1, "v", "2.0", "0.5", false)}, []Share{share(1, "v", "2", "3.5", false)}},
		{"another line item", []Share{share(1, "v", "2", "3", false)}, []Share{share(2, "v", "2", "3", false)}, []Share{share(1, "v", "2", "3", false), share(2, "v", "2", "3", false)}},
		{"another table", []Share{share(1, "v", "2", "3", false)}, []Share{share(1, "w", "2", "3", false)}, []Share{share(1, "v", "2", "3", false), share(1, "w", "2", "3", false)}},
		{"another price", []Share{share(1, "v", "2", "3", false)}, []Share{share(1, "v", "4", "3", false)}, []Share{share(1, "v", "2", "3", false), share(1, "v", "4", "3", false)}},
		{"its overdraft", []Share{share(1, "v", "2", "3", false)}, []Share{share(1, "v", "2", "1", true), share(1, "v", "2", "1", true)}, []Share{share(1, "v", "2", "3", false), share(1, "v", "2", "2", true)}},
	} {
		t.Run(row.rule, func(t *testing.T) {
			before := fmt.Sprint(row.all, row.more)
			got := Join(row.all, row.more)
			if diff := cmp.Diff(row.want, got, equalAmounts); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if after := fmt.Sprint(row.all, row.more); after != before {
				t.Errorf("what was joined was %s and is now %s", before, after)
			}
			if !Sum(got).Equal(Sum(row.all).Add(Sum(row.more))) {
				t.Errorf("it adds up to %s", Sum(got))
			}
		})
	}
}

var equalAmounts = cmp.Comparer(func(x, y token.Amount) bool { return x.Equal(y) })

// Several charges of one line item, at prices that changed, are refunded and reduced each on its own.
func TestRefundOfJoinedShares(t *testing.T) {
	w := newWorld(t, "a: 9 of 10 at 1 over 9")
	share := func(version, tokens string, overdraft bool) Share {
		return Share{Version: version, Rate: token.FromInt(1), Tokens: token.MustParse(tokens), Overdraft: overdraft}
	}
	paid := Join([]Share{share("1", "3", false)}, []Share{share("2", "2", false), share("2", "4", true)})
	for _, row := range []struct{ tokens, want, rest string }{
		{"1", "2: 1(1)", "a 3 a 2 a over 3"},
		{"5", "2: 5(4)", "a 3 a 1"},
		{"7", "2: 6(4), 1: 1(0)", "a 2"},
		{"9", "2: 6(4), 1: 3(0)", ""},
	} {
		back := Refund(&w.Book, w.Standing, paid, token.MustParse(row.tokens))
		var got []string
		for _, s := range back.Slices {
			got = append(got, fmt.Sprintf("%s: %s(%s)", s.Version, s.Tokens, s.Overdraft))
		}
		if strings.Join(got, ", ") != row.want {
			t.Errorf("%s back is %q, want %q", row.tokens, strings.Join(got, ", "), row.want)
		}
		if rest := w.sharesText(Rest(paid, &back)); rest != row.rest {
			t.Errorf("after %s is back the rest is %q, want %q", row.tokens, rest, row.rest)
		}
	}
}
