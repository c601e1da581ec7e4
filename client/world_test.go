package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/test/shop"
)

// world is a Farebox in this process, whose clock is that of the test: real, or the bubble's.
type world struct {
	testing.TB
	server   http.Handler
	pair     *auth.Pair
	instance string

	mu   sync.Mutex     // of what follows: clients call from goroutines of their own
	sent []string       // operations, in order
	lose func(int) bool // whether the answer of the n-th call, from 0, gets lost
	away bool           // nothing reaches the server
}

var ann = client.Requester{Type: "user", Value: "ann"}

// newWorld has an instance with 100 tokens; an item work costs 1, and a render 5.
func newWorld(t testing.TB) *world {
	books, err := shop.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := books.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{TB: t, server: books, pair: books.Pair}
	w.instance, err = shop.Furnish(t.Context(), w.admin(), 100, map[string]string{"work": "1", "render": "5"})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) admin() *client.Client {
	tokens, err := client.Admin(w.pair.PrivatePEM, "")
	w.must(err)
	return w.with(tokens)
}

// app is a client with a token for the instance.
func (w *world) app() *client.Client {
	tokens, err := client.ForInstances(w.pair.PrivatePEM, "", w.instance)
	w.must(err)
	return w.with(tokens)
}

func (w *world) with(tokens client.TokenSource) *client.Client {
	c, err := client.New("http://farebox", tokens, client.Options{HTTP: &http.Client{Transport: w}})
	w.must(err)
	return c
}

// RoundTrip has the server answer in the goroutine of the caller, and loses the answers it is told to lose.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	n := len(w.sent)
	w.sent = append(w.sent, r.Method+" "+r.URL.Path)
	lost, away := w.lose != nil && w.lose(n), w.away
	w.mu.Unlock()
	if away {
		return nil, context.DeadlineExceeded
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, in)
	if lost {
		return nil, context.DeadlineExceeded
	}
	return answer.Result(), nil
}

// losing has the answers lost from now on for which it says so; the first is number 0.
func (w *world) losing(lose func(n int) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent, w.lose = nil, lose
}

// reachable says whether calls reach the server from now on.
func (w *world) reachable(is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = !is
}

// operations are those that were called since losing.
func (w *world) operations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

// stands expects what is used of the line item, and held on the instance.
func (w *world) stands(used, held string) {
	w.Helper()
	w.losing(nil)
	b, err := w.admin().Balance(context.Background(), w.instance)
	w.must(err)
	if l := b.LineItems[0]; l.Used.String() != used || l.Held.String() != held {
		w.Errorf("used %s and held %s, want %s and %s", l.Used, l.Held, used, held)
	}
}

func work(n int64) client.Item { return client.Item{Name: "work", Count: client.Count(n)} }

// pass lets time go by.
func pass(d time.Duration) { time.Sleep(d) } // in a bubble only
