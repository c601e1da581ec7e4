package postgres

import (
	"fmt"
	"sync"
	"testing"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/usage"
)

// Who follows the journal while batches of different instances, which do not wait for each other's locks, commit through two stores
// misses none of them: no commit appears before one that was seen.
func TestJournalHasNoLatecomers(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	stores := []*Store{open(t, url, Options{}), open(t, url, Options{})}
	const chargers, each = 4, 50
	for i := range chargers {
		err := stores[0].Change(ctx, func(tx store.Tx) error { return tx.InsertInstance(&store.Instance{ID: fmt.Sprint(i)}) })
		if err != nil {
			t.Fatal(err)
		}
	}
	var wait sync.WaitGroup
	for i := range chargers {
		wait.Go(func() {
			for range each {
				err := stores[i%2].Commit(ctx, store.Want{Instances: []string{fmt.Sprint(i)}}, func(*store.Loaded) store.Decided {
					return store.Decided{Receipts: []*usage.Receipt{{CorrelationID: "x", TimeMS: 1, InstanceID: fmt.Sprint(i)}}}
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen, at, done := 0, usage.Position{}, make(chan struct{})
	go func() { wait.Wait(); close(done) }()
	follow := func() {
		err := stores[0].View(ctx, func(r store.Reader) error {
			_, err := r.Receipts(at, nil, 0, func(p usage.Position, _ *usage.Receipt) (bool, error) {
				seen++
				at = usage.Position{Commit: p.Commit + 1}
				return true, nil
			})
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	for following := true; following; follow() {
		select {
		case <-done:
			following = false
		default:
		}
	}
	if seen != chargers*each {
		t.Errorf("who follows has seen %d commits of %d", seen, chargers*each)
	}
	for _, s := range stores {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
