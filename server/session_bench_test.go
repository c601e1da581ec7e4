package server

import (
	"cmp"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// A million open sessions in the file, charged every hour, which are opened within 25 minutes on 1,000 instances. Measured are: how fast they open; ordinary
// requests at a fixed rate when nothing is due; the same when a whole hour of automatic charges is due at once, as after an outage, and how fast those are made;
// heartbeats; and the same for the refunds of all heartbeats that are missed. BENCH_SESSIONS and BENCH_RATE set the numbers.
//
//	go test -run '^$' -bench Sessions -benchtime 1x -timeout 30m ./server
func BenchmarkSessions(b *testing.B) {
	sessions, err := strconv.Atoi(cmp.Or(os.Getenv("BENCH_SESSIONS"), "1000000"))
	if err != nil {
		b.Fatal(err)
	}
	rate, err := strconv.Atoi(cmp.Or(os.Getenv("BENCH_RATE"), "2000"))
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := newWorld(b, 1000, engine.Options{Clock: &store.Clock{Test: true, NowMS: begin.UnixMilli()}})
	l := loader{connections: 64, addr: w.addr, bearer: w.token, instances: w.instances, key: orderedKey, perSecond: rate}
	var ids []string
	once := func(name string, fn func(b *testing.B)) {
		done := false
		b.Run(name, func(b *testing.B) {
			if !done { // whatever -benchtime says: it cannot be done twice
				done = true
				fn(b)
			}
		})
	}
	once("open", func(b *testing.B) {
		ids = w.open(b, sessions)
		b.ReportMetric(float64(sessions)/b.Elapsed().Seconds(), "sessions/s")
	})
	once("requests-alone", func(b *testing.B) {
		stop := time.Now().Add(10 * time.Second)
		reportLatency(b, l.send(b, func(int64) bool { return time.Now().Before(stop) }))
	})
	during := func(b *testing.B, by time.Duration) {
		var over atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() { reportLatency(b, l.send(b, func(int64) bool { return !over.Load() })) })
		started := time.Now()
		made := w.advance(b, by)
		b.ReportMetric(float64(made)/time.Since(started).Seconds(), "sessions/s")
		b.ReportMetric(float64(made), "sessions")
		over.Store(true)
		wg.Wait()
	}
	once("automatic-charges", func(b *testing.B) { during(b, time.Hour) })
	once("heartbeats", func(b *testing.B) {
		w.concurrently(b, len(ids)/5, func(i int) error {
			_, err := w.engine.Heartbeat(engine.SessionRef{ID: ids[i]}, false)
			return err
		})
		b.ReportMetric(float64(len(ids)/5)/b.Elapsed().Seconds(), "heartbeats/s")
	})
	once("missed-heartbeats", func(b *testing.B) { during(b, 30*time.Minute) })
}

func (w *world) advance(b *testing.B, by time.Duration) (made int) {
	to := func(nowMS int64) int64 { return nowMS + by.Milliseconds() }
	if _, _, err := w.engine.AdvanceClock(b.Context(), nil, to, func(_ int64, n int) (*store.Answer, error) {
		made = n
		return new(store.Answer), nil
	}); err != nil {
		b.Fatal(err)
	}
	return made
}

// opening is less than half an hour, so that when all are charged the first does not miss its heartbeat yet.
const opening = 25 * time.Minute

// open opens sessions and returns their ids.
func (w *world) open(b *testing.B, sessions int) []string {
	ids := make([]string, sessions)
	const steps = 500
	for step := range steps {
		first, last := sessions*step/steps, sessions*(step+1)/steps
		w.concurrently(b, last-first, func(i int) error {
			i += first
			receipt, _, err := w.engine.CreateSession(w.instances[i%len(w.instances)], nil, nil)
			if err != nil {
				return err
			}
			ids[i] = receipt.Session.ID
			_, _, err = w.engine.Ask(&engine.SessionRequest{
				Session: engine.SessionRef{ID: ids[i]}, RollbackOnDeny: true,
				Request: &access.Request{
					Requester: access.Requester{Type: "user", Value: "user-" + strconv.Itoa(i)},
					Items:     []access.Item{{Ask: ledger.Ask{Item: "render", Count: token.FromInt(1)}}},
				},
			})
			return err
		})
		w.advance(b, opening/steps)
	}
	return ids
}

// concurrently calls fn with 0 to n-1 from 256 goroutines.
func (w *world) concurrently(b *testing.B, n int, fn func(i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := fn(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
