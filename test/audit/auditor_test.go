package audit

import (
	"math/big"
	"slices"
	"strings"
	"testing"
)

// history is a good one: a splits with b, b goes into overdraft, an item is denied.
func history() (a *Auditor, answers []*Answer, events []Event, used map[string]*big.Rat) {
	a = NewAuditor()
	w := NewTwin(dawn)
	w.Instances["A"] = true
	for _, t := range []*Table{
		{Version: "1", From: dawn, Rates: map[[2]string]*big.Rat{{"x", ""}: R("2")}},
		{Series: "s", Version: "2", From: dawn, Rates: map[[2]string]*big.Rat{{"x", ""}: R("3")}},
	} {
		w.AddTable(t)
		a.Table(t)
	}
	base := LineItem{Instance: "A", State: deployed, Quantity: 10, Start: dawn, End: dawn + day, Elastic: true}
	first, second := base, base
	first.ID, second.ID, second.Series, second.Overdraft, second.Limit = "a", "b", "s", number, 5
	for _, l := range []LineItem{first, second} {
		w.Put(l)
		a.LineItem(l)
	}
	for i, r := range []Request{
		{Items: []Ask{{Item: "x", Count: R("4")}}},
		{Items: []Ask{{Item: "x", Count: R("3")}, {Item: "missing", Count: R("1")}}},
		{Items: []Ask{{Item: "x", Count: R("9"), Partial: true}}},
		{Items: []Ask{{Item: "x", Count: R("1")}}},
	} {
		r.Instance = "A"
		really := &Answer{CorrelationID: string(rune('1' + i)), Items: make([]AnsweredItem, len(r.Items))}
		for j := range really.Items {
			really.Items[j].Count = zero
		}
		answer, _, _ := w.Charge(r, "", "", really)
		answers = append(answers, answer)
		a.Answered(dawn, r, answer)
	}
	for i := range w.Events { // counts are not the twin's; here every rate divides its tokens
		if e := &w.Events[i]; e.Kind == "CHARGE" {
			e.Count = down(div(e.Tokens, e.Rate))
		}
	}
	last := &w.Events[2] // the split: count 3, of which a paid 1
	last.Count = R("2")
	return a, answers, w.Events, w.Used
}

func TestAuditorAcceptsGoodHistory(t *testing.T) {
	a, answers, events, used := history()
	for _, wrong := range a.Audit(events, used) {
		t.Error(wrong)
	}
	if answers[1].Items[0].Slices[1].LineItem != "b" || len(events) != 6 {
		t.Errorf("the history is not what it should be: %v", events)
	}
}

func TestAuditorFindsWhatIsWrong(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(answers []*Answer, events []Event, used map[string]*big.Rat) []Event
		want  string
	}{
		"a lost event":            {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { return slices.Delete(e, 0, 1) }, "has no events"},
		"an event too many":       {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { return slices.Insert(e, 1, e[0]) }, "events too many"},
		"an event of nobody":      {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { e[0].CorrelationID = "?"; return e }, "belong to no answer"},
		"events out of order":     {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { return append(e[1:], e[0]) }, "in the record after"},
		"a use by the last digit": {func(_ []*Answer, e []Event, u map[string]*big.Rat) []Event { u["a"] = add(u["a"], ulp); return e }, "its events add up to"},
		"a use in an event":       {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { e[0].Used = R("7"); return e }, "was at 7 after it"},
		"tokens in an event":      {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { e[0].Tokens = R("7"); return e }, "its event is"},
		"an overdraft":            {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { e[0].Overdraft = R("1"); return e }, "recorded as overdraft"},
		"a count":                 {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { e[0].Count = R("5"); return e }, "those of the events add up to 5"},
		"a quantity":              {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { e[0].Quantity = 11; return e }, "recorded as 11"},
		"a series":                {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { e[0].Series = "s"; return e }, "of series \"s\""},
		"a status in an event":    {func(_ []*Answer, e []Event, _ map[string]*big.Rat) []Event { e[3].Status = insufficient; return e }, "its event says 306"},
		"a reason": {func(a []*Answer, e []Event, _ map[string]*big.Rat) []Event {
			e[3].Status, a[1].Items[1].Status = insufficient, insufficient
			return e
		}, "the reason is 201"},
		"a denial of what could be paid": {func(a []*Answer, e []Event, u map[string]*big.Rat) []Event {
			e[0] = Event{CorrelationID: "1", Kind: "DENIAL", Status: insufficient, Time: dawn, Instance: "A", Item: "x", Count: R("4"), Tokens: zero, Overdraft: zero}
			a[0].Items[0] = AnsweredItem{Status: insufficient, Count: R("4"), Tokens: zero}
			return e
		}, "could be paid"},
		"the total": {func(a []*Answer, e []Event, _ map[string]*big.Rat) []Event { a[0].Items[0].Tokens = R("9"); return e }, "slices add up to 8"},
		"the price": {func(a []*Answer, e []Event, _ map[string]*big.Rat) []Event {
			a[0].Items[0].Tokens, a[0].Items[0].Slices[0].Tokens, e[0].Tokens = R("7"), R("7"), R("7")
			return e
		}, "costs 8, charged were 7"},
		"the order": {func(a []*Answer, e []Event, _ map[string]*big.Rat) []Event {
			s := a[0].Items[0].Slices
			s[0].LineItem, s[0].Rate, s[0].Tokens, a[0].Items[0].Tokens = "b", R("3"), R("12"), R("12")
			e[0].LineItem, e[0].Rate, e[0].Tokens, e[0].Overdraft, e[0].Used, e[0].Series = "b", R("3"), R("12"), R("2"), R("12"), "s"
			return e
		}, "in order and by the rules of the split"},
		"a charge past quantity and overdraft": {func(a []*Answer, e []Event, _ map[string]*big.Rat) []Event {
			e[4].Tokens, e[4].Overdraft, e[4].Used = R("30"), R("26"), R("36")
			a[2].Items[0].Slices[0].Tokens, a[2].Items[0].Tokens = R("30"), R("30")
			return e
		}, "quantity and overdraft allow 15"},
	} {
		t.Run(name, func(t *testing.T) {
			a, answers, events, used := history()
			found := strings.Join(a.Audit(row.spoil(answers, events, used), used), "\n")
			if !strings.Contains(found, row.want) {
				t.Errorf("the auditor finds %q, want %q", found, row.want)
			}
		})
	}
	a, answers, _, _ := history()
	again := *answers[0]
	again.Items = slices.Clone(again.Items)
	again.Items[0].Tokens = R("9")
	a.Answered(dawn, Request{}, &again)
	if len(a.complains) != 1 {
		t.Errorf("a replay that is another answer is fine with the auditor: %q", a.complains)
	}
}
