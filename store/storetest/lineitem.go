package storetest

import (
	"math"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var lineItemTests = []test{
	{"comes back as it was put", lineItemComesBack},
	{"is replaced by a put, all but its number and use", putReplaces},
	{"never has its use changed by a put", putNeverChangesUse},
	{"remembers when the allowance began that its use is of", remembersReset},
	{"is still returned when it is deleted", returnsDeleted},
	{"is charged once it has an event, be it of 0 tokens", knowsCharged},
	{"is gone with every trace when it is removed", removesEveryTrace},
	{"lists by instance and by number", listsLineItems},
}

func unusual(l *ledger.LineItem) {
	l.State, l.Quantity, l.StartMS, l.EndMS, l.Elastic, l.Series = ledger.Obsolete, math.MaxInt64, 1, period.LatestMS, false, "sér\"ies"
	l.Overdraft, l.OverdraftLimit, l.Priority, l.Kind = ledger.NumberOverdraft, math.MaxInt64, math.MinInt64, ledger.Free
	l.UnitPrice, l.Currency, l.Recurs = amount("0.000000000003"), "EUR", period.Quarterly
	l.BegunMS = period.LatestMS
	none, most := token.Amount{}, token.Max
	l.Actions = []ledger.Action{
		{ID: "z", Name: "n\"ame", ConditionID: "c", Allow: true, Allocation: &most}, {ID: "a", Allocation: &none}, {ID: "%_名前 \u2028", Allow: true},
	}
	l.Limit = &ledger.Limit{Tokens: amount("9999999999999999999.999999999999"), Period: period.Weekly, NextResetMS: -1}
}

func lineItemComesBack(b *books) {
	b.instance("A")
	usual, odd := b.lineItem("A", "usual", nil), b.lineItem("A", "odd", unusual)
	for _, want := range []*ledger.LineItem{usual, odd} {
		if want.Number == 0 {
			b.Error("PutLineItem did not set Number")
		}
		b.same("the line item", b.find(want.ActivationID), want)
	}
	for _, when := range []string{"", " after reopening"} {
		book := b.loaded(store.Want{Instances: []string{"A"}}).Books["A"]
		b.same("the book"+when, book.LineItems, []*ledger.LineItem{odd, usual})
		if !book.Ruled() {
			b.Errorf("the book does not know of its rules%s", when)
		}
		b.reopen()
	}
}

func putReplaces(b *books) {
	b.instance("A")
	before := b.lineItem("A", "a1", unusual)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "3"})
	after := b.lineItem("A", "a1", nil)
	if after.Number != before.Number {
		b.Errorf("the put gave number %d to a line item with number %d", after.Number, before.Number)
	}
	after.Used = amount("3")
	b.same("the line item", b.find("a1"), after)
	b.reopen()
	b.same("the line item after reopening", b.find("a1"), after)
}

func putNeverChangesUse(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "3"})
	for _, used := range []string{"0", "999", "2"} {
		b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Used = amount(used) })
		if got := b.used("a1"); got != "3" {
			b.Errorf("a put with a use of %s made it %s, want 3", used, got)
		}
	}
	b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Deleted = true; l.Used = token.Amount{} })
	b.onlyUsed("a1", "3", 1)
}

func remembersReset(b *books) {
	b.instance("A")
	daily := func(l *ledger.LineItem) { l.Recurs, l.ResetMS = period.Daily, 5 }
	b.lineItem("A", "a1", daily)
	b.lineItem("A", "a2", nil)
	o := b.other()
	looks := func(when, used string, resetMS int64) {
		b.Helper()
		for who, h := range map[string]*books{"this handle": b, "another handle": o} {
			book := h.loaded(store.Want{Instances: []string{"A"}}).Books["A"]
			for name, l := range map[string]*ledger.LineItem{"a reader": h.find("a1"), "a batch": byID(book, "a1")} {
				if l.Used.String() != used || l.ResetMS != resetMS {
					b.Errorf("%s of %s sees %s used since %d %s, want %s since %d", name, who, l.Used, l.ResetMS, when, used, resetMS)
				}
			}
			if l := byID(book, "a2"); l.ResetMS != 0 {
				b.Errorf("what does not recur was reset at %d, as %s sees it", l.ResetMS, who)
			}
		}
	}
	looks("before it is charged", "0", 0)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "3", resetMS: dawnMS}, charge{instance: "A", lineItem: "a2", tokens: "1"})
	looks("in the first allowance", "3", dawnMS)
	b.lineItem("A", "a1", daily)
	looks("after a put", "3", dawnMS)
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		byID(loaded.Books["A"], "a1").Used = token.Amount{}
		return store.Decided{Receipts: []*usage.Receipt{b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "2", resetMS: dawnMS + dayMS})}}
	}))
	looks("in the second allowance", "2", dawnMS+dayMS)
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		r := b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "0", resetMS: dawnMS})
		s := &r.Items[0].Slices[0]
		s.Tokens, s.UsedResetMS = amount("1"), dawnMS+dayMS
		r.Refunds, r.Items = r.Items, nil
		return store.Decided{Receipts: []*usage.Receipt{r}}
	}))
	looks("after a refund of the first allowance", "2", dawnMS+dayMS)
	b.reopen()
	looks("after reopening", "2", dawnMS+dayMS)
}

