package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
)

// The workload of docs/BENCHMARKS.md: 1,000 instances with Zipf traffic, one line item each; a request asks for one
// item, carries about 300 bytes of metadata and an idempotency key; 64 connections. The bare server decodes and encodes
// the same JSON and does nothing else: what HTTP and JSON alone allow on this machine.
func BenchmarkOneItem(b *testing.B) {
	run := func(name string, instances int, key func() string) {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, instances, engine.Options{})
			l := loader{connections: 64, addr: w.addr, bearer: w.token, instances: w.instances, key: key}
			l.run(b)
		})
	}
	b.Run("bare", func(b *testing.B) {
		l := loader{connections: 64, addr: bareServer(b), bearer: "token", instances: make([]string, 1000), key: orderedKey}
		l.run(b)
	})
	run("ordered-keys", 1000, orderedKey)
	run("random-keys", 1000, rand.Text)
	run("hot", 1, orderedKey)
}

// Bulks of the same charges: so many lines in a call, from one caller, who asks again once all lines were answered. Beside them, one caller makes plain
// charges, one after the other: what bulks do to the latency of others.
func BenchmarkBulk(b *testing.B) {
	for _, lines := range []int{100, 1000, 10_000} {
		b.Run(strconv.Itoa(lines), func(b *testing.B) {
			w := newWorld(b, 1000, engine.Options{})
			bulks := make([][]byte, (b.N+lines-1)/lines)
			zipf := mrand.NewZipf(mrand.New(mrand.NewPCG(1, 1)), 1.1, 1, uint64(len(w.instances)-1))
			for i := range bulks {
				var body bytes.Buffer
				for range min(lines, b.N-i*lines) {
					fmt.Fprintf(&body, `{"instanceId":%q,"idempotencyKey":%q,`+benchRequest[1:]+"\n", w.instances[zipf.Uint64()], orderedKey())
				}
				bulks[i] = body.Bytes()
			}
			var done atomic.Bool
			beside := loader{connections: 1, addr: w.addr, bearer: w.token, instances: w.instances, key: orderedKey}
			took := make(chan []time.Duration)
			b.ResetTimer()
			before := processorTime(b)
			go func() { took <- beside.send(b, func(int64) bool { return !done.Load() }) }()
			for _, body := range bulks {
				if granted, err := sendBulk(w, body); err != nil || granted != bytes.Count(body, []byte("\n")) {
					b.Fatalf("%d were granted, %v", granted, err)
				}
			}
			b.StopTimer()
			done.Store(true)
			others := <-took
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N+len(others)), "cpu-us/charge")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "charges/s")
			reportLatency(b, others)
		})
	}
}

