package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var holdTests = []test{
	{"follows from the receipts, and comes back as it was", holdComesBack},
	{"stands as the last receipt of it says, of the same batch too", movesHolds},
	{"is in the book of its instance for as long as it may be live", holdsInBooks},
	{"is in the book again when the clock was set back", holdsInBooksAgain},
	{"leaves the book when it has ended", endedHoldsLeaveBooks},
	{"is in the books of all handles as it stands, whichever of them moved it", holdsOfHandles},
	{"is loaded when a batch names it, live or not", loadsHolds},
	{"fails the batch that moves one that does not exist", movesNoOther},
	{"is listed while it is live, newest first, page by page", listsHolds},
	{"keeps a line item that was never charged from counting as that", holdsKeepLineItems},
	{"is forgotten when it ended by time before, and not else", forgetsHolds},
}

// newHold returns a hold of 5 and 2.5 tokens for a user, until an hour after dawn.
func newHold(id string, payer *ledger.LineItem) *access.Hold {
	share := ledger.Share{Number: payer.Number, Series: "s", Version: "1", Rate: amount("2.5"), Tokens: amount("5")}
	over := share
	over.Tokens, over.Overdraft, over.ResetMS, over.ActionID, over.Limited, over.SinceMS = amount("2.500000000001"), true, dawnMS, "action", true, dawnMS-1
	return &access.Hold{
		ID: id, InstanceID: payer.InstanceID,
		Promise: access.Promise{
			Requester: access.Requester{Type: "t'y\"pe", Value: "名前 \u2028", Dictionary: jsontext.Value(`{"a":1.0e5,"b":"\u0041"}`)}, CreatedMS: dawnMS,
			Items: []access.Promised{
				{Item: "item", Version: "2", Count: amount("3"), Variables: rate.Variables{"tokens": amount("0.5")}, MetaData: jsontext.Value(`{"b":"\u0000"}`)},
				{Item: "nothing", Count: amount("9999999999999999999.999999999999")},
			},
		},
		Holding: access.Holding{
			State: access.Held, Type: "t'y\"pe", Value: "名前 \u2028", UntilMS: dawnMS + 3_600_000,
			Shares: [][]ledger.Share{{share, over}, {{Number: payer.Number}}},
		},
	}
}

// receiptOf returns the receipt of a move that left a hold as it is.
func (b *books) receiptOf(book *ledger.Book, h *access.Hold, operation access.HoldOperation) *usage.Receipt {
	if book.Drop(h.ID); !h.Ended() { // as a decision does
		book.Keep(h.OnBook(h.ID, h.InstanceID))
	}
	r := b.denial(book, "")
	r.InstanceID, r.Requester, r.Items, r.TimeMS = h.InstanceID, h.Requester, []usage.Item{}, h.CreatedMS
	r.Hold = &usage.Hold{ID: h.ID, Operation: operation, Holding: h.Holding}
	if operation == access.MakeLease {
		r.Hold.Lease = h.Lease
	}
	if operation == access.MakeHold {
		for _, p := range h.Items {
			r.Hold.Items = append(r.Hold.Items, usage.Item{
				Item: p.Item, Version: p.Version, Count: p.Count, Variables: p.Variables, MetaData: p.MetaData, Status: ledger.Granted,
			})
		}
	}
	return r
}

// moveHolds commits, in one batch, receipts of moves that left holds as they are.
func (b *books) moveHolds(operation access.HoldOperation, holds ...*access.Hold) {
	b.Helper()
	want := store.Want{}
	for _, h := range holds {
		want.Instances = append(want.Instances, h.InstanceID)
	}
	b.must(b.Commit(ctx, want, func(loaded *store.Loaded) (d store.Decided) {
		for _, h := range holds {
			d.Receipts = append(d.Receipts, b.receiptOf(loaded.Books[h.InstanceID], h, operation))
		}
		return d
	}))
	for _, h := range holds {
		if h.Number == 0 {
			h.Number = b.hold(h.ID).Number
		}
	}
}

func (b *books) hold(id string) (h *access.Hold) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		h, err = r.Hold(id)
		return err
	})
	if h == nil {
		b.Fatalf("there is no hold %s", id)
	}
	return h
}

// holds returns all holds in the order of their ids.
func (b *books) holds() (all []*access.Hold) {
	b.Helper()
	b.view(func(r store.Reader) error {
		return r.EachHold(func(h *access.Hold) error {
			all = append(all, h)
			return nil
		})
	})
	slices.SortFunc(all, func(x, y *access.Hold) int { return strings.Compare(x.ID, y.ID) })
	return all
}

