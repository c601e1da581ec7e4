package blackbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A server is killed amid automatic charges and the deliveries that come of them. The other one makes the rest of both: each charge once, and each event
// goes out, under one name; at most what was under way goes out again.
func TestServerDiesAmidWhatIsDue(t *testing.T) {
	t.Parallel()
	const sessions, hours = 60, 2
	var mu sync.Mutex
	came := map[string]int{} // by webhook-id
	enough := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		came[r.Header.Get("webhook-id")]++
		if len(came) == 10 {
			close(enough)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	s := newShop(t, 2, "--webhook-allow-private", "--test-clock", testClock)
	admin := s.clients(s.token("--admin"))
	var hook struct{ ID string }
	admin[0].must(t, "POST", "/farebox/v1/webhooks", fmt.Sprintf(`{"url":%q}`, receiver.URL), &hook)
	admin[0].must(t, "POST", "/farebox/v1/alerts", `{"name":"out","kind":"EXHAUSTED"}`, nil)
	ids, where := make([]string, sessions), make([]string, sessions)
	for i := range sessions { // used up by the first automatic charge; the second goes to its overdraft
		where[i] = admin[i%2].newInstance(t, fmt.Sprint("account ", i))
		admin[i%2].putLineItem(t, where[i], fmt.Sprint("L", i), 2, `,"overdraftType":"Unlimited"`)
	}
	together(sessions, func(i int) { ids[i] = admin[i%2].openSession(t, where[i], "unit 1") })
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		<-enough
		s.servers[0].kill()
	}()
	// Both make what is due in the same hours; one does not get to the end of it.
	var wait sync.WaitGroup
	wait.Go(func() { _, _ = admin[0].call("POST", clockPath, "", fmt.Sprintf(`{"now":%d}`, testClockMS+hourMS)) })
	wait.Go(func() { admin[1].must(t, "POST", clockPath, fmt.Sprintf(`{"now":%d}`, testClockMS+hourMS), nil) })
	wait.Wait()
	select {
	case <-killed:
	case <-time.After(patience):
		t.Fatal("no event was delivered")
	}
	now := testClockMS + int64(hourMS)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		mu.Lock()
		n := len(came)
		mu.Unlock()
		if n == sessions && allDelivered(t, admin[1], hook.ID) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d events have come", n, sessions)
		}
		now += 1000 // in the world's time what the other was sending is due again in seconds
		admin[1].must(t, "POST", clockPath, fmt.Sprintf(`{"now":%d}`, now), nil)
	}
	together(sessions, func(i int) { admin[1].must(t, "GET", sessionsPath+"/"+ids[i]+"/heartbeat", "", nil) })
	admin[1].must(t, "POST", clockPath, fmt.Sprintf(`{"now":%d}`, int64(testClockMS)+hours*hourMS), nil)
	s.servers[1].stop()
	verify(t, s.db)
	chargedHourly(t, s, ids, hours)
	mu.Lock()
	defer mu.Unlock()
	for id, n := range came {
		if n > 2 {
			t.Errorf("%s has come %d times: once, and once more if its sender died over it", id, n)
		}
	}
}
