package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
)

var settingsTests = []test{
	{"of an empty database are empty, not missing", settingsOfNothing},
	{"has rate tables as they were inserted", rateTablesComeBack},
	{"has the terms of items as they were inserted", termsComeBack},
	{"prices by the latest effective table, of equal dates the later created", pricesByLatestTable},
	{"has no rate table that was deleted", deletesRateTables},
	{"keeps when a key was created", keepsCreationOfKeys},
	{"has no key that was deleted", deletesKeys},
	{"has a configuration value as it was last put", putsConfiguration},
	{"does not change once returned", settingsDoNotChange},
	{"does not wait for a change", settingsDoNotWait},
	{"knows what others changed after Refresh", refreshShowsOthers},
	{"knows what others changed after Commit", commitShowsOthers},
	{"is refreshed by a change that writes nothing else", changeShowsOthers},
}

func settingsOfNothing(b *books) {
	for name, s := range map[string]*store.Settings{"Settings": b.Settings(), "View": viewSettings(b), "Commit": b.loaded(store.Want{}).Settings} {
		if s == nil || s.Rates == nil {
			b.Fatalf("%s returns %+v", name, s)
		}
		if len(s.Keys)+len(s.Configuration)+len(s.Rates.Tables()) > 0 {
			b.Errorf("%s of an empty database are %+v", name, s)
		}
	}
}

// sees compares the settings as all who ask for them get them.
func (b *books) sees(want *store.Settings) {
	b.Helper()
	for name, s := range map[string]*store.Settings{"Settings": b.Settings(), "View": viewSettings(b), "Commit": b.loaded(store.Want{}).Settings} {
		b.same(name, *s, *want)
	}
}

func rateTablesComeBack(b *books) {
	tables := []*rate.Table{
		{Series: "", Version: "1", EffectiveFromMS: dawnMS + 5, CreatedMS: dawnMS + 7, Items: []rate.Item{
			{Name: "z", Version: "", Rate: amount("0.000000000001")}, {Name: "a", Version: "2 <&> \"", Rate: amount("9999999999999999999.999999999999")},
			{Name: "a", Version: "", Rate: amount("0")}, {Name: "名前", Version: "", Rate: amount("3.5")},
		}},
		table("séries", "1", 0, "1"),
		table("", "2", dawnMS-5, "1"),
	}
	b.must(b.Change(ctx, func(tx store.Tx) error {
		return errors.Join(tx.InsertRateTable(tables[0]), tx.InsertRateTable(tables[1]), tx.InsertRateTable(tables[2]))
	}))
	if tables[0].Serial == 0 || tables[1].Serial <= tables[0].Serial || tables[2].Serial <= tables[1].Serial {
		b.Errorf("serials are %d, %d, %d; want them set, in the order of creation", tables[0].Serial, tables[1].Serial, tables[2].Serial)
	}
	want := &store.Settings{Configuration: map[string]store.ConfigValue{}, Rates: rate.NewCatalog(tables)}
	b.sees(want)
	b.reopen()
	b.sees(want)
}

func termsComeBack(b *books) {
	t := table("", "1", dawnMS, "8") // its one item has none
	want := append(t.Items, []rate.Item{
		{Name: "window of a day", Version: "2", Rate: amount("8"), Window: 24 * time.Hour},
		{Name: "least window", Rate: amount("8"), Window: rate.WindowLeast}, {Name: "longest window", Rate: amount("8"), Window: rate.WindowMost},
		{Name: "odd window", Rate: amount("8"), Window: 30*time.Hour + 59*time.Minute + time.Second},
		{Name: "free second", Rate: amount("8"), FreeSeconds: 1}, {Name: "free day", Rate: amount("8"), FreeSeconds: rate.FreeSecondsMost},
		{Name: "cost", Rate: amount("8"), Cost: new(amount("0.4"))}, {Name: "no cost", Rate: amount("8"), Cost: new(amount("0"))},
	}...)
	t.Items = slices.Clone(want)
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(t) }))
	for range 2 {
		for name, s := range map[string]*store.Settings{"Settings": b.Settings(), "View": viewSettings(b), "Commit": b.loaded(store.Want{}).Settings} {
			b.same(name, s.Rates.Find("", "1").Items, want)
		}
		b.reopen()
	}
}

func pricesByLatestTable(b *books) {
	for _, t := range []*rate.Table{
		table("", "new", dawnMS, "1"), table("", "newer, same date", dawnMS, "2"), table("", "old", dawnMS-1, "3"), table("", "future", dawnMS+1, "4"),
	} {
		b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(t) }))
	}
	for _, when := range []string{"", " after reopening"} {
		if got := price(b.Settings(), ""); got != "2" {
			b.Errorf("the price is %s%s, want 2 (D8)", got, when)
		}
		b.reopen()
	}
}

