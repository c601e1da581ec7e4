package engine_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// lease asks for so many tokens for x for a minute, and returns its receipt.
func (w *timed) lease(tokens int64) *usage.Receipt {
	w.Helper()
	receipt, _, err := w.Lease(ctx, &engine.NewLease{InstanceID: w.instance, TTL: time.Minute, Lease: &access.NewLease{
		Client: "laptop", Requester: access.Requester{Type: "USER", Value: "u"}, Tokens: token.FromInt(tokens), Items: []access.Item{{Ask: ledger.Ask{Item: "x"}}},
	}})
	w.must(err)
	return receipt
}

func (w *timed) report(id string, count int64, final bool) (*usage.Receipt, error) {
	receipt, _, err := w.ReportLease(&engine.HoldMove{HoldID: id}, &access.Report{Final: final, Items: []access.Reported{{Item: "x", Count: token.FromInt(count)}}})
	return receipt, err
}

func TestLeasesOfAllAtOnce(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(50, 0)
	var granted atomic.Int64
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() {
			if w.lease(5).Hold.ID != "" {
				granted.Add(1)
			}
		})
	}
	all.Wait()
	if granted.Load() != 10 {
		t.Errorf("%d leases were granted, there were tokens for 10", granted.Load())
	}
	w.want("after all asked", "0 used, 50 held, 0 left, 0 of the overdraft")
}

// A client that sends its reports again, out of order and at once has each use counted once.
func TestReportsOfAllAtOnce(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(50, 0)
	id := w.lease(50).Hold.ID
	var all sync.WaitGroup
	for i := range int64(60) {
		all.Go(func() {
			if _, err := w.report(id, i%30+1, false); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.want("after all were reported", "30 used, 20 held, 0 left, 0 of the overdraft")
	w.nowMS.Store(dawnMS + minuteMS)
	w.want("after the end", "30 used, 0 held, 20 left, 0 of the overdraft")
}

// TestLeasesAtRandom holds leases against a count of what each is good for, with time going by and charges between.
func TestLeasesAtRandom(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newTimed(t, nil)
		const quantity = 100
		w.quantity(quantity, 0)
		type known struct {
			id                 string
			tokens, used, ends int64
			closed             bool
		}
		var leases []*known
		now, charged := int64(dawnMS), int64(0)
		held := func() (sum int64) {
			for _, l := range leases {
				if !l.closed && now < l.ends {
					sum += l.tokens - l.used
				}
			}
			return sum
		}
		used := func() int64 {
			sum := charged
			for _, l := range leases {
				sum += l.used
			}
			return sum
		}
		for range rapid.IntRange(5, 30).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"lease", "report", "report", "report", "end", "time", "charge"}).Draw(r, "step") {
			case "lease":
				tokens := rapid.Int64Range(1, 60).Draw(r, "tokens")
				can := tokens <= quantity-used()-held()
				if got := w.lease(tokens); (got.Hold.ID != "") != can {
					r.Fatalf("leased %d: %v, want %v", tokens, got.Hold.ID != "", can)
				} else if can {
					leases = append(leases, &known{id: got.Hold.ID, tokens: tokens, ends: now + minuteMS})
				}
			case "report":
				if len(leases) == 0 {
					continue
				}
				l := rapid.SampledFrom(leases).Draw(r, "of")
				count, final := rapid.Int64Range(0, 70).Draw(r, "count"), rapid.IntRange(0, 4).Draw(r, "final") == 0
				receipt, err := w.report(l.id, count, final)
				more := count > l.used
				switch {
				case more && (l.closed || count > l.tokens):
					if problem.KindOf(err) != problem.Conflict {
						r.Fatalf("reported %d of %+v: %v", count, l, err)
					}
					continue
				case err != nil:
					r.Fatal(err)
				case (receipt != nil) != (more || final && !l.closed):
					r.Fatalf("reported %d of %+v: %+v", count, l, receipt)
				case more && receipt.Hold.Late != (now >= l.ends):
					r.Fatalf("reported %d of %+v at %d: late is %v", count, l, now, receipt.Hold.Late)
				}
				l.used, l.closed = max(l.used, count), l.closed || final
			case "end":
				if len(leases) == 0 {
					continue
				}
				l := rapid.SampledFrom(leases).Draw(r, "of")
				receipt, _, err := w.EndLease(&engine.HoldMove{HoldID: l.id})
				if live := !l.closed && now < l.ends; err != nil || (receipt != nil) != live {
					r.Fatalf("ended %+v: %+v, %v", l, receipt, err)
				} else if live {
					l.ends = now
				}
			case "time":
				now += rapid.Int64Range(1, minuteMS).Draw(r, "ms")
				w.nowMS.Store(now)
			case "charge":
				can := 1 <= quantity-used()-held()
				receipt, _, err := w.charge("x", "", "")
				if err != nil || (receipt.Items[0].Status == ledger.Granted) != can {
					r.Fatalf("charged: %+v, %v; want %v", receipt, err, can)
				} else if can {
					charged++
				}
			}
			left := quantity - used() - held()
			if got, want := w.stands(), fmt.Sprintf("%d used, %d held, %d left, 0 of the overdraft", used(), held(), left); left >= 0 && got != want {
				r.Fatalf("%s, want %s", got, want)
			}
		}
	})
}
