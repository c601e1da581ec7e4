package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// anyRules gives the line items of a world rules of access, limits and recurrence.
func anyRules(t *rapid.T, w *world) {
	w.Conditions = map[string]*Condition{}
	amount := func(name string) string {
		return rapid.SampledFrom([]string{"0", "1", "2.5", "4.000000000001", "9"}).Draw(t, name)
	}
	for _, l := range w.LineItems {
		id := l.ActivationID
		for range rapid.IntRange(0, 3).Draw(t, "actions") {
			of := rapid.SampledFrom([]string{"sales", "other", "-"}).Draw(t, "condition")
			switch rapid.IntRange(0, 3).Draw(t, "action") {
			case 0:
				w.rule(fmt.Sprintf("%s deny %s", id, of))
			case 1:
				w.rule(fmt.Sprintf("%s allow %s", id, of))
			default:
				w.rule(fmt.Sprintf("%s allow %s %s", id, of, amount("allocation")))
			}
		}
		if rapid.IntRange(0, 2).Draw(t, "limited") == 0 {
			w.rule(fmt.Sprintf("%s limit %s %s", id, amount("limit"), rapid.SampledFrom(period.Frequencies).Draw(t, "period")))
			l.Limit.NextResetMS += rapid.Int64Range(-1e10, 1e10).Draw(t, "next reset")
		}
		if rapid.IntRange(0, 2).Draw(t, "recurring") == 0 {
			l.Recurs = rapid.SampledFrom(period.Frequencies).Draw(t, "recurs")
		}
	}
	w.Sort()
}

// everything is a world with all features, and what was done in it.
type everything struct {
	*world
	who     []Who
	charges []*charge
}

type charge struct {
	who  *Who
	paid []Share
}

func newEverything(t *rapid.T, lineItems []string) *everything {
	e := &everything{world: newWorldOf(t, lineItems)}
	for _, l := range e.LineItems {
		l.Used = token.Amount{}
		l.StartMS = nowMS - rapid.Int64Range(0, 4e9).Draw(t, "start")
		l.EndMS = nowMS + rapid.Int64Range(1, 4e10).Draw(t, "end")
		l.Priority = rapid.Int64Range(0, 1).Draw(t, "priority")
		if rapid.IntRange(0, 9).Draw(t, "unlimited") == 0 {
			l.Overdraft = UnlimitedOverdraft
		}
	}
	anyRules(t, e.world)
	for _, department := range []string{"sales", "sales", "other", ""} {
		w := Who{Standing: NewStanding(RequesterKey{"A", "USER", fmt.Sprint(len(e.who))})}
		if department != "" {
			w.Dictionary = Dictionary{"department": {department, "all"}}
		}
		e.who = append(e.who, w)
	}
	return e
}

func (e *everything) state() string {
	text := ""
	for i := range e.who {
		e.Who = e.who[i]
		text += e.world.state()
	}
	return text
}

// sums is what the charges that are left add up to, by what they count against.
func (e *everything) sums() (used, actions, consumed map[string]token.Amount) {
	used, actions, consumed = map[string]token.Amount{}, map[string]token.Amount{}, map[string]token.Amount{}
	for _, c := range e.charges {
		for _, s := range c.paid {
			l := e.mustHave(s.Number)
			add := func(to map[string]token.Amount, key string) { to[key] = to[key].Add(s.Tokens) }
			if s.ResetMS == l.ResetMS {
				add(used, l.ActivationID)
			}
			if s.ActionID != "" {
				add(actions, s.ActionID)
			}
			if s.Limited {
				add(consumed, fmt.Sprint(l.ActivationID, c.who.Standing.Value, s.SinceMS))
			}
		}
	}
	return used, actions, consumed
}

// check compares the books with what the charges that are left add up to, and with every bound.
func (e *everything) check(t *rapid.T) {
	used, actions, consumed := e.sums()
	for _, l := range e.LineItems {
		if !l.Used.Equal(used[l.ActivationID]) {
			t.Fatalf("%s of %s is used, its charges add up to %s", l.Used, l.ActivationID, used[l.ActivationID])
		}
		if most := token.FromInt(l.Quantity + l.OverdraftLimit); l.Overdraft != UnlimitedOverdraft && most.Less(l.Used) {
			t.Fatalf("%s of %s is used, and %s are there", l.Used, l.ActivationID, most)
		}
		for _, a := range l.Actions {
			if a.Allocation == nil {
				a.Allocation = new(token.Amount)
			}
			if !a.Used.Equal(actions[a.ID]) || a.Allocation.Less(a.Used) {
				t.Fatalf("%s of %s in %s is used, its charges add up to %s", a.Used, a.Allocation, a.ID, actions[a.ID])
			}
		}
		for i := range e.who {
			who := e.who[i].Standing
			for _, c := range who.of(l.Number) {
				if sum := consumed[fmt.Sprint(l.ActivationID, who.Value, c.SinceMS)]; !c.Tokens.Equal(sum) || l.Limit.Tokens.Less(c.Tokens) {
					t.Fatalf("%s of %s is consumed by %s, its charges add up to %s", c.Tokens, l.Limit.Tokens, who.Value, sum)
				}
			}
		}
	}
}

