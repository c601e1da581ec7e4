package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/usage"
)

// BenchmarkCommit is a batch of one receipt, and what a follower asks behind it, on a cluster that does not sync: what the store and PostgreSQL
// spend beside the disk.
func BenchmarkCommit(b *testing.B) {
	for _, months := range []int{1, 37} {
		url := cluster.Shared(b).URL(b)
		s, err := Open(url, Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		if err := s.Change(ctx, func(tx store.Tx) error { return tx.InsertInstance(&store.Instance{ID: "A"}) }); err != nil {
			b.Fatal(err)
		}
		commit := func(ms int64) {
			err := s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(*store.Loaded) store.Decided {
				return store.Decided{Receipts: []*usage.Receipt{{CorrelationID: "x", TimeMS: ms, InstanceID: "A"}}}
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		for m := range months {
			commit(time.Date(2024, time.Month(m+1), 5, 0, 0, 0, 0, time.UTC).UnixMilli())
		}
		now := time.Date(2024, time.Month(months), 6, 0, 0, 0, 0, time.UTC).UnixMilli()
		last := int64(months)
		b.Run(fmt.Sprintf("commit/months=%d", months), func(b *testing.B) {
			for b.Loop() {
				commit(now)
				last++
			}
		})
		b.Run(fmt.Sprintf("follow/months=%d", months), func(b *testing.B) {
			for b.Loop() {
				err := s.View(ctx, func(r store.Reader) error {
					_, err := r.Receipts(usage.Position{Commit: last}, nil, 0, func(usage.Position, *usage.Receipt) (bool, error) { return true, nil })
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
