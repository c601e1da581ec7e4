package middleware_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/client/middleware"
	"github.com/farebox/farebox/test/shop"
)

// world is a Farebox with 100 tokens, and a switch that cuts it off.
type world struct {
	testing.TB
	client   *client.Client
	admin    *client.Client
	instance string
	down     atomic.Bool
	wrong    atomic.Bool // it refuses tokens (JWT)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	books, err := shop.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t}
	h := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case w.down.Load():
			rw.WriteHeader(http.StatusServiceUnavailable)
		case w.wrong.Load():
			rw.WriteHeader(http.StatusUnauthorized)
		default:
			books.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(func() {
		h.Close()
		if err := books.Close(); err != nil {
			t.Error(err)
		}
	})
	adminTokens, err := client.Admin(books.Pair.PrivatePEM, "")
	w.must(err)
	w.admin, err = client.New(h.URL, adminTokens, client.Options{})
	w.must(err)
	w.instance, err = shop.Furnish(t.Context(), w.admin, 100, map[string]string{"call": "1", "kB": "2"})
	w.must(err)
	tokens, err := client.ForInstances(books.Pair.PrivatePEM, "", w.instance)
	w.must(err)
	w.client, err = client.New(h.URL, tokens, client.Options{Retries: client.Retries{Most: -1}})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// of asks for 1 call, or as many as the parameter n says, or nothing at /free.
func (w *world) of(r *http.Request) (*middleware.Ask, error) {
	if r.URL.Path == "/free" {
		return nil, nil
	}
	item := client.Item{Name: "call"}
	if n := r.URL.Query().Get("n"); n != "" {
		var count int64
		if _, err := fmt.Sscan(n, &count); err != nil {
			return nil, fmt.Errorf("n must be a whole number")
		}
		item.Count = client.Count(count)
	}
	return &middleware.Ask{InstanceID: w.instance, Requester: client.Requester{Type: "user", Value: "ann"}, Items: []client.Item{item}}, nil
}

// stands expects what is used and held.
func (w *world) stands(used, held string) {
	w.Helper()
	b, err := w.admin.Balance(context.Background(), w.instance)
	w.must(err)
	if l := b.LineItems[0]; l.Used.String() != used || l.Held.String() != held {
		w.Errorf("used %s and held %s, want %s and %s", l.Used, l.Held, used, held)
	}
}

var quiet = slog.New(slog.DiscardHandler)

// serve answers by a handler until the test ends.
func serve(t testing.TB, h http.Handler) string {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func get(t testing.TB, url string) (int, http.Header, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer func() { _ = r.Body.Close() }()
	body, _ := io.ReadAll(r.Body)
	return r.StatusCode, r.Header, string(body)
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func TestCharge(t *testing.T) {
	w := newWorld(t)
	url := serve(t, middleware.Charge(w.client, w.of, http.HandlerFunc(hello), middleware.Options{Log: quiet}))

	status, header, body := get(t, url+"/?n=3")
	if status != 200 || body != "hello" {
		t.Error(status, body)
	}
	receipt, err := w.admin.Receipt(t.Context(), header.Get(middleware.CorrelationHeader))
	w.must(err)
	if receipt.Tokens.String() != "3" {
		t.Error(receipt)
	}
	if status, _, _ := get(t, url+"/free"); status != 200 {
		t.Error(status)
	}
	for _, c := range []struct {
		path   string
		status int
		detail string
	}{
		{"/?n=98", 402, "Insufficient elastic tokens available"},
		{"/?n=x", 400, "n must be a whole number"},
		{"/?n=-1", 500, "the log says why"},
	} {
		status, header, body := get(t, url+c.path)
		var p api.Problem
		w.must(json.Unmarshal([]byte(body), &p))
		if status != c.status || p.Status != c.status || !strings.Contains(p.Detail, c.detail) || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", c.path, status, body)
		}
	}
	w.stands("3", "0")
}

func TestWithoutFarebox(t *testing.T) {
	for _, c := range []struct {
		name         string
		down, open   bool
		status       int
		retryAfter   string
		handledTimes int32
	}{
		{"it fails closed", true, false, 503, "1", 0},
		{"or open, if told so", true, true, 200, "", 2},
		{"but never where Farebox refuses", false, true, 500, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.down.Store(c.down)
			w.wrong.Store(!c.down)
			var handled atomic.Int32
			next := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handled.Add(1); hello(rw, r) })
			options := middleware.Options{FailOpen: c.open, Log: quiet}
			for _, h := range []http.Handler{
				middleware.Charge(w.client, w.of, next, options), middleware.Hold(w.client, w.of, middleware.ByBytes(client.Item{Name: "kB"}, 1000), next, options),
			} {
				status, header, body := get(t, serve(t, h))
				if status != c.status || header.Get("Retry-After") != c.retryAfter {
					t.Error(status, header, body)
				}
			}
			if handled.Load() != c.handledTimes {
				t.Errorf("handled %d times", handled.Load())
			}
		})
	}
}

