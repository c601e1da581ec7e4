package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

var coverTests = []test{
	{"comes back as it was put", coverComesBack},
	{"is found by its exact key only, beside others of nearly that key", coverByExactKey},
	{"is replaced by another of its key", replacesCovers},
	{"is asked for of every session that is loaded", asksCoversOfSessions},
	{"is missing from a map that is there when nothing covers", coversOfNothing},
	{"is forgotten when it ended before a time, and not else", forgetsCovers},
	{"is durable without a receipt", coverWithoutReceipt},
}

var clockTests = []test{
	{"is none until one is put", noClock},
	{"is the one that was put last", putsClock},
}

// newCover returns a cover of 2.5 of an item for a user of instance A, until a day after dawn.
func newCover(item string, payer *ledger.LineItem) *ledger.Cover {
	return &ledger.Cover{CoverKey: coverKey(item), Count: amount("2.5"), UntilMS: dawnMS + dayMS, Number: payer.Number}
}

func coverKey(item string) ledger.CoverKey {
	return ledger.CoverKey{InstanceID: "A", RequesterType: "USER", RequesterValue: "user", Item: item, Version: "1"}
}

// cover commits covers in one batch.
func (b *books) cover(covers ...*ledger.Cover) {
	b.Helper()
	b.must(b.Commit(ctx, store.Want{}, func(*store.Loaded) store.Decided { return store.Decided{Covers: covers} }))
}

// covers returns all covers in the order of their keys.
func (b *books) covers() (all []*ledger.Cover) {
	b.Helper()
	b.view(func(r store.Reader) error {
		return r.EachCover(func(c *ledger.Cover) error {
			all = append(all, c)
			return nil
		})
	})
	slices.SortFunc(all, func(x, y *ledger.Cover) int { return strings.Compare(coverText(x.CoverKey), coverText(y.CoverKey)) })
	return all
}

func coverText(k ledger.CoverKey) string {
	return strings.Join([]string{k.InstanceID, k.RequesterType, k.RequesterValue, k.Item, k.Version}, "\x00")
}

// covered returns the covers that a batch loads.
func (b *books) covered(keys ...ledger.CoverKey) access.Covers {
	b.Helper()
	return b.loaded(store.Want{Covers: keys}).Covers
}

func coverComesBack(b *books) {
	b.instance("A")
	b.instance("Ünïque <id>")
	usual := newCover("item", b.lineItem("A", "a1", nil))
	odd := &ledger.Cover{
		CoverKey: ledger.CoverKey{InstanceID: "Ünïque <id>", RequesterType: "t'y\"pe", RequesterValue: "名前 \u2028", Item: "%_*", Version: ""},
		Count:    amount("9999999999999999999.999999999999"), UntilMS: ledger.LatestMS, Number: b.lineItem("Ünïque <id>", "u1", nil).Number,
	}
	b.cover(usual, odd)
	want := access.Covers{usual.CoverKey: usual, odd.CoverKey: odd}
	for _, when := range []string{"", " after reopening"} {
		b.same("the covers"+when, b.covers(), []*ledger.Cover{usual, odd})
		b.same("the covers that a batch loads"+when, b.covered(usual.CoverKey, odd.CoverKey, usual.CoverKey), want)
		b.reopen()
	}
}

