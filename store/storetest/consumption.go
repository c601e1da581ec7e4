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
	{"of a period that is over, made late, stands beside that of a later one", consumptionMadeLate},
	{"of periods that are over is forgotten, and no other", forgetsPeriods},
	{"is found by its exact requester only, beside others of nearly that name", consumptionByExactRequester},
	{"is loaded for every session that is loaded", loadsConsumptionOfSessions},
	{"lists page by page, in the order of type and value, by line item and period", listsConsumption},
	{"is kept when its line item is put", consumptionSurvivesPuts},
	{"is forgotten by line item", forgetsConsumption},
}

// by names what a user of instance A consumes from a line item in the period that began at a time.
func by(value string, l *ledger.LineItem, sinceMS int64) usage.ConsumedKey {
	return usage.ConsumedKey{RequesterKey: user(value), PeriodKey: periodOf(l, sinceMS)}
}

func periodOf(l *ledger.LineItem, sinceMS int64) ledger.PeriodKey {
	return ledger.PeriodKey{Number: l.Number, SinceMS: sinceMS}
}

// since has a charge count in the period that began at a time.
func since(c charge, sinceMS int64) charge {
	ruled := *c.ruled
	ruled.SinceMS = sinceMS
	c.ruled = &ruled
	return c
}

type consumption = map[usage.ConsumedKey]token.Amount

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
		return cmp.Or(cmp.Compare(x.InstanceID, y.InstanceID), cmp.Compare(x.Type, y.Type), cmp.Compare(x.Value, y.Value), cmp.Compare(x.Number, y.Number), cmp.Compare(x.SinceMS, y.SinceMS))
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
		for period, c := range s.Consumed {
			if s.RequesterKey != key || c.RequesterKey != key || c.PeriodKey != period {
				b.Errorf("the consumption %+v stands under %+v and %+v", c, key, period)
			}
			all[usage.ConsumedKey{RequesterKey: key, PeriodKey: period}] = c.Tokens
		}
	}
	return all
}

// consumedIs holds all consumption to readers and batches.
func (b *books) consumedIs(when string, want consumption) {
	b.Helper()
	each, lists, keys, periods := consumption{}, consumption{}, []ledger.RequesterKey{}, map[ledger.PeriodKey]bool{}
	for _, c := range b.consumed() {
		each[usage.ConsumedKey{RequesterKey: c.RequesterKey, PeriodKey: c.PeriodKey}] = c.Tokens
	}
	for key := range want {
		keys, periods[key.PeriodKey] = append(keys, key.RequesterKey), true
	}
	for period := range periods {
		for _, c := range b.consumedFrom(period, nil, 1000) {
			lists[usage.ConsumedKey{RequesterKey: c.RequesterKey, PeriodKey: c.PeriodKey}] = c.Tokens
		}
	}
	b.same("all consumption"+when, each, want)
	b.same("the consumption that is listed by period"+when, lists, want)
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

// consumedFrom returns a page of the consumption in a period.
func (b *books) consumedFrom(period ledger.PeriodKey, after *ledger.RequesterKey, limit int) (page []ledger.Consumed) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		page, err = r.Consumed(period, after, limit)
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
		by("user", first, dawnMS):    amount("2.5"),
		by("user", second, dawnMS):   amount("9999999999999999999.999999999999"),
		by("another", first, dawnMS): {},
	}
	b.consumedIs("", want)
	b.commit(since(consumes("a1", "user", "0.5"), dawnMS+dayMS))
	want[by("user", first, dawnMS+dayMS)] = amount("0.5")
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
			by("user", l, dawnMS):    amount(ofUser),
			by("another", l, dawnMS): amount(ofAnother),
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
	want := consumption{by("user", l, dawnMS): amount("3"), by("user", l, dawnMS-dayMS): amount("1")}
	b.commit(consumes("a1", "user", "3"), since(consumes("a1", "user", "1"), dawnMS-dayMS))
	b.consumedIs(" after both in one batch", want)
	want[by("user", l, dawnMS-dayMS)] = amount("1.5")
	b.commit(since(consumes("a1", "user", "1.5"), dawnMS-dayMS))
	b.consumedIs(" after one more", want)
	b.reopen()
	b.consumedIs(" after reopening", want)
	b.onlyUsed("a1", "3", 3)
}