// held returns how many tokens of line items are held at a time, as a batch decides on it and as readers see it.
func (b *books) held(nowMS int64, instanceIDs ...string) string {
	b.Helper()
	loaded := b.loaded(store.Want{Instances: instanceIDs, NowMS: nowMS})
	var texts, seen []string
	tell := func(texts []string, book *ledger.Book) []string {
		book.HoldsAt(nowMS)
		for _, l := range book.LineItems {
			texts = append(texts, fmt.Sprintf("%s %s", l.ActivationID, l.Held))
		}
		return texts
	}
	for _, id := range instanceIDs {
		texts = tell(texts, loaded.Books[id])
		b.view(func(r store.Reader) error {
			all, err := r.Held(id, nowMS)
			if err != nil {
				return err
			}
			book := &ledger.Book{InstanceID: id}
			if book.LineItems, err = r.LineItems(id); err != nil {
				return err
			}
			for _, h := range all {
				book.Keep(h)
			}
			book.Sort()
			seen = tell(seen, book)
			return err
		})
	}
	b.same("what readers see held", seen, texts)
	return strings.Join(texts, ", ")
}

// plain returns a hold of so many tokens of a line item until a time.
func plain(id string, payer *ledger.LineItem, tokens string, untilMS int64) *access.Hold {
	h := newHold(id, payer)
	h.Shares = [][]ledger.Share{{{Number: payer.Number, Rate: amount("1"), Tokens: amount(tokens)}}}
	h.Items, h.UntilMS = h.Items[:1], untilMS
	return h
}

func holdComesBack(b *books) {
	b.instance("A")
	h := newHold("hold", b.lineItem("A", "a1", nil))
	b.moveHolds(access.MakeHold, h)
	for _, when := range []string{"", " after reopening"} {
		b.same("the hold"+when, b.hold("hold"), h)
		b.same("the holds"+when, b.holds(), []*access.Hold{h})
		loaded := b.loaded(store.Want{Instances: []string{"A"}, Holds: []string{"hold"}})
		b.same("the hold that a batch loads"+when, loaded.Holds["hold"], h)
		b.reopen()
	}
	b.view(func(r store.Reader) error {
		nothing, err := r.Hold("Hold")
		if nothing != nil {
			b.Errorf("found %+v, where there is nothing", nothing)
		}
		return err
	})
}

func movesHolds(b *books) {
	b.instance("A")
	payer := b.lineItem("A", "a1", nil)
	h, other := newHold("hold", payer), newHold("other", payer)
	b.moveHolds(access.MakeHold, h, other)
	for i, change := range []func(*access.Hold){
		func(h *access.Hold) { h.UntilMS += 5 },
		func(h *access.Hold) {
			h.Shares[0][0].Tokens, h.Settled, h.Overdrawn = amount("1"), amount("7"), amount("3")
		},
		func(h *access.Hold) { h.State, h.EndedMS = access.Settled, dawnMS+7 },
	} {
		change(h)
		b.moveHolds([]access.HoldOperation{access.ExtendHold, access.SettleHold, access.SettleHold}[i], h)
		for _, when := range []string{"", " after reopening"} {
			b.same("the hold"+when, b.hold("hold"), h)
			b.same("another hold"+when, b.hold("other"), other)
			b.reopen()
		}
	}
	at := newHold("at once", payer)
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) (d store.Decided) {
		made := b.receiptOf(loaded.Books["A"], at, access.MakeHold)
		at.State, at.EndedMS = access.Released, dawnMS
		return store.Decided{Receipts: []*usage.Receipt{made, b.receiptOf(loaded.Books["A"], at, access.ReleaseHold)}}
	}))
	at.Number = b.hold("at once").Number
	b.same("a hold that was made and released in one batch", b.hold("at once"), at)
}

func holdsInBooks(b *books) {
	b.instance("A")
	b.instance("B")
	o := b.other()
	a, of := b.lineItem("A", "a1", nil), b.lineItem("B", "b1", nil)
	b.held(dawnMS, "A", "B")
	b.moveHolds(access.MakeHold, plain("1", a, "1", dawnMS+10), plain("2", a, "20", dawnMS+20), plain("3", of, "300", dawnMS+15))
	o.moveHolds(access.MakeHold, plain("4", of, "4000", dawnMS+12))
	for _, step := range []struct {
		nowMS int64
		want  string
	}{
		{dawnMS, "a1 21, b1 4300"}, {dawnMS + 9, "a1 21, b1 4300"}, {dawnMS + 10, "a1 20, b1 4300"}, {dawnMS + 12, "a1 20, b1 300"},
		{dawnMS + 15, "a1 20, b1 0"}, {dawnMS + 20, "a1 0, b1 0"},
	} {
		for who, h := range map[string]*books{"this handle": b, "another handle": o} {
			b.same(fmt.Sprintf("what %s finds held after %d ms", who, step.nowMS-dawnMS), h.held(step.nowMS, "A", "B"), step.want)
		}
	}
	b.reopen()
	b.same("what is held after reopening", b.held(dawnMS+9, "A", "B"), "a1 21, b1 4300")
}

func holdsInBooksAgain(b *books) {
	b.instance("A")
	b.moveHolds(access.MakeHold, plain("1", b.lineItem("A", "a1", nil), "1", dawnMS+10))
	for _, step := range []struct {
		nowMS int64
		want  string
	}{{dawnMS + 9, "a1 1"}, {dawnMS + 10, "a1 0"}, {dawnMS + 9, "a1 1"}, {dawnMS + 500, "a1 0"}, {dawnMS, "a1 1"}} {
		b.same(fmt.Sprintf("what is held after %d ms", step.nowMS-dawnMS), b.held(step.nowMS, "A"), step.want)
		b.commit(charge{instance: "A", lineItem: "a1", tokens: "1"}) // so that what a store remembers of the book stays remembered
	}
}