func coverByExactKey(b *books) {
	b.instance("A")
	b.instance("B")
	payer := b.lineItem("A", "a1", nil)
	c := newCover("item", payer)
	b.cover(c)
	all, keys := access.Covers{c.CoverKey: c}, []ledger.CoverKey{c.CoverKey}
	for name, change := range map[string]func(*ledger.CoverKey){
		"instance":                 func(k *ledger.CoverKey) { k.InstanceID = "B" },
		"type":                     func(k *ledger.CoverKey) { k.RequesterType = "user" },
		"requester":                func(k *ledger.CoverKey) { k.RequesterValue = "user " },
		"requester of no name":     func(k *ledger.CoverKey) { k.RequesterValue = "" },
		"type for requester":       func(k *ledger.CoverKey) { k.RequesterType, k.RequesterValue = k.RequesterValue, k.RequesterType },
		"item":                     func(k *ledger.CoverKey) { k.Item = "Item" },
		"longer item":              func(k *ledger.CoverKey) { k.Item = "items" },
		"version":                  func(k *ledger.CoverKey) { k.Version = "1.0" },
		"no version":               func(k *ledger.CoverKey) { k.Version = "" },
		"item that ends elsewhere": func(k *ledger.CoverKey) { k.Item, k.Version = "item1", "" },
	} {
		key := c.CoverKey
		change(&key)
		if got := b.covered(key); len(got) != 0 {
			b.Errorf("another %s finds %+v", name, got[key])
		}
		b.same("what is found beside another "+name, b.covered(key, c.CoverKey), access.Covers{c.CoverKey: c})
		another := newCover("", payer)
		another.CoverKey, another.Count = key, token.FromInt(int64(len(keys)))
		all[key], keys = another, append(keys, key)
	}
	b.cover(slices.Collect(maps.Values(all))...)
	b.same("all of them, side by side", b.covered(keys...), all)
}

func replacesCovers(b *books) {
	b.instance("A")
	first, second := b.lineItem("A", "a1", nil), b.lineItem("A", "a2", nil)
	key, other := coverKey("item"), newCover("other", first)
	b.cover(newCover("item", first), other)
	for i, next := range []*ledger.Cover{newCover("item", second), newCover("item", first)} {
		next.Count, next.UntilMS = amount([]string{"7.000000000001", "1"}[i]), []int64{dawnMS + 5, dawnMS + 3}[i]
		b.must(b.Commit(ctx, store.Want{Covers: []ledger.CoverKey{key}}, func(loaded *store.Loaded) store.Decided {
			c := loaded.Covers[key]
			*c = *next
			return store.Decided{Covers: []*ledger.Cover{c}}
		}))
		for _, when := range []string{"", " after reopening"} {
			b.same("the covers"+when, b.covers(), []*ledger.Cover{next, other})
			b.same("the covers that a batch loads"+when, b.covered(key, other.CoverKey), access.Covers{key: next, other.CoverKey: other})
			b.reopen()
		}
	}
}

func asksCoversOfSessions(b *books) {
	b.instance("A")
	b.instance("B")
	payer, all := b.lineItem("A", "a1", nil), access.Covers{}
	for _, item := range []string{"named", "due", "both", "of nobody", "wanted", "wanted by two"} {
		c := newCover(item, payer)
		all[c.CoverKey] = c
	}
	b.cover(slices.Collect(maps.Values(all))...)
	b.begin(dueAt("A", "both", dawnMS), dueAt("A", "named", dawnMS+dayMS), dueAt("B", "due", dawnMS), dueAt("A", "neither", dawnMS+dayMS))
	asked := map[string]bool{}
	loaded := b.loaded(store.Want{
		Sessions: []string{"named", "both", "none"}, Due: &store.Due{ByMS: dawnMS, Most: 5}, Covers: []ledger.CoverKey{coverKey("wanted"), coverKey("wanted by two")},
		CoversOf: func(s *access.Session) []ledger.CoverKey {
			asked[s.ID+" of "+s.InstanceID] = true
			return []ledger.CoverKey{coverKey(s.ID), coverKey("not there " + s.ID), coverKey("wanted by two")}
		},
	})
	b.same("the sessions that were asked about", asked, map[string]bool{"named of A": true, "both of A": true, "due of B": true})
	delete(all, coverKey("of nobody"))
	b.same("the covers", loaded.Covers, all)
	loaded = b.loaded(store.Want{Sessions: []string{"named"}, CoversOf: func(*access.Session) []ledger.CoverKey { return nil }})
	b.same("the covers when none are asked for", loaded.Covers, access.Covers{})
}

