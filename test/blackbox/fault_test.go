package blackbox

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/test/cluster"
)

// siege is clients of several servers that do as applications should: every request has a key, and is sent again, elsewhere, until it is answered.
type siege struct {
	*shop
	instance string
	admin    []*client
	stop     chan struct{}
	wait     sync.WaitGroup

	acknowledged, refused atomic.Int64
	mu                    sync.Mutex
	answers               map[string]string // some of them, by key
}

// newSiege has clients charge one line item of a shop, by 1, until it is ended.
func newSiege(s *shop, clients int) *siege {
	s.t.Helper()
	l := &siege{shop: s, admin: s.clients(s.token("--admin")), stop: make(chan struct{}), answers: map[string]string{}}
	l.instance = l.admin[0].newInstance(s.t, "acme")
	l.admin[0].putLineItem(s.t, l.instance, "L", 1_000_000_000, "")
	for who := range clients {
		l.wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.stop:
					return
				default:
				}
				if !l.charge(who, fmt.Sprint(who, "/", i)) {
					return
				}
			}
		})
	}
	return l
}

// charge asks until it is granted.
func (l *siege) charge(where int, key string) bool {
	for end := time.Now().Add(patience); ; where++ {
		a, err := l.admin[where%len(l.admin)].call("POST", accessPath("v1.1", l.instance), key, ask("unit", "", "1"))
		switch {
		case err == nil && a.status == 200 && strings.Contains(a.body, `"1101"`):
			if l.acknowledged.Add(1)%32 == 0 {
				l.mu.Lock()
				l.answers[key] = a.body
				l.mu.Unlock()
			}
			return true
		case err != nil || a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "gain"):
			l.t.Errorf("%s is answered by %v, %v", key, a, err)
			return false
		case time.Now().After(end):
			l.t.Errorf("%s is refused for %s: %s", key, patience, a.body)
			return false
		}
		l.refused.Add(1)
		time.Sleep(20 * time.Millisecond)
	}
}

// more waits until so many more have been granted.
func (l *siege) more(n int64) {
	l.t.Helper()
	for end, want := time.Now().Add(patience), l.acknowledged.Load()+n; l.acknowledged.Load() < want; time.Sleep(time.Millisecond) {
		if l.t.Failed() || time.Now().After(end) {
			l.t.Fatalf("it does not go on: %d were granted, %d refused", l.acknowledged.Load(), l.refused.Load())
		}
	}
}

// end holds the books against what was answered: each charge once, nothing else, and a retry elsewhere gives the same answer again.
func (l *siege) end() {
	l.t.Helper()
	close(l.stop)
	l.wait.Wait()
	where := 0
	for key, body := range l.answers {
		a, err := l.admin[where%len(l.admin)].call("POST", accessPath("v1.1", l.instance), key, ask("unit", "", "1"))
		if where++; err != nil || a.status != 200 || a.body != body || a.header.Get("Idempotent-Replayed") != "true" {
			l.t.Errorf("%s was answered by %s, and is now by %v, %v", key, body, a, err)
		}
	}
	n := l.acknowledged.Load()
	if used := l.admin[0].used(l.t, l.instance, "L").RatString(); used != fmt.Sprint(n) {
		l.t.Errorf("%s is used, %d were granted", used, n)
	}
	for _, s := range l.servers {
		s.stop()
	}
	if text := must(l.t, l.dir, "verify", "--db", l.db); !strings.Contains(text, fmt.Sprintf(" %d receipts, ", n)) {
		l.t.Errorf("%d were granted; verify says %s", n, text)
	}
	verify(l.t, l.db)
	l.t.Logf("%d were granted, %d refused for a while", n, l.refused.Load())
}

// faults is how often something happens to PostgreSQL under load: FAREBOX_CRASHES, or this often.
func faults(t *testing.T, usually int) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("FAREBOX_CRASHES"), fmt.Sprint(usually)))
	if err != nil || n < 1 {
		t.Fatalf("FAREBOX_CRASHES is not a number: %v", err)
	}
	return n
}

// PostgreSQL crashes (pg_ctl stop -m immediate) and comes back while two servers are under load: they go on, and nobody starts them anew.
func TestPostgresCrashesUnderLoad(t *testing.T) {
	t.Parallel()
	c := cluster.Own(t)
	l := newSiege(newShopOn(t, c.URL(t), 2), 16)
	for range faults(t, 1) {
		l.more(200)
		c.Crash(t)
		c.Start(t)
	}
	l.more(200)
	l.end()
}

// The primary crashes and its synchronous replica takes over: what was acknowledged is there, and servers find the one that can be written.
func TestReplicaTakesOverUnderLoad(t *testing.T) {
	t.Parallel()
	primary := cluster.Listening(t)
	replica := primary.Standby(t)
	l := newSiege(newShopOn(t, cluster.Either(t, primary.URL(t), primary, replica), 2), 16)
	l.more(200)
	primary.Crash(t)
	replica.Promote(t)
	l.more(200)
	l.end()
}

// Connections are cut in the middle of commits while two servers are under load: before PostgreSQL has heard of one, before its answer comes, and
// while neither is known. Every charge is made once, and nobody is refused one for good.
func TestPostgresCommitsAreCutUnderLoad(t *testing.T) {
	t.Parallel()
	c := cluster.Own(t)
	var cutting atomic.Bool
	var asked atomic.Int64
	var cuts [3]atomic.Int64
	p := cluster.NewProxy(t, c, func(commits bool) cluster.Cut {
		if !commits || !cutting.Load() {
			return cluster.None
		}
		n := asked.Add(1)
		if n%5 != 0 {
			return cluster.None
		}
		i := n / 5 % 3
		cuts[i].Add(1)
		return []cluster.Cut{cluster.Unheard, cluster.Unanswered, cluster.Raced}[i]
	})
	l := newSiege(newShopOn(t, p.Through(t, c.URL(t)), 2), 16)
	l.more(100)
	cutting.Store(true)
	for range faults(t, 1) {
		l.more(400)
	}
	cutting.Store(false)
	l.more(100)
	l.end()
	for i := range cuts {
		if cuts[i].Load() == 0 {
			t.Errorf("no commit was cut in way %d: this test has lost what it is for", i)
		}
	}
	t.Logf("%d commits were not heard, %d not answered, %d either", cuts[0].Load(), cuts[1].Load(), cuts[2].Load())
}

// PostgreSQL is frozen, with its connections, while two servers are under load: they answer 503 in the time that is documented, and go on when it does.
func TestPostgresFreezesUnderLoad(t *testing.T) {
	t.Parallel()
	c := cluster.Own(t)
	l := newSiege(newShopOn(t, c.URL(t), 2), 16)
	l.more(200)
	thaw := c.Freeze(t)
	before := l.refused.Load()
	for end := time.Now().Add(patience); l.refused.Load() == before; time.Sleep(10 * time.Millisecond) { // documented are 30 s, where the machine is not busy
		if t.Failed() || time.Now().After(end) {
			t.Fatal("nobody was told to come back later")
		}
	}
	thaw()
	l.more(200)
	l.end()
}
