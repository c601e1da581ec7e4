package storetest

import (
	"errors"
	"slices"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var actionTests = []test{
	{"has the use of its allocation follow from the receipts", allocationsFollow},
	{"shares no use with one of the same id of another line item", allocationsAreApart},
	{"keeps its use when it is put again, in whatever order", allocationsSurvivePuts},
	{"loses its use when it goes, and it alone", allocationsGoWithActions},
	{"keeps its use when a put is undone", allocationsSurviveUndonePuts},
}

var conditionTests = []test{
	{"comes back as it was put, in its order, of its instance alone", conditionsComeBack},
	{"is replaced with all others of its instance", replacesConditions},
	{"is in the book of an instance with rules, also if it changes while the book is in use", booksHaveConditions},
}

// ruled gives a line item rules of access and a limit.
func ruled(l *ledger.LineItem) {
	first, second := amount("500"), amount("0.000000000001")
	l.Actions = []ledger.Action{
		{ID: "first", Name: "the first", ConditionID: "first", Allow: true, Allocation: &first},
		{ID: "second", ConditionID: "all", Allow: true, Allocation: &second}, {ID: "default"},
	}
	l.Limit = &ledger.Limit{Tokens: amount("100.5"), Period: period.Daily, NextResetMS: dawnMS}
}

// newConditions returns conditions in an order that neither their names nor their ids have.
func newConditions() []*ledger.Condition {
	return []*ledger.Condition{
		{ID: "first", Name: "\"z\" <ü>", Type: ledger.Simple, Operator: ledger.In, Key: "k\x7f\u2028", Values: []string{"b", "", "a", "名前"}},
		{ID: "all", Name: "y", Type: ledger.Complex, Operator: ledger.And, Conditions: []*ledger.Condition{
			{ID: "first"},
			{Type: ledger.Complex, Operator: ledger.Or, Conditions: []*ledger.Condition{
				{Type: ledger.Simple, Operator: ledger.Not, Key: "k", Values: []string{"v"}}, {ID: "last"},
			}},
		}},
		{ID: "last", Type: ledger.Simple, Operator: ledger.Not, Key: "x", Values: []string{"1"}},
	}
}

// actionsUsed holds what is used of the allocations of a line item of instance A, by action, to all who look.
func (b *books) actionsUsed(when, activationID string, want map[string]string) {
	b.Helper()
	look := func(who string, l *ledger.LineItem) {
		b.Helper()
		got := map[string]string{}
		for i := range l.Actions {
			got[l.Actions[i].ID] = l.Actions[i].Used.String()
		}
		b.same("what is used of the allocations of "+activationID+" as "+who+" sees it"+when, got, want)
	}
	look("a batch", byID(b.loaded(store.Want{Instances: []string{"A"}}).Books["A"], activationID))
	read := func(r store.Reader) error {
		one, err := r.LineItem(activationID)
		if err != nil {
			return err
		}
		look("LineItem", one)
		for _, id := range []string{"A", ""} {
			all, err := r.LineItems(id)
			if err != nil {
				return err
			}
			look("LineItems", byID(&ledger.Book{LineItems: all}, activationID))
		}
		return nil
	}
	b.view(read)
	b.must(b.Change(ctx, func(tx store.Tx) error { return read(tx) }))
}

// uses charges a line item of instance A, after which so much is used of an action's allocation.
func uses(activationID, action, used string) charge {
	return charge{instance: "A", lineItem: activationID, tokens: "1", ruled: &usage.Ruled{ActionID: action, ActionUsed: amount(used)}}
}

func allocationsFollow(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", ruled)
	b.lineItem("A", "plain", nil)
	b.actionsUsed(" before any charge", "a1", map[string]string{"first": "0", "second": "0", "default": "0"})
	b.commit(uses("a1", "first", "1"), uses("a1", "second", "0.000000000001"), uses("a1", "first", "2.5"), charge{instance: "A", lineItem: "a1", tokens: "1"})
	b.actionsUsed("", "a1", map[string]string{"first": "2.5", "second": "0.000000000001", "default": "0"})
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		r := b.book(loaded.Books["A"], uses("a1", "first", "2"))
		r.Refunds, r.Items = r.Items, b.book(loaded.Books["A"], uses("a1", "second", "0")).Items
		return store.Decided{Receipts: []*usage.Receipt{r}}
	}))
	for _, when := range []string{" after a refund", " after a refund and reopening"} {
		b.actionsUsed(when, "a1", map[string]string{"first": "2", "second": "0", "default": "0"})
		b.reopen()
	}
}

func allocationsAreApart(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", ruled)
	b.lineItem("A", "a2", ruled)
	b.lineItem("A", "a3", ruled)
	b.commit(uses("a1", "first", "1"), uses("a2", "first", "2"))
	for _, when := range []string{"", " after reopening"} {
		for id, used := range map[string]string{"a1": "1", "a2": "2", "a3": "0"} {
			b.actionsUsed(when, id, map[string]string{"first": used, "second": "0", "default": "0"})
		}
		b.reopen()
	}
}

