package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var coverTests = []test{
	{"follows from the receipts, and comes back as it was", coverComesBack},
	{"is found by its exact requester only, beside others of nearly that name", coverByExactRequester},
	{"is one of many of its requester, by the exact item", coverByExactItem},
	{"is replaced by another of its key", replacesCovers},
	{"is loaded for every session that is loaded", loadsCoversOfSessions},
	{"is missing from a map that is there when nothing covers", coversOfNothing},
	{"is loaded once rate tables have windows, whoever made them so", loadsCoversWithWindows},
	{"is forgotten when it ended before a time, and not else", forgetsCovers},
}

var clockTests = []test{
	{"is none until one is put", noClock},
	{"is the one that was put last", putsClock},
}

// windows returns a rate table in which an item has a window, in a series of its own: from then on covers are asked for.
func windows() *rate.Table {
	t := table("windows", "1", dawnMS, "1")
	t.Items[0].Window = 24 * time.Hour
	return t
}

// newCover returns a cover of 2.5 of an item for a user of instance A, until a day after dawn.
func newCover(item string, payer *ledger.LineItem) *ledger.Cover {
	key := ledger.CoverKey{RequesterKey: user("user"), ItemKey: ledger.ItemKey{Item: item, Version: "1"}}
	return &ledger.Cover{CoverKey: key, Count: amount("2.5"), UntilMS: dawnMS + dayMS, Number: payer.Number}
}

// user returns the key of a user of instance A.
func user(value string) ledger.RequesterKey {
	return ledger.RequesterKey{InstanceID: "A", Type: "USER", Value: value}
}

// cover commits covers in one batch.
func (b *books) cover(covers ...*ledger.Cover) {
	b.Helper()
	want := store.Want{}
	for _, c := range covers {
		want.Instances = append(want.Instances, c.InstanceID)
	}
	b.must(b.Commit(ctx, want, func(loaded *store.Loaded) (d store.Decided) {
		for _, c := range covers {
			d.Receipts = append(d.Receipts, b.bookCover(loaded.Books[c.InstanceID], c))
		}
		return d
	}))
}

// bookCover returns the receipt of a charge of 0 tokens from which a cover follows.
func (b *books) bookCover(book *ledger.Book, c *ledger.Cover) *usage.Receipt {
	r := b.book(book, charge{tokens: "0"})
	r.InstanceID, r.Requester = c.InstanceID, access.Requester{Type: c.Type, Value: c.Value}
	item := &r.Items[0]
	item.Item, item.Version, item.Count, item.CoverCount, item.CoveredUntilMS = c.Item, c.Version, c.Count, c.Count, c.UntilMS
	for _, l := range book.LineItems {
		if l.Number == c.Number {
			item.Slices = []usage.Slice{{ActivationID: l.ActivationID, Number: l.Number, Quantity: l.Quantity, Used: l.Used, ResetMS: l.ResetMS}}
		}
	}
	return r
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
	return strings.Join([]string{k.InstanceID, k.Type, k.Value, k.Item, k.Version}, "\x00")
}

func byKey(covers ...*ledger.Cover) map[ledger.CoverKey]*ledger.Cover {
	all := map[ledger.CoverKey]*ledger.Cover{}
	for _, c := range covers {
		all[c.CoverKey] = c
	}
	return all
}

// covered returns the covers of requesters that a batch loads.
func (b *books) covered(keys ...ledger.RequesterKey) map[ledger.CoverKey]*ledger.Cover {
	b.Helper()
	return b.coversIn(b.loaded(store.Want{Requesters: keys}))
}

// coversIn returns the covers of all standings, after seeing that each is where it belongs.
func (b *books) coversIn(loaded *store.Loaded) map[ledger.CoverKey]*ledger.Cover {
	b.Helper()
	all := byKey()
	for key, s := range loaded.Standings {
		for item, c := range s.Covers {
			if s.RequesterKey != key || c.RequesterKey != key || c.ItemKey != item {
				b.Errorf("the cover of %+v stands under %+v and %+v", c.CoverKey, key, item)
			}
			all[c.CoverKey] = c
		}
	}
	return all
}

// opensWindows has rate tables with windows from now on.
func (b *books) opensWindows() {
	b.Helper()
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(windows()) }))
}

