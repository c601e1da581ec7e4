package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Page by page, of any size, receipts come backwards as they stand in the record: each once, of the instances that were asked for alone. So they do wherever
// folding and retention have come to, in whatever pieces, and where buckets do not tell in which commits receipts are, as those of former versions.
func TestRecentReceiptsAreTheRecordBackwards(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, seed))
			w := newTimed(t, nil)
			w.quantity(1_000_000, 0)
			instances := []string{w.instance, w.another("second"), w.another("seldom")}
			w.must(w.change("", func(c *engine.Change) error { return c.SetConfiguration(engine.UsageRetention, "P8D", "test") }))
			for range 60 {
				switch random.IntN(8) {
				case 0:
					w.must(w.Fold(ctx, 1+random.IntN(9), 1+random.IntN(9), 2+random.IntN(3)))
				case 1:
					w.must(w.ForgetCommits(ctx, random.IntN))
				case 2:
					w.pass(time.Duration(random.IntN(100)) * time.Hour)
				case 3:
					_, err := w.Retain(ctx, nil)
					w.must(err)
				default:
					var charges []*engine.Charge
					for range 1 + random.IntN(6) {
						instance := instances[min(random.IntN(30)/14, 2)]
						charges = append(charges, &engine.Charge{InstanceID: instance, Request: &access.Request{Requester: access.Requester{Type: "USER", Value: "u"}, Items: of(1)}})
					}
					w.Bulk(charges)
				}
			}
			w.compareRecent(random, nil, instances[:1], instances[1:2], instances[2:], instances[1:])
		})
	}
}

// compareRecent compares what is asked of some instances with the record.
func (w *timed) compareRecent(random *rand.Rand, questions ...[]string) {
	w.Helper()
	for _, instances := range questions {
		var want []string
		w.must(w.View(ctx, func(r store.Reader) error {
			_, err := r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
				if instances == nil || slices.Contains(instances, receipt.InstanceID) {
					want = append(want, receipt.CorrelationID)
				}
				return true, nil
			})
			return err
		}))
		slices.Reverse(want)
		for _, limit := range []int{1, 7, 1000} {
			looks := 1 + random.IntN(20)
			var got []string
			for next := new(usage.Position); next != nil; {
				page, further, err := w.RecentReceiptsOf(ctx, instances, *next, limit, looks)
				w.must(err)
				if len(page) > limit {
					w.Fatalf("a page has %d receipts", len(page))
				}
				for _, b := range page {
					got = append(got, b.CorrelationID)
				}
				next = further
			}
			if !slices.Equal(got, want) {
				w.Errorf("of %q, %d at a time: %d receipts, want %d", instances, limit, len(got), len(want))
			}
		}
	}
}

// Of an instance that is seldom used, others' receipts are not looked at once they are folded.
func TestRecentReceiptsOfWhoIsSeldomSeen(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(1_000_000, 0)
	seldom := w.another("seldom")
	w.ask(seldom, 1)
	for range 200 {
		w.ask(w.instance, 1)
	}
	w.ask(seldom, 1)
	for range 200 {
		w.ask(w.instance, 1)
	}
	w.must(w.Fold(ctx, 1, 50, 4))
	page, next, err := w.RecentReceiptsOf(ctx, []string{seldom}, usage.Position{}, 20, 20)
	w.must(err)
	if len(page) != 2 || next != nil {
		t.Errorf("the first page has %d receipts, and goes on at %v", len(page), next)
	}
}

// another makes an instance, where nothing can be paid.
func (w *timed) another(name string) (id string) {
	w.Helper()
	w.must(w.change("", func(c *engine.Change) error {
		i, err := c.CreateInstance(name, "account")
		if err == nil {
			id = i.ID
		}
		return err
	}))
	return id
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