func allocationsSurvivePuts(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", ruled)
	b.commit(uses("a1", "first", "3"), uses("a1", "second", "0.000000000001"))
	b.lineItem("A", "a1", func(l *ledger.LineItem) {
		ruled(l)
		slices.Reverse(l.Actions)
		none := token.Amount{}
		l.Actions[2].Name, l.Actions[2].Allocation, l.Actions[2].Used = "another", &none, amount("77")
		l.Actions = append(l.Actions, ledger.Action{ID: "new", Used: amount("88")})
	})
	for _, when := range []string{"", " after reopening"} {
		b.actionsUsed(when, "a1", map[string]string{"first": "3", "second": "0.000000000001", "default": "0", "new": "0"})
		if id := b.find("a1").Actions[0].ID; id != "default" {
			b.Errorf("the first action is %s%s, want default", id, when)
		}
		b.reopen()
	}
}

func allocationsGoWithActions(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", ruled)
	b.lineItem("A", "a2", ruled)
	b.commit(uses("a1", "first", "3"), uses("a1", "second", "4"), uses("a2", "first", "5"))
	b.lineItem("A", "a1", func(l *ledger.LineItem) { ruled(l); l.Actions = l.Actions[1:] })
	b.lineItem("A", "a1", ruled)
	b.actionsUsed(" after one has gone and come again", "a1", map[string]string{"first": "0", "second": "4", "default": "0"})
	b.lineItem("A", "a1", nil)
	b.lineItem("A", "a1", ruled)
	for _, when := range []string{" after all have", " after all have, and reopening"} {
		b.actionsUsed(when, "a1", map[string]string{"first": "0", "second": "0", "default": "0"})
		b.actionsUsed(when, "a2", map[string]string{"first": "5", "second": "0", "default": "0"})
		b.reopen()
	}
}

func allocationsSurviveUndonePuts(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", ruled)
	b.commit(uses("a1", "first", "3"))
	errUndo := errors.New("undo")
	err := b.Change(ctx, func(tx store.Tx) error { return errors.Join(tx.PutLineItem(newLineItem("A", "a1")), errUndo) })
	if !errors.Is(err, errUndo) {
		b.Errorf("Change returned %v, want what fn returned", err)
	}
	b.actionsUsed("", "a1", map[string]string{"first": "3", "second": "0", "default": "0"})
}

func (b *books) putConditions(instanceID string, all []*ledger.Condition) {
	b.Helper()
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.PutConditions(instanceID, all) }))
}

// conditionsAre holds the conditions of an instance with rules to readers and batches.
func (b *books) conditionsAre(when, instanceID string, want []*ledger.Condition) {
	b.Helper()
	b.view(func(r store.Reader) error {
		got, err := r.Conditions(instanceID)
		b.same("the conditions of "+instanceID+when, append([]*ledger.Condition{}, got...), append([]*ledger.Condition{}, want...))
		return err
	})
	byID, book := map[string]*ledger.Condition{}, map[string]*ledger.Condition{}
	for _, c := range want {
		byID[c.ID] = c
	}
	for id, c := range b.loaded(store.Want{Instances: []string{instanceID}}).Books[instanceID].Conditions {
		book[id] = c
	}
	b.same("the conditions in the book of "+instanceID+when, book, byID)
}

func conditionsComeBack(b *books) {
	b.instance("A")
	b.instance("B")
	b.lineItem("A", "a1", ruled)
	b.lineItem("B", "b1", ruled)
	one := newConditions()[2:]
	one[0].Values = []string{"of B"}
	b.putConditions("A", newConditions())
	b.putConditions("B", one)
	for _, when := range []string{"", " after reopening"} {
		b.conditionsAre(when, "A", newConditions())
		b.conditionsAre(when, "B", one)
		b.reopen()
	}
}

func replacesConditions(b *books) {
	b.instance("A")
	b.instance("B")
	b.lineItem("A", "a1", ruled)
	b.lineItem("B", "b1", ruled)
	b.putConditions("A", newConditions())
	b.putConditions("B", newConditions())
	next := newConditions()
	slices.Reverse(next)
	next[0].Operator = ledger.In
	for _, next := range [][]*ledger.Condition{next, next[:1], nil, newConditions()} {
		b.putConditions("A", next)
		b.conditionsAre("", "A", next)
		b.reopen()
		b.conditionsAre(" after reopening", "A", next)
		b.conditionsAre(", which was left alone,", "B", newConditions())
	}
}

func booksHaveConditions(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	o := b.other()
	b.putConditions("A", newConditions())
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1"}) // a store may remember a book that was charged
	b.lineItem("A", "a1", ruled)
	b.conditionsAre(" that a line item begins to ask for", "A", newConditions())
	for n := 3; n >= 0; n-- {
		o.conditionsAre(" before", "A", newConditions()[:min(n+1, 3)])
		b.commit(uses("a1", "first", "1"))
		b.putConditions("A", newConditions()[:n])
		b.conditionsAre("", "A", newConditions()[:n])
		o.commit(uses("a1", "first", "1"))
		b.putConditions("A", newConditions()[:n])
		o.conditionsAre(" through another handle", "A", newConditions()[:n])
	}
}