func deletesRateTables(b *books) {
	b.must(b.Change(ctx, func(tx store.Tx) error {
		return errors.Join(tx.InsertRateTable(table("", "1", dawnMS, "1")), tx.InsertRateTable(table("s", "1", dawnMS, "2")),
			tx.InsertRateTable(table("s", "2", dawnMS, "3")))
	}))
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.DeleteRateTable("s", "2") }))
	for _, when := range []string{"", " after reopening"} {
		if none, s := price(b.Settings(), ""), price(b.Settings(), "s"); none != "1" || s != "2" {
			b.Errorf("the prices are %s and %s%s, want 1 and 2", none, s, when)
		}
		b.reopen()
	}
	again := table("s", "2", dawnMS, "5")
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(again) }))
	if got := price(b.Settings(), "s"); got != "5" {
		b.Errorf("a table posted anew after it was deleted prices at %s, want 5", got)
	}
}

func keepsCreationOfKeys(b *books) {
	k := auth.Key{Role: auth.Admin, ID: "k", PublicPEM: "one", CreatedMS: dawnMS, ModifiedMS: dawnMS}
	other := auth.Key{Role: auth.Client, ID: "k", PublicPEM: "other", CreatedMS: dawnMS + 1, ModifiedMS: dawnMS + 2}
	b.must(b.Change(ctx, func(tx store.Tx) error { return errors.Join(tx.PutKey(k), tx.PutKey(other)) }))
	b.must(b.Change(ctx, func(tx store.Tx) error {
		return tx.PutKey(auth.Key{Role: auth.Admin, ID: "k", PublicPEM: "two", CreatedMS: dawnMS + 9, ModifiedMS: dawnMS + 9})
	}))
	k.PublicPEM, k.ModifiedMS = "two", dawnMS+9
	b.sees(&store.Settings{Keys: []auth.Key{k, other}, Configuration: map[string]store.ConfigValue{}, Rates: rate.NewCatalog(nil)})
}

func deletesKeys(b *books) {
	kept := auth.Key{Role: auth.Client, ID: "k", PublicPEM: "pem", CreatedMS: dawnMS, ModifiedMS: dawnMS}
	gone := kept
	gone.Role = auth.Admin
	b.must(b.Change(ctx, func(tx store.Tx) error { return errors.Join(tx.PutKey(kept), tx.PutKey(gone)) }))
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.DeleteKey(auth.Admin, "k") }))
	want := &store.Settings{Keys: []auth.Key{kept}, Configuration: map[string]store.ConfigValue{}, Rates: rate.NewCatalog(nil)}
	b.sees(want)
	b.reopen()
	b.sees(want)
}

func putsConfiguration(b *books) {
	first := store.ConfigValue{Name: "n", Value: "v", ModifiedMS: 1, UpdatedBy: "u"}
	second := store.ConfigValue{Name: "n", Value: "w", ModifiedMS: 2, UpdatedBy: "x"}
	for _, v := range []store.ConfigValue{first, second} {
		b.must(b.Change(ctx, func(tx store.Tx) error { return tx.PutConfigValue(v) }))
		b.sees(&store.Settings{Configuration: map[string]store.ConfigValue{"n": v}, Rates: rate.NewCatalog(nil)})
	}
}

func settingsDoNotChange(b *books) {
	before := b.Settings()
	b.must(b.Change(ctx, everything))
	after := b.Settings()
	if before == after || len(before.Keys)+len(before.Configuration)+len(before.Rates.Tables()) > 0 {
		b.Errorf("settings that were handed out have changed to %+v", before)
	}
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.DeleteRateTable("", "1") }))
	if price(after, "") != "2" || price(b.Settings(), "") != "not priced" {
		b.Error("settings that were handed out have changed with a deletion")
	}
}

func settingsDoNotWait(b *books) {
	b.must(b.Change(ctx, func(store.Tx) error {
		got := make(chan *store.Settings, 1)
		go func() { got <- b.Settings() }()
		select {
		case <-got:
		case <-time.After(10 * time.Second):
			b.Error("Settings waits for a change")
		}
		return nil
	}))
}

// changeTwice changes settings through one handle, twice, and each time looks at those of another after they took notice.
func (b *books) changeTwice(notice func(o *books)) {
	b.Helper()
	o := b.other()
	b.must(b.Change(ctx, everything))
	notice(o)
	s := o.Settings()
	if len(s.Keys) != 1 || len(s.Configuration) != 1 || price(s, "") != "2" {
		b.Errorf("the other handle sees %+v with a price of %s", s, price(s, ""))
	}
	b.must(b.Change(ctx, func(tx store.Tx) error {
		return errors.Join(tx.DeleteKey(auth.Admin, "key"), tx.DeleteRateTable("", "1"), tx.InsertRateTable(table("", "2", dawnMS, "3")),
			tx.PutConfigValue(store.ConfigValue{Name: "name", Value: "another"}))
	}))
	notice(o)
	s = o.Settings()
	if len(s.Keys) != 0 || s.Configuration["name"].Value != "another" || price(s, "") != "3" {
		b.Errorf("the other handle sees %+v with a price of %s after a second change", s, price(s, ""))
	}
}

func refreshShowsOthers(b *books) {
	b.changeTwice(func(o *books) { b.must(o.Refresh(ctx)) })
}

func commitShowsOthers(b *books) {
	b.changeTwice(func(o *books) {
		loaded := o.loaded(store.Want{})
		if loaded.Settings != o.Settings() {
			b.Error("decide and Settings see different settings")
		}
	})
}

func changeShowsOthers(b *books) {
	b.changeTwice(func(o *books) { b.must(o.Change(ctx, func(store.Tx) error { return nil })) })
}
