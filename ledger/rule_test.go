package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// named returns a line item of a world by its activationId.
func (w *world) named(id string) *LineItem {
	at := slices.IndexFunc(w.LineItems, func(l *LineItem) bool { return l.ActivationID == id })
	return w.LineItems[at]
}

// rule adds to a line item what is written as "a allow sales 5", "a deny -" (the default action), "a limit 5 DAY" or
// "a recurs MONTH". Conditions are on the department, and called after it.
func (w *world) rule(text string) {
	words := append(strings.Fields(text), "", "")
	l := w.named(words[0])
	switch words[1] {
	case "limit":
		l.Limit = &Limit{Tokens: token.MustParse(words[2]), Period: period.Frequency(words[3]), NextResetMS: nowMS}
	case "recurs":
		l.Recurs = period.Frequency(words[2])
	default:
		a := Action{ID: fmt.Sprintf("%s%d", l.ActivationID, len(l.Actions)), ConditionID: words[2], Allow: words[1] == "allow"}
		if words[2] == "-" {
			a.ConditionID = ""
		} else {
			w.Conditions[words[2]] = &Condition{ID: words[2], Type: Simple, Operator: In, Key: "department", Values: []string{words[2]}}
		}
		if words[3] != "" {
			most := token.MustParse(words[3])
			a.Allocation = &most
		}
		l.Actions = append(l.Actions, a)
	}
	w.Sort()
}

func (w *world) rules(all string) *world {
	w.Conditions = map[string]*Condition{}
	for _, text := range strings.Split(all, "; ") {
		w.rule(text)
	}
	return w
}

// from has another requester ask, of a department.
func (w *world) from(value, department string) {
	w.Who = Who{Standing: NewStanding(RequesterKey{"A", "USER", value}), Dictionary: Dictionary{"department": {department}}}
}

