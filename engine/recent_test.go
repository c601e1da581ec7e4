package engine_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Page by page, of any size, receipts come backwards as they stand in the record: each once, of the instances that were asked for alone.
func TestRecentReceiptsAreTheRecordBackwards(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(1_000_000, 0)
	var other string
	w.must(w.change("", func(c *engine.Change) error {
		i, err := c.CreateInstance("other", "account")
		if err == nil {
			other = i.ID
		}
		return err
	}))
	random := rand.New(rand.NewPCG(1, 1))
	for range 150 {
		instance := w.instance
		if random.IntN(10) == 0 {
			instance = other // where nothing can be paid
		}
		w.ask(instance, int64(1+random.IntN(3)))
	}
	record := map[string][]string{}
	w.must(w.View(ctx, func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
			record[receipt.InstanceID] = append(record[receipt.InstanceID], receipt.CorrelationID)
			record[""] = append(record[""], receipt.CorrelationID)
			return true, nil
		})
		return err
	}))
	for _, asked := range [][]string{nil, {w.instance}, {other}} {
		for _, limit := range []int{1, 7, 1000} {
			var got []string
			next := new(usage.Position)
			for next != nil {
				page, further, err := w.RecentReceipts(ctx, asked, *next, limit)
				w.must(err)
				if len(page) > limit {
					t.Fatalf("a page has %d receipts", len(page))
				}
				for _, b := range page {
					got = append(got, b.CorrelationID)
				}
				next = further
			}
			want := slices.Clone(record[append(asked, "")[0]])
			slices.Reverse(want)
			if !slices.Equal(got, want) {
				t.Errorf("of %q, %d at a time: %d receipts, want %d", asked, limit, len(got), len(want))
			}
		}
	}
}

func TestProveTellsWhatVerifyFinds(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(10, 0)
	w.ask(w.instance, 2)
	if w.Proving() != nil {
		t.Error("there is a check that nobody asked for")
	}
	_, err := w.Prove()
	w.must(err)
	for w.Proving().EndedMS == 0 {
		if again, err := w.Prove(); err != nil || again.StartedMS == 0 { // which is the same one, or the next
			t.Fatal(again, err)
		}
	}
	want, got := w.proof(), w.Proving()
	if got.Proof == nil || got.Failure != "" || got.Proof.Receipts != want.Receipts || !got.Proof.Used.Equal(want.Used) || len(got.Proof.Differences) > 0 {
		t.Errorf("it found %+v, want %+v", got, want)
	}
	w.Stop()
	if _, err := w.Prove(); err == nil {
		t.Error("a check was begun on an engine that has stopped")
	}
}
