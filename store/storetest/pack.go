package storetest

import (
	"errors"

	"github.com/farebox/farebox/store"
)

var packTests = []test{
	{"comes back as it was put", packComesBack},
	{"lists by name", listsPacks},
	{"is replaced by another of its name", replacesPacks},
	{"is gone when it is deleted", deletesPacks},
}

var saleTests = []test{
	{"comes back as it was made", saleComesBack},
	{"is found by its exact order number", saleByExactNumber},
	{"is made once an order number", sellsOnce},
	{"outlives its pack", saleOutlivesPack},
}

func newPack(name string) store.Pack {
	return store.Pack{Name: name, CreatedMS: dawnMS, ModifiedMS: dawnMS + 1, Body: []byte(`{"name": "` + name + `", "a":[1.50, "\u0041\/"]}`)}
}

func newSale(orderNumber string) store.Sale {
	return store.Sale{
		OrderNumber: orderNumber, InstanceID: "A", Pack: "pack", ActivationID: "sold by " + orderNumber, TimeMS: dawnMS,
		Body: []byte("{\n \"order\" : 1.0}"),
	}
}

func (b *books) putPacks(packs ...store.Pack) {
	b.Helper()
	b.must(b.Change(ctx, func(tx store.Tx) error {
		for _, p := range packs {
			if err := tx.PutPack(p); err != nil {
				return err
			}
		}
		return nil
	}))
}

// packsAre holds all packs, now and after reopening.
func (b *books) packsAre(want ...store.Pack) {
	b.Helper()
	for _, when := range []string{"", " after reopening"} {
		b.view(func(r store.Reader) error {
			all, err := r.Packs()
			b.same("the packs"+when, append([]store.Pack{}, all...), append([]store.Pack{}, want...))
			for i := range want {
				one, err := r.Pack(want[i].Name)
				b.same("the pack"+when, one, &want[i])
				if err != nil {
					return err
				}
			}
			return err
		})
		b.reopen()
	}
}

func packComesBack(b *books) {
	odd := newPack("Ünïque \"<name>\" %_*")
	b.putPacks(odd)
	b.packsAre(odd)
	b.view(func(r store.Reader) error {
		for _, name := range []string{"", "%", "Ünïque", odd.Name + " ", "ünïque \"<name>\" %_*"} {
			if p, err := r.Pack(name); p != nil || err != nil {
				b.Errorf("the name %q finds %+v, %v", name, p, err)
			}
		}
		return nil
	})
}

func listsPacks(b *books) {
	b.putPacks(newPack("b"), newPack("aa"), newPack("ä"), newPack("B"), newPack("a"))
	b.packsAre(newPack("B"), newPack("a"), newPack("aa"), newPack("b"), newPack("ä"))
}

func replacesPacks(b *books) {
	b.putPacks(newPack("a"), newPack("b"))
	next := store.Pack{Name: "a", CreatedMS: 1, ModifiedMS: 2, Body: []byte("{}")}
	b.putPacks(next)
	b.packsAre(next, newPack("b"))
}

func deletesPacks(b *books) {
	b.putPacks(newPack("a"), newPack("b"))
	for range 2 {
		b.must(b.Change(ctx, func(tx store.Tx) error { return tx.DeletePack("a") }))
		b.packsAre(newPack("b"))
	}
	b.putPacks(newPack("a"))
	b.packsAre(newPack("a"), newPack("b"))
}

func (b *books) sell(sales ...store.Sale) {
	b.Helper()
	b.must(b.Change(ctx, func(tx store.Tx) error {
		for _, s := range sales {
			if err := tx.InsertSale(s); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (b *books) sale(orderNumber string) (sale *store.Sale) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		sale, err = r.Sale(orderNumber)
		return err
	})
	return sale
}

func saleComesBack(b *books) {
	b.instance("A")
	want := newSale("Ünïque \"<number>\" %_*")
	b.sell(want, newSale("2"))
	for _, when := range []string{"", " after reopening"} {
		b.same("the sale"+when, b.sale(want.OrderNumber), &want)
		b.reopen()
	}
}

func saleByExactNumber(b *books) {
	b.instance("A")
	b.sell(newSale("a1"))
	for _, number := range []string{"", "a", "A1", "a1 ", "a10", "%"} {
		if s := b.sale(number); s != nil {
			b.Errorf("the order number %q finds %+v", number, s)
		}
	}
}

func sellsOnce(b *books) {
	b.instance("A")
	b.sell(newSale("order"))
	again := newSale("order")
	again.ActivationID = "another"
	for _, h := range []*books{b, b.other()} {
		var refused error
		err := h.Change(ctx, func(tx store.Tx) error {
			if err := errors.Join(tx.InsertSale(newSale("beside")), tx.PutLineItem(newLineItem("A", "another"))); err != nil {
				return err
			}
			refused = tx.InsertSale(again)
			return refused
		})
		if refused == nil || !errors.Is(err, refused) {
			b.Errorf("an order was sold again: InsertSale returned %v, Change %v", refused, err)
		}
	}
	want := newSale("order")
	for _, when := range []string{"", " after reopening"} {
		b.same("the sale"+when, b.sale("order"), &want)
		if b.sale("beside") != nil || b.find("another") != nil {
			b.Errorf("a change in which an order was sold again has left something%s", when)
		}
		b.reopen()
	}
}

func saleOutlivesPack(b *books) {
	b.instance("A")
	b.putPacks(newPack("pack"))
	b.sell(newSale("order"))
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.DeletePack("pack") }))
	want := newSale("order")
	b.same("the sale", b.sale("order"), &want)
}