// What is asked for is one request: its items, in order, by one requester of the department "sales".
func TestRulesOfAccess(t *testing.T) {
	const two, over = "a: 0 of 10 at 1; b: 0 of 10 at 1", "a: 8 of 10 at 1 over 5; b: 8 of 10 at 1 over 5"
	for _, row := range []struct{ rule, lineItems, rules, ask, want string }{
		{"D22: no actions are free to all", two, "a limit 100 DAY", "5", "5 for 5: a 5"},
		{"D22: the condition holds", two, "a allow sales", "5", "5 for 5: a 5"},
		{"D22: nothing holds gives nothing", two, "a allow other", "5", "5 for 5: b 5"},
		{"D22: nothing holds anywhere", two, "a allow other; b allow other", "5", "302"},
		{"D22: DENY gives nothing", two, "a deny sales; a allow -", "5", "5 for 5: b 5"},
		{"D22: DENY of others", two, "a deny other; a allow -", "5", "5 for 5: a 5"},
		{"D22: the default action denies the rest", two, "a allow other; a deny -", "5", "5 for 5: b 5"},
		{"D22: the first that holds decides, not the best", two, "a allow sales 2; a allow -; b deny -", "5", "302"},
		{"D22: nor the last", two, "a allow -; a deny sales", "5", "5 for 5: a 5"},
		{"D22: not the first in the list, if that does not hold", two, "a deny other; a allow sales 2; a deny -", "5", "5 for 5: a 2 b 3"},
		{"D22: the rest of an allocation goes on", two, "a allow - 3", "5", "5 for 5: a 3 b 2"},
		{"D22: exactly the allocation", "a: 0 of 10 at 1", "a allow - 3", "3", "3 for 3: a 3"},
		{"D22: a last digit past the allocation", "a: 0 of 10 at 1", "a allow - 3", "3.000000000001", "302"},
		{"D22: the allocation counts across the items of a request", two, "a allow - 3", "2 2 2", "2 for 2: a 2; 2 for 2: a 1 b 1; 2 for 2: b 2"},
		{"D22: an item that is denied takes nothing from it", "a: 0 of 10 at 1", "a allow - 3", "4 3", "302; 3 for 3: a 3"},
		{"D22: it bounds balance and overdraft together", over, "a allow - 3; b deny -", "3", "3 for 3: a 3(1)"},
		{"D22: and no more", over, "a allow - 3; b deny -", "3.000000000001", "302"},
		{"D22: it bounds overdraft alone", "a: 10 of 10 at 1 over 5", "a allow - 3", "4", "302"},
		{"D22: an allocation less than the balance leaves no overdraft", over, "a allow - 1", "8", "8 for 8: a 1 b 7(5)"},
		{"D22: an unlimited overdraft", "a: 10 of 10 at 1 over all", "a allow - 3", "3", "3 for 3: a 3(3)"},
		{"D22: an allocation of 0", two, "a allow - 0", "5", "5 for 5: b 5"},
		{"D22: what costs nothing needs no allocation", "a: 0 of 10 at 0", "a allow - 0", "5", "5 for 0: a 0"},
		{"D22: but is denied by DENY", "a: 0 of 10 at 0", "a deny -", "5", "302"},
		{"D22: an allocation past what there is", "a: 8 of 10 at 1", "a allow - 100", "3", "306"},
		{"D2: at other rates", "a: 0 of 10 at 2; b: 0 of 10 at 4", "a allow - 3", "2", "2 for 5: a 3 b 2"},
		{"D5: a part is what the rules leave", "a: 0 of 10 at 1; b: 0 of 10 at 1", "a allow - 3; b allow - 0.5", "part of 9", "3.5 for 3.5: a 3 b 0.5"},
		{"D5: no part of nothing", "a: 0 of 10 at 1", "a allow - 0", "part of 9", "302"},
		{"D23: the rest goes on", two, "a limit 3 DAY", "5", "5 for 5: a 3 b 2"},
		{"D23: across the items of a request", two, "a limit 3 DAY", "2 2 2", "2 for 2: a 2; 2 for 2: a 1 b 1; 2 for 2: b 2"},
		{"D23: it bounds balance and overdraft together", over, "a limit 3 DAY; b deny -", "3", "3 for 3: a 3(1)"},
		{"D23: the lesser of both, the limit", two, "a allow - 3; a limit 2 DAY", "5", "5 for 5: a 2 b 3"},
		{"D23: the lesser of both, the allocation", two, "a allow - 2; a limit 3 DAY", "5", "5 for 5: a 2 b 3"},
		{"D23: both are used up", two, "a allow - 4; a limit 3 DAY; b deny -", "3 1", "3 for 3: a 3; 302"},
		{"D5: a part is what the limit leaves", "a: 0 of 10 at 1", "a limit 3 DAY", "part of 9", "3 for 3: a 3"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, strings.Split(row.lineItems, "; ")...).rules(row.rules)
			w.from("u", "sales")
			count, partial := strings.CutPrefix(row.ask, "part of ")
			var got []string
			for _, count := range strings.Fields(count) {
				o := w.ask(count, partial)
				o.Apply()
				got = append(got, text(o))
			}
			if strings.Join(got, "; ") != row.want {
				t.Errorf("with %s and %s, %s of x is %q, want %q", row.lineItems, row.rules, row.ask, got, row.want)
			}
		})
	}
}

// An allocation is one for all requesters, a limit one for each.
func TestAllocationsAndLimitsOfSeveralRequesters(t *testing.T) {
	for _, row := range []struct{ rules, want string }{
		{"a allow - 3", "2 for 2: a 2; 302; 1 for 1: a 1"},
		{"a limit 3 DAY", "2 for 2: a 2; 2 for 2: a 2; 1 for 1: a 1"},
		{"a allow one 2; a allow two 3", "2 for 2: a 2; 2 for 2: a 2; 302"},
	} {
		w := newWorld(t, "a: 0 of 10 at 1").rules(row.rules)
		w.from("one", "one")
		first := w.Who
		var got []string
		for i, count := range []string{"2", "2", "1"} {
			if i == 1 {
				w.from("two", "two")
			} else {
				w.Who = first
			}
			o := w.ask(count, false)
			o.Apply()
			got = append(got, text(o))
		}
		if strings.Join(got, "; ") != row.want {
			t.Errorf("with %s: %q, want %q", row.rules, got, row.want)
		}
	}
}

