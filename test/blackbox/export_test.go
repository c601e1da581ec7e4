package blackbox

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// receiver keeps the ids of CloudEvents, and refuses them at first.
type receiver struct {
	mu      sync.Mutex
	refuse  int
	ids     map[string]int
	refused int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || r.refused < r.refuse {
		r.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, rest, _ := strings.Cut(string(body), `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	r.ids[id]++
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not come about", what)
		}
	}
}

// The server writes days and sends events beside its work, through kill -9.
func TestEventsLeaveTheServer(t *testing.T) {
	dir := t.TempDir()
	db, folder := filepath.Join(dir, "f.db"), filepath.Join(dir, "usage")
	to := &receiver{refuse: 1, ids: map[string]int{}}
	web := httptest.NewServer(to)
	defer web.Close()
	secret := strings.Replace(web.URL, "http://", "http://user:hidden@", 1) + "?key=hidden"
	flags := []string{"--test-clock", testClock, "--export-to", "file://" + filepath.ToSlash(folder), "--events-to", secret}
	s := start(t, db, flags...)
	admin := s.admin()
	acme := admin.newInstance(t, "acme")
	admin.putLineItem(t, acme, "A", 1000, "")
	for range 5 {
		admin.charge(t, acme, "unit", "", "1")
	}
	eventually(t, "the delivery of 5 events", func() bool { return to.count() == 5 })
	admin.must(t, "POST", clockPath, `{"advance":"PT25H"}`, nil)
	var first []string
	eventually(t, "the first day's file", func() bool {
		var err error
		if first, err = filepath.Glob(filepath.Join(folder, "date=2026-01-01", "*.parquet")); err != nil {
			t.Fatal(err)
		}
		return len(first) == 1
	})
	a, err := admin.call("GET", "/metrics", "", "")
	if err != nil {
		t.Fatal(err)
	}
	metrics := a.body
	for _, says := range []string{`farebox_follower_failing{follower="events-to ` + web.URL + `"} 0`, `farebox_follower_failures_total{follower="events-to ` + web.URL + `"} 1`} {
		if !strings.Contains(metrics, says) {
			t.Errorf("the metrics do not say %s", says)
		}
	}
	if logs := s.logs.String(); strings.Contains(logs, "hidden") || strings.Contains(metrics, "hidden") {
		t.Error("a secret is told")
	}
	s.kill()
	before, err := os.ReadFile(first[0])
	if err != nil {
		t.Fatal(err)
	}
	s = start(t, db, flags...)
	admin = s.admin()
	admin.charge(t, acme, "unit", "", "1")
	admin.must(t, "POST", clockPath, `{"advance":"PT24H"}`, nil)
	eventually(t, "the second day's file", func() bool {
		second, err := filepath.Glob(filepath.Join(folder, "date=2026-01-02", "*.parquet"))
		return err == nil && len(second) == 1
	})
	eventually(t, "the delivery of 6 events", func() bool { return to.count() == 6 })
	if after, err := os.ReadFile(first[0]); err != nil || string(after) != string(before) {
		t.Errorf("the first day's file changed: %v", err)
	}
	s.stop()
}

func TestTargetsAreRefusedAtTheStart(t *testing.T) {
	for says, flags := range map[string][]string{
		"is there twice":      {"--events-to", "http://127.0.0.1:1/a?key=hidden", "--events-to", "http://127.0.0.1:1/a?key=hidden2"},
		"three slashes":       {"--export-to", "file://usage"},
		"not sent to \"ftp\"": {"--events-to", "ftp://user:hidden@127.0.0.1:1/a"},
	} {
		r := run(t, "", append([]string{"serve", "--addr", "127.0.0.1:0", "--db", filepath.Join(t.TempDir(), "f.db")}, flags...)...)
		if r.code == 0 || !strings.Contains(r.stderr, says) || strings.Contains(r.stderr, "hidden") {
			t.Errorf("%q: %d %s", flags, r.code, r.stderr)
		}
	}
}

// A file that grows has each event once, however often its writer is stopped.
func TestExportFollows(t *testing.T) {
	s, admin, acme, _ := usageWorld(t)
	name := filepath.Join(t.TempDir(), "events.csv")
	for range 3 {
		follower := exec.Command(farebox, "usage", "export", "--db", s.db, "--to", name, "--follow")
		follower.Env = environment()
		if err := follower.Start(); err != nil {
			t.Fatal(err)
		}
		admin.charge(t, acme, "unheard of", "", "1")
		want := must(t, "", "usage", "export", "--db", s.db)
		eventually(t, "the growth of the file", func() bool {
			got, err := os.ReadFile(name)
			return err == nil && string(got) == want
		})
		if err := errors.Join(follower.Process.Signal(syscall.SIGTERM), follower.Wait()); err != nil {
			t.Errorf("it does not stop well: %v", err)
		}
	}
	for says, flags := range map[string][]string{
		"needs a --to": {"--follow"}, "cannot grow": {"--follow", "--format", "parquet", "--to", name + ".parquet"},
		"take another --to": {"--follow", "--item", "x", "--to", name},
	} {
		if r := run(t, "", append([]string{"usage", "export", "--db", s.db}, flags...)...); r.code == 0 || !strings.Contains(r.stderr, says) {
			t.Errorf("%q: %d %s", flags, r.code, r.stderr)
		}
	}
}
