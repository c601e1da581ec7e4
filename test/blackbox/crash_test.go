package blackbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/farebox/farebox/test/cluster"
)

// crashes is how often the server is killed, at a random moment under load: FAREBOX_CRASHES, or some.
func crashes(t *testing.T, some string) int {
	text := cmp.Or(os.Getenv("FAREBOX_CRASHES"), some)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("FAREBOX_CRASHES is %q", text)
	}
	return n
}

// An acknowledged charge survives kill -9; an unacknowledged one is either wholly there or not at all; a retry charges once.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	killedUnderLoad(t, dir, filepath.Join(dir, "f.db"), crashes(t, "20"))
}

func TestKilledUnderLoadOnPostgres(t *testing.T) {
	t.Parallel()
	killedUnderLoad(t, t.TempDir(), cluster.Shared(t).URL(t), crashes(t, "3"))
}

// killedUnderLoad kills who serves a database, so many times. The keys are beside it, or in a folder.
func killedUnderLoad(t *testing.T, dir, db string, times int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := startIn(t, dir, db)
	w := newCrashWorld(t, s)
	for range times {
		w.loadUntilKilled(s, random)
		s = startIn(t, dir, db)
		w.retry(s, random)
		verify(t, db) // while it is served
	}
	t.Logf("%d requests were acknowledged, %d were not and were sent again", w.acknowledged(), w.retried)
	w.compare(s)
	s.stop()
	verify(t, db)
}

// crashWorld is what the clients know: every request they sent, and the answer if they got one.
type crashWorld struct {
	t        testing.TB
	token    string
	instance string
	retried  int

	mu   sync.Mutex
	sent []*sent
}

type sent struct {
	method          string // empty: POST
	path, key, body string
	answer          string // empty: none yet
}

func newCrashWorld(t testing.TB, s *server) *crashWorld {
	admin := s.admin()
	w := &crashWorld{t: t, token: admin.token, instance: admin.newInstance(t, "acme")}
	admin.putLineItem(t, w.instance, "first", 300, "")
	admin.putLineItem(t, w.instance, "second", 700, `,"overdraftType":"Unlimited"`)
	return w
}

func (w *crashWorld) acknowledged() (n int) {
	for _, r := range w.sent {
		if r.answer != "" {
			n++
		}
	}
	return n
}

func (w *crashWorld) loadUntilKilled(s *server, random *rand.Rand) {
	const clients = 8
	var running sync.WaitGroup
	for range clients {
		mine := rand.New(rand.NewPCG(random.Uint64(), 0))
		running.Go(func() {
			c := newClient(s.url(), w.token)
			defer c.http.CloseIdleConnections()
			for w.send(c, w.request(mine)) {
			}
		})
	}
	time.Sleep(time.Duration(30+random.IntN(220)) * time.Millisecond)
	s.kill()
	running.Wait()
}

// request makes up a request and notes that it will be sent. Most are charges; some make instances.
func (w *crashWorld) request(random *rand.Rand) *sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &sent{key: fmt.Sprintf("k-%d-%x", len(w.sent), random.Uint32())}
	switch random.IntN(20) {
	case 0:
		r.path, r.body = instances, fmt.Sprintf(`{"shortName":"made","accountId":"made-%d"}`, len(w.sent))
	case 1:
		r.path = accessPath("v1.1", w.instance)
		r.body = fmt.Sprintf(`{"requester":{"type":"u","value":"v"},"allOrNothing":true,"requestedItems":[
			{"item":"unit","version":"","count":2},{"item":"part","version":"2","count":%d.25},{"item":"unknown","version":"","count":1}]}`, random.IntN(9))
	default:
		r.path = accessPath([]string{"v1.0", "v1.1"}[random.IntN(2)], w.instance)
		r.body = ask("part", "2", fmt.Sprintf("%d.%03d", random.IntN(5), 1+random.IntN(900)))
	}
	w.sent = append(w.sent, r)
	return r
}

// send sends a request and notes the answer; false when there was none.
func (w *crashWorld) send(c *client, r *sent) bool {
	a, err := c.call("POST", r.path, r.key, r.body)
	if err != nil {
		return false
	}
	if a.status != 200 {
		w.t.Errorf("%s %s: %d %s", r.path, r.body, a.status, a.body)
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r.answer = a.body
	return true
}

// retry sends again what was not answered, and much of what was: the first answer must come again, byte for byte.
func (w *crashWorld) retry(s *server, random *rand.Rand) {
	c := newClient(s.url(), w.token)
	defer c.http.CloseIdleConnections()
	older := max(0, len(w.sent)-200)
	for i, r := range w.sent {
		switch {
		case r.answer == "":
			w.retried++
			if !w.send(c, r) {
				w.t.Fatalf("the retry of %s %s is not answered", r.key, r.body)
			}
		case i >= older || random.IntN(40) == 0:
			w.expectSame(c, r)
		}
	}
}

func (w *crashWorld) expectSame(c *client, r *sent) {
	a, err := c.call("POST", r.path, r.key, r.body)
	if err != nil || a.status != 200 || a.body != r.answer || a.header.Get("Idempotent-Replayed") != "true" {
		w.t.Fatalf("%s %s was answered\n%s\nand is now answered %v\n%d %v\n%s", r.key, r.body, r.answer, err, a.status, a.header, a.body)
	}
}

// compare holds the books against what the clients were told: each charge once, and nothing else.
func (w *crashWorld) compare(s *server) {
	t, admin := w.t, s.admin()
	want, charged := map[string]*big.Rat{"first": new(big.Rat), "second": new(big.Rat)}, map[string]int{}
	made := 0
	for _, r := range w.sent {
		if r.path == instances {
			made++
			continue
		}
		g, err := parseGranted(r.answer)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range g.RequestedItems {
			for _, l := range item.LineItems {
				want[l.ActivationID].Add(want[l.ActivationID], rational(t, l.TokensCharged))
				charged[g.CorrelationID+" "+l.ActivationID]++
			}
		}
	}
	for id, sum := range want {
		if got := admin.used(t, w.instance, id); got.Cmp(sum) != 0 {
			t.Errorf("%s: used is %s, the answers add up to %s", id, got.FloatString(12), sum.FloatString(12))
		}
	}
	if got := w.chargeEvents(s.db); len(got) != len(charged) {
		t.Errorf("%d charges are on record, %d were answered", len(got), len(charged))
	} else {
		for slice, n := range charged {
			if got[slice] != n {
				t.Errorf("%s is on record %d times, and was answered %d times", slice, got[slice], n)
			}
		}
	}
	if got := countInstances(t, admin); got != made+1 {
		t.Errorf("there are %d instances, %d were made", got, made+1)
	}
}

// chargeEvents counts the charges on record by correlation id and line item.
func (w *crashWorld) chargeEvents(db string) map[string]int {
	found := map[string]int{}
	for line := range strings.Lines(must(w.t, "", "usage", "events", "--db", db, "--format", "ndjson", "--kind", "CHARGE")) {
		var e struct{ CorrelationID, ActivationID string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			w.t.Fatal(err)
		}
		found[e.CorrelationID+" "+e.ActivationID]++
	}
	return found
}

func countInstances(t testing.TB, c *client) int {
	var all []string
	for next := 0; ; {
		var page struct {
			Content []struct{ ID string }
			Next    int
		}
		c.must(t, "GET", fmt.Sprintf("%s?size=500&next=%d", instances, next), "", &page)
		for _, i := range page.Content {
			all = append(all, i.ID)
		}
		if next = page.Next; next == 0 {
			break
		}
	}
	slices.Sort(all)
	return len(slices.Compact(all))
}