func TestConditions(t *testing.T) {
	all := map[string]*Condition{}
	book := Book{Conditions: all}
	for id, body := range map[string]string{
		"in":      `{"type":"SIMPLE","key":"k","operator":"IN","values":["a","b"]}`,
		"not":     `{"type":"SIMPLE","key":"k","operator":"NOT","values":["a","b"]}`,
		"number":  `{"type":"SIMPLE","key":"n","operator":"IN","values":["1.0"]}`,
		"empty":   `{"type":"SIMPLE","key":"k","operator":"IN","values":[""]}`,
		"none":    `{"type":"SIMPLE","key":"k","operator":"IN"}`,
		"and":     `{"type":"COMPLEX","operator":"AND","conditions":[{"id":"in"},{"type":"SIMPLE","key":"n","operator":"IN","values":["1"]}]}`,
		"or":      `{"type":"COMPLEX","operator":"OR","conditions":[{"id":"in"},{"type":"SIMPLE","key":"n","operator":"IN","values":["1"]}]}`,
		"nested":  `{"type":"COMPLEX","operator":"AND","conditions":[{"id":"or"},{"type":"COMPLEX","operator":"OR","conditions":[{"id":"not"},{"id":"and"}]}]}`,
		"allOfNo": `{"type":"COMPLEX","operator":"AND"}`,
		"anyOfNo": `{"type":"COMPLEX","operator":"OR"}`,
	} {
		c := &Condition{}
		if err := json.Unmarshal([]byte(body), c); err != nil {
			t.Fatal(err)
		}
		c.ID = id
		all[id] = c
	}
	k := func(values ...string) Dictionary { return Dictionary{"k": values} }
	kn := func(k, n string) Dictionary { return Dictionary{"k": {k}, "n": {n}} }
	for _, row := range []struct {
		rule, condition string
		dictionary      Dictionary
		want            bool
	}{
		{"in", "in", k("a"), true},
		{"not in", "in", k("c"), false},
		{"upper case is another value", "in", k("A"), false},
		{"one of a list", "in", k("c", "b"), true},
		{"none of a list", "in", k("c", "d"), false},
		{"an empty list", "in", k(), false},
		{"no such key", "in", kn("c", "a"), false},
		{"keys are exact", "in", Dictionary{"K": {"a"}}, false},
		{"no dictionary", "in", nil, false},
		{"NOT: not in", "not", k("c"), true},
		{"NOT: in", "not", k("a"), false},
		{"NOT: one of a list", "not", k("c", "a"), false},
		{"NOT: no such key", "not", Dictionary{}, true},
		{"NOT: no dictionary", "not", nil, true},
		{"numbers as written", "number", Dictionary{"n": {"1.0"}}, true},
		{"not by value", "number", Dictionary{"n": {"1"}}, false},
		{"the empty text", "empty", k(""), true},
		{"the empty text is not nothing", "empty", nil, false},
		{"no values", "none", k(""), false},
		{"AND: both", "and", kn("a", "1"), true},
		{"AND: the reference fails", "and", kn("c", "1"), false},
		{"AND: the one in place fails", "and", kn("a", "2"), false},
		{"OR: neither", "or", kn("c", "2"), false},
		{"OR: the reference", "or", kn("a", "2"), true},
		{"OR: the one in place", "or", kn("c", "1"), true},
		{"nested: OR by the number, NOT holds", "nested", kn("c", "1"), true},
		{"nested: all", "nested", kn("a", "1"), true},
		{"nested: OR holds, the inner one fails", "nested", kn("a", "2"), false},
		{"all of none", "allOfNo", nil, true},
		{"any of none", "anyOfNo", nil, false},
	} {
		if got := (&Who{Dictionary: row.dictionary}).Holds(&book, row.condition); got != row.want {
			t.Errorf("D21: %s: %s holds for %v is %v", row.rule, row.condition, row.dictionary, got)
		}
	}
}

// formulas sets what x costs by series: the value of a formula, or, if it is empty, nothing prices it.
func (w *world) formulas(t testing.TB, bySeries map[string]string) {
	var tables []*rate.Table
	for series, text := range bySeries {
		table := &rate.Table{Series: series, Version: "1", Items: []rate.Item{{Name: "other", Rate: token.FromInt(1)}}}
		if text != "" {
			f, err := formula.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			table.Items = append(table.Items, rate.Item{Name: "x", Formula: f})
		}
		tables = append(tables, table)
	}
	w.Catalog = rate.NewCatalog(tables)
}

