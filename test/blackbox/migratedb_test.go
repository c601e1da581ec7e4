package blackbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/test/cluster"
)

// moving is a book with some of everything in a file, and what was asked of it.
type moving struct {
	t        *testing.T
	dir, db  string
	instance string
	gets     []string             // paths whose answers may not change
	sent     map[string][3]string // by idempotency key: method, path and body
	answers  map[string]string
}

// newMoving lives a day with a test clock, so that time changes no answer.
func newMoving(t *testing.T) *moving {
	m := &moving{t: t, dir: t.TempDir(), sent: map[string][3]string{}, answers: map[string]string{}}
	m.db = filepath.Join(m.dir, "f.db")
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	s := startIn(t, m.dir, m.db, "--test-clock", "2027-03-01T00:00:00Z", "--webhook-allow-private")
	c := s.admin()
	m.instance = c.newInstance(t, "acme")
	c.putLineItem(t, m.instance, "A", 100, `,"overdraftType":"Unlimited"`)
	c.putLineItem(t, m.instance, "B", 50, "")
	const farebox = "/farebox/v1"
	instance := farebox + "/instances/" + m.instance
	m.post(c, "hook", "POST", farebox+"/webhooks", fmt.Sprintf(`{"url":%q}`, hook.URL))
	m.post(c, "alert", "POST", farebox+"/alerts", `{"name":"low","kind":"BALANCE_BELOW","percent":50}`)
	for i := range 30 {
		m.post(c, fmt.Sprint("charge ", i), "POST", accessPath("v1.1", m.instance), ask("part", "2", fmt.Sprint(100*(i+1))))
	}
	var g granted
	m.read("charge 7", &g)
	m.gets = append(m.gets, farebox+"/receipts/"+g.CorrelationID)
	m.post(c, "refund", "POST", farebox+"/receipts/"+g.CorrelationID+"/refund", `{"reason":"it failed"}`)
	m.post(c, "hold", "POST", instance+"/holds", `{"ttl":36000,"requester":{"type":"user","value":"mia"},"requestedItems":[{"item":"unit","count":5}]}`)
	var hold struct{ HoldID string }
	m.read("hold", &hold)
	m.gets = append(m.gets, farebox+"/holds/"+hold.HoldID)
	session := c.openSession(t, m.instance, "unit 1")
	m.post(c, "pack", "POST", farebox+"/packs", `{"name":"small","quantity":10,"period":"P30D","series":"s"}`)
	m.post(c, "sale", "POST", farebox+"/packs/small/sales", fmt.Sprintf(`{"orderNumber":"1","instanceId":%q}`, m.instance))
	c.must(t, "POST", clockPath, `{"advance":"PT2H"}`, nil)
	m.post(c, "top-up", "POST", instance+"/line-items/B/top-up", `{"tokens":7}`)
	m.gets = append(m.gets,
		instances+"?limit=10", instances+"/"+m.instance+"/line-items", instance+"/balance", instance+"/statements/2027-03", farebox+"/accounts/acme/statements/2027-03",
		farebox+"/usage?groupBy=item", farebox+"/usage/events", farebox+"/alerts", farebox+"/alerts/fired", farebox+"/webhooks", farebox+"/packs",
		sessionsPath+"/"+session, sessionsPath+"?instanceId="+m.instance, farebox+"/holds?instanceId="+m.instance,
		provisioning+"/rate-tables?series=s", provisioning+"/configuration", clockPath, "/dynamicmonetization/floating/api/v1.1/public-keys")
	var hooked struct{ ID string }
	m.read("hook", &hooked)
	for deadline := time.Now().Add(patience); !allDelivered(t, c, hooked.ID); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("events were not delivered")
		}
	}
	m.gets = append(m.gets, farebox+"/webhooks/"+hooked.ID+"/deliveries")
	m.answers = m.ask(c)
	s.stop()
	return m
}

func (m *moving) post(c *client, key, method, path, body string) {
	m.t.Helper()
	a, err := c.call(method, path, key, body)
	if err != nil || a.status/100 != 2 {
		m.t.Fatalf("%s %s %s: %v %v", method, path, body, a, err)
	}
	m.sent[key], m.answers[key] = [3]string{method, path, body}, fmt.Sprint(a.status, " ", a.body)
}

func (m *moving) read(key string, out any) {
	m.t.Helper()
	_, body, _ := strings.Cut(m.answers[key], " ")
	if err := json.Unmarshal([]byte(body), out); err != nil {
		m.t.Fatal(err)
	}
}

