package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var handleTests = []test{
	{"that write in turn always see each other's books", handlesInTurn},
	{"see each other's line items", handlesSeeLineItems},
	{"see each other's idempotency keys", handlesSeeKeys},
	{"never grant together what one would refuse", handlesShareOneLimit},
	{"see what another has forgotten to write: nothing", handlesSeeNoFailures},
	{"see each other's sessions, covers and clock", handlesSeeSessions},
	{"see each other's rules, consumption, packs and sales", handlesSeeRules},
}

func handlesInTurn(b *books) {
	b.instance("A")
	b.instance("B")
	b.lineItem("A", "a1", nil)
	b.lineItem("B", "b1", nil)
	handles := []*books{b, b.other(), b.other()}
	for i := range 30 {
		who := handles[i*7%3]
		batch := []charge{{instance: "A", lineItem: "a1", tokens: "1"}}
		if i%4 == 0 {
			batch = append(batch, charge{instance: "B", lineItem: "b1", tokens: "2"})
		}
		who.commit(batch...)
		for j, h := range handles {
			if got := h.usedInBook("A", "a1"); got != fmt.Sprint(i+1) {
				b.Fatalf("handle %d sees %s used after %d charges of 1", j, got, i+1)
			}
			if got := h.used("b1"); got != fmt.Sprint(2*(i/4+1)) {
				b.Fatalf("handle %d sees %s used after %d charges of 2", j, got, i/4+1)
			}
		}
	}
	b.onlyUsed("a1", "30", 38)
}

func handlesSeeLineItems(b *books) {
	b.instance("A")
	o := b.other()
	if got := o.usedInBook("A", "a1"); got != "no line item" {
		b.Fatalf("got %s", got)
	}
	b.lineItem("A", "a1", nil)
	o.commit(charge{instance: "A", lineItem: "a1", tokens: "3"})
	b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Quantity = 5 })
	if l := o.loaded(store.Want{Instances: []string{"A"}}).Books["A"].LineItems[0]; l.Quantity != 5 || l.Used.String() != "3" {
		b.Errorf("the other handle sees a quantity of %d and %s used, want 5 and 3", l.Quantity, l.Used)
	}
	o.instance("C")
	if b.loaded(store.Want{Instances: []string{"C"}}).Books["C"] == nil {
		b.Error("this handle does not see an instance that the other made")
	}
}

func handlesSeeKeys(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	handles := []*books{b, b.other()}
	for i := range 10 {
		key := fmt.Sprint(i)
		handles[1-i%2].begin(dueAt("A", key, dawnMS)) // which has no key, and must not be mistaken for what has
		want := handles[i%2].commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: key})[0]
		b.same("the receipt as the other handle finds it", handles[1-i%2].earlier(key), want)
	}
}

func handlesShareOneLimit(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Quantity = 100 })
	var wait sync.WaitGroup
	for _, h := range []*books{b, b.other()} {
		for range 2 {
			wait.Go(func() {
				for range 40 {
					err := h.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
						book := loaded.Books["A"]
						if book.LineItems[0].Balance().IsZero() {
							return store.Decided{Receipts: []*usage.Receipt{h.denial(book, "")}}
						}
						return store.Decided{Receipts: []*usage.Receipt{h.book(book, charge{lineItem: "a1", tokens: "1"})}}
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		}
	}
	wait.Wait()
	b.onlyUsed("a1", "100", 160)
}

func handlesSeeNoFailures(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	o := b.other()
	for range 3 {
		b.unavailable(b.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
			bad := b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "1", key: "bad"})
			bad.Items[0].Slices[0].Number += 1000
			return store.Decided{Receipts: []*usage.Receipt{bad}}
		}))
		o.commit(charge{instance: "A", lineItem: "a1", tokens: "1"})
	}
	for _, who := range []*books{b, o} {
		if got := who.earlier("bad"); got != nil {
			b.Errorf("the key of a batch that failed is taken by %+v", got)
		}
		if got := who.usedInBook("A", "a1"); got != "3" {
			b.Errorf("%s is used, want 3", got)
		}
	}
}

