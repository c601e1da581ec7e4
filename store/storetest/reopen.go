package storetest

import (
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var reopenTests = []test{
	{"gives back everything", reopensWhole},
	{"goes on numbering where it stopped", reopenedNumbersGoOn},
}

// state is all that a reader can see.
type state struct {
	Instances []store.Instance
	LineItems []*ledger.LineItem
	Settings  store.Settings
	Receipts  []*usage.Receipt
	Positions []usage.Position
}

func (b *books) state() (s state) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		if s.Instances, err = r.Instances(0, 1000); err != nil {
			return err
		}
		if s.LineItems, err = r.LineItems(""); err != nil {
			return err
		}
		settings, err := r.Settings()
		s.Settings = *settings
		return err
	})
	s.Receipts, s.Positions = b.receipts()
	return s
}

func reopensWhole(b *books) {
	b.must(b.Change(ctx, everything))
	b.instance("B")
	b.lineItem("B", "b1", unusual)
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(table("s", "1", dawnMS-1, "0.000000000007")) }))
	charged := b.commit(charge{instance: "A", lineItem: "a1", tokens: "1.5", key: "one"}, charge{instance: "B", lineItem: "b1", tokens: "0.1"})
	b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Deleted = true })
	want := b.state()
	for range 3 {
		b.reopen()
		b.same("the state after reopening", b.state(), want)
		b.same("Settings after reopening", *b.Settings(), want.Settings)
		b.same("the receipt under its key after reopening", b.earlier("one"), charged[0])
		b.must(b.Change(ctx, func(tx store.Tx) error {
			a, err := tx.Answer(usage.NewOnceID("A", "once"))
			b.same("the answer after reopening", a, &store.Answer{TimeMS: dawnMS, Fingerprint: []byte("f"), Status: 200, Body: []byte("b")})
			return err
		}))
	}
}

func reopenedNumbersGoOn(b *books) {
	numbers, positions := map[int64]bool{}, map[usage.Position]bool{}
	serials := map[int64]bool{}
	for _, name := range []string{"A", "B", "C"} {
		b.instance(name)
		l := b.lineItem(name, "of "+name, nil)
		var t *rate.Table
		b.must(b.Change(ctx, func(tx store.Tx) error {
			t = table("", name, dawnMS, "1")
			return tx.InsertRateTable(t)
		}))
		b.commit(charge{instance: name, lineItem: l.ActivationID, tokens: "1"})
		_, at := b.receipts()
		last := at[len(at)-1]
		if numbers[l.Number] || serials[t.Serial] || positions[last] {
			b.Errorf("line item %d, rate table %d or position %+v was there before", l.Number, t.Serial, last)
		}
		numbers[l.Number], serials[t.Serial], positions[last] = true, true, true
		b.reopen()
	}
}
