package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
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

// proxy loses, when it is told to, the answer to whatever is asked next that ends in a commit: PostgreSQL has heard all of it then, the store
// never hears back; or it loses what is asked.
type proxy struct {
	*cluster.Proxy
	lose atomic.Bool // the next commit's answer
	deaf atomic.Bool // the next commit itself
	lost atomic.Int64
}

func newProxy(t *testing.T, c *cluster.Cluster) *proxy {
	p := new(proxy)
	p.Proxy = cluster.NewProxy(t, c, func(commits bool) cluster.Cut {
		switch {
		case commits && p.deaf.CompareAndSwap(true, false):
			p.lost.Add(1)
			return cluster.Unheard
		case commits && p.lose.CompareAndSwap(true, false):
			p.lost.Add(1)
			return cluster.Unanswered
		}
		return cluster.None
	})
	return p
}

// world makes an instance with one line item.
func world(t testing.TB, s store.Store) {
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
	s := open(t, p.Through(t, direct), Options{})
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

// A commit is found by its name also when the month has turned since, and the record has gone on in the next one.
func TestLostCommitAtTheTurnOfAMonth(t *testing.T) {
	c := cluster.Shared(t)
	direct := c.URL(t)
	var other *Store
	var armed, turn atomic.Bool
	p := cluster.NewProxy(t, c, func(commits bool) cluster.Cut {
		if commits && armed.CompareAndSwap(true, false) {
			turn.Store(true)
			return cluster.Unanswered
		}
		if turn.CompareAndSwap(true, false) { // before the store may look
			chargeAt(t, other, "after", "2026-12-01")
		}
		return cluster.None
	})
	s := open(t, p.Through(t, direct), Options{})
	defer s.Close()
	other = open(t, direct, Options{})
	defer other.Close()
	world(t, s)
	chargeAt(t, s, "before", "2026-11-29")
	armed.Store(true)
	days := []string{"2026-11-30", "2026-12-01"}
	var decided int
	err := s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(*store.Loaded) store.Decided {
		day := days[min(decided, 1)]
		decided++
		return store.Decided{Receipts: []*usage.Receipt{{CorrelationID: "lost", TimeMS: at(t, day), InstanceID: "A"}}}
	})
	if err != nil || decided != 1 || armed.Load() || turn.Load() {
		t.Errorf("decided %d times, want once: %v", decided, err)
	}
	expect(t, "the record", record(t, s, nil), "1before 2lost 3after")
}

// The same of changes: what was made is told to be made, what was not is told not to be, and nothing is run twice.
func TestLostChanges(t *testing.T) {
	c := cluster.Shared(t)
	p := newProxy(t, c)
	s := open(t, p.Through(t, c.URL(t)), Options{})
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

// Connections that wait for work are lost, all at once: reads begin on others.
func TestReadsGoOnOnOtherConnections(t *testing.T) {
	c := cluster.Shared(t)
	at := c.URL(t)
	s := open(t, at, Options{})
	defer s.Close()
	world(t, s)
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	look := func() error {
		return s.View(ctx, func(r store.Reader) error {
			l, err := r.LineItem("a1")
			if l == nil && err == nil {
				err = errors.New("the line item is not there")
			}
			return err
		})
	}
	for range 3 {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := look(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		c.Exec(t, fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s'", u.User.Username()))
	}
	if err := look(); err != nil {
		t.Error(err)
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