func coversOfNothing(b *books) {
	b.instance("A")
	b.begin(dueAt("A", "s", dawnMS))
	for name, want := range map[string]store.Want{
		"nothing is wanted": {}, "a cover is wanted that is not there": {Covers: []ledger.CoverKey{{}}}, "a session is wanted": {Sessions: []string{"s"}},
	} {
		if covers := b.loaded(want).Covers; covers == nil || len(covers) > 0 {
			b.Errorf("when %s the covers are %#v, want an empty map", name, covers)
		}
	}
}

func forgetsCovers(b *books) {
	b.worked()
	payer := b.find("a1")
	long, just, ended, live := newCover("long over", payer), newCover("just over", payer), newCover("ends then", payer), newCover("live", payer)
	then := int64(dawnMS + 30*dayMS)
	long.UntilMS, just.UntilMS, ended.UntilMS, live.UntilMS = dawnMS-dayMS, then-1, then, then+1
	b.cover(long, just, ended, live)
	kept := b.state()
	if len(kept.Covers) != 5 {
		b.Fatalf("%d covers, want 5", len(kept.Covers))
	}
	b.must(b.Forget(ctx, dawnMS-2*dayMS))
	b.same("the state when nothing is too old", b.state(), kept)
	b.must(b.Forget(ctx, then))
	kept.Covers = []*ledger.Cover{ended, live}
	for _, when := range []string{"", " after reopening"} {
		b.same("the state"+when, b.state(), kept)
		got := b.covered(long.CoverKey, just.CoverKey, ended.CoverKey, live.CoverKey, coverKey("item"))
		b.same("the covers that a batch loads"+when, got, access.Covers{ended.CoverKey: ended, live.CoverKey: live})
		b.reopen()
	}
	b.cover(just)
	b.same("a cover that is made anew", b.covered(just.CoverKey), access.Covers{just.CoverKey: just})
}

func coverWithoutReceipt(b *books) {
	b.instance("A")
	c := newCover("item", b.lineItem("A", "a1", nil))
	b.cover(c)
	b.reopen()
	b.same("the covers", b.covers(), []*ledger.Cover{c})
	if got, _ := b.receipts(); len(got) != 0 {
		b.Errorf("a cover has left %d receipts", len(got))
	}
}

// clock returns the clock, after seeing that a change finds the same.
func (b *books) clock() (clock *store.Clock) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		clock, err = r.Clock()
		return err
	})
	b.must(b.Change(ctx, func(tx store.Tx) error {
		c, err := tx.Clock()
		b.same("the clock, in a change as in a view,", c, clock)
		return err
	}))
	return clock
}

func noClock(b *books) {
	b.worked()
	errUndo := errors.New("undo")
	err := b.Change(ctx, func(tx store.Tx) error { return errors.Join(tx.PutClock(store.Clock{}), errUndo) })
	if !errors.Is(err, errUndo) {
		b.Errorf("Change returned %v, want what fn returned", err)
	}
	for _, when := range []string{"", " after reopening"} {
		if c := b.clock(); c != nil {
			b.Errorf("the clock is %+v%s, want none", c, when)
		}
		b.reopen()
	}
}

func putsClock(b *books) {
	o := b.other()
	for _, want := range []store.Clock{{Test: true, NowMS: dawnMS}, {Test: true, NowMS: dawnMS + dayMS}, {}, {Test: true, NowMS: ledger.LatestMS}} {
		b.must(b.Change(ctx, func(tx store.Tx) error {
			if err := tx.PutClock(want); err != nil {
				return err
			}
			c, err := tx.Clock()
			b.same("the clock in the change that puts it", c, &want)
			return err
		}))
		b.same("the clock", b.clock(), &want)
		b.same("the clock through another handle", o.clock(), &want)
		b.reopen()
		b.same("the clock after reopening", b.clock(), &want)
	}
}
