package server

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/export"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// What goes on behind the charges costs them this much: BenchmarkOneItem's traffic with nothing behind it, and with folding, 100 alert
// rules whose thresholds are crossed all the time, and an export of every event as it comes. Rounds are in turns: compare within a run.
func BenchmarkBehind(b *testing.B) {
	for round := range 3 {
		for _, busy := range []bool{false, true} {
			name := fmt.Sprintf("round-%d/nothing", round+1)
			if busy {
				name = fmt.Sprintf("round-%d/fold,alerts,export", round+1)
			}
			b.Run(name, func(b *testing.B) { behind(b, busy) })
		}
	}
}

func behind(b *testing.B, busy bool) {
	rules := 0
	if busy {
		rules = 100
	}
	w := newAlertWorld(b, rules, engine.Options{Serve: busy})
	exported := 0
	if busy {
		ctx, stop := context.WithCancel(b.Context())
		defer stop()
		out := export.NewWriter(export.NDJSON, io.Discard)
		go w.engine.Follow(ctx, &engine.Follower{Name: "export", Most: 5000, Wait: 250 * time.Millisecond, Take: func(_ context.Context, f *engine.Followed) (int, func(store.Tx) error, error) {
			var events []usage.Event
			for i, r := range f.Receipts {
				if i%64 == 63 {
					runtime.Gosched()
				}
				events = r.Events(events[:0])
				for i := range events {
					if err := out.Write(&events[i]); err != nil {
						return 0, nil, err
					}
				}
			}
			exported += len(f.Receipts)
			return len(f.Receipts), nil, nil
		}})
	}
	l := loader{connections: 64, addr: w.addr, bearer: w.token, instances: w.instances, key: orderedKey}
	l.run(b)
	b.StopTimer()
	if busy {
		b.ReportMetric(float64(exported)/float64(b.N), "exported")
	}
}