func sendBulk(w *world, body []byte) (granted int, err error) {
	req, err := http.NewRequest("POST", "http://"+w.addr+bulkPath, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return bytes.Count(answer, []byte(`"code":"1101"`)), err
}

// benchRequest asks for one item, with about 300 bytes of metadata.
var benchRequest = `{"requester":{"type":"user","value":"mia"},"requestedItems":[{"item":"render","count":1,"metaData":` +
	`{"project":"titles","job":"` + strings.Repeat("x", 270) + `"}}]}`

func orderedKey() string { return uuid.Must(uuid.NewV7()).String() }

// The same at a fixed rate, about half of what the machine can do: requests are due at their times whether or not the ones
// before were answered, and latency counts from then on (no coordinated omission). BENCH_RATE sets the rate.
func BenchmarkFixedRate(b *testing.B) {
	perSecond, err := strconv.Atoi(cmp.Or(os.Getenv("BENCH_RATE"), "10000"))
	if err != nil {
		b.Fatal(err)
	}
	w := newWorld(b, 1000, engine.Options{})
	l := loader{connections: 256, addr: w.addr, bearer: w.token, instances: w.instances, key: orderedKey, perSecond: perSecond}
	l.run(b)
}

// world is a server on a file with instances that never run out.
type world struct {
	addr, token string
	instances   []string
	engine      *engine.Engine
}

func newWorld(b *testing.B, instances int, options engine.Options) *world {
	s, err := sqlite.Open(filepath.Join(b.TempDir(), "farebox.db"), sqlite.Options{Create: true, Serve: true})
	if err != nil {
		b.Fatal(err)
	}
	e := engine.New(s, options)
	w := &world{engine: e}
	pair, err := auth.NewPair()
	if err != nil {
		b.Fatal(err)
	}
	_, _, err = e.Change(b.Context(), "", nil, func(tx *engine.Change) (*store.Answer, error) {
		if err := tx.SaveKeys([]auth.Key{{Role: auth.Admin, ID: pair.ID, PublicPEM: pair.PublicPEM}}); err != nil {
			return nil, err
		}
		if err := tx.AddRateTable(&rate.Table{Version: "1", Items: []rate.Item{{Name: "render", Rate: token.MustParse("0.25")}}}); err != nil {
			return nil, err
		}
		for i := range instances {
			instance, err := tx.CreateInstance("main", fmt.Sprint("account-", i))
			if err != nil {
				return nil, err
			}
			w.instances = append(w.instances, instance.ID)
			if _, err := tx.PutLineItem(ledger.LineItem{
				ActivationID: fmt.Sprint("A-", i), InstanceID: instance.ID, State: ledger.Deployed, Quantity: math.MaxInt64, EndMS: period.LatestMS,
				Elastic: true, Kind: ledger.Paid,
			}); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if w.token, err = auth.Sign(pair, auth.Admin, pair.ID, nil, time.Now(), time.Hour); err != nil {
		b.Fatal(err)
	}
	w.addr = listen(b, func(ctx context.Context, l net.Listener) error { return New(e, Options{}).Serve(ctx, l) }, func() {
		e.Stop()
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return w
}

func bareServer(b *testing.B) string {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		var in api.AccessRequest[api.RequestedItemV11]
		if err := json.Unmarshal(body, &in, json.RejectUnknownMembers(true)); err != nil {
			panic(err)
		}
		out, err := json.Marshal(api.AccessAnswer{CorrelationID: "0197d2c4-0000-7000-8000-000000000000", Requester: *in.Requester,
			RequestedItems: []api.AnsweredItem{{Item: in.RequestedItems[0].Item, Count: *in.RequestedItems[0].Count,
				LineItems: []api.ChargedLineItem{{ActivationID: "A-1"}}, Status: wireStatus(v11, ledger.Granted, "")}}})
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("Content-Length", strconv.Itoa(len(out)))
		_, _ = w.Write(out)
	})
	return listen(b, func(ctx context.Context, l net.Listener) error {
		s := &http.Server{Handler: h}
		context.AfterFunc(ctx, func() { _ = s.Close() })
		return s.Serve(l)
	}, func() {})
}

func listen(b *testing.B, serve func(context.Context, net.Listener) error, stopped func()) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(ctx, l)
	}()
	b.Cleanup(func() { cancel(); <-done; stopped() })
	return l.Addr().String()
}

// loader sends b.N requests over some connections and reports the rate and latencies. It is as thin as can be, since it
// shares the processor with the server.
type loader struct {
	connections  int
	addr, bearer string
	instances    []string
	key          func() string
	perSecond    int // 0: as fast as answers come
}

func (l *loader) run(b *testing.B) {
	b.ResetTimer()
	before := processorTime(b)
	all := l.send(b, func(n int64) bool { return n < int64(b.N) })
	b.StopTimer()
	if len(all) == 0 {
		return
	}
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(len(all)), "cpu-us/charge")
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "charges/s")
	reportLatency(b, all)
}

// processorTime is what this process, load generator and server, has had so far of all cores. It tells two versions apart even where
// other work makes clocks useless.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// send sends requests as long as there are more, and returns how long each took, in order.
func (l *loader) send(b *testing.B, more func(n int64) bool) []time.Duration {
	var next atomic.Int64
	took := make([][]time.Duration, l.connections)
	var wg sync.WaitGroup
	started := time.Now()
	for c := range l.connections {
		wg.Go(func() {
			var err error
			if took[c], err = l.connection(c, func() (time.Time, bool) {
				n := next.Add(1) - 1
				if l.perSecond == 0 {
					return time.Now(), more(n)
				}
				due := started.Add(time.Duration(n) * time.Second / time.Duration(l.perSecond))
				time.Sleep(time.Until(due))
				return due, more(n)
			}); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	return all
}

func reportLatency(b *testing.B, sorted []time.Duration) {
	for name, share := range map[string]int{"p50-us": 500, "p99-us": 990, "p99.9-us": 999} {
		b.ReportMetric(float64(sorted[len(sorted)*share/1000].Microseconds()), name)
	}
}

// connection sends requests when they are due and returns how long each took from then on.
func (l *loader) connection(c int, due func() (time.Time, bool)) (took []time.Duration, err error) {
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	body := benchRequest
	in := bufio.NewReader(conn)
	zipf := mrand.NewZipf(mrand.New(mrand.NewPCG(uint64(c), 1)), 1.1, 1, uint64(len(l.instances)-1))
	var out []byte
	for {
		since, more := due()
		if !more {
			return took, nil
		}
		out = fmt.Appendf(out[:0], "POST /dynamicmonetization/elastic/api/v1.1/instances/%s/access-request HTTP/1.1\r\nHost: x\r\n"+
			"Authorization: Bearer %s\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			l.instances[zipf.Uint64()], l.bearer, l.key(), len(body), body)
		if _, err := conn.Write(out); err != nil {
			return took, err
		}
		if answer, err := readAnswer(in); err != nil || !bytes.Contains(answer, []byte(`"code":"1101"`)) {
			return took, fmt.Errorf("%w: %s", errors.Join(err, errors.New("not granted")), answer)
		}
		took = append(took, time.Since(since))
	}
}

func readAnswer(in *bufio.Reader) ([]byte, error) {
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if len(line) == 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
	}
	body := make([]byte, length)
	_, err := io.ReadFull(in, body)
	return body, err
}