// Line items a, b ... are of the series 1, 2 ..., and x costs there what the formulas say.
func TestFormulas(t *testing.T) {
	for _, row := range []struct{ rule, lineItems, formulas, variables, want string }{
		{"D9: its value is the rate", "a: 0 of 10 at 1", "n / 2", "n=3", "2 for 3: a 3"},
		{"D9: a missing variable", "a: 0 of 10 at 1", "n / 2", "", "304"},
		{"D9: division by 0", "a: 0 of 10 at 1", "1 / n", "n=0", "304"},
		{"D7: negative", "a: 0 of 10 at 1", "n", "n=-0.000000000001", "305"},
		{"D7: 0", "a: 10 of 10 at 1", "n", "n=0", "2 for 0: a 0"},
		{"not covered", "a: 0 of 10 at 1", "n", "n=5.1", "306"},
		{"one line item has a price: that one pays", "a: 0 of 10 at 1; b: 0 of 10 at 2", "1 / n; 3", "n=0", "2 for 6: b 6"},
		{"one line item has a price that is not negative: that one pays", "a: 0 of 10 at 1; b: 0 of 10 at 2", "n; 3", "n=-1", "2 for 6: b 6"},
		{"which is not enough: 304 before 306", "a: 0 of 10 at 1; b: 5 of 10 at 2", "1 / n; 3", "n=0", "304"},
		{"which is not enough: 305 before 306", "a: 0 of 10 at 1; b: 5 of 10 at 2", "n; 3", "n=-1", "305"},
		{"304 before 305, in any order", "a: 0 of 10 at 1; b: 0 of 10 at 2", "n; 1 / m", "n=-1", "304"},
		{"304 before 305, in the other", "a: 0 of 10 at 1; b: 0 of 10 at 2", "1 / m; n", "n=-1", "304"},
		{"a series that no line item has plays no part", "a: 0 of 10 at 1", "3; 1 / n", "n=0", "2 for 6: a 6"},
		{"nor in why the others give nothing", "a: 5 of 10 at 1", "3; 1 / n", "n=0", "306"},
		{"nor when they do not price it", "a: 5 of 10 at 1", "; 1 / n", "n=0", "201"},
		{"D2: a split at two values", "a: 0 of 3 at 1; b: 0 of 10 at 2", "n; 2 * n", "n=3", "2 for 9: a 3 b 6"},
		{"one table for several line items", "a: 0 of 3 at 1; b: 0 of 10 at 1", "n", "n=3", "2 for 6: a 3 b 3"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			w := newWorld(t, strings.Split(row.lineItems, "; ")...)
			bySeries := map[string]string{}
			for i, text := range strings.Split(row.formulas, ";") {
				bySeries[fmt.Sprint(i+1)] = strings.TrimSpace(text)
			}
			w.formulas(t, bySeries)
			ask := Ask{Item: "x", Count: token.FromInt(2)}
			if name, value, some := strings.Cut(row.variables, "="); some {
				ask.Variables, _ = rate.NewVariables(map[string]token.Amount{strings.ToUpper(name): token.MustParse(value)})
			}
			o := w.decide(ask)
			if got := text(o); got != row.want {
				t.Errorf("%s: %q, want %q", row.formulas, got, row.want)
			}
			if (o.Detail != "") != (o.Status == NotEvaluated || o.Status == NegativeRate) {
				t.Errorf("the detail of %s is %q", o.Status, o.Detail)
			}
		})
	}
}

// reasons are those of denials by their precedence (decisions.md D28).
var reasons = []Status{NotFound, NotEvaluated, NegativeRate, NoLineItem, DeniedByRules, LimitReached, Insufficient}

