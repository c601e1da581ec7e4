package bigfile_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/bigfile"
	"github.com/farebox/farebox/usage"
)

// books are made and proved, and all their receipts returned.
func books(t *testing.T, o bigfile.Options) []*usage.Receipt {
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "big.db"), sqlite.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	made, err := bigfile.Write(t.Context(), s, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := engine.Verify(t.Context(), s)
	if err != nil || len(proof.Differences) > 0 {
		t.Fatalf("the books do not agree: %v, %+v", err, proof)
	}
	if made.Events < o.Events || made.Events > o.Events+8 || proof.Events != made.Events || proof.Receipts != made.Requests {
		t.Errorf("%+v were made of %d, and %+v found", made, o.Events, proof)
	}
	var all []*usage.Receipt
	err = s.View(t.Context(), func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
			all = append(all, receipt)
			return true, nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestBooks(t *testing.T) {
	o := bigfile.Default()
	o.Events, o.Instances, o.Days = 8_000, 30, 4
	all := books(t, o)
	statuses, versions := map[ledger.Status]int{}, map[string]int{}
	for _, r := range all {
		for _, item := range r.Items {
			statuses[item.Status]++
			for _, s := range item.Slices {
				versions[s.TableVersion]++
			}
		}
	}
	for _, status := range []ledger.Status{ledger.Granted, ledger.NotFound, ledger.Insufficient} {
		if statuses[status] == 0 {
			t.Errorf("nothing ends as %s: %v", status, statuses)
		}
	}
	if versions["1"] == 0 || versions["2"] == 0 {
		t.Errorf("one of two rate tables prices nothing: %v", versions)
	}
	from, to := o.Until.UnixMilli()-int64(o.Days)*24*time.Hour.Milliseconds(), o.Until.UnixMilli()
	inOrder := slices.IsSortedFunc(all, func(a, b *usage.Receipt) int { return int(a.TimeMS - b.TimeMS) })
	if first, last := all[0].TimeMS, all[len(all)-1].TimeMS; !inOrder || first != from || last < to-time.Hour.Milliseconds() || last >= to {
		t.Errorf("from %d to %d, in order: %v", first, last, inOrder)
	}
}

func TestBooksAreTheSameAgain(t *testing.T) {
	o := bigfile.Default()
	o.Events, o.Instances = 5000, 10
	first, again := text(t, books(t, o)), text(t, books(t, o))
	if first != again {
		t.Error("the same options make other books")
	}
	o.Seed = 2
	if text(t, books(t, o)) == first {
		t.Error("another seed makes the same books")
	}
}

func text(t *testing.T, all []*usage.Receipt) string {
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
