package storetest

import "github.com/farebox/farebox/store"

var topUpTests = []test{
	{"comes back as it was last put, by line item", topUpsComeBack},
	{"is found when it is due, the one due first in front", findsDueTopUps},
	{"is gone once it was deleted", deletesTopUps},
}

func topUpsComeBack(b *books) {
	one, other := store.AutoTopUp{LineItem: 7, DueMS: dawnMS, Body: []byte(`{"a" : [1.50]}`)}, store.AutoTopUp{LineItem: 1 << 40, Body: []byte("{}")}
	b.tx(func(tx store.Tx) error { return tx.PutAutoTopUp(store.AutoTopUp{LineItem: 7, Body: []byte("[]")}) })
	b.tx(func(tx store.Tx) error { return tx.PutAutoTopUp(other) })
	b.tx(func(tx store.Tx) error { return tx.PutAutoTopUp(one) })
	for range 2 {
		b.view(func(r store.Reader) error {
			got, err := r.AutoTopUp(7)
			b.same("the top-up", got, &one)
			b.must(err)
			got, err = r.AutoTopUp(8)
			b.same("that of another line item", got, (*store.AutoTopUp)(nil))
			b.must(err)
			all, err := r.AutoTopUps(0, 10)
			b.same("all", all, []store.AutoTopUp{one, other})
			b.must(err)
			all, err = r.AutoTopUps(0, 1)
			b.same("the first page", all, []store.AutoTopUp{one})
			b.must(err)
			all, err = r.AutoTopUps(7, 10)
			b.same("what follows", all, []store.AutoTopUp{other})
			return err
		})
		b.reopen()
	}
}

func findsDueTopUps(b *books) {
	b.tx(func(tx store.Tx) error {
		for lineItem, dueMS := range map[int64]int64{1: dawnMS + 2, 2: dawnMS, 3: 0, 4: dawnMS, 5: dawnMS + 3} {
			b.must(tx.PutAutoTopUp(store.AutoTopUp{LineItem: lineItem, DueMS: dueMS, Body: []byte("{}")}))
		}
		return nil
	})
	b.view(func(r store.Reader) error {
		for limit, want := range map[int][]int64{10: {2, 4, 1}, 2: {2, 4}} {
			due, err := r.DueAutoTopUps(dawnMS+2, limit)
			b.must(err)
			var got []int64
			for _, d := range due {
				got = append(got, d.LineItem)
			}
			b.same("what is due", got, want)
		}
		return nil
	})
}

func deletesTopUps(b *books) {
	b.tx(func(tx store.Tx) error {
		b.must(tx.PutAutoTopUp(store.AutoTopUp{LineItem: 1, DueMS: dawnMS, Body: []byte("{}")}))
		b.must(tx.PutAutoTopUp(store.AutoTopUp{LineItem: 2, DueMS: dawnMS, Body: []byte("{}")}))
		b.must(tx.DeleteAutoTopUp(3))
		return tx.DeleteAutoTopUp(1)
	})
	b.view(func(r store.Reader) error {
		all, err := r.AutoTopUps(0, 10)
		b.same("what is left", len(all), 1)
		return err
	})
}
