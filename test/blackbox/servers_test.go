package blackbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Four servers make what is due at once, and each automatic charge is made once, as of its time.
func TestServersShareWhatIsDue(t *testing.T) {
	t.Parallel()
	const servers, instances, sessions, hours = 4, 24, 240, 3
	s := newShop(t, servers, "--test-clock", testClock)
	admin := s.clients(s.token("--admin"))
	where, ids := make([]string, instances), make([]string, sessions)
	for i := range where {
		where[i] = admin[i%servers].newInstance(t, fmt.Sprint("account ", i))
		admin[i%servers].putLineItem(t, where[i], fmt.Sprint("L", i), 1_000_000, "")
	}
	together(sessions, func(i int) { ids[i] = admin[i%servers].openSession(t, where[i%instances], "unit 1") })
	for hour := int64(1); hour <= hours; hour++ {
		var wait sync.WaitGroup
		for _, one := range admin {
			wait.Go(func() { one.must(t, "POST", clockPath, fmt.Sprintf(`{"now":%d}`, testClockMS+hour*hourMS), nil) })
		}
		wait.Wait()
		together(sessions, func(i int) { admin[(i+1)%servers].must(t, "GET", sessionsPath+"/"+ids[i]+"/heartbeat", "", nil) })
	}
	for _, one := range s.servers {
		one.stop()
	}
	verify(t, s.db)
	chargedHourly(t, s, ids, hours)
}

// chargedHourly expects one automatic charge of each session in each hour since the test clock began, and no other.
func chargedHourly(t *testing.T, s *shop, ids []string, hours int64) {
	t.Helper()
	times := map[string]int{} // of a session's automatic charge
	for _, line := range strings.Split(must(t, s.dir, "usage", "events", "--db", s.db), "\n") {
		if fields := strings.Split(line, ","); strings.Contains(line, "AUTOMATIC_CHARGE") {
			times[fields[19]+" "+fields[2]]++
		}
	}
	for _, id := range ids {
		for hour := int64(1); hour <= hours; hour++ {
			at := time.UnixMilli(testClockMS + hour*hourMS).UTC().Format("2006-01-02T15:04:05.000Z")
			if n := times[id+" "+at]; n != 1 {
				t.Errorf("session %s was charged %d times at %s", id, n, at)
			}
		}
	}
	if len(times) != len(ids)*int(hours) {
		t.Errorf("%d automatic charges, want %d", len(times), len(ids)*int(hours))
	}
}

// Two servers tell one webhook of what fires: each event goes out once, whoever sends it.
func TestServersShareDeliveries(t *testing.T) {
	t.Parallel()
	const lineItems = 40
	var mu sync.Mutex
	came := map[string]int{} // by webhook-id
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		came[r.Header.Get("webhook-id")]++
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	s := newShop(t, 2, "--webhook-allow-private")
	admin := s.clients(s.token("--admin"))
	var hook struct{ ID string }
	admin[0].must(t, "POST", "/farebox/v1/webhooks", fmt.Sprintf(`{"url":%q}`, receiver.URL), &hook)
	admin[1].must(t, "POST", "/farebox/v1/alerts", `{"name":"out","kind":"EXHAUSTED"}`, nil)
	instance := admin[0].newInstance(t, "acme")
	for i := range lineItems { // each is used up by its only charge
		admin[i%2].putLineItem(t, instance, fmt.Sprint("L", i), 1, "")
		admin[1-i%2].charge(t, instance, "unit", "", "1")
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		mu.Lock()
		n := len(came)
		mu.Unlock()
		if n == lineItems && allDelivered(t, admin[0], hook.ID) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d events have come", n, lineItems)
		}
	}
	for _, one := range s.servers {
		one.stop()
	}
	for id, n := range came {
		if n != 1 {
			t.Errorf("%s has come %d times", id, n)
		}
	}
}
