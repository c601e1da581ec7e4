package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var changeTests = []test{
	{"leaves nothing behind when fn fails", leavesNothingBehind},
	{"returns an error of fn as it is", returnsErrorsAsTheyAre},
	{"sees its own writes", seesItsOwnWrites},
	{"shows nothing to others before it is committed", showsNothingEarly},
	{"leaves nothing behind when fn panics, and goes on", survivesPanicInChange},
	{"is made one at a time, and none while a batch commits", isMadeOneAtATime},
	{"does not mix up a rate table that was undone with the next", forgetsUndoneRateTable},
	{"is whole: many writes of all kinds at once", isWhole},
}

// everything writes one of each kind of thing.
func everything(tx store.Tx) error {
	return errors.Join(
		tx.InsertInstance(&store.Instance{ID: "A", ShortName: "a", AccountID: "account", Default: true, CreatedMS: dawnMS}),
		tx.PutLineItem(newLineItem("A", "a1")),
		tx.InsertRateTable(table("", "1", dawnMS, "2")),
		tx.PutKey(auth.Key{Role: auth.Admin, ID: "key", PublicPEM: "pem", CreatedMS: dawnMS, ModifiedMS: dawnMS}),
		tx.PutConfigValue(store.ConfigValue{Name: "name", Value: "value", ModifiedMS: dawnMS, UpdatedBy: "key"}),
		tx.PutAnswer(usage.NewOnceID("A", "once"), &store.Answer{TimeMS: dawnMS, Fingerprint: []byte("f"), Status: 200, Body: []byte("b")}),
		tx.PutClock(store.Clock{Test: true, NowMS: dawnMS}),
		tx.PutConditions("A", newConditions()),
		tx.PutPack(newPack("pack")),
		tx.InsertSale(newSale("order")),
		tx.AddLineItemChange(store.LineItemChange{TimeMS: dawnMS, LineItem: newLineItem("A", "a1").Terms()}),
		tx.PutFollower(store.Follower{Name: "follower"}),
	)
}

// traces says what there is of everything.
func traces(b *books) (found []string) {
	b.Helper()
	see := func(there bool, what string) {
		if there {
			found = append(found, what)
		}
	}
	id := usage.NewOnceID("A", "once")
	for name, s := range map[string]*store.Settings{"Settings": b.Settings(), "View": viewSettings(b)} {
		see(len(s.Keys) > 0, "a key in "+name)
		see(len(s.Configuration) > 0, "a configuration value in "+name)
		see(price(s, "") != "not priced", "a rate table in "+name)
	}
	see(b.find("a1") != nil, "a line item")
	see(b.loaded(store.Want{Instances: []string{"A"}}).Books["A"] != nil, "a book")
	see(b.loaded(store.Want{Once: []usage.OnceID{id}}).Earlier[id] != nil, "an idempotency key in a batch")
	b.view(func(r store.Reader) error {
		i, err := r.Instance("A")
		see(i != nil, "an instance")
		if err != nil {
			return err
		}
		c, err := r.Clock()
		see(c != nil, "a clock")
		if err != nil {
			return err
		}
		conditions, err1 := r.Conditions("A")
		see(len(conditions) > 0, "a condition")
		pack, err2 := r.Pack("pack")
		see(pack != nil, "a pack")
		sale, err3 := r.Sale("order")
		see(sale != nil, "a sale")
		changes, err4 := r.LineItemChanges("A")
		see(len(changes) > 0, "a change of a line item")
		follower, err5 := r.Follower("follower")
		see(follower != nil, "a follower")
		return errors.Join(err1, err2, err3, err4, err5)
	})
	b.must(b.Change(ctx, func(tx store.Tx) error {
		a, err := tx.Answer(id)
		see(a != nil, "an answer")
		return err
	}))
	return found
}

func viewSettings(b *books) (s *store.Settings) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		s, err = r.Settings()
		return err
	})
	return s
}

func leavesNothingBehind(b *books) {
	errUndo := errors.New("undo")
	err := b.Change(ctx, func(tx store.Tx) error { return errors.Join(everything(tx), errUndo) })
	if !errors.Is(err, errUndo) {
		b.Errorf("Change returned %v, want what fn returned", err)
	}
	for _, when := range []string{"", " after reopening"} {
		for _, what := range traces(b) {
			b.Errorf("a failed change left %s%s", what, when)
		}
		b.reopen()
	}
	b.must(b.Change(ctx, everything))
	b.reopen()
	if got := traces(b); len(got) != 17 {
		b.Errorf("the same change, made for good, left only %q", got)
	}
}

func returnsErrorsAsTheyAre(b *books) {
	for _, want := range []error{errors.New("an error of fn"), problem.New(problem.Conflict, "a problem of fn")} {
		if got := b.Change(ctx, func(store.Tx) error { return want }); got != want {
			b.Errorf("Change returned %#v, want %#v", got, want)
		}
	}
}

