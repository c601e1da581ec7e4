package storetest

import (
	"errors"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var viewTests = []test{
	{"shows one state while others write", showsOneState},
	{"returns an error of fn as it is", viewReturnsErrors},
	{"returns nil for what does not exist", returnsNilForNothing},
	{"does not wait for a change", viewDoesNotWait},
	{"finds no damage in good books", findsNoDamage},
}

func showsOneState(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1"})
	b.view(func(r store.Reader) error {
		before, err := r.LineItem("a1")
		if err != nil {
			return err
		}
		b.commit(charge{instance: "A", lineItem: "a1", tokens: "10"})
		b.lineItem("A", "a2", nil)
		b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(table("", "1", dawnMS, "2")) }))
		after, err1 := r.LineItem("a1")
		all, err2 := r.LineItems("")
		settings, err3 := r.Settings()
		receipts := 0
		_, err4 := r.Receipts(usage.Position{}, nil, 0, func(usage.Position, *usage.Receipt) (bool, error) {
			receipts++
			return true, nil
		})
		b.same("the line item within one view", after, before)
		if len(all) != 1 || receipts != 1 || price(settings, "") != "not priced" {
			b.Errorf("a view that began before shows %d line items, %d receipts and a price of %s", len(all), receipts, price(settings, ""))
		}
		return errors.Join(err1, err2, err3, err4)
	})
	if got := b.used("a1"); got != "11" {
		b.Errorf("a later view shows %s used, want 11", got)
	}
}

func viewReturnsErrors(b *books) {
	for _, want := range []error{errors.New("an error of fn"), problem.New(problem.NotFound, "a problem of fn")} {
		if got := b.View(ctx, func(store.Reader) error { return want }); got != want {
			b.Errorf("View returned %#v, want %#v", got, want)
		}
	}
}

func returnsNilForNothing(b *books) {
	b.instance("A")
	b.view(func(r store.Reader) error {
		i, err1 := r.Instance("nobody")
		d, err2 := r.DefaultInstance("nobody")
		l, err3 := r.LineItem("nothing")
		all, err4 := r.LineItems("nobody")
		if i != nil || d != nil || l != nil || len(all) != 0 {
			b.Errorf("found %v %v %v %v where there is nothing", i, d, l, all)
		}
		conditions, err5 := r.Conditions("nobody")
		consumed, err6 := r.Consumed(ledger.PeriodKey{Number: 1}, nil, 10)
		pack, err7 := r.Pack("nothing")
		packs, err8 := r.Packs()
		sale, err9 := r.Sale("nothing")
		nobody := ledger.RequesterKey{InstanceID: "A", Type: "USER", Value: "nobody"}
		standing, err10 := r.Standing(nobody)
		b.same("the standing of nobody", standing, ledger.NewStanding(nobody))
		if len(conditions)+len(consumed)+len(packs) != 0 || pack != nil || sale != nil {
			b.Errorf("found %v %v %v %v %v where there is nothing", conditions, consumed, packs, pack, sale)
		}
		return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10)
	})
	b.must(b.Change(ctx, func(tx store.Tx) error {
		a, err1 := tx.Answer(usage.NewOnceID("A", "key"))
		e, err2 := tx.Earlier(usage.NewOnceID("A", "key"))
		if a != nil || e != nil {
			b.Errorf("found %v %v under a key that was not used", a, e)
		}
		return errors.Join(err1, err2)
	}))
}

func viewDoesNotWait(b *books) {
	b.instance("A")
	b.must(b.Change(ctx, func(store.Tx) error {
		b.view(func(r store.Reader) error {
			i, err := r.Instance("A")
			if i == nil {
				b.Error("a view during a change does not show the state before")
			}
			return err
		})
		return nil
	}))
}

func findsNoDamage(b *books) {
	b.must(b.Change(ctx, everything))
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1"})
	found, err := b.Check(ctx)
	if err != nil || len(found) > 0 {
		b.Errorf("Check found %q, %v", found, err)
	}
}