// Of the periods of a line item's limit the newest that began by then is kept, and all that began later.
func forgetsPeriods(b *books) {
	b.instance("A")
	l, other := b.lineItem("A", "a1", ruled), b.lineItem("A", "a2", ruled)
	want := consumption{}
	for i, days := range []int64{0, 1, 2, 4} {
		for _, value := range []string{"user", "another"} {
			b.commit(since(consumes("a1", value, fmt.Sprint(i)), dawnMS+days*dayMS))
			want[by(value, l, dawnMS+days*dayMS)] = token.FromInt(int64(i))
		}
	}
	b.commit(since(consumes("a2", "user", "9"), dawnMS-9*dayMS), since(consumes("a1", "once", "9"), dawnMS-9*dayMS))
	want[by("user", other, dawnMS-9*dayMS)], want[by("once", l, dawnMS-9*dayMS)] = amount("9"), amount("9")
	for _, step := range []struct {
		settledMS int64
		gone      []int64 // days
	}{
		{dawnMS - 99*dayMS, nil}, {dawnMS - 1, nil}, {dawnMS, []int64{-9}}, {dawnMS + dayMS - 1, nil}, {dawnMS + dayMS, []int64{0}},
		{dawnMS + 4*dayMS - 1, []int64{1}}, {dawnMS + 99*dayMS, []int64{2}},
	} {
		b.must(b.Forget(ctx, dawnMS-99*dayMS, step.settledMS))
		for _, days := range step.gone {
			for _, value := range []string{"user", "another", "once"} {
				delete(want, by(value, l, dawnMS+days*dayMS))
			}
		}
		b.consumedIs(fmt.Sprintf(" after forgetting what was over by day %d", (step.settledMS-dawnMS)/dayMS), want)
	}
	b.reopen()
	b.consumedIs(" after reopening", want)
}

func consumptionByExactRequester(b *books) {
	b.instance("A")
	b.instance("B")
	payers := map[string]*ledger.LineItem{"A": b.lineItem("A", "a1", ruled), "B": b.lineItem("B", "b1", ruled)}
	b.commit(consumes("a1", "user", "0.5"))
	want := consumption{by("user", payers["A"], dawnMS): amount("0.5")}
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
		want[usage.ConsumedKey{RequesterKey: key, PeriodKey: periodOf(payer, dawnMS)}] = n
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
			want[by(value, l, dawnMS)] = token.FromInt(int64(i))
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
			want = append(want, ledger.Consumed{RequesterKey: key, PeriodKey: periodOf(l, dawnMS), Tokens: token.FromInt(int64(len(want)))})
		}
	}
	b.must(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) (d store.Decided) {
		for i := range want {
			c := &want[(i*11+5)%len(want)]
			for _, of := range []charge{consumes("a1", "", c.Tokens.String()), consumes("a2", "", "1"), since(consumes("a1", "", "2"), dawnMS-1), since(consumes("a1", "", "3"), dawnMS+1)} {
				r := b.book(loaded.Books["A"], of)
				r.Requester = access.Requester{Type: c.Type, Value: c.Value}
				d.Receipts = append(d.Receipts, r)
			}
		}
		return d
	}))
	for _, limit := range []int{1, 5, 28, 100} {
		var got []ledger.Consumed
		for after := (*ledger.RequesterKey)(nil); ; {
			page := b.consumedFrom(periodOf(l, dawnMS), after, limit)
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
	b.same("what comes after one that is not there", b.consumedFrom(periodOf(l, dawnMS), &missing, 1), want[11:12])
	if n := len(b.consumedFrom(periodOf(other, dawnMS), nil, 100)); n != len(want) {
		b.Errorf("%d have consumed from the other line item, want %d", n, len(want))
	}
}

func consumptionSurvivesPuts(b *books) {
	b.instance("A")
	l := b.lineItem("A", "a1", ruled)
	b.commit(consumes("a1", "user", "2"))
	b.lineItem("A", "a1", nil)
	b.lineItem("A", "a1", ruled)
	b.consumedIs("", consumption{by("user", l, dawnMS): amount("2")})
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
	want := consumption{{RequesterKey: left.RequesterKey, PeriodKey: left.PeriodKey}: amount("2")}
	for who, h := range map[string]*books{" to this handle": b, " to another handle": o} {
		b.same("the state"+who, h.state(), kept)
		h.consumedIs(who, want)
		b.same("what both requesters have consumed"+who, h.consumedBy(user("another"), user("user")), want)
	}
	b.commit(since(consumes("a1", "another", "3"), dawnMS-dayMS)) // of a limit with other periods
	b.reopen()
	want[by("another", first, dawnMS-dayMS)] = amount("3")
	b.consumedIs(" after it began anew", want)
}
