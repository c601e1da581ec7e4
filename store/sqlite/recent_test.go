package sqlite

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Whether rows are held in memory, were let go, were never held, or were written by another process: readers see the same receipts.
func TestRecentRowsAreWhatWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recent.db")
	open := func() *Store {
		s, err := Open(path, Options{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	chance := rand.New(rand.NewPCG(1, 2))
	stores := []*Store{open(), open()}
	var want []string
	for n := range 60 {
		s := stores[chance.IntN(2)]
		var receipts []*usage.Receipt
		for i := range 1 + chance.IntN(3) {
			id := fmt.Sprintf("%d-%d", n, i)
			want = append(want, id)
			denied := usage.Item{Item: "x", Count: token.FromInt(1), Status: "201"}
			receipts = append(receipts, &usage.Receipt{CorrelationID: id, TimeMS: int64(n), Items: []usage.Item{denied}})
		}
		err := s.Commit(ctx, store.Want{}, func(*store.Loaded) store.Decided { return store.Decided{Receipts: receipts} })
		if err != nil {
			t.Fatal(err)
		}
		if chance.IntN(10) == 0 { // as if much had been written since
			s.recent.mu.Lock()
			delete(s.recent.rows, s.recent.first)
			s.recent.first++
			s.recent.mu.Unlock()
		}
	}
	for _, s := range append(stores, open()) {
		var got []string
		err := s.View(ctx, func(r store.Reader) error {
			_, err := r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
				got = append(got, receipt.CorrelationID)
				return true, nil
			})
			return err
		})
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	for _, s := range stores {
		if len(s.recent.rows) == 0 {
			t.Error("nothing is held in memory")
		}
	}
}

func TestRecentRowsAreBounded(t *testing.T) {
	var r recentRows
	for n := range int64(100) {
		r.add(n+1, []*usage.Receipt{{}}, recentBytes/10)
	}
	if r.from() != 91 || len(r.rows) != 10 || r.get(90) != nil || r.get(91) == nil {
		t.Errorf("%d rows from %d on are held, want 10 from 91", len(r.rows), r.from())
	}
	r.add(101, nil, 2*recentBytes) // larger than all that may be held: it alone
	if r.from() != 101 || len(r.rows) != 1 {
		t.Errorf("%d rows from %d on are held, want the last one", len(r.rows), r.from())
	}
	r.add(200, nil, 1) // others wrote between
	if r.from() != 200 || len(r.rows) != 1 || r.bytes != 1 {
		t.Errorf("%d rows from %d on are held after a gap, of %d bytes", len(r.rows), r.from(), r.bytes)
	}
}