// TestHold has handlers whose answers come to something, by bytes (2 tokens a thousand) unless they say how many calls they made.
func TestHold(t *testing.T) {
	send := func(w http.ResponseWriter, n int) { _, _ = io.WriteString(w, strings.Repeat("x", n)) }
	byBytes := middleware.ByBytes(client.Item{Name: "kB"}, 1000)
	byHeader := middleware.ByHeader(client.Item{Name: "call"}, "Tokens-Used")
	for _, c := range []struct {
		name   string
		settle middleware.Settle
		handle http.HandlerFunc
		used   string
	}{
		{"by bytes", byBytes, func(w http.ResponseWriter, _ *http.Request) { send(w, 2500) }, "6"},
		{"to the byte", byBytes, func(w http.ResponseWriter, _ *http.Request) { send(w, 2000) }, "4"},
		{"nothing", byBytes, func(http.ResponseWriter, *http.Request) {}, "0"},
		{"streamed", byBytes, func(w http.ResponseWriter, _ *http.Request) {
			for range 5 {
				send(w, 1000)
				w.(http.Flusher).Flush()
				_ = http.NewResponseController(w).Flush()
			}
		}, "10"},
		{"a panic after some", byBytes, func(w http.ResponseWriter, _ *http.Request) {
			send(w, 1500)
			panic(http.ErrAbortHandler)
		}, "4"},
		{"a panic at once", byHeader, func(http.ResponseWriter, *http.Request) { panic(errors.New("oh")) }, "0"},
		{"by a header", byHeader, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Tokens-Used", "1.25")
			send(w, 10)
		}, "1.25"},
		{"by a trailer", byHeader, func(w http.ResponseWriter, _ *http.Request) {
			send(w, 10)
			w.Header().Set("Trailer:Tokens-Used", "7")
		}, "7"},
		{"an error without the header", byHeader, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, "0"},
		{"success without the header", byHeader, func(w http.ResponseWriter, _ *http.Request) { send(w, 10) }, "20"},
		{"a header that is no count", byHeader, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Tokens-Used", "-1") }, "20"},
		{"hijacked", byBytes, func(w http.ResponseWriter, _ *http.Request) {
			conn, both, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = both.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 1900\r\n\r\n" + strings.Repeat("x", 1900))
			_ = both.Flush()
			_ = conn.Close()
		}, "4"},
		{"a deadline, which is of the writer below", byBytes, func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				panic(err)
			}
			send(w, 1)
		}, "2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			h := middleware.Hold(w.client, w.of, c.settle, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				w.stands("0", "20")
				c.handle(rw, r)
			}), middleware.Options{Log: quiet})
			through := make(chan struct{})
			get(t, serve(t, done(h, func() { close(through) }))+"/?n=20")
			<-through // an answer may be there before it is settled, and a server does not wait for a connection that was hijacked
			w.stands(c.used, "0")
		})
	}
}

// The writer below takes a body that it does not send.
func TestHoldOfARequestForTheHeadAlone(t *testing.T) {
	w := newWorld(t)
	through := make(chan struct{})
	h := middleware.Hold(w.client, w.of, middleware.ByBytes(client.Item{Name: "kB"}, 1000), http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, strings.Repeat("x", 2500))
	}), middleware.Options{Log: quiet})
	answer, err := http.Head(serve(t, done(h, func() { close(through) })) + "/?n=20")
	w.must(err)
	w.must(answer.Body.Close())
	<-through
	w.stands("0", "0")
}

// done calls back once a handler is through, panicking or not.
func done(h http.Handler, then func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer then()
		h.ServeHTTP(w, r)
	})
}

func TestHoldOfACallerWhoGoesAway(t *testing.T) {
	w := newWorld(t)
	settled := make(chan *middleware.Answered, 1)
	h := middleware.Hold(w.client, w.of, func(a *middleware.Answered) ([]client.Item, error) {
		settled <- a
		return middleware.ByBytes(client.Item{Name: "kB"}, 1000)(a)
	}, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, strings.Repeat("x", 3000))
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	}), middleware.Options{Log: quiet})
	through := make(chan struct{})
	url := serve(t, done(h, func() { close(through) }))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	w.must(err)
	_, err = io.WriteString(conn, "GET /?n=20 HTTP/1.1\r\nHost: x\r\n\r\n")
	w.must(err)
	_, err = bufio.NewReader(conn).ReadString('\n')
	w.must(err)
	w.must(conn.Close())
	<-through
	if a := <-settled; !a.Failed || a.Status != 200 || a.Bytes != 3000 {
		t.Errorf("%+v", a)
	}
	w.stands("6", "0")
}

func TestHoldThatIsDenied(t *testing.T) {
	w := newWorld(t)
	h := middleware.Hold(w.client, w.of, middleware.ByBytes(client.Item{Name: "kB"}, 1), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("it was handled")
	}), middleware.Options{Log: quiet})
	if status, _, body := get(t, serve(t, h)+"/?n=101"); status != 402 {
		t.Error(status, body)
	}
	w.stands("0", "0")
}

func TestWhatCannotBeSettled(t *testing.T) {
	w := newWorld(t)
	var unsettled *client.Unsettled
	h := middleware.Hold(w.client, w.of, middleware.ByBytes(client.Item{Name: "kB"}, 1000), http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.down.Store(true)
		_, _ = io.WriteString(rw, "hello")
	}), middleware.Options{Log: quiet, Unsettled: func(u *client.Unsettled) { unsettled = u }})
	if status, _, _ := get(t, serve(t, h)+"/?n=20"); status != 200 || unsettled == nil {
		t.Fatal(status, unsettled)
	}
	w.down.Store(false)
	w.stands("0", "20")
	_, err := w.client.SettleHold(t.Context(), unsettled.HoldID, unsettled.Settlement, client.SettlementKey(unsettled.HoldID))
	w.must(err)
	w.stands("2", "0")
}