// refusing returns a world in which each of some reasons keeps a line item of its own from giving anything.
func refusing(t testing.TB, why []Status) *world {
	w := newWorld(t, "none: 0 of 10 at 1", "fails: 0 of 10 at 2", "negative: 0 of 10 at 3", "idle: 0 of 10 at 1",
		"rules: 0 of 10 at 1", "limit: 0 of 10 at 1", "empty: 10 of 10 at 1")
	bySeries := map[string]string{"1": "1", "2": "1 / 0", "3": "-1"}
	without := func(series string) { bySeries[series] = "" }
	fails, negative := slices.Contains(why, NotEvaluated), slices.Contains(why, NegativeRate)
	if !fails {
		without("2")
	}
	if !negative {
		without("3")
	}
	if slices.Contains(why, NoLineItem) && (fails || negative) { // or it could be priced in some series
		without("1")
	}
	if slices.Contains(why, NotFound) {
		without("1")
		without("2")
		without("3")
	}
	w.formulas(t, bySeries)
	w.rules("rules deny -; limit limit 0 DAY")
	for i, l := range w.LineItems {
		l.Deleted = !slices.Contains(why, reasons[i])
		if slices.Contains(why, NoLineItem) {
			l.State = Inactive
		}
	}
	return w
}

// Every set of reasons: the first by precedence is given, whatever the order of the line items.
func TestDenialReasonsByPrecedence(t *testing.T) {
	for set := 1; set < 1<<len(reasons); set++ {
		var why []Status
		for i, reason := range reasons {
			if set&(1<<i) != 0 {
				why = append(why, reason)
			}
		}
		w := refusing(t, why)
		for range len(reasons) {
			for i, l := range w.LineItems {
				l.Priority = int64((i + 1) % len(w.LineItems))
			}
			w.Sort()
			for _, partial := range []bool{false, true} {
				if o := w.ask("1", partial); o.Status != why[0] || len(o.Slices) > 0 || o.Count.String() != "1" || !o.Tokens.IsZero() {
					t.Fatalf("D28: of %v the reason is %s, want %s", why, o.Status, why[0])
				}
			}
		}
	}
}

func TestNoLineItemAndSomePrice(t *testing.T) {
	w := refusing(t, []Status{NoLineItem})
	w.formulas(t, map[string]string{"1": "1 / 0", "2": "-1", "3": "1"})
	for range 20 { // series have no order
		if o := w.ask("1", false); o.Status != NoLineItem {
			t.Fatalf("D28: priced in one series of three, the reason is %s, want 301", o.Status)
		}
	}
}

// Reasons that one line item has together.
func TestDenialReasonsOfOneLineItem(t *testing.T) {
	for _, row := range []struct {
		lineItem, rules string
		want            Status
	}{
		{"a: 0 of 10 at 1", "a allow - 0; a limit 0 DAY", DeniedByRules},
		{"a: 0 of 10 at 1", "a allow - 5; a limit 0 DAY", DeniedByRules},
		{"a: 0 of 10 at 1", "a allow - 10; a limit 0 DAY", LimitReached},
		{"a: 0 of 10 at 1", "a deny -; a limit 0 DAY", DeniedByRules},
		{"a: 10 of 10 at 1", "a deny -", DeniedByRules},
		{"a: 10 of 10 at 1", "a allow - 0", Insufficient}, // it keeps nothing back
		{"a: 10 of 10 at 1", "a limit 0 DAY", Insufficient},
		{"a: 10 of 10 at 1 over 9", "a allow - 0", DeniedByRules},
		{"a: 10 of 10 at 1 over 9", "a limit 0 DAY", LimitReached},
		{"a: 0 of 10 at 1", "a limit 12 DAY", Insufficient},
	} {
		w := newWorld(t, row.lineItem).rules(row.rules)
		for _, partial := range []bool{false, true} {
			w.Who.matched = nil
			o := w.ask("11", partial)
			if partial && row.want == Insufficient && row.lineItem == "a: 0 of 10 at 1" {
				continue // there is a part
			}
			if o.Status != row.want || (o.Detail != "") != (o.Status == LimitReached) {
				t.Errorf("with %s and %s the reason is %s %q, want %s", row.lineItem, row.rules, o.Status, o.Detail, row.want)
			}
		}
	}
}

func TestDetailOfALimit(t *testing.T) {
	w := newWorld(t, "a: 0 of 10 at 1").rules("a limit 3.5 MONTH")
	want := "3.5 tokens per MONTH and requester from line item a, until 2026-02-01T00:00:00Z"
	if o := w.ask("4", false); o.Detail != want {
		t.Errorf("the detail is %q, want %q", o.Detail, want)
	}
}

func TestStatusesAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Statuses {
		if s.Description() == "" || seen[s.Description()] {
			t.Errorf("%s is described as %q", s, s.Description())
		}
		seen[s.Description()] = true
	}
}