func handlesSeeSessions(b *books) {
	b.instance("A")
	payer := b.lineItem("A", "a1", nil)
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(windows()) }))
	handles := []*books{b, b.other(), b.other()}
	for i := range 9 {
		who := handles[i%3]
		id, cover := fmt.Sprint("session ", i), newCover("item", payer)
		cover.Count = token.FromInt(int64(i + 1))
		if i > 0 {
			who.move(fmt.Sprint("session ", i-1), end)
		}
		begun := filled[access.Session]()
		begun.ID, begun.InstanceID, begun.State, begun.UntilMS = id, "A", access.Active, dawnMS+int64(i)
		begun.HeartbeatDueMS, begun.RetryMS = 0, 0
		who.begin(begun)
		who.cover(cover)
		clock := &store.Clock{Test: true, NowMS: dawnMS + int64(i)}
		b.must(who.Change(ctx, func(tx store.Tx) error { return tx.PutClock(*clock) }))
		who.commit(charge{instance: "A", lineItem: "a1", tokens: "1"})
		for j, h := range handles {
			b.same(fmt.Sprintf("the session that handle %d sees", j), h.session(id), begun)
			b.same(fmt.Sprintf("what lives for handle %d", j), sessionIDs(h.live("A", 0, 10)), []string{id})
			b.same(fmt.Sprintf("what handle %d claims", j), h.due(dawnMS+dayMS, 10), []string{id})
			b.same(fmt.Sprintf("what is due next for handle %d", j), h.nextDue(), begun.Due())
			b.same(fmt.Sprintf("the covers that handle %d sees", j), h.covers(), []*ledger.Cover{cover})
			b.same(fmt.Sprintf("the covers that handle %d loads", j), h.covered(cover.RequesterKey), byKey(cover))
			b.same(fmt.Sprintf("the clock of handle %d", j), h.clock(), clock)
			if got := h.usedInBook("A", "a1"); got != fmt.Sprint(i+1) {
				b.Errorf("handle %d sees %s used after %d charges of 1", j, got, i+1)
			}
		}
	}
}

func handlesSeeRules(b *books) {
	b.instance("A")
	payer := b.lineItem("A", "a1", ruled)
	handles := []*books{b, b.other(), b.other()}
	for i := range 9 {
		who, n := handles[i%3], fmt.Sprint(i+1)
		conditions := newConditions()
		conditions[0].Values = []string{n}
		pack, sale := newPack("pack"), newSale("order "+n)
		pack.Body = []byte(n)
		b.must(who.Change(ctx, func(tx store.Tx) error {
			return errors.Join(tx.PutConditions("A", conditions), tx.PutPack(pack), tx.InsertSale(sale))
		}))
		who.commit(charge{instance: "A", lineItem: "a1", tokens: "1", requester: "user", ruled: &usage.Ruled{
			ActionID: "first", ActionUsed: amount(n), Limited: true, SinceMS: dawnMS, Consumed: amount(n),
		}})
		for j, h := range handles {
			h.conditionsAre(fmt.Sprintf(" of handle %d", j), "A", conditions)
			h.actionsUsed(fmt.Sprintf(" of handle %d", j), "a1", map[string]string{"first": n, "second": "0", "default": "0"})
			h.consumedIs(fmt.Sprintf(" of handle %d", j), consumption{by("user", payer, dawnMS): amount(n)})
			h.view(func(r store.Reader) error {
				p, err1 := r.Pack("pack")
				s, err2 := r.Sale(sale.OrderNumber)
				b.same(fmt.Sprintf("the pack that handle %d sees", j), p, &pack)
				b.same(fmt.Sprintf("the sale that handle %d sees", j), s, &sale)
				return errors.Join(err1, err2)
			})
		}
	}
}