// expect says what becomes of a count of x at one price of 1, in other words: all line items together give what each of them may.
func (e *everything) expect(who *Who, count token.Amount) (Status, token.Amount) {
	var there token.Amount
	type giver struct {
		has               []token.Amount // balance and overdraft
		allocation, limit token.Amount
	}
	var givers []giver
	usable, ruled, limited := false, false, false
	for _, l := range e.LineItems {
		if l.StartMS > e.NowMS || e.NowMS >= l.EndMS {
			continue
		}
		usable = true
		balance := token.FromInt(l.Quantity).Sub(l.Used)
		if balance.Sign() < 0 {
			balance = token.Amount{}
		}
		over := token.FromInt(l.Quantity + l.OverdraftLimit).Sub(l.Used).Sub(balance)
		if l.Overdraft == UnlimitedOverdraft {
			over = token.Max.Sub(l.Used).Sub(balance)
		}
		allocation, limit := token.Max, token.Max
		decides := slices.IndexFunc(l.Actions, func(a Action) bool {
			return a.ConditionID == "" || slices.Contains(who.Dictionary["department"], a.ConditionID)
		})
		switch {
		case len(l.Actions) == 0:
		case decides < 0 || !l.Actions[decides].Allow:
			ruled = true
			continue
		case l.Actions[decides].Allocation != nil:
			allocation = l.Actions[decides].Allocation.Sub(l.Actions[decides].Used)
		}
		if l.Limit != nil {
			since, _ := l.Limit.Around(e.NowMS)
			limit = l.Limit.Tokens
			if c := who.Standing.Consumed[PeriodKey{l.Number, since}]; c != nil {
				limit = limit.Sub(c.Tokens)
			}
		}
		givers = append(givers, giver{[]token.Amount{balance, over}, allocation, limit})
	}
	for round := range 2 { // of all balances, then of all overdrafts
		for i := range givers {
			g := &givers[i]
			needed, most := count.Sub(there), g.has[round]
			ruled = ruled || g.allocation.Less(most) && g.allocation.Less(needed)
			most = token.Min(most, g.allocation)
			limited = limited || g.limit.Less(most) && g.limit.Less(needed)
			most = token.Min(most, g.limit)
			g.allocation, g.limit = g.allocation.Sub(most), g.limit.Sub(most)
			there = there.Add(most)
		}
	}
	switch {
	case !there.Less(count):
		return Granted, there
	case !usable:
		return NoLineItem, there
	case ruled:
		return DeniedByRules, there
	case limited:
		return LimitReached, there
	}
	return Insufficient, there
}

// With all features at once: no charge passes a quantity, an overdraft, an allocation or a limit; what is denied or undone leaves
// everything as it was; what is there is granted, and a denial names its reason; refunds of everything leave nothing used.
func TestEverythingAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		oneRate := rapid.Bool().Draw(t, "one rate")
		var lineItems []string
		for _, id := range []string{"a", "b", "c"} {
			price := "1"
			if !oneRate {
				price = rapid.SampledFrom([]string{"1", "0.3", "7", "0"}).Draw(t, "price")
			}
			lineItems = append(lineItems, fmt.Sprintf("%s: 0 of %d at %s over %d", id, rapid.IntRange(1, 12).Draw(t, "quantity"), price, rapid.IntRange(0, 5).Draw(t, "over")))
		}
		e := newEverything(t, lineItems)
		if !oneRate {
			e.formulas(failer{nil, t}, map[string]string{"1": "1", "0.3": "0.3 * n", "7": "6 + n", "0": "n - n"})
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			e.NowMS += rapid.SampledFrom([]int64{0, 0, 1, 3_600_000, 86_400_000, 1e9, 5e9, -1e8}).Draw(t, "pause")
			e.At(e.NowMS)
			who := &e.who[rapid.IntRange(0, len(e.who)-1).Draw(t, "who")]
			who.matched = nil
			before := e.state()
			var made []*charge
			var outcomes []Outcome
			for range rapid.IntRange(1, 3).Draw(t, "items") {
				count := token.MustParse(rapid.SampledFrom([]string{"0.000000000001", "0.7", "1", "2", "3.333333333333", "8", "30"}).Draw(t, "count"))
				partial := rapid.IntRange(0, 3).Draw(t, "partial") == 0
				status, there := e.expect(who, count)
				o := Decide(&e.Book, &e.Prices, who, Ask{Item: "x", Count: count, AllowPartial: partial, Variables: anyVariables(t)}, nil)
				if oneRate {
					if partial && status != Granted && there.Sign() > 0 {
						status, count = Granted, there
					}
					if o.Status != status || o.Status == Granted && !(o.Count.Equal(count) && o.Tokens.Equal(count)) {
						t.Fatalf("it is %s, want %s for %s of the %s that are there:\n%s", text(o), status, count, there, e.state())
					}
				}
				o.Apply()
				if o.Status == Granted {
					made = append(made, &charge{who, Shares(o.Slices)})
				}
				outcomes = append(outcomes, o)
			}
			if len(made) == 0 || rapid.IntRange(0, 3).Draw(t, "undo") == 0 {
				for i := len(outcomes) - 1; i >= 0; i-- {
					outcomes[i].Revert()
				}
				if after := e.state(); after != before {
					t.Fatalf("what is denied or undone leaves\n%s, there was\n%s", after, before)
				}
			} else {
				e.charges = append(e.charges, made...)
			}
			e.check(t)
			if n := len(e.charges); n > 0 && rapid.IntRange(0, 2).Draw(t, "refund") == 0 {
				c := e.charges[rapid.IntRange(0, n-1).Draw(t, "charge")]
				e.refund(t, c, token.MulDivHalfEven(Sum(c.paid), token.FromInt(rapid.Int64Range(0, 100).Draw(t, "share")), token.FromInt(100)))
				e.check(t)
			}
		}
		for i := len(e.charges) - 1; i >= 0; i-- {
			e.refund(t, e.charges[i], Sum(e.charges[i].paid))
		}
		e.check(t)
		for _, l := range e.LineItems {
			if !l.Used.IsZero() {
				t.Fatalf("%s of %s is used after refunds of everything", l.Used, l.ActivationID)
			}
		}
	})
}