func coverComesBack(b *books) {
	b.opensWindows()
	b.instance("A")
	b.instance("Ünïque <id>")
	usual := newCover("item", b.lineItem("A", "a1", nil))
	odd := &ledger.Cover{
		CoverKey: ledger.CoverKey{
			RequesterKey: ledger.RequesterKey{InstanceID: "Ünïque <id>", Type: "t'y\"pe", Value: "名前 \u2028"}, ItemKey: ledger.ItemKey{Item: "%_*"},
		},
		Count: amount("9999999999999999999.999999999999"), UntilMS: period.LatestMS, Number: b.lineItem("Ünïque <id>", "u1", nil).Number,
	}
	b.cover(usual, odd)
	for _, when := range []string{"", " after reopening"} {
		b.same("the covers"+when, b.covers(), []*ledger.Cover{usual, odd})
		b.same("the covers that a batch loads"+when, b.covered(usual.RequesterKey, odd.RequesterKey, usual.RequesterKey), byKey(usual, odd))
		b.reopen()
	}
}

// nearly returns keys that differ from one by little.
func nearly(key ledger.RequesterKey) map[string]ledger.RequesterKey {
	all := map[string]ledger.RequesterKey{}
	for name, change := range map[string]func(*ledger.RequesterKey){
		"instance":         func(k *ledger.RequesterKey) { k.InstanceID = "B" },
		"type":             func(k *ledger.RequesterKey) { k.Type = "user" },
		"longer type":      func(k *ledger.RequesterKey) { k.Type += "S" },
		"value":            func(k *ledger.RequesterKey) { k.Value += " " },
		"no value":         func(k *ledger.RequesterKey) { k.Value = "" },
		"type for value":   func(k *ledger.RequesterKey) { k.Type, k.Value = k.Value, k.Type },
		"value with a NUL": func(k *ledger.RequesterKey) { k.Value += "\x00" },
	} {
		k := key
		change(&k)
		all[name] = k
	}
	return all
}

func coverByExactRequester(b *books) {
	b.opensWindows()
	b.instance("A")
	b.instance("B")
	payers := map[string]*ledger.LineItem{"A": b.lineItem("A", "a1", nil), "B": b.lineItem("B", "b1", nil)}
	c := newCover("item", payers["A"])
	b.cover(c)
	all, keys := byKey(c), []ledger.RequesterKey{c.RequesterKey}
	for name, key := range nearly(c.RequesterKey) {
		if got := b.covered(key); len(got) != 0 {
			b.Errorf("another %s finds %+v", name, got)
		}
		another := newCover("item", payers[key.InstanceID])
		another.RequesterKey, another.Count = key, token.FromInt(int64(len(keys)))
		all[another.CoverKey], keys = another, append(keys, key)
	}
	delete(all, c.CoverKey)
	b.cover(slices.Collect(maps.Values(all))...)
	all[c.CoverKey] = c
	b.same("all of them, side by side", b.covered(keys...), all)
	b.same("the first of them", b.covered(c.RequesterKey), byKey(c))
	b.same("all of them, as a reader sees the standings", b.coversIn(b.stood(keys...)), all)
}

func coverByExactItem(b *books) {
	b.opensWindows()
	b.instance("A")
	payer := b.lineItem("A", "a1", nil)
	all := byKey()
	for i, item := range [][2]string{{"item", "1"}, {"Item", "1"}, {"items", "1"}, {"item", "1.0"}, {"item", ""}, {"item1", ""}, {"", "item1"}} {
		c := newCover("", payer)
		c.Item, c.Version, c.Count = item[0], item[1], token.FromInt(int64(i+1))
		b.cover(c)
		all[c.CoverKey] = c
	}
	b.same("all of them, side by side", b.covered(user("user")), all)
	b.same("all of them, as readers see them", byKey(b.covers()...), all)
}

