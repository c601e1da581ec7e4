package ledger

import (
	"math"
	"strings"
	"testing"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

func TestSortOrder(t *testing.T) {
	late := func(l LineItem) LineItem { l.EndMS++; return l }
	base := LineItem{StartMS: 10, EndMS: 20}
	named := func(l LineItem, id string) *LineItem { l.ActivationID = id; return &l }
	young := base
	young.StartMS++
	first, last := late(base), base
	first.Priority, last.Priority = math.MinInt64, math.MaxInt64
	book := Book{LineItems: []*LineItem{
		named(last, "a"), named(late(base), "a2"), named(young, "a1"), named(base, "é"), named(base, "b"), named(base, "B"), named(base, "b1"), named(first, "z"),
	}}
	book.Sort()
	var got []string
	for _, l := range book.LineItems {
		got = append(got, l.ActivationID)
	}
	if want := "z B b b1 é a1 a2 a"; strings.Join(got, " ") != want {
		t.Errorf("D4: drawn in the order %s, want %s", strings.Join(got, " "), want)
	}
}

func TestUsableWindow(t *testing.T) {
	const start, end = 100 * Tolerance, 200 * Tolerance
	l := LineItem{State: Deployed, Elastic: true, StartMS: start, EndMS: end}
	for _, row := range []struct {
		nowMS            int64
		strict, tolerant bool
	}{
		{start - Tolerance - 1, false, false}, {start - Tolerance, false, true}, {start - 1, false, true}, {start, true, true},
		{end - 1, true, true}, {end, false, true}, {end + Tolerance - 1, false, true}, {end + Tolerance, false, false},
		{math.MinInt64 / 2, false, false}, {math.MaxInt64, false, false},
	} {
		if got := l.Usable(row.nowMS, false); got != row.strict {
			t.Errorf("D6: at start%+d, end%+d usable is %v", row.nowMS-start, row.nowMS-end, got)
		}
		if got := l.Usable(row.nowMS, true); got != row.tolerant {
			t.Errorf("D6: with timezone.tolerant at start%+d, end%+d usable is %v", row.nowMS-start, row.nowMS-end, got)
		}
	}
	ever := LineItem{State: Deployed, Elastic: true, StartMS: 0, EndMS: period.LatestMS}
	if !ever.Usable(0, true) || !ever.Usable(period.LatestMS, true) || ever.Usable(period.LatestMS, false) {
		t.Error("the longest line item there is has the wrong ends")
	}
}

func TestNextMS(t *testing.T) {
	const start, end = 100 * Tolerance, 200 * Tolerance
	for _, row := range []struct{ nowMS, strict, tolerant int64 }{
		{0, start, start - Tolerance},
		{start - Tolerance, start, end + Tolerance}, {start - 1, start, end + Tolerance}, {start, end, end + Tolerance},
		{end - 1, end, end + Tolerance}, {end, 0, end + Tolerance}, {end + Tolerance - 1, 0, end + Tolerance}, {end + Tolerance, 0, 0},
	} {
		l := LineItem{State: Deployed, Elastic: true, StartMS: start, EndMS: end}
		for tolerant, want := range map[bool]int64{false: row.strict, true: row.tolerant} {
			got := l.NextMS(row.nowMS, tolerant)
			if got != want {
				t.Errorf("after start%+d, end%+d, tolerant %v: it changes at start%+d, want start%+d", row.nowMS-start, row.nowMS-end, tolerant, got-start, want-start)
			}
			if got != 0 && (l.Usable(got, tolerant) == l.Usable(got-1, tolerant) || l.Usable(got-1, tolerant) != l.Usable(row.nowMS, tolerant)) {
				t.Errorf("after start%+d, end%+d, tolerant %v: nothing changes at start%+d", row.nowMS-start, row.nowMS-end, tolerant, got-start)
			}
		}
		for _, change := range []func(*LineItem){
			func(l *LineItem) { l.State = Inactive }, func(l *LineItem) { l.Elastic = false }, func(l *LineItem) { l.Deleted = true },
		} {
			never := l
			change(&never)
			if got := never.NextMS(row.nowMS, true); got != 0 {
				t.Errorf("%+v, which is never usable, changes at %d", never, got)
			}
		}
	}
}

func TestReplace(t *testing.T) {
	old := func(change func(*LineItem)) *LineItem {
		l := &LineItem{ActivationID: "a", InstanceID: "A", State: Deployed, Quantity: 10, Used: token.FromInt(7), Number: 3}
		if change != nil {
			change(l)
		}
		return l
	}
	in := func(s State) func(*LineItem) { return func(l *LineItem) { l.State = s } }
	deleted := func(s State) func(*LineItem) {
		return func(l *LineItem) { l.State, l.Deleted = s, true }
	}
	for _, row := range []struct {
		rule     string
		old      *LineItem
		state    State
		instance string
		want     problem.Kind // Internal: fine
	}{
		{"a new one is DEPLOYED", nil, Deployed, "A", problem.Internal},
		{"a new one is not INACTIVE", nil, Inactive, "A", problem.Invalid},
		{"a new one is not OBSOLETE", nil, Obsolete, "A", problem.Invalid},
		{"DEPLOYED to INACTIVE", old(nil), Inactive, "A", problem.Internal},
		{"DEPLOYED to OBSOLETE", old(nil), Obsolete, "A", problem.Internal},
		{"INACTIVE to DEPLOYED", old(in(Inactive)), Deployed, "A", problem.Internal},
		{"INACTIVE stays", old(in(Inactive)), Inactive, "A", problem.Internal},
		{"OBSOLETE stays", old(in(Obsolete)), Obsolete, "A", problem.Internal},
		{"OBSOLETE never to DEPLOYED", old(in(Obsolete)), Deployed, "A", problem.Conflict},
		{"OBSOLETE never to INACTIVE", old(in(Obsolete)), Inactive, "A", problem.Conflict},
		{"D26: another instance", old(nil), Deployed, "B", problem.Conflict},
		{"a deleted one is mapped anew", old(deleted(Deployed)), Deployed, "A", problem.Internal},
		{"a deleted one that was OBSOLETE too", old(deleted(Obsolete)), Deployed, "A", problem.Internal},
		{"a deleted one is not mapped INACTIVE", old(deleted(Deployed)), Inactive, "A", problem.Invalid},
		{"D26: a deleted one stays with its instance", old(deleted(Deployed)), Deployed, "B", problem.Conflict},
	} {
		t.Run(row.rule, func(t *testing.T) {
			next := LineItem{ActivationID: "a", InstanceID: row.instance, State: row.state, Quantity: 5, Used: token.FromInt(1)}
			kept, err := Replace(row.old, next, 0)
			if row.want != problem.Internal {
				if err == nil || problem.KindOf(err) != row.want {
					t.Errorf("got %v, want a problem of kind %d", err, row.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if row.old != nil && (!kept.Used.Equal(row.old.Used) || kept.Number != row.old.Number) {
				t.Errorf("D25: %s used, number %d; want %s and %d, whatever the PUT says", kept.Used, kept.Number, row.old.Used, row.old.Number)
			}
			if kept.Deleted || kept.Quantity != 5 || kept.State != row.state {
				t.Errorf("kept %+v, want what the PUT says", kept)
			}
		})
	}
}

func TestValidateLineItem(t *testing.T) {
	good := LineItem{ActivationID: "a", State: Deployed, Quantity: 1, EndMS: 1, Kind: Paid}
	for _, row := range []struct {
		field  string // empty: fine
		change func(*LineItem)
	}{
		{"", func(*LineItem) {}},
		{"", func(l *LineItem) {
			l.Quantity, l.EndMS, l.OverdraftLimit = math.MaxInt64, period.LatestMS, math.MaxInt64
		}},
		{"", func(l *LineItem) { l.UnitPrice, l.Currency = token.MustParse("0.000000000001"), "EUR" }},
		{"activationId", func(l *LineItem) { l.ActivationID = "" }},
		{"activationId", func(l *LineItem) { l.ActivationID = strings.Repeat("x", 256+1) }},
		{"state", func(l *LineItem) { l.State = "deployed" }},
		{"quantity", func(l *LineItem) { l.Quantity = 0 }},
		{"start", func(l *LineItem) { l.StartMS = -1 }},
		{"end", func(l *LineItem) { l.EndMS = period.LatestMS + 1 }},
		{"end", func(l *LineItem) { l.StartMS = 1 }},
		{"attributes.rateTableSeries", func(l *LineItem) { l.Series = strings.Repeat("x", 256+1) }},
		{"attributes.overdraftType", func(l *LineItem) { l.Overdraft = "None" }},
		{"attributes.overdraftLimit", func(l *LineItem) { l.OverdraftLimit = -1 }},
		{"attributes.kind", func(l *LineItem) { l.Kind = "" }},
		{"attributes.unitPrice", func(l *LineItem) { l.UnitPrice, l.Currency = token.FromInt(-1), "EUR" }},
		{"attributes.currency", func(l *LineItem) { l.Currency = "eur" }},
		{"attributes.currency", func(l *LineItem) { l.UnitPrice = token.FromInt(1) }},
	} {
		l := good
		row.change(&l)
		problems := l.Validate()
		switch {
		case row.field == "" && len(problems) > 0:
			t.Errorf("%+v is refused: %v", l, problems)
		case row.field != "" && (len(problems) != 1 || problems[0].Field != row.field):
			t.Errorf("%+v: got %v, want one problem of %s", l, problems, row.field)
		}
	}
}

func TestSameTermsKnowsOnlyWhatWasTold(t *testing.T) {
	told := LineItem{ActivationID: "a", Quantity: 5, Recurs: period.Daily, UnitPrice: token.MustParse("1.5"), Currency: "EUR"}
	used := told
	used.Used, used.ResetMS, used.Actions, used.Limit = token.FromInt(1), 5, []Action{{ID: "x"}}, &Limit{}
	used.UnitPrice = token.MustParse("1.50")
	used.allowance.Around(period.Daily, 0, 1<<40)
	if !told.SameTerms(&used) {
		t.Error("use, rules or what was looked at are taken for what was told")
	}
	for _, change := range []func(*LineItem){
		func(l *LineItem) { l.Quantity++ }, func(l *LineItem) { l.UnitPrice = token.FromInt(2) }, func(l *LineItem) { l.Recurs = period.Weekly },
		func(l *LineItem) { l.Deleted = true }, func(l *LineItem) { l.EndMS++ },
	} {
		other := told
		if change(&other); told.SameTerms(&other) {
			t.Errorf("%+v is taken for the same as %+v", other, told)
		}
	}
}