// ask asks for all that may not change, and sends every request again.
func (m *moving) ask(c *client) map[string]string {
	m.t.Helper()
	answers := map[string]string{}
	for _, path := range m.gets {
		a, err := c.call("GET", path, "", "")
		if err != nil || a.status != 200 {
			m.t.Fatalf("%s: %v %v", path, a, err)
		}
		answers[path] = a.body
	}
	for key, r := range m.sent {
		a, err := c.call(r[0], r[1], key, r[2])
		if err != nil {
			m.t.Fatal(err)
		}
		answers[key] = fmt.Sprint(a.status, " ", a.body)
		if m.answers[key] != answers[key] {
			m.t.Errorf("%q was answered by\n%s\nand again by\n%s", key, m.answers[key], answers[key])
		}
	}
	return answers
}

// A book that moves to PostgreSQL answers everything as before, byte for byte, and goes on.
func TestMigrateDB(t *testing.T) {
	to := cluster.Shared(t).URL(t)
	m := newMoving(t)
	text := must(t, m.dir, "migrate-db", "--from", m.db, "--to", to)
	for _, want := range []string{"all balances agree", "line_item_change", "is in postgres://", "cp " + m.db + ".admin.pem ./farebox.admin.pem"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if text := must(t, m.dir, "migrate-db", "--from", m.db, "--to", to); !strings.Contains(text, "holds this book already, as it is in ") {
		t.Errorf("for a second time it says\n%s", text)
	}
	verify(t, to)
	for _, role := range []string{".admin.pem", ".client.pem"} {
		if err := os.Rename(m.db+role, filepath.Join(m.dir, "farebox"+role)); err != nil {
			t.Fatal(err)
		}
	}
	s := startIn(t, m.dir, to, "--test-clock", "2027-03-01T00:00:00Z", "--webhook-allow-private")
	c := s.admin()
	before := m.answers
	for path, got := range m.ask(c) {
		if got != before[path] {
			t.Errorf("%s answered\n%s\nand answers\n%s", path, before[path], got)
		}
	}
	c.charge(t, m.instance, "unit", "", "1")
	s.stop()
	verify(t, to)
	if r := run(t, m.dir, "migrate-db", "--from", m.db, "--to", to); r.code != 1 || !strings.Contains(r.stderr, "has gone on since it was moved there") {
		t.Errorf("onto what has gone on: %d %s%s", r.code, r.stdout, r.stderr)
	}
	verify(t, to)
}

// A file that is served, a database that is, and flags the wrong way round are refused, and tell no password.
func TestMigrateDBRefuses(t *testing.T) {
	c := cluster.Shared(t)
	dir := t.TempDir()
	s := start(t, filepath.Join(dir, "f.db"))
	if r := run(t, dir, "migrate-db", "--from", s.db, "--to", c.URL(t)); r.code != 1 || !strings.Contains(r.stderr, "is being served by another process") {
		t.Errorf("of a file that is served: %+v", r)
	}
	s.stop()
	other := newShop(t, 1)
	if r := run(t, dir, "migrate-db", "--from", s.db, "--to", other.db); r.code != 1 || !strings.Contains(r.stderr, "holds another book already") || strings.Contains(r.stdout+r.stderr, "secret") {
		t.Errorf("onto a database that is served: %+v", r)
	}
	other.clients(other.token("--admin"))[0].newInstance(t, "still there")
	for _, args := range [][]string{{"--from", other.db, "--to", c.URL(t)}, {"--from", s.db, "--to", s.db}, {"--from", s.db}} {
		if r := run(t, dir, append([]string{"migrate-db"}, args...)...); r.code != 2 {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := run(t, dir, "migrate-db", "--from", "none.db", "--to", c.URL(t)); r.code != 1 || !strings.Contains(r.stderr, "none.db does not exist") {
		t.Errorf("of no file: %+v", r)
	}
}

// Killed at any point it leaves nothing, or all; run again it ends well.
func TestMigrateDBKilled(t *testing.T) {
	m := newMoving(t)
	c := cluster.Shared(t)
	to := c.URL(t)
	began := time.Now()
	must(t, m.dir, "migrate-db", "--from", m.db, "--to", to)
	whole := time.Since(began)
	for i := range 8 {
		to := c.URL(t)
		for _, share := range []int{i + 1, 8 - i} { // killed twice, early and late
			cmd := exec.Command(farebox, "migrate-db", "--from", m.db, "--to", to)
			cmd.Dir, cmd.Env = m.dir, environment()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(whole * time.Duration(share) / 9)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		must(t, m.dir, "migrate-db", "--from", m.db, "--to", to)
		if text := must(t, m.dir, "migrate-db", "--from", m.db, "--to", to); !strings.Contains(text, "holds this book already") {
			t.Errorf("after two kills and a run it says\n%s", text)
		}
		verify(t, to)
	}
}
