package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// BenchmarkCommit charges 1,000 instances in turn, with an idempotency key and 300 bytes of metadata each; every batch
// waits for the disk.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("batch of %d", size), func(b *testing.B) { benchmarkCommit(b, size, false) })
	}
}

// BenchmarkReplay commits batches of requests that were booked before, all under their keys, in batches of 512.
func BenchmarkReplay(b *testing.B) {
	b.Run("batch of 512", func(b *testing.B) { benchmarkCommit(b, 512, true) })
}

func benchmarkCommit(b *testing.B, size int, replay bool) {
	const instances = 1000
	s, err := Open(filepath.Join(b.TempDir(), "bench.db"), Options{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	err = s.Change(ctx, func(tx store.Tx) error {
		for i := range instances {
			id := fmt.Sprint("instance ", i)
			if err := tx.InsertInstance(&store.Instance{ID: id, AccountID: "account"}); err != nil {
				return err
			}
			l := &ledger.LineItem{ActivationID: "of " + id, InstanceID: id, State: ledger.Deployed, Quantity: 1 << 50, EndMS: period.LatestMS, Elastic: true}
			if err := tx.PutLineItem(l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	metaData := jsontext.Value(`{"text":"` + strings.Repeat("metadata, ", 29) + `"}`)
	one := token.FromInt(1)
	n := 0
	commit := func() {
		want := store.Want{}
		keys := make([]string, size)
		for i := range size {
			want.Instances = append(want.Instances, fmt.Sprint("instance ", (n+i)*7919%instances))
			keys[i] = fmt.Sprintf("01970000-0000-7000-8000-%012d", n+i)
			want.Once = append(want.Once, usage.NewOnceID(want.Instances[i], keys[i]))
		}
		err := s.Commit(ctx, want, func(loaded *store.Loaded) store.Decided {
			if len(loaded.Earlier) > 0 {
				return store.Decided{}
			}
			receipts := make([]*usage.Receipt, size)
			for i := range receipts {
				book := loaded.Books[want.Instances[i]]
				l := book.LineItems[0]
				l.Used = l.Used.Add(one)
				receipts[i] = &usage.Receipt{
					CorrelationID: keys[i], TimeMS: 1, AccountID: book.AccountID, InstanceID: book.InstanceID, Key: keys[i], Fingerprint: make([]byte, 16),
					Requester: access.Requester{Type: "USER", Value: "somebody"},
					Items: []usage.Item{{Item: "item", Count: one, Tokens: one, Status: ledger.Granted, MetaData: metaData, Slices: []usage.Slice{{
						ActivationID: l.ActivationID, Number: l.Number, TableVersion: "1", Rate: one, Tokens: one, Quantity: l.Quantity, Used: l.Used,
					}}}},
				}
			}
			return store.Decided{Receipts: receipts}
		})
		if err != nil {
			b.Fatal(err)
		}
		if !replay {
			n += size
		}
	}
	commit()
	b.ReportAllocs()
	for b.Loop() {
		commit()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/charge")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
