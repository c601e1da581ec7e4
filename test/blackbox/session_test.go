package blackbox

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	sessionsPath = "/farebox/v1/sessions"
	clockPath    = "/farebox/v1/test-clock"
	testClock    = "2026-01-01T00:00:00Z"
	testClockMS  = 1767225600000
	hourMS       = 60 * 60 * 1000
)

// use is a session's request for items, each "name count".
func use(items ...string) string {
	var list []string
	for _, item := range items {
		name, count, _ := strings.Cut(item, " ")
		list = append(list, fmt.Sprintf(`{"item":%q,"version":"","count":%s}`, name, count))
	}
	return fmt.Sprintf(`{"requester":{"type":"user","value":"mia"},"rollbackOnDeny":true,"requestedItems":[%s]}`, strings.Join(list, ","))
}

func (c *client) openSession(t testing.TB, instance string, items ...string) (id string) {
	t.Helper()
	var created struct{ SessionID string }
	c.must(t, "POST", sessionsPath, fmt.Sprintf(`{"instanceId":%q}`, instance), &created)
	if len(items) > 0 {
		c.must(t, "PUT", sessionsPath+"/"+created.SessionID, use(items...), nil)
	}
	return created.SessionID
}

// clock reads the test clock.
func (c *client) clock(t testing.TB) int64 {
	t.Helper()
	var clock struct{ Now int64 }
	c.must(t, "GET", clockPath, "", &clock)
	return clock.Now
}

// together calls fn with 0 to n-1, some at a time.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range next {
				fn(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// The process is killed between the time when automatic charges are due and the time when all of them are made: afterwards
// each is made, once, as of its time. Heartbeats that were answered before are not forgotten.
func TestKilledWhileCharging(t *testing.T) {
	t.Parallel()
	const sessions, hours = 1200, 6
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	db := filepath.Join(t.TempDir(), "f.db")
	s := start(t, db, "--test-clock", testClock)
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "A", 1_000_000, "")
	ids := make([]string, sessions)
	together(sessions, func(i int) { ids[i] = admin.openSession(t, instance, "unit 1") })
	halfway := 0
	for hour := int64(1); hour <= hours; hour++ {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = admin.call("POST", clockPath, "", `{"advance":"PT1H"}`) // may be answered, or not
		}()
		time.Sleep(time.Duration(random.Int64N(int64(120 * time.Millisecond))))
		s.kill()
		<-done
		s = start(t, db, "--test-clock", testClock)
		verify(t, db)
		admin.url = s.url()
		charged := strings.Count(must(t, "", "usage", "events", "--db", db), "AUTOMATIC_CHARGE")
		if part := charged - int(hour-1)*sessions; part > 0 && part < sessions {
			halfway++
		}
		admin.must(t, "POST", clockPath, fmt.Sprintf(`{"now":%d}`, testClockMS+hour*hourMS), nil)
		together(sessions, func(i int) { admin.must(t, "GET", sessionsPath+"/"+ids[i]+"/heartbeat", "", nil) })
	}
	t.Logf("killed %d times when only some were charged", halfway)
	s.stop()
	verify(t, db)
	times := map[string]int{} // of a session's automatic charge
	for _, line := range strings.Split(must(t, "", "usage", "events", "--db", db), "\n") {
		if fields := strings.Split(line, ","); strings.Contains(line, "AUTOMATIC_CHARGE") {
			times[fields[19]+" "+fields[2]]++
		}
	}
	for _, id := range ids {
		for hour := 1; hour <= hours; hour++ {
			at := time.UnixMilli(testClockMS + int64(hour)*hourMS).UTC().Format("2006-01-02T15:04:05.000Z")
			if n := times[id+" "+at]; n != 1 {
				t.Errorf("session %s was charged %d times at %s", id, n, at)
			}
		}
	}
	if len(times) != sessions*hours {
		t.Errorf("%d automatic charges, want %d", len(times), sessions*hours)
	}
}