// byID returns a line item of a book.
func byID(book *ledger.Book, activationID string) *ledger.LineItem {
	for _, l := range book.LineItems {
		if l.ActivationID == activationID {
			return l
		}
	}
	return nil
}

func returnsDeleted(b *books) {
	b.instance("A")
	want := b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "3"})
	want = b.lineItem("A", "a1", func(l *ledger.LineItem) { *l = *want; l.Deleted = true })
	want.Used = amount("3")
	b.view(func(r store.Reader) error {
		one, err := r.LineItem("a1")
		b.same("LineItem", one, want)
		if err != nil {
			return err
		}
		for _, id := range []string{"A", ""} {
			all, err := r.LineItems(id)
			if err != nil {
				return err
			}
			b.same("LineItems", all, []*ledger.LineItem{want})
		}
		return nil
	})
}

func knowsCharged(b *books) {
	b.instance("A")
	b.lineItem("A", "never", nil)
	b.lineItem("A", "for nothing", nil)
	b.lineItem("A", "for something", nil)
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		return store.Decided{Receipts: []*usage.Receipt{b.denial(loaded.Books["A"], "")}}
	}))
	b.commit(charge{instance: "A", lineItem: "for nothing", tokens: "0"}, charge{instance: "A", lineItem: "for something", tokens: "1"})
	b.lineItem("A", "for nothing", func(l *ledger.LineItem) { l.Quantity = 7 })
	for _, when := range []string{"", " after reopening"} {
		b.must(b.Change(ctx, func(tx store.Tx) error {
			for id, want := range map[string]bool{"never": false, "for nothing": true, "for something": true, "nobody": false} {
				got, err := tx.Charged(id)
				if got != want || err != nil {
					b.Errorf("charged %s%s: %v, %v; want %v", id, when, got, err, want)
				}
			}
			return nil
		}))
		b.reopen()
	}
}

func removesEveryTrace(b *books) {
	b.instance("A")
	b.instance("B")
	kept, gone := b.lineItem("A", "a1", nil), b.lineItem("A", "a2", nil)
	b.loaded(store.Want{Instances: []string{"A"}})
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.RemoveLineItem("a2") }))
	for _, when := range []string{"", " after reopening"} {
		if b.find("a2") != nil || b.usedInBook("A", "a2") != "no line item" {
			b.Errorf("a removed line item is still there%s", when)
		}
		b.reopen()
	}
	again := b.lineItem("B", "a2", nil)
	if again.Number == kept.Number || again.Number == gone.Number {
		b.Errorf("a new line item has number %d, which one before it had", again.Number)
	}
	if l := b.find("a2"); l.InstanceID != "B" || !l.Used.IsZero() {
		b.Errorf("an activation id that was free again has become %+v", l)
	}
	b.commit(charge{instance: "B", lineItem: "a2", tokens: "4"})
	if got := b.used("a2"); got != "4" {
		b.Errorf("%s of it is used, want 4", got)
	}
}

func listsLineItems(b *books) {
	b.instance("A")
	b.instance("B")
	z := b.lineItem("A", "z", nil)
	y := b.lineItem("B", "y", nil)
	x := b.lineItem("A", "x", func(l *ledger.LineItem) { l.Priority = -1 })
	z2 := b.lineItem("A", "z", unusual)
	if z2.Number != z.Number {
		b.Errorf("number %d became %d by a second put", z.Number, z2.Number)
	}
	b.view(func(r store.Reader) error {
		for id, want := range map[string][]*ledger.LineItem{"A": {z2, x}, "B": {y}, "C": {}, "": {z2, y, x}} {
			got, err := r.LineItems(id)
			if err != nil {
				return err
			}
			b.same("the list of "+id, got, want)
		}
		return nil
	})
}
