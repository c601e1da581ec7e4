package postgres

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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

// Who has read far, as one who follows has, goes on from there: also when it is a time from which on they want receipts.
func TestReadingOnIsNotReadingAll(t *testing.T) {
	s := open(t, cluster.Shared(t).URL(t), Options{})
	defer s.Close()
	world(t, s)
	const n = 300
	for i := range n {
		chargeAt(t, s, fmt.Sprint(i), "2024-01-05")
	}
	chargeAt(t, s, "late", "2024-01-07")
	from := at(t, "2024-01-06")
	looked := func(number int64) (rows int) {
		t.Helper()
		conn, err := s.reads.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		if _, err := conn.Exec(ctx, "SET plan_cache_mode = force_generic_plan; PREPARE looked (date, bigint, bigint) AS "+selectFirst, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_, _ = conn.Exec(ctx, "RESET plan_cache_mode; DEALLOCATE looked", pgx.QueryExecModeSimpleProtocol)
		}()
		explained, err := conn.Query(ctx, fmt.Sprintf("EXPLAIN ANALYZE EXECUTE looked ('%s', %d, %d)", monthOf(from).Format(time.DateOnly), from, number), pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(explained, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			var removed int
			if _, err := fmt.Sscanf(strings.TrimSpace(line), "Rows Removed by Filter: %d", &removed); err == nil {
				rows += removed
			}
		}
		return rows
	}
	if all, few := looked(0), looked(n-4); few > 10 || all < few {
		t.Errorf("%d rows are looked at from the last ones on, and %d from the first on", few, all)
	}
	var got []string
	err := s.View(ctx, func(r store.Reader) error {
		for _, commit := range []int64{0, n - 4, n + 1, n + 2} {
			_, err := r.Receipts(usage.Position{Commit: commit}, &usage.Filter{FromMS: from}, 0, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
				got = append(got, fmt.Sprint(commit, ": ", receipt.CorrelationID))
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if want := []string{"0: late", fmt.Sprint(n-4, ": late"), fmt.Sprint(n+1, ": late")}; err != nil || !slices.Equal(got, want) {
		t.Errorf("found %q, want %q: %v", got, want, err)
	}
}