func anyVariables(t *rapid.T) rate.Variables {
	n := rapid.SampledFrom([]string{"", "1", "1", "0.333333333333", "-7"}).Draw(t, "n")
	if n == "" {
		return nil
	}
	return rate.Variables{"n": token.MustParse(n)}
}

func (e *everything) refund(t *rapid.T, c *charge, tokens token.Amount) {
	before := e.state()
	back := Refund(&e.Book, c.who.Standing, c.paid, tokens)
	back.Apply()
	if rapid.IntRange(0, 4).Draw(t, "undo the refund") == 0 {
		back.Revert()
		if after := e.state(); after != before {
			t.Fatalf("a refund that is undone leaves\n%s, there was\n%s", after, before)
		}
		back.Apply()
	}
	c.paid = Rest(c.paid, &back)
}

// With rules and limits too, what is repeated is what would have been decided.
func TestRepeatWithRulesIsDecidingAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		repeated := newWorldOf(t, anyLineItems(t))
		anyRules(t, repeated)
		if rapid.Bool().Draw(t, "window") { // a cover, and no window any more: what is on top is charged every time
			repeated.price(0)
			c := repeated.Standing.cover(ItemKey{"x", ""})
			c.Count, c.UntilMS, c.Number = token.MustParse("0.05"), nowMS+time.Hour.Milliseconds(), rapid.Int64Range(0, 3).Draw(t, "payer")
		}
		repeated.Dictionary = Dictionary{"department": {"sales"}}
		decided := &world{Book: *repeated.Clone(), Prices: repeated.Prices, Who: Who{Standing: repeated.Standing.Clone(), Dictionary: repeated.Dictionary}}
		counts := rapid.SliceOfN(rapid.SampledFrom([]string{"0.1", "1", "0.333333333333"}), 1, 3).Draw(t, "counts")
		all := func(w *world) (outcomes []Outcome, line string, granted bool) {
			granted = true
			w.matched = nil
			for _, count := range counts {
				o := DecideCovered(&w.Book, &w.Prices, &w.Who, Ask{Item: "x", Count: token.MustParse(count)}, nil)
				o.Apply()
				granted = granted && o.Status == Granted
				outcomes = append(outcomes, o)
				line += text(o) + ";"
			}
			return outcomes, line, granted
		}
		for range 5 {
			outcomes, line, granted := all(repeated)
			if !granted {
				return
			}
			n := Repeat(outcomes, rapid.Int64Range(0, 50).Draw(t, "most"))
			for range n + 1 {
				if _, again, _ := all(decided); again != line {
					t.Fatalf("%s, and then %s, was said to be the same %d times", line, again, n)
				}
			}
			if repeated.state() != decided.state() {
				t.Fatalf("after %d times there is\n%s, want\n%s", n, repeated.state(), decided.state())
			}
		}
	})
}

func TestRepeatEndsWithARule(t *testing.T) {
	for _, row := range []struct {
		rules string
		want  int64
	}{
		{"a allow - 10", 4}, {"a allow - 11.9", 4}, {"a limit 6 DAY", 2}, {"a allow - 10; a limit 6 DAY", 2}, {"a allow -", 99},
	} {
		w := newWorld(t, "a: 0 of 200 at 2").rules(row.rules)
		o := w.ask("1", false)
		o.Apply()
		before := w.LineItems[0].Used
		if got := Repeat([]Outcome{o}, 100); got != row.want || !w.LineItems[0].Used.Equal(before.Add(token.FromInt(2*row.want))) {
			t.Errorf("with %s it is repeated %d times, want %d", row.rules, got, row.want)
		}
	}
}
