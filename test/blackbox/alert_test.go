package blackbox

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// hookReceiver takes events, and kills the server that sends them when so many have come.
type hookReceiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies map[string]string          // by webhook-id
	ids    map[string]map[string]bool // by crossing
	events int
	left   int // events until the kill; 0: never
	kill   func()
	wrong  []string
}

func newHookReceiver(t *testing.T) *hookReceiver {
	r := &hookReceiver{bodies: map[string]string{}, ids: map[string]map[string]bool{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // it was killed while it sent
		}
		r.take(req.Header.Get("webhook-id"), string(body))
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *hookReceiver) take(id, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var event struct {
		Type string
		Data struct{ Alert, ActivationID string }
	}
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		r.wrong = append(r.wrong, err.Error())
	}
	if was, again := r.bodies[id]; again && was != body {
		r.wrong = append(r.wrong, fmt.Sprintf("%s said %s, and then %s", id, was, body))
	}
	r.bodies[id] = body
	crossing := event.Type + " " + event.Data.ActivationID
	if r.ids[crossing] == nil {
		r.ids[crossing] = map[string]bool{}
	}
	r.ids[crossing][id] = true
	r.events++
	if r.left--; r.left == 0 {
		r.kill() // before it hears the answer
	}
}

// killAfter has a server killed when so many more events have come.
func (r *hookReceiver) killAfter(n int, s *server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left, r.kill = n, func() { _ = s.cmd.Process.Kill() }
}

func (r *hookReceiver) crossings() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

// While webhooks are delivered the server is killed again and again: every crossing arrives, under one id, whatever was sent twice.
func TestKilledWhileItTells(t *testing.T) {
	t.Parallel()
	const rounds, each = 8, 6
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	db, r := filepath.Join(t.TempDir(), "f.db"), newHookReceiver(t)
	flags := []string{"--test-clock", "2026-01-01T00:00:00Z", "--webhook-allow-private"}
	s := start(t, db, flags...)
	admin := s.admin()
	var hook struct{ ID string }
	admin.must(t, "POST", "/farebox/v1/webhooks", fmt.Sprintf(`{"url":%q}`, r.URL), &hook)
	admin.must(t, "POST", "/farebox/v1/alerts", `{"name":"out","kind":"EXHAUSTED"}`, nil)
	var used []string
	for range rounds {
		instances := map[string]string{}
		for range each {
			id := fmt.Sprint("L", len(used))
			used = append(used, id)
			instances[id] = admin.newInstance(t, "account "+id)
			admin.putLineItem(t, instances[id], id, 4, "")
		}
		victim := s
		r.killAfter(1+random.IntN(2*each-1), victim)
		exhaustAndTopUp := func() (done bool) {
			for id, instance := range instances {
				if a, err := admin.call("POST", accessPath("v1.1", instance), "use "+id, ask("unit", "", "4")); err != nil || a.status != 200 {
					return false
				}
				a, err := admin.call("PUT", "/dynamicmonetization/provisioning/api/v1.1/instances/"+instance+"/line-items", "more "+id, lineItem(id, 9, ""))
				if err != nil || a.status/100 != 2 {
					return false
				}
			}
			return true
		}
		for !exhaustAndTopUp() { // it was killed: the same again, with the same keys
			<-s.done
			s = start(t, db, flags...)
			admin = s.admin()
		}
		select {
		case <-victim.done:
		case <-time.After(patience):
			t.Fatal("the server was not killed")
		}
		if s == victim { // it was killed when all had been asked for
			s = start(t, db, flags...)
			admin = s.admin()
		}
		admin.must(t, "POST", clockPath, `{"advance":"PT20S"}`, nil) // what the one before was sending is free again
	}
	r.killAfter(0, s)
	for end := time.Now().Add(patience); r.crossings() < 2*len(used) || !allDelivered(t, admin, hook.ID); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("of %d crossings %d have come", 2*len(used), r.crossings())
		}
		admin.must(t, "POST", clockPath, `{"advance":"PT2M"}`, nil)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range used {
		for _, kind := range []string{"alert.fired ", "alert.resolved "} {
			if n := len(r.ids[kind+id]); n != 1 {
				t.Errorf("%s%s has come under %d ids", kind, id, n)
			}
		}
	}
	if len(r.ids) != 2*len(used) || len(r.wrong) > 0 {
		t.Errorf("%d crossings have come, of %d; %v", len(r.ids), 2*len(used), r.wrong)
	}
	var log struct{ Fired []struct{ ID string } }
	admin.must(t, "GET", "/farebox/v1/alerts/fired?limit=1000", "", &log)
	if len(log.Fired) != 2*len(used) {
		t.Errorf("%d crossings are in the log, of %d", len(log.Fired), 2*len(used))
	}
	t.Logf("%d events for %d crossings", r.events, len(r.ids))
	s.stop()
}

func allDelivered(t *testing.T, c *client, hookID string) bool {
	var page struct{ Deliveries []struct{ State string } }
	c.must(t, "GET", "/farebox/v1/webhooks/"+hookID+"/deliveries?limit=1000", "", &page)
	for _, d := range page.Deliveries {
		if d.State != "DELIVERED" {
			return false
		}
	}
	return len(page.Deliveries) > 0
}
