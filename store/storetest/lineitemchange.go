package storetest

import (
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

var lineItemChangeTests = []test{
	{"comes back as it was told, without use and rules", changeComesBack},
	{"lists in the order in which they were told, by instance or all", listsChanges},
	{"outlives its line item", changeOutlives},
}

func (b *books) told(timeMS int64, l *ledger.LineItem) store.LineItemChange {
	b.Helper()
	c := store.LineItemChange{TimeMS: timeMS, LineItem: l.Terms()}
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.AddLineItemChange(c) }))
	return c
}

func (b *books) changesAre(instanceID string, want ...store.LineItemChange) {
	b.Helper()
	b.view(func(r store.Reader) error {
		got, err := r.LineItemChanges(instanceID)
		b.same("the changes of instance "+instanceID, got, want)
		return err
	})
}

func changeComesBack(b *books) {
	b.instance("A")
	l := b.lineItem("A", "odd", unusual)
	l.Deleted, l.Used, l.ResetMS = true, token.FromInt(5), 7
	c := b.told(dawnMS, l)
	if c.LineItem.Actions != nil || c.LineItem.Limit != nil || !c.LineItem.Used.IsZero() || c.LineItem.ResetMS != 0 {
		b.Errorf("terms have more than what was told: %+v", c.LineItem)
	}
	b.changesAre("A", c)
	b.reopen()
	b.changesAre("A", c)
}

func listsChanges(b *books) {
	b.instance("A")
	b.instance("B")
	a, other := b.lineItem("A", "a", nil), b.lineItem("B", "b", nil)
	first := b.told(dawnMS+1, a)
	second := b.told(dawnMS, other) // clocks step back; what was told last counts last
	a.Quantity++
	third := b.told(dawnMS, a)
	b.changesAre("A", first, third)
	b.changesAre("B", second)
	b.changesAre("", first, second, third)
	b.changesAre("C")
}

func changeOutlives(b *books) {
	b.instance("A")
	c := b.told(dawnMS, b.lineItem("A", "a", nil))
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.RemoveLineItem("a") }))
	b.changesAre("A", c)
}