func replacesCovers(b *books) {
	b.opensWindows()
	b.instance("A")
	first, second := b.lineItem("A", "a1", nil), b.lineItem("A", "a2", nil)
	other := newCover("other", first)
	b.cover(newCover("item", first), other)
	for i, next := range []*ledger.Cover{newCover("item", second), newCover("item", first)} {
		before := newCover("item", first) // of the same batch
		next.Count, next.UntilMS = amount([]string{"7.000000000001", "1"}[i]), []int64{dawnMS + 5, dawnMS + 3}[i]
		b.cover(before, next)
		for _, when := range []string{"", " after reopening"} {
			b.same("the covers"+when, b.covers(), []*ledger.Cover{next, other})
			b.same("the covers that a batch loads"+when, b.covered(user("user")), byKey(next, other))
			b.reopen()
		}
	}
}

// askedBy gives a session a requester.
func askedBy(s *access.Session, value string) *access.Session {
	s.Requester = access.Requester{Type: "USER", Value: value}
	return s
}

func loadsCoversOfSessions(b *books) {
	b.opensWindows()
	b.instance("A")
	b.instance("B")
	payer := b.lineItem("A", "a1", nil)
	ofB := newCover("item", b.lineItem("B", "b1", nil))
	ofB.RequesterKey = ledger.RequesterKey{InstanceID: "B", Type: "USER", Value: "due"}
	all := byKey(ofB)
	for _, value := range []string{"named", "due", "both", "of nobody", "wanted"} {
		c := newCover("item", payer)
		c.Value = value
		all[c.CoverKey] = c
	}
	b.cover(slices.Collect(maps.Values(all))...)
	b.begin(askedBy(dueAt("A", "both", dawnMS), "both"), askedBy(dueAt("A", "named", dawnMS+dayMS), "named"), dueAt("A", "of none", dawnMS),
		askedBy(dueAt("B", "due", dawnMS), "due"), askedBy(dueAt("A", "neither", dawnMS+dayMS), "of nobody"))
	loaded := b.loaded(store.Want{
		Sessions: []string{"named", "both", "none"}, Due: &store.Due{ByMS: dawnMS, Most: 5}, Requesters: []ledger.RequesterKey{user("wanted"), user("both")},
	})
	maps.DeleteFunc(all, func(key ledger.CoverKey, _ *ledger.Cover) bool {
		return key.Value == "of nobody" || key.RequesterKey == user("due")
	})
	b.same("the covers", b.coversIn(loaded), all)
}

func coversOfNothing(b *books) {
	b.instance("A")
	b.begin(askedBy(dueAt("A", "s", dawnMS), "user"))
	for _, when := range []string{"", " though items have windows"} {
		for name, want := range map[string]store.Want{
			"nothing is wanted": {}, "a requester is wanted that has none": {Requesters: []ledger.RequesterKey{{}}}, "a session is wanted": {Sessions: []string{"s"}},
		} {
			loaded := b.loaded(want)
			if loaded.Standings == nil {
				b.Errorf("when %s%s there is no map of standings", name, when)
			}
			for key, s := range loaded.Standings {
				b.same("a standing with nothing behind it"+when, s, ledger.NewStanding(key))
			}
		}
		if when == "" {
			b.opensWindows()
		}
	}
}

func loadsCoversWithWindows(b *books) {
	b.instance("A")
	o := b.other()
	c := newCover("item", b.lineItem("A", "a1", nil))
	b.cover(c)
	b.covered(c.RequesterKey)
	o.opensWindows()
	for who, h := range map[string]*books{"this handle": b, "another handle": o} {
		b.same("the covers that "+who+" loads", h.covered(c.RequesterKey), byKey(c))
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
	b.must(b.Forget(ctx, dawnMS-2*dayMS, dawnMS-2*dayMS))
	b.same("the state when nothing is too old", b.state(), kept)
	b.must(b.Forget(ctx, then, then))
	kept.Covers, kept.Holds = []*ledger.Cover{ended, live}, nil
	for _, when := range []string{"", " after reopening"} {
		b.same("the state"+when, b.state(), kept)
		b.same("the covers that a batch loads"+when, b.covered(user("user")), byKey(ended, live))
		b.reopen()
	}
	b.cover(just)
	b.same("a cover that is made anew", b.covered(user("user")), byKey(just, ended, live))
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
	for _, want := range []store.Clock{{Test: true, NowMS: dawnMS}, {Test: true, NowMS: dawnMS + dayMS}, {}, {Test: true, NowMS: period.LatestMS}} {
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