func seesItsOwnWrites(b *books) {
	b.must(b.Change(ctx, func(tx store.Tx) error {
		if err := everything(tx); err != nil {
			return err
		}
		i, err1 := tx.Instance("A")
		l, err2 := tx.LineItem("a1")
		s, err3 := tx.Settings()
		a, err4 := tx.Answer(usage.NewOnceID("A", "once"))
		c, err5 := tx.Clock()
		conditions, err6 := tx.Conditions("A")
		packs, err7 := tx.Packs()
		sale, err8 := tx.Sale("order")
		if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8); err != nil {
			return err
		}
		if i == nil || l == nil || a == nil || c == nil || price(s, "") != "2" || len(s.Keys) != 1 || len(s.Configuration) != 1 {
			b.Errorf("a change does not see what it wrote: %v %v %+v %v %v", i, l, s, a, c)
		}
		b.same("the conditions in the change that puts them", conditions, newConditions())
		b.same("the packs in the change that puts one", packs, []store.Pack{newPack("pack")})
		b.same("the sale in the change that makes it", *sale, newSale("order"))
		return nil
	}))
}

func showsNothingEarly(b *books) {
	b.must(b.Change(ctx, func(tx store.Tx) error {
		if err := everything(tx); err != nil {
			return err
		}
		b.view(func(r store.Reader) error {
			i, err1 := r.Instance("A")
			s, err2 := r.Settings()
			c, err3 := r.Clock()
			conditions, err4 := r.Conditions("A")
			packs, err5 := r.Packs()
			sale, err6 := r.Sale("order")
			if i != nil || c != nil || price(s, "") != "not priced" || len(conditions) > 0 || len(packs) > 0 || sale != nil {
				b.Error("a reader sees a change that is not committed")
			}
			return errors.Join(err1, err2, err3, err4, err5, err6)
		})
		if s := b.Settings(); price(s, "") != "not priced" || len(s.Keys) > 0 {
			b.Error("Settings has a change that is not committed")
		}
		return nil
	}))
	if price(b.Settings(), "") != "2" {
		b.Error("Settings does not have a change that is committed")
	}
}

func survivesPanicInChange(b *books) {
	func() {
		defer func() {
			if recover() == nil {
				b.Error("the panic was swallowed")
			}
		}()
		_ = b.Change(ctx, func(tx store.Tx) error {
			b.must(everything(tx))
			panic("a fault of ours")
		})
	}()
	for _, what := range traces(b) {
		b.Errorf("a change that panicked left %s", what)
	}
	b.must(b.Change(ctx, everything))
	b.reopen()
	if got := traces(b); len(got) != 17 {
		b.Errorf("the same change, made for good, left only %q", got)
	}
}

func isMadeOneAtATime(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	var inside atomic.Int32
	alone := func() {
		if n := inside.Add(1); n != 1 {
			b.Errorf("%d changes or batches at a time", n)
		}
		time.Sleep(time.Millisecond)
		inside.Add(-1)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5 {
				if err := b.Change(ctx, func(store.Tx) error { alone(); return nil }); err != nil {
					b.Error(err)
				}
			}
		})
		wait.Go(func() {
			for range 5 {
				err := b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
					alone()
					return store.Decided{Receipts: []*usage.Receipt{b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "1"})}}
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	wait.Wait()
	b.onlyUsed("a1", "20", 20)
}

// A store may give a table that is undone a name of its own that the next table has again.
func forgetsUndoneRateTable(b *books) {
	errUndo := errors.New("undo")
	err := b.Change(ctx, func(tx store.Tx) error {
		if err := tx.InsertRateTable(table("", "undone", dawnMS, "1")); err != nil {
			return err
		}
		if s, err := tx.Settings(); err != nil || price(s, "") != "1" {
			b.Errorf("the change does not see its own table: %v", err)
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		b.Fatal(err)
	}
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(table("", "kept", dawnMS, "2")) }))
	if got := price(b.Settings(), ""); got != "2" {
		b.Errorf("after a table was undone and another posted the price is %s, want 2", got)
	}
	if got := price(b.loaded(store.Want{}).Settings, ""); got != "2" {
		b.Errorf("after a table was undone and another posted a batch pays %s, want 2", got)
	}
}

func isWhole(b *books) {
	b.must(b.Change(ctx, func(tx store.Tx) error {
		if err := tx.InsertInstance(&store.Instance{ID: "A", ShortName: "a", AccountID: "account"}); err != nil {
			return err
		}
		for i := range 500 {
			l := newLineItem("A", "line item "+string(rune('a'+i%26))+string(rune('a'+i/26)))
			l.Quantity = int64(i + 1)
			if err := tx.PutLineItem(l); err != nil {
				return err
			}
		}
		return nil
	}))
	b.reopen()
	var all []*ledger.LineItem
	b.view(func(r store.Reader) (err error) {
		all, err = r.LineItems("A")
		return err
	})
	for i, l := range all {
		if l.Quantity != int64(i+1) {
			b.Errorf("line item %d has a quantity of %d", i, l.Quantity)
		}
	}
	if len(all) != 500 {
		b.Errorf("%d line items, want 500", len(all))
	}
}
