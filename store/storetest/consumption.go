package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var consumptionTests = []test{
	{"follows from the receipts", consumptionFollows},
	{"goes back to whom the tokens were refunded", consumptionGoesBack},
	{"of a period that is over, made late, leaves that of a later one", consumptionMadeLate},
	{"is found by its exact requester only, beside others of nearly that name", consumptionByExactRequester},
	{"is loaded for every session that is loaded", loadsConsumptionOfSessions},
	{"lists page by page, in the order of type and value, by line item", listsConsumption},
	{"is kept when its line item is put", consumptionSurvivesPuts},
	{"is forgotten by line item", forgetsConsumption},
}

type consumption = map[usage.ConsumedKey]usage.Consumption

// consumed returns all consumption in the order of its keys.
func (b *books) consumed() (all []*ledger.Consumed) {
	b.Helper()
	b.view(func(r store.Reader) error {
		return r.EachConsumed(func(c *ledger.Consumed) error {
			all = append(all, c)
			return nil
		})
	})
	slices.SortFunc(all, func(x, y *ledger.Consumed) int {
		return cmp.Or(cmp.Compare(x.InstanceID, y.InstanceID), cmp.Compare(x.Type, y.Type), cmp.Compare(x.Value, y.Value), cmp.Compare(x.Number, y.Number))
	})
	return all
}

// consumedBy returns the consumption of requesters that a batch loads with the books of their instances.
func (b *books) consumedBy(keys ...ledger.RequesterKey) consumption {
	b.Helper()
	want := store.Want{Requesters: keys}
	for _, key := range keys {
		want.Instances = append(want.Instances, key.InstanceID)
	}
	return b.consumedIn(b.loaded(want))
}

// consumedIn returns the consumption of all standings, after seeing that each is where it belongs.
func (b *books) consumedIn(loaded *store.Loaded) consumption {
	b.Helper()
	all := consumption{}
	for key, s := range loaded.Standings {
		for number, c := range s.Consumed {
			if s.RequesterKey != key || c.RequesterKey != key || c.Number != number {
				b.Errorf("the consumption %+v stands under %+v and %d", c, key, number)
			}
			all[usage.ConsumedKey{RequesterKey: key, Number: number}] = usage.Consumption{Tokens: c.Tokens, SinceMS: c.SinceMS}
		}
	}
	return all
}

// consumedIs holds all consumption to readers and batches.
func (b *books) consumedIs(when string, want consumption) {
	b.Helper()
	each, lists, keys, lineItems := consumption{}, consumption{}, []ledger.RequesterKey{}, map[int64]bool{}
	for _, c := range b.consumed() {
		each[usage.ConsumedKey{RequesterKey: c.RequesterKey, Number: c.Number}] = usage.Consumption{Tokens: c.Tokens, SinceMS: c.SinceMS}
	}
	for key := range want {
		keys, lineItems[key.Number] = append(keys, key.RequesterKey), true
	}
	for number := range lineItems {
		for _, c := range b.consumedFrom(number, nil, 1000) {
			lists[usage.ConsumedKey{RequesterKey: c.RequesterKey, Number: c.Number}] = usage.Consumption{Tokens: c.Tokens, SinceMS: c.SinceMS}
		}
	}
	b.same("all consumption"+when, each, want)
	b.same("the consumption that is listed by line item"+when, lists, want)
	b.same("the consumption that a batch loads"+when, b.consumedBy(keys...), want)
	b.same("the consumption in the standings that a reader sees"+when, b.consumedIn(b.stood(keys...)), want)
}

// stood returns the standings of requesters as a reader sees them.
func (b *books) stood(keys ...ledger.RequesterKey) *store.Loaded {
	b.Helper()
	loaded := &store.Loaded{Standings: map[ledger.RequesterKey]*ledger.Standing{}}
	b.view(func(r store.Reader) (err error) {
		for _, key := range keys {
			if loaded.Standings[key], err = r.Standing(key); err != nil {
				return err
			}
		}
		return nil
	})
	return loaded
}

// consumedFrom returns a page of the consumption from a line item.
func (b *books) consumedFrom(lineItem int64, after *ledger.RequesterKey, limit int) (page []ledger.Consumed) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		page, err = r.Consumed(lineItem, after, limit)
		return err
	})
	return page
}

// consumes charges a line item of instance A, after which a user has consumed so much from it.
func consumes(activationID, user, consumed string) charge {
	return charge{instance: "A", lineItem: activationID, tokens: "1", requester: user, ruled: &usage.Ruled{
		Limited: true, SinceMS: dawnMS, Consumed: amount(consumed),
	}}
}