func endedHoldsLeaveBooks(b *books) {
	b.instance("A")
	payer := b.lineItem("A", "a1", nil)
	first, second := plain("1", payer, "1", dawnMS+10), plain("2", payer, "20", dawnMS+10)
	b.moveHolds(access.MakeHold, first, second)
	second.Shares[0][0].Tokens = amount("15")
	b.moveHolds(access.SettleHold, second)
	for state, want := range map[access.HoldState]string{access.Settled: "a1 15", access.Released: "a1 15"} {
		first.State = state
		b.moveHolds(access.ReleaseHold, first)
		for _, when := range []string{"", " after reopening"} {
			b.reopen()
			b.same("what is held of those that are not "+string(state)+when, b.held(dawnMS, "A"), want)
		}
	}
}

func loadsHolds(b *books) {
	b.instance("A")
	payer := b.lineItem("A", "a1", nil)
	live, lapsed, ended := plain("live", payer, "1", dawnMS+10), plain("lapsed", payer, "1", dawnMS-1), plain("ended", payer, "1", dawnMS+10)
	ended.State, ended.EndedMS = access.Settled, dawnMS
	b.moveHolds(access.MakeHold, live, lapsed, ended)
	loaded := b.loaded(store.Want{Instances: []string{"A"}, NowMS: dawnMS, Holds: []string{"lapsed", "ended", "lapsed", "nothing", "a\x00b", "live"}})
	b.same("the holds", loaded.Holds, map[string]*access.Hold{"live": live, "lapsed": lapsed, "ended": ended})
}

func movesNoOther(b *books) {
	b.instance("A")
	h := newHold("hold", b.lineItem("A", "a1", nil))
	err := b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		r := b.receiptOf(loaded.Books["A"], h, access.SettleHold)
		return store.Decided{Receipts: []*usage.Receipt{b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "1"}), r}}
	})
	b.unavailable(err)
	if got, _ := b.receipts(); len(got) > 0 || b.used("a1") != "0" || len(b.holds()) > 0 {
		b.Errorf("%d receipts, %s used and %d holds; want nothing", len(got), b.used("a1"), len(b.holds()))
	}
}

func listsHolds(b *books) {
	b.instance("A")
	b.instance("B")
	payer, ended := b.lineItem("A", "a1", nil), (*access.Hold)(nil)
	for i := range 9 { // 3 has lapsed, 5 has ended
		h := plain(fmt.Sprint(i), payer, "1", dawnMS+10)
		if i == 3 {
			h.UntilMS = dawnMS
		}
		b.moveHolds(access.MakeHold, h)
		if i == 5 {
			ended = h
		}
	}
	ended.State = access.Released
	b.moveHolds(access.ReleaseHold, ended)
	b.moveHolds(access.MakeHold, plain("other", b.lineItem("B", "b1", nil), "1", dawnMS+10))
	var got []string
	var before int64
	for {
		var page []*access.Hold
		b.view(func(r store.Reader) (err error) {
			page, err = r.LiveHolds("A", false, dawnMS, before, 2)
			return err
		})
		if len(page) == 0 {
			break
		}
		for _, h := range page {
			got, before = append(got, h.ID), h.Number
		}
	}
	b.same("the holds that are listed", got, []string{"8", "7", "6", "4", "2", "1", "0"})
}

func holdsKeepLineItems(b *books) {
	b.instance("A")
	b.instance("B")
	b.lineItem("B", "b1", nil)
	h := plain("1", b.lineItem("A", "a1", nil), "1", dawnMS+10)
	b.moveHolds(access.MakeHold, h)
	h.State = access.Released
	b.moveHolds(access.ReleaseHold, h)
	for _, forgotten := range []bool{false, true} {
		b.must(b.Change(ctx, func(tx store.Tx) error {
			for id, want := range map[string]bool{"a1": !forgotten, "b1": false} {
				got, err := tx.Charged(id)
				if got != want || err != nil {
					b.Errorf("charged %s, the hold is forgotten %v: %v, %v; want %v", id, forgotten, got, err, want)
				}
			}
			return nil
		}))
		b.must(b.Forget(ctx, dawnMS+11, dawnMS))
	}
}

func forgetsHolds(b *books) {
	b.worked()
	payer := b.find("a1")
	then := int64(dawnMS + 30*dayMS)
	before, at, ended := plain("before", payer, "1", then-1), plain("then", payer, "1", then), plain("was ended", payer, "1", then-1)
	ended.State = access.Settled
	b.moveHolds(access.MakeHold, before, at, ended)
	kept := b.state()
	b.must(b.Forget(ctx, dawnMS-2*dayMS, dawnMS-2*dayMS))
	b.same("the state when nothing is too old", b.state(), kept)
	b.must(b.Forget(ctx, then, then))
	for _, when := range []string{"", " after reopening"} {
		b.same("the holds"+when, b.holds(), []*access.Hold{at})
		b.reopen()
	}
}