// Requests to one session that come at once are served one after the other: whichever is the last, all before it are
// refunded in full, since no time has passed.
func TestRequestsToOneSessionAtOnce(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "f.db")
	s := start(t, db, "--test-clock", testClock)
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "A", 64, "") // one more than the largest set
	id := admin.openSession(t, instance)
	together(300, func(i int) {
		a, err := admin.call("PUT", sessionsPath+"/"+id, fmt.Sprint("k", i/2), use(fmt.Sprint("unit ", i/2%63+1)))
		if err != nil || a.status != 200 {
			t.Error(a, err)
		}
	})
	var session struct {
		Items         []struct{ Count json.Number }
		TokensCharged json.Number
	}
	admin.must(t, "GET", sessionsPath+"/"+id, "", &session)
	if used := admin.used(t, instance, "A"); len(session.Items) != 1 || used.Cmp(rational(t, session.Items[0].Count)) != 0 || used.Cmp(rational(t, session.TokensCharged)) != 0 {
		t.Errorf("used is %s, the session has %+v", used.RatString(), session)
	}
	together(20, func(i int) {
		if a, err := admin.call("DELETE", sessionsPath+"/"+id, "", ""); err != nil || a.status != 200 {
			t.Error(a, err)
		}
	})
	if used := admin.used(t, instance, "A"); used.Sign() != 0 {
		t.Errorf("%s is used after all was closed at once", used.RatString())
	}
	verify(t, db)
}

// The kind of clock is for good: by mistake, neither do a customer's books stand still, nor are a test's months charged.
func TestClockOfADatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tested, served := filepath.Join(dir, "tested.db"), filepath.Join(dir, "served.db")
	s := start(t, served)
	if a, err := s.admin().call("GET", clockPath, "", ""); err != nil || a.status != 404 || !strings.Contains(a.body, "--test-clock") {
		t.Error(a, err)
	}
	if a, err := s.admin().call("POST", clockPath, "", `{"advance":"PT1H"}`); err != nil || a.status != 404 {
		t.Error(a, err)
	}
	s.stop()
	s = start(t, tested, "--test-clock", testClock)
	admin := s.admin() // whose token is good, though the service's time is not its time
	if now := admin.clock(t); now != testClockMS {
		t.Errorf("the clock begins at %d", now)
	}
	var first, again answer
	for _, a := range []*answer{&first, &again} {
		var err error
		if *a, err = admin.call("POST", clockPath, "once", `{"advance":"P1D"}`); err != nil || a.status != 200 {
			t.Fatal(*a, err)
		}
	}
	if first.body != again.body || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s then %s", first.body, again.body)
	}
	if a, err := admin.call("POST", clockPath, "", fmt.Sprintf(`{"now":%d}`, testClockMS)); err != nil || a.status != 400 {
		t.Error("the clock goes back:", a, err)
	}
	s.stop()
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "--db", tested}, "has a test clock, which stands at 2026-01-02T00:00:00Z"},
		{[]string{"serve", "--db", served, "--test-clock", testClock}, "was served without a test clock"},
		{[]string{"serve", "--db", served, "--test-clock", "yesterday"}, "--test-clock"},
	} {
		if r := run(t, dir, append(row.args, "--addr", "127.0.0.1:0")...); r.code == 0 || !strings.Contains(r.stderr, row.want) {
			t.Errorf("farebox %q: exit %d\n%s", row.args, r.code, r.stderr)
		}
	}
	for _, begin := range []struct {
		at   string
		want int64
	}{{testClock, testClockMS + 24*hourMS}, {"2026-01-03T00:00:00Z", testClockMS + 48*hourMS}} {
		s = start(t, tested, "--test-clock", begin.at)
		if now := s.admin().clock(t); now != begin.want {
			t.Errorf("served from %s the clock is %d, want %d", begin.at, now, begin.want)
		}
		s.stop()
	}
}

// In the world's time too: what is charged ahead comes back when the session closes, also after a crash.
func TestSessionInRealTime(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "f.db")
	s := start(t, db)
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "A", 100, "")
	id := admin.openSession(t, instance, "unit 36")
	s.kill()
	s = start(t, db)
	admin.url = s.url()
	admin.must(t, "DELETE", sessionsPath+"/"+id, "", nil)
	used, _ := admin.used(t, instance, "A").Float64()
	if used <= 0 || used > 36*patience.Seconds()*2/3600 {
		t.Errorf("%v of 36 tokens an hour are used after some seconds", used)
	}
	verify(t, db)
}
