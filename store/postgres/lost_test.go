package postgres

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var ctx = context.Background()

// proxy stands between a store and PostgreSQL. It can be told to lose the answer to whatever is asked next that ends in a commit: PostgreSQL
// has heard all of it then, the store never hears back.
type proxy struct {
	net.Listener
	socket string
	lose   atomic.Bool // the next commit's answer
	deaf   atomic.Bool // the next commit itself
	lost   atomic.Int64
}

func newProxy(t *testing.T, c *cluster.Cluster) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if c.Socket() == "" {
		t.Skip("FAREBOX_TEST_POSTGRES is elsewhere: nothing can stand in between")
	}
	p := &proxy{Listener: l, socket: filepath.Join(c.Socket(), ".s.PGSQL.5432")}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// through returns a URL that leads through the proxy.
func (p *proxy) through(t *testing.T, to string) string {
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = p.Addr().String(), "sslmode=disable"
	return u.String()
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("unix", p.socket)
	if err != nil {
		_ = client.Close()
		return
	}
	var cut atomic.Bool
	go func() {
		defer server.Close()
		b := make([]byte, 1<<20)
		for {
			n, err := client.Read(b)
			if err != nil {
				return
			}
			if commits(b[:n]) && p.deaf.CompareAndSwap(true, false) {
				p.lost.Add(1)
				_ = client.Close()
				return
			}
			if commits(b[:n]) && p.lose.CompareAndSwap(true, false) {
				cut.Store(true)
				p.lost.Add(1)
			}
			if _, err := server.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	b := make([]byte, 1<<20)
	for {
		n, err := server.Read(b)
		if err != nil || cut.Load() {
			_ = client.Close()
			return
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}

func commits(b []byte) bool {
	const parse = "COMMIT\x00\x00\x00B" // the text of a parse message, that it has no types, and that it is bound, not only described
	for i := 0; i+len(parse) <= len(b); i++ {
		if string(b[i:i+len(parse)]) == parse {
			return true
		}
	}
	return false
}

// world makes an instance with one line item.
func world(t *testing.T, s store.Store) {
	t.Helper()
	err := s.Change(ctx, func(tx store.Tx) error {
		if err := tx.InsertInstance(&store.Instance{ID: "A", AccountID: "a"}); err != nil {
			return err
		}
		return tx.PutLineItem(&ledger.LineItem{ActivationID: "a1", InstanceID: "A", State: ledger.Deployed, Quantity: 1 << 40, EndMS: 1 << 40, Elastic: true, Kind: ledger.Paid})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// charge takes 1 from the line item, and returns what the batch was decided on in the end.
func charge(s store.Store, id string) error {
	return s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		l := loaded.Books["A"].LineItems[0]
		one := token.FromInt(1)
		l.Used = l.Used.Add(one)
		return store.Decided{Receipts: []*usage.Receipt{{
			CorrelationID: id, TimeMS: 1, InstanceID: "A", AccountID: "a", Requester: access.Requester{Type: "t", Value: "v"},
			Items: []usage.Item{{Item: "i", Count: one, Tokens: one, Status: ledger.Granted, Slices: []usage.Slice{{
				ActivationID: "a1", Number: l.Number, Tokens: one, Rate: one, Used: l.Used, Quantity: l.Quantity}}}},
		}}}
	})
}

// onlyCharged holds that a line item was charged for each of these, once.
func onlyCharged(t *testing.T, s store.Store, want map[string]bool) {
	t.Helper()
	err := s.View(ctx, func(r store.Reader) error {
		seen := map[string]int{}
		_, err := r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
			seen[receipt.CorrelationID]++
			return true, nil
		})
		for id, n := range seen {
			if n != 1 || !want[id] {
				t.Errorf("%s is in the record %d times; expected: %v", id, n, want[id])
			}
		}
		l, err2 := r.LineItem("a1")
		if err == nil && err2 == nil && (len(seen) != len(want) || l.Used.String() != fmt.Sprint(len(want))) {
			t.Errorf("%d receipts and %s used, want %d", len(seen), l.Used, len(want))
		}
		if err == nil {
			err = err2
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A commit whose answer is lost is found and not made again; one that PostgreSQL never heard of is made.
func TestLostCommits(t *testing.T) {
	c := cluster.Shared(t)
	p := newProxy(t, c)
	direct := c.URL(t)
	s := open(t, p.through(t, direct), Options{})
	defer s.Close()
	world(t, s)
	want := map[string]bool{}
	for i := range 12 {
		id := fmt.Sprint("charge ", i)
		switch i % 3 {
		case 1:
			p.lose.Store(true)
		case 2:
			p.deaf.Store(true)
		}
		if err := charge(s, id); err != nil {
			t.Fatal(err)
		}
		want[id] = true
		onlyCharged(t, s, want)
	}
	if p.lost.Load() != 8 {
		t.Errorf("%d commits were cut, want 8: this test has lost what it is for", p.lost.Load())
	}
}

// The same of changes: what was made is told to be made, what was not is told not to be, and nothing is run twice.
func TestLostChanges(t *testing.T) {
	c := cluster.Shared(t)
	p := newProxy(t, c)
	s := open(t, p.through(t, c.URL(t)), Options{})
	defer s.Close()
	put := func(name string) (calls int, err error) {
		err = s.Change(ctx, func(tx store.Tx) error {
			calls++
			return tx.PutPack(store.Pack{Name: name})
		})
		return calls, err
	}
	for i := range 4 {
		made, unmade := fmt.Sprint("made ", i), fmt.Sprint("unmade ", i)
		p.lose.Store(true)
		if calls, err := put(made); calls != 1 || err != nil {
			t.Errorf("a change whose answer was lost: %d calls, %v", calls, err)
		}
		p.deaf.Store(true)
		if calls, err := put(unmade); calls != 1 || problem.KindOf(err) != problem.Unavailable {
			t.Errorf("a change that was lost: %d calls, %v", calls, err)
		}
		err := s.View(ctx, func(r store.Reader) error {
			a, err := r.Pack(made)
			if a == nil {
				t.Errorf("%s is not there", made)
			}
			b, err2 := r.Pack(unmade)
			if b != nil {
				t.Errorf("%s is there", unmade)
			}
			if err == nil {
				err = err2
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// PostgreSQL crashes and comes back under load: what was acknowledged is there, what was refused is not, or is told to be in doubt.
func TestCrashOfTheDatabase(t *testing.T) {
	c := cluster.Own(t)
	s := open(t, c.URL(t), Options{})
	defer s.Close()
	world(t, s)
	var mu sync.Mutex
	acknowledged, refused := map[string]bool{}, 0
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for who := range 3 {
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprint(who, "/", i)
				err := charge(s, id)
				mu.Lock()
				if err == nil {
					acknowledged[id] = true
				} else if problem.KindOf(err) != problem.Unavailable {
					t.Error(err)
				} else {
					refused++
				}
				mu.Unlock()
			}
		})
	}
	for range 2 {
		for before := -1; ; time.Sleep(time.Millisecond) { // until it has charged again
			mu.Lock()
			n := len(acknowledged)
			mu.Unlock()
			if before >= 0 && n >= before+30 {
				break
			}
			if before < 0 {
				before = n
			}
		}
		c.Crash(t)
		c.Start(t)
	}
	close(stop)
	wait.Wait()
	if refused > 0 {
		t.Logf("%d charges were refused", refused)
	}
	onlyCharged(t, s, acknowledged)
}
