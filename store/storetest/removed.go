package storetest

import (
	"errors"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var removedTests = []test{
	{"are all there before any is removed", removedNothing},
	{"are gone with their commit, and what they came to is there instead", removedAreGone},
	{"stay when the transaction fails", removedStay},
	{"are never all removed", removedNotAll},
}

func (b *books) removed(want store.Removed, opening string) {
	b.Helper()
	b.view(func(r store.Reader) error {
		got, err := r.Removed()
		b.must(err)
		b.same("removed", got, want)
		text, err := r.Opening()
		b.same("opening", string(text), opening)
		return err
	})
}

func (b *books) remove(at store.Removed, opening string) {
	b.Helper()
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.RemoveReceipts(at, []byte(opening)) }))
}

// removable makes a record of ten commits, the first with a key, and returns its receipts with the positions behind each.
func (b *books) removable() (all []*usage.Receipt, behind []usage.Position) {
	b.Helper()
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: "first"}, charge{instance: "A", lineItem: "a1", tokens: "1"})
	for range 9 {
		b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: "later"}, charge{instance: "A", lineItem: "a1", tokens: "1"})
	}
	all, behind = b.receipts()
	for i := range behind {
		behind[i].Receipt++
	}
	return all, behind
}

func removedNothing(b *books) {
	b.removable()
	b.removed(store.Removed{}, "")
}

func removedAreGone(b *books) {
	all, behind := b.removable()
	o := b.other()
	b.same("the first key", o.earlier("first"), all[0])
	for _, n := range []int{4, 10} { // one portion after the other
		at := store.Removed{Next: behind[n-1], EarliestMS: int64(n)}
		b.remove(at, "came to this")
		for _, who := range []*books{b, o} {
			who.removed(at, "came to this")
			got, _, _ := who.read(usage.Position{}, nil, 0, -1)
			b.same("the record", got, all[n:])
			got, _, _ = who.read(at.Next, nil, 0, -1)
			b.same("the record from there on", got, all[n:])
			if found := who.earlier("first"); found != nil {
				b.Errorf("a key of what was removed finds %+v", found)
			}
			b.same("a later key", who.earlier("later"), all[18])
			b.same("what was used", who.used("a1"), "20")
		}
		b.reopen()
	}
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: "first"})
	if b.earlier("first") == nil {
		b.Error("a key that was used anew is not found")
	}
	b.must(b.Change(ctx, func(tx store.Tx) error {
		charged, err := tx.Charged("a1")
		b.same("charged", charged, true)
		return err
	}))
}

func removedStay(b *books) {
	all, behind := b.removable()
	failed := errors.New("no")
	err := b.Change(ctx, func(tx store.Tx) error {
		b.must(tx.RemoveReceipts(store.Removed{Next: behind[3], EarliestMS: 1}, []byte("x")))
		return failed
	})
	if !errors.Is(err, failed) {
		b.Errorf("Change returned %v", err)
	}
	b.removed(store.Removed{}, "")
	b.same("the first key", b.earlier("first"), all[0])
	got, _, _ := b.read(usage.Position{}, nil, 0, -1)
	b.same("the record", got, all)
}

func removedNotAll(b *books) {
	all, behind := b.removable()
	err := b.Change(ctx, func(tx store.Tx) error { return tx.RemoveReceipts(store.Removed{Next: behind[len(behind)-1]}, nil) })
	if err == nil {
		b.Error("the newest commit was removed")
	}
	got, _, _ := b.read(usage.Position{}, nil, 0, -1)
	b.same("the record", got, all)
}
