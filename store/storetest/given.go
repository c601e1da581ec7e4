package storetest

import (
	"slices"
	"strings"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var givenTests = []test{
	{"follows from the receipts of refunds, in their order, and comes back as it was", givenComesBack},
	{"is that of the charges that are wanted", givenOfCharges},
	{"goes with the receipts it follows from", givenIsRemoved},
}

var receiptTestsByID = []test{
	{"is found by its id and when it was made, also beside others of that time", findsReceipt},
	{"is not found by an id that it only mentions", findsNoMention},
}

// give commits refunds of charges, one a batch unless told together, and returns what they gave back.
func (b *books) give(reasons []string, of ...string) (all []usage.GivenBack) {
	b.Helper()
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}, Charges: of}, func(loaded *store.Loaded) (d store.Decided) {
		all = nil
		for i, charge := range of {
			r := b.book(loaded.Books["A"], charge0())
			r.Refunds, r.Items = r.Items, nil
			r.Correction = &usage.Correction{Of: charge, Places: []int{i}, By: "key \"1\"", Reason: reasons[i]}
			d.Receipts, all = append(d.Receipts, r), append(all, *r.GivesBack())
		}
		return d
	}))
	return all
}

func charge0() charge { return charge{lineItem: "a1", tokens: "0"} }

func (b *books) given(id string) (all []usage.GivenBack) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		all, err = r.Given(id)
		return err
	})
	loaded := b.loaded(store.Want{Instances: []string{"A"}, Charges: []string{id, id}}).Given[id]
	if len(loaded)+len(all) > 0 {
		b.same("what a batch loads", loaded, all)
	}
	return all
}

func (b *books) allGiven() (all []usage.GivenBack) {
	b.Helper()
	b.view(func(r store.Reader) error {
		return r.EachGiven(func(g *usage.GivenBack) error {
			all = append(all, *g)
			return nil
		})
	})
	slices.SortFunc(all, func(x, y usage.GivenBack) int { return strings.Compare(x.CorrelationID, y.CorrelationID) })
	return all
}

func givenComesBack(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	all := b.give([]string{"", "'odd' \u2028 名"}, "one", "one")
	all = append(all, b.give([]string{"later"}, "one")...)
	for _, when := range []string{"", " after reopening"} {
		b.same("what was given back"+when, b.given("one"), all)
		b.same("all that was given back"+when, b.allGiven(), all)
		b.reopen()
	}
}

func givenOfCharges(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	one := b.give([]string{"1"}, "one")
	two := b.give([]string{"2"}, "One")
	b.same("what was given back", b.given("one"), one)
	b.same("what was given back of another", b.given("One"), two)
	if got := b.given("none"); len(got) > 0 {
		b.Errorf("of another charge there is %+v", got)
	}
	if got := b.loaded(store.Want{Instances: []string{"A"}}).Given; len(got) > 0 {
		b.Errorf("a batch that wants nothing loads %+v", got)
	}
}

func givenIsRemoved(b *books) {
	b.removable()
	first := b.give([]string{""}, "one")
	_, behind := b.receipts()
	later := b.give([]string{""}, "two")
	end := behind[len(behind)-1]
	b.same("what was given back", b.allGiven(), append(slices.Clone(first), later...))
	b.remove(store.Removed{Next: usage.Position{Commit: end.Commit, Receipt: end.Receipt + 1}}, "came to this")
	for range 2 {
		b.same("what was given back and not removed", b.allGiven(), later)
		if got := b.given("one"); len(got) > 0 {
			b.Errorf("of a removed refund there is %+v", got)
		}
		b.reopen()
	}
}

func (b *books) findReceipt(id string, madeMS int64) (found *usage.Receipt) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		found, err = r.Receipt(id, madeMS)
		return err
	})
	return found
}

func findsReceipt(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	var all []*usage.Receipt
	one := charge{instance: "A", lineItem: "a1", tokens: "1"}
	for i := range 30 {
		one.timeMS = dawnMS + int64(i/20)
		all = append(all, b.commit(one, one)...)
	}
	one.timeMS, one.writtenMS = dawnMS-5, dawnMS+10
	all = append(all, b.commit(one)...)
	for range 2 {
		for _, r := range all {
			b.same("the receipt", b.findReceipt(r.CorrelationID, r.MadeMS()), r)
		}
		for id, ms := range map[string]int64{"receipt-999": dawnMS, all[0].CorrelationID: dawnMS - 1} {
			if got := b.findReceipt(id, ms); got != nil {
				b.Errorf("%s of %d finds %+v", id, ms, got)
			}
		}
		b.reopen()
	}
}

func findsNoMention(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.give([]string{""}, "mentioned")
	if got := b.findReceipt("mentioned", dawnMS); got != nil {
		b.Errorf("it finds %+v", got)
	}
}
