package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
)

// The workload of docs/BENCHMARKS.md: 1,000 instances with Zipf traffic, one line item each; a request asks for one
// item, carries about 300 bytes of metadata and an idempotency key; 64 connections. The bare server decodes and encodes
// the same JSON and does nothing else: what HTTP and JSON alone allow on this machine.
func BenchmarkOneItem(b *testing.B) {
	const connections = 64
	keys := map[string]func() string{
		"ordered": func() string { return uuid.Must(uuid.NewV7()).String() },
		"random":  rand.Text,
	}
	b.Run("bare", func(b *testing.B) {
		load(b, connections, bareServer(b), "token", make([]string, 1000), keys["ordered"])
	})
	for _, order := range []string{"ordered", "random"} {
		b.Run("keys="+order, func(b *testing.B) {
			w := newWorld(b, 1000)
			load(b, connections, w.addr, w.token, w.instances, keys[order])
		})
	}
	b.Run("hot", func(b *testing.B) {
		w := newWorld(b, 1)
		load(b, connections, w.addr, w.token, w.instances, keys["ordered"])
	})
}

// world is a server on a file with instances that never run out.
type world struct {
	addr, token string
	instances   []string
}

func newWorld(b *testing.B, instances int) *world {
	s, err := sqlite.Open(filepath.Join(b.TempDir(), "farebox.db"), sqlite.Options{Create: true, Serve: true})
	if err != nil {
		b.Fatal(err)
	}
	e := engine.New(s, engine.Options{})
	w := &world{}
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
				ActivationID: fmt.Sprint("A-", i), InstanceID: instance.ID, State: ledger.Deployed, Quantity: math.MaxInt64, EndMS: ledger.LatestMS,
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
	w.addr = listen(b, func(ctx context.Context, l net.Listener) error { return New(e, nil).Serve(ctx, l) }, func() {
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
		var in api.AccessRequest
		if err := json.Unmarshal(body, &in, json.RejectUnknownMembers(true)); err != nil {
			panic(err)
		}
		out, err := json.Marshal(api.AccessAnswer{CorrelationID: "0197d2c4-0000-7000-8000-000000000000", Requester: *in.Requester,
			RequestedItems: []api.AnsweredItem{{Item: in.RequestedItems[0].Item, Count: *in.RequestedItems[0].Count,
				LineItems: []api.ChargedLineItem{{ActivationID: "A-1"}}, Status: wireStatus(v11, ledger.Granted)}}})
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

// load sends b.N requests over some connections and reports the rate and latencies. The client is as thin as can be,
// since it shares the processor with the server.
func load(b *testing.B, connections int, addr, bearer string, instances []string, key func() string) {
	metadata := fmt.Sprintf(`{"project":"titles","job":"%s"}`, strings.Repeat("x", 270))
	body := `{"requester":{"type":"user","value":"mia"},"requestedItems":[{"item":"render","count":1,"metaData":` + metadata + `}]}`
	var left atomic.Int64
	left.Store(int64(b.N))
	took := make([][]time.Duration, connections)
	var wg sync.WaitGroup
	b.ResetTimer()
	for c := range connections {
		wg.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			zipf := mrand.NewZipf(mrand.New(mrand.NewPCG(uint64(c), 1)), 1.1, 1, uint64(len(instances)-1))
			var out []byte
			for left.Add(-1) >= 0 {
				out = fmt.Appendf(out[:0], "POST /dynamicmonetization/elastic/api/v1.1/instances/%s/access-request HTTP/1.1\r\nHost: x\r\n"+
					"Authorization: Bearer %s\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
					instances[zipf.Uint64()], bearer, key(), len(body), body)
				sent := time.Now()
				if _, err := conn.Write(out); err != nil {
					b.Error(err)
					return
				}
				if answer, err := readAnswer(in); err != nil || !bytes.Contains(answer, []byte(`"code":"1101"`)) {
					b.Errorf("%v: %s", err, answer)
					return
				}
				took[c] = append(took[c], time.Since(sent))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	if len(all) > 0 {
		b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "charges/s")
		b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-us")
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-us")
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
