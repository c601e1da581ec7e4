package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// Whatever fails, and whoever else follows under the same name, what a follower writes is written once for each receipt, in order.
func TestFollowerTakesEachReceiptOnce(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 0))
			var failing *failingStore
			w := newWorld(t, func(s store.Store, _ *engine.Options) store.Store {
				failing = &failingStore{Store: s}
				return failing
			})
			var want []string
			follower := func(meanwhile func()) *engine.Follower {
				return &engine.Follower{Name: "test", Most: 1 + chance.IntN(4), Take: func(_ context.Context, f *engine.Followed) (int, func(store.Tx) error, error) {
					if meanwhile != nil {
						meanwhile()
					}
					taken := chance.IntN(len(f.Receipts) + 1)
					for _, r := range f.Receipts[:taken] {
						f.Body = append(f.Body, r.CorrelationID...)
					}
					switch chance.IntN(4) {
					case 0:
						return taken, nil, errors.New("Take failed")
					case 1:
						return taken, func(store.Tx) error { return errors.New("write failed") }, nil
					case 2:
						failing.fail = taken > 0
					}
					return taken, nil, nil
				}}
			}
			body := func() (text string) {
				w.must(w.View(ctx, func(r store.Reader) error {
					f, err := r.Follower("test")
					if f != nil {
						text = string(f.Body)
					}
					return err
				}))
				return text
			}
			text := func() (all string) {
				for _, id := range want {
					all += id
				}
				return all
			}
			for range 30 {
				for range chance.IntN(3) {
					r, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: request("x", 1)})
					w.must(err)
					want = append(want, r.CorrelationID)
				}
				other := func() { _, _ = w.FollowOnce(ctx, follower(nil)); failing.fail = false }
				_, _ = w.FollowOnce(ctx, follower([]func(){nil, other}[chance.IntN(2)]))
				failing.fail = false
				if got := body(); len(got) > len(text()) || got != text()[:len(got)] {
					t.Fatalf("the follower took %s of %s", got, text())
				}
			}
			for steady := (&engine.Follower{Name: "test", Most: 3, Take: takeAll}); ; {
				more, err := w.FollowOnce(ctx, steady)
				w.must(err)
				if !more {
					break
				}
			}
			if got := body(); got != text() {
				t.Errorf("the follower took %s, want %s", got, text())
			}
		})
	}
}

func takeAll(_ context.Context, f *engine.Followed) (int, func(store.Tx) error, error) {
	for _, r := range f.Receipts {
		f.Body = append(f.Body, r.CorrelationID...)
	}
	return len(f.Receipts), nil, nil
}

// failingStore fails every change while it is told to.
type failingStore struct {
	store.Store
	fail bool
}

func (s *failingStore) Change(ctx context.Context, fn func(store.Tx) error) error {
	if s.fail {
		return problem.New(problem.Unavailable, "on purpose")
	}
	return s.Store.Change(ctx, fn)
}

func TestLineItemsRememberWhatTheyWereTold(t *testing.T) {
	w := newWorld(t, nil)
	put := func(change func(*ledger.LineItem)) {
		t.Helper()
		l := w.lineItem("a")
		change(&l)
		w.must(w.change("", func(c *engine.Change) error {
			_, err := c.PutLineItem(l)
			return err
		}))
	}
	remove := func(id string) {
		t.Helper()
		w.must(w.change("", func(c *engine.Change) error { return c.DeleteLineItem(w.instance, id) }))
	}
	put(func(*ledger.LineItem) {}) // nothing new
	put(func(l *ledger.LineItem) { l.Quantity = 2000 })
	_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: request("x", 1)})
	w.must(err)
	remove("a")
	put(func(l *ledger.LineItem) { l.Quantity = 3000 })
	w.must(w.change("", func(c *engine.Change) error {
		_, err := c.PutLineItem(w.lineItem("unused"))
		return err
	}))
	remove("unused")
	var got []string
	w.must(w.View(ctx, func(r store.Reader) error {
		all, err := r.LineItemChanges(w.instance)
		for _, c := range all {
			got = append(got, fmt.Sprint(c.LineItem.ActivationID, c.LineItem.Quantity, c.LineItem.Deleted))
		}
		return err
	}))
	want := []string{"a1000 false", "a2000 false", "a2000 true", "a3000 false", "unused1000 false", "unused1000 true"}
	if !slices.Equal(got, want) {
		t.Errorf("remembered %q, want %q", got, want)
	}
}
