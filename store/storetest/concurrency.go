package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var concurrencyTests = []test{
	{"loses no charge of many at once", losesNoCharge},
	{"lets every method run beside every other", runsEverythingAtOnce},
	{"shows balances that agree with the receipts at any moment", agreesAtAnyMoment},
}

func losesNoCharge(b *books) {
	b.instance("A")
	b.instance("B")
	b.lineItem("A", "a1", nil)
	b.lineItem("B", "b1", nil)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 10 {
				batch := []charge{{instance: "A", lineItem: "a1", tokens: "1", key: fmt.Sprint(i, "/", j)}, {instance: "B", lineItem: "b1", tokens: "0.5"}}
				if _, err := b.tryCommit(batch...); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if got := b.used("b1"); got != "40" {
		b.Errorf("%s of b1 is used, want 40", got)
	}
	b.onlyUsed("a1", "80", 160)
	for i := range 8 {
		if b.earlier(fmt.Sprint(i, "/", 9)) == nil {
			b.Errorf("an idempotency key of charger %d is lost", i)
		}
	}
}

func runsEverythingAtOnce(b *books) {
	b.must(b.Change(ctx, everything))
	payer := b.find("a1")
	do := map[string]func(i int) error{
		"Commit": func(i int) error {
			_, err := b.tryCommit(charge{instance: "A", lineItem: "a1", tokens: "1", key: fmt.Sprint("c", i), requester: "user", ruled: &usage.Ruled{
				ActionID: "first", ActionUsed: token.FromInt(int64(i)), Limited: true, SinceMS: dawnMS, Consumed: token.FromInt(int64(i)),
			}})
			return err
		},
		"Commit of sessions": func(i int) error {
			want := store.Want{Instances: []string{"A"}, Sessions: []string{fmt.Sprint("s", i-1)}, Requesters: []ledger.RequesterKey{user("user")}, Due: &store.Due{ByMS: dawnMS + dayMS, Most: 3}}
			return b.Commit(ctx, want, func(loaded *store.Loaded) (d store.Decided) {
				for _, s := range loaded.Due {
					s.UntilMS += dayMS / 2
					d.Sessions = append(d.Sessions, s)
				}
				d.Sessions = append(d.Sessions, dueAt("A", fmt.Sprint("s", i), dawnMS+int64(i)))
				d.Receipts = append(d.Receipts, b.bookCover(loaded.Books["A"], newCover(fmt.Sprint("item ", i%5), payer)))
				return d
			})
		},
		"Change": func(i int) error {
			return b.Change(ctx, func(tx store.Tx) error {
				l := newLineItem("A", "a1")
				l.Quantity = int64(1000 + i)
				ruled(l)
				pack, sale := newPack(fmt.Sprint("pack ", i%5)), newSale(fmt.Sprint("order ", i))
				return errors.Join(tx.PutLineItem(l), tx.PutConditions("A", newConditions()), tx.ForgetConsumed(payer.Number), tx.PutPack(pack),
					tx.InsertSale(sale), tx.DeletePack(pack.Name), tx.InsertRateTable(table("s", fmt.Sprint(i), dawnMS+int64(i), "1")),
					tx.PutClock(store.Clock{Test: true, NowMS: dawnMS + int64(i)}))
			})
		},
		"failing Change": func(int) error {
			undo := errors.New("undo")
			err := b.Change(ctx, func(tx store.Tx) error {
				_, err := tx.Settings()
				return errors.Join(tx.InsertRateTable(table("undone", "1", dawnMS, "1")), err, undo)
			})
			if errors.Is(err, undo) {
				return nil
			}
			return fmt.Errorf("a change that failed returned %w", err)
		},
		"View": func(int) error {
			return b.View(ctx, func(r store.Reader) error {
				_, err1 := r.LineItems("")
				_, err2 := r.Settings()
				_, err3 := r.Receipts(usage.Position{}, nil, 0, func(usage.Position, *usage.Receipt) (bool, error) { return true, nil })
				_, err4 := r.LiveSessions("A", 0, 10)
				_, err5 := r.NextDue()
				_, err6 := r.Clock()
				err7 := r.EachSession(func(s *access.Session) error { _, err := r.Session(s.ID); return err })
				err8 := r.EachCover(func(*ledger.Cover) error { return nil })
				err9 := r.EachConsumed(func(*ledger.Consumed) error { return nil })
				_, err10 := r.Conditions("A")
				_, err11 := r.Consumed(periodOf(payer, dawnMS), nil, 10)
				_, err12 := r.Packs()
				return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11, err12)
			})
		},
		"Settings": func(int) error { b.Settings().Rates.Prices("item", "", dawnMS); return nil },
		"Refresh":  func(int) error { return b.Refresh(ctx) },
		"Forget":   func(int) error { return b.Forget(ctx, dawnMS-9*dayMS, dawnMS-9*dayMS) },
		"Check":    func(int) error { _, err := b.Check(ctx); return err },
	}
	var wait sync.WaitGroup
	for name, method := range do {
		wait.Go(func() {
			for i := range 20 {
				if err := method(i); err != nil {
					b.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	wait.Wait()
	if got := len(b.Settings().Rates.Tables()); got != 21 {
		b.Errorf("%d rate tables, want 21", got)
	}
	if sessions, covers := len(b.sessions()), len(b.covers()); sessions != 20 || covers != 5 {
		b.Errorf("%d sessions and %d covers, want 20 and 5", sessions, covers)
	}
	b.onlyUsed("a1", "20", 40)
}

func agreesAtAnyMoment(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Quantity = 1 << 40 })
	b.lineItem("A", "a2", func(l *ledger.LineItem) { l.Quantity = 1 << 40 })
	var stop atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		defer stop.Store(true)
		for range 60 {
			if _, err := b.tryCommit(charge{instance: "A", lineItem: "a1", tokens: "1"}, charge{instance: "A", lineItem: "a2", tokens: "2"}); err != nil {
				b.Error(err)
			}
		}
	})
	wait.Go(func() {
		for !stop.Load() {
			b.must(agrees(b.Store))
		}
	})
	wait.Wait()
	b.must(agrees(b.Store))
}

// agrees says where the balances of one state are not what its receipts add up to.
func agrees(s store.Store) error {
	return s.View(ctx, func(r store.Reader) error {
		lineItems, err := r.LineItems("")
		if err != nil {
			return err
		}
		sums := map[int64]token.Amount{}
		_, err = r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
			for _, item := range receipt.Refunds {
				for _, slice := range item.Slices {
					sums[slice.Number] = sums[slice.Number].Sub(slice.Tokens)
				}
			}
			for _, item := range receipt.Items {
				for _, slice := range item.Slices {
					sums[slice.Number] = sums[slice.Number].Add(slice.Tokens)
				}
			}
			return true, nil
		})
		for _, l := range lineItems {
			if !l.Used.Equal(sums[l.Number]) {
				err = errors.Join(err, fmt.Errorf("%s of %s is used, its receipts add up to %s", l.Used, l.ActivationID, sums[l.Number]))
			}
		}
		return err
	})
}