func consumptionFollows(b *books) {
	b.instance("A")
	first, second := b.lineItem("A", "a1", ruled), b.lineItem("A", "a2", ruled)
	b.commit(consumes("a1", "user", "1"), consumes("a2", "user", "9999999999999999999.999999999999"), consumes("a1", "another", "0"),
		charge{instance: "A", lineItem: "a1", tokens: "1", requester: "unlimited"}, uses("a1", "first", "1"))
	b.commit(consumes("a1", "user", "4"), consumes("a1", "user", "2.5"))
	want := consumption{
		{RequesterKey: user("user"), Number: first.Number}:    {Tokens: amount("2.5"), SinceMS: dawnMS},
		{RequesterKey: user("user"), Number: second.Number}:   {Tokens: amount("9999999999999999999.999999999999"), SinceMS: dawnMS},
		{RequesterKey: user("another"), Number: first.Number}: {SinceMS: dawnMS},
	}
	b.consumedIs("", want)
	next := consumes("a1", "user", "0.5")
	next.ruled.SinceMS += dayMS
	b.commit(next)
	want[usage.ConsumedKey{RequesterKey: user("user"), Number: first.Number}] = usage.Consumption{Tokens: amount("0.5"), SinceMS: dawnMS + dayMS}
	for _, when := range []string{" in the next period", " in the next period, after reopening"} {
		b.consumedIs(when, want)
		b.reopen()
	}
}

func consumptionGoesBack(b *books) {
	b.instance("A")
	l := b.lineItem("A", "a1", ruled)
	b.commit(consumes("a1", "user", "5"), consumes("a1", "another", "7"))
	refund := func(to *access.Requester, back, then string) {
		b.Helper()
		b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
			r := b.book(loaded.Books["A"], consumes("a1", "another", back))
			r.RefundedTo, r.Refunds, r.Items = to, r.Items, b.book(loaded.Books["A"], consumes("a1", "another", then)).Items
			return store.Decided{Receipts: []*usage.Receipt{r}}
		}))
	}
	is := func(when, ofUser, ofAnother string) {
		b.Helper()
		b.consumedIs(when, consumption{
			{RequesterKey: user("user"), Number: l.Number}:    {Tokens: amount(ofUser), SinceMS: dawnMS},
			{RequesterKey: user("another"), Number: l.Number}: {Tokens: amount(ofAnother), SinceMS: dawnMS},
		})
	}
	refund(&access.Requester{Type: "USER", Value: "user"}, "4", "8")
	is(" after a refund to another", "4", "8")
	refund(nil, "6", "9")
	is(" after a refund to oneself", "4", "9")
	b.reopen()
	is(" after reopening", "4", "9")
}

func consumptionMadeLate(b *books) {
	b.instance("A")
	l := b.lineItem("A", "a1", ruled)
	late, now := consumes("a1", "user", "1"), consumes("a1", "user", "3")
	late.ruled.SinceMS -= dayMS
	want := consumption{{RequesterKey: user("user"), Number: l.Number}: {Tokens: amount("3"), SinceMS: dawnMS}}
	b.commit(now, late)
	b.consumedIs(" after both in one batch", want)
	b.commit(late)
	b.consumedIs(" after one more", want)
	b.onlyUsed("a1", "3", 3)
}

func consumptionByExactRequester(b *books) {
	b.instance("A")
	b.instance("B")
	payers := map[string]*ledger.LineItem{"A": b.lineItem("A", "a1", ruled), "B": b.lineItem("B", "b1", ruled)}
	b.commit(consumes("a1", "user", "0.5"))
	want := consumption{{RequesterKey: user("user"), Number: payers["A"].Number}: {Tokens: amount("0.5"), SinceMS: dawnMS}}
	for name, key := range nearly(user("user")) {
		if got := b.consumedBy(key); len(got) != 0 {
			b.Errorf("another %s finds %+v", name, got)
		}
	}
	for _, key := range nearly(user("user")) {
		payer, n := payers[key.InstanceID], token.FromInt(int64(len(want)))
		b.must(b.Commit(ctx, store.Want{Instances: []string{key.InstanceID}}, func(loaded *store.Loaded) store.Decided {
			c := consumes(payer.ActivationID, "", n.String())
			r := b.book(loaded.Books[key.InstanceID], c)
			r.Requester = access.Requester{Type: key.Type, Value: key.Value}
			return store.Decided{Receipts: []*usage.Receipt{r}}
		}))
		want[usage.ConsumedKey{RequesterKey: key, Number: payer.Number}] = usage.Consumption{Tokens: n, SinceMS: dawnMS}
	}
	b.consumedIs("", want)
}

