package storetest

import (
	"errors"

	"github.com/farebox/farebox/access"
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
	Sessions  []*access.Session
	NextDue   int64
	Covers    []*ledger.Cover
	Holds     []*access.Hold
	Rules     map[string][]*ledger.Condition // by instance
	Consumed  []*ledger.Consumed
	Packs     []store.Pack
	Sale      *store.Sale
	Clock     *store.Clock
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
		if s.NextDue, err = r.NextDue(); err != nil {
			return err
		}
		if s.Clock, err = r.Clock(); err != nil {
			return err
		}
		s.Rules = map[string][]*ledger.Condition{}
		for _, i := range s.Instances {
			if s.Rules[i.ID], err = r.Conditions(i.ID); err != nil {
				return err
			}
		}
		if s.Packs, err = r.Packs(); err != nil {
			return err
		}
		if s.Sale, err = r.Sale("order"); err != nil {
			return err
		}
		settings, err := r.Settings()
		s.Settings = *settings
		return err
	})
	s.Sessions, s.Covers, s.Consumed, s.Holds = b.sessions(), b.covers(), b.consumed(), b.holds()
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
	b.lasting()
	want := b.state()
	if len(want.Covers) != 1 || len(want.Consumed) != 1 || len(want.Packs) != 1 || len(want.Rules["A"]) == 0 || want.Sale == nil {
		b.Errorf("there is not one of everything: %+v", want)
	}
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

// lasting begins two sessions of instance A, one of which has ended, and gives a user a cover by line item a1, which has
// rules and a limit from then on, and consumption. That makes two receipts of 0 tokens and three changes.
func (b *books) lasting() {
	b.Helper()
	s := filled[access.Session]()
	s.ID, s.InstanceID, s.State = "s", "A", access.Active
	b.begin(s, dueAt("A", "ended", dawnMS))
	b.move("ended", end)
	l := b.find("a1")
	ruled(l)
	b.must(b.Change(ctx, func(tx store.Tx) error {
		return errors.Join(tx.PutLineItem(l), tx.PutConditions("A", newConditions()), tx.InsertRateTable(windows()))
	}))
	b.cover(newCover("item", l))
	b.moveHolds(access.MakeHold, newHold("hold", l))
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "0", requester: "user", ruled: &usage.Ruled{
		ActionID: "first", ActionUsed: amount("0.5"), Limited: true, SinceMS: dawnMS, Consumed: amount("1.5"),
	}})
}

func reopenedNumbersGoOn(b *books) {
	numbers, positions := map[int64]bool{}, map[usage.Position]bool{}
	serials, sessions := map[int64]bool{}, map[int64]bool{}
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
		s := dueAt(name, "of "+name, dawnMS)
		b.begin(s)
		if numbers[l.Number] || serials[t.Serial] || positions[last] || sessions[s.Number] {
			b.Errorf("line item %d, rate table %d, position %+v or session %d was there before", l.Number, t.Serial, last, s.Number)
		}
		numbers[l.Number], serials[t.Serial], positions[last], sessions[s.Number] = true, true, true, true
		b.reopen()
	}
}