func loadsConsumptionOfSessions(b *books) {
	b.instance("A")
	l := b.lineItem("A", "a1", ruled)
	want := consumption{}
	for i, value := range []string{"named", "due", "of nobody", "wanted", "both"} {
		b.commit(consumes("a1", value, fmt.Sprint(i)))
		if value != "of nobody" {
			want[usage.ConsumedKey{RequesterKey: user(value), Number: l.Number}] = usage.Consumption{Tokens: token.FromInt(int64(i)), SinceMS: dawnMS}
		}
	}
	b.begin(askedBy(dueAt("A", "1", dawnMS), "due"), askedBy(dueAt("A", "2", dawnMS+dayMS), "named"), dueAt("A", "3", dawnMS),
		askedBy(dueAt("A", "4", dawnMS+dayMS), "of nobody"), askedBy(dueAt("A", "5", dawnMS), "both"))
	loaded := b.loaded(store.Want{
		Sessions: []string{"2", "5", "none"}, Due: &store.Due{ByMS: dawnMS, Most: 5}, Requesters: []ledger.RequesterKey{user("wanted"), user("both"), user("wanted")},
	})
	b.same("the consumption", b.consumedIn(loaded), want)
}

func listsConsumption(b *books) {
	b.instance("A")
	l, other := b.lineItem("A", "a1", ruled), b.lineItem("A", "a2", ruled)
	var want []ledger.Consumed
	for _, kind := range []string{"ROLE", "USER", "USER2", "user"} {
		for _, value := range []string{"", "B", "a", "a\x00", "aa", "ä", "名"} {
			key := ledger.RequesterKey{InstanceID: "A", Type: kind, Value: value}
			want = append(want, ledger.Consumed{RequesterKey: key, Number: l.Number, Tokens: token.FromInt(int64(len(want))), SinceMS: dawnMS})
		}
	}
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) (d store.Decided) {
		for i := range want {
			c := &want[(i*11+5)%len(want)]
			for _, activationID := range []string{"a1", "a2"} {
				r := b.book(loaded.Books["A"], consumes(activationID, "", c.Tokens.String()))
				r.Requester = access.Requester{Type: c.Type, Value: c.Value}
				d.Receipts = append(d.Receipts, r)
			}
		}
		return d
	}))
	for _, limit := range []int{1, 5, 28, 100} {
		var got []ledger.Consumed
		for after := (*ledger.RequesterKey)(nil); ; {
			page := b.consumedFrom(l.Number, after, limit)
			if len(page) > limit {
				b.Errorf("a page of %d has %d", limit, len(page))
			}
			if len(page) == 0 || len(got) > len(want) {
				break
			}
			got = append(got, page...)
			after = &page[len(page)-1].RequesterKey
		}
		b.same(fmt.Sprintf("the list in pages of %d", limit), got, want)
	}
	missing := ledger.RequesterKey{InstanceID: "A", Type: "USER", Value: "a\x00\x00"}
	b.same("what comes after one that is not there", b.consumedFrom(l.Number, &missing, 1), want[11:12])
	if n := len(b.consumedFrom(other.Number, nil, 100)); n != len(want) {
		b.Errorf("%d have consumed from the other line item, want %d", n, len(want))
	}
}

func consumptionSurvivesPuts(b *books) {
	b.instance("A")
	l := b.lineItem("A", "a1", ruled)
	b.commit(consumes("a1", "user", "2"))
	b.lineItem("A", "a1", nil)
	b.lineItem("A", "a1", ruled)
	b.consumedIs("", consumption{{RequesterKey: user("user"), Number: l.Number}: {Tokens: amount("2"), SinceMS: dawnMS}})
}

func forgetsConsumption(b *books) {
	b.worked()
	b.lineItem("A", "a2", ruled)
	b.commit(consumes("a1", "another", "1"), consumes("a2", "user", "2"))
	first, o := b.find("a1"), b.other()
	kept := b.state()
	errUndo := errors.New("undo")
	err := b.Change(ctx, func(tx store.Tx) error { return errors.Join(tx.ForgetConsumed(first.Number), errUndo) })
	if !errors.Is(err, errUndo) {
		b.Errorf("Change returned %v, want what fn returned", err)
	}
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.ForgetConsumed(first.Number + 1000) }))
	b.same("the state when nothing was forgotten", b.state(), kept)
	if len(kept.Consumed) != 3 {
		b.Fatalf("%d have consumed, want 3", len(kept.Consumed))
	}
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.ForgetConsumed(first.Number) }))
	kept.Consumed = kept.Consumed[2:]
	left := kept.Consumed[0]
	want := consumption{{RequesterKey: left.RequesterKey, Number: left.Number}: {Tokens: amount("2"), SinceMS: dawnMS}}
	for who, h := range map[string]*books{" to this handle": b, " to another handle": o} {
		b.same("the state"+who, h.state(), kept)
		h.consumedIs(who, want)
		b.same("what both requesters have consumed"+who, h.consumedBy(user("another"), user("user")), want)
	}
	earlier := consumes("a1", "another", "3") // of a limit with other periods
	earlier.ruled.SinceMS -= dayMS
	b.commit(earlier)
	b.reopen()
	want[usage.ConsumedKey{RequesterKey: user("another"), Number: first.Number}] = usage.Consumption{Tokens: amount("3"), SinceMS: dawnMS - dayMS}
	b.consumedIs(" after it began anew", want)
}
