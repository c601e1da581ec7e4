package blackbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Usage past its time leaves the database for files, and every balance is proved as before.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	s := start(t, filepath.Join(dir, "f.db"), "--test-clock", "2027-01-01T00:00:00Z", "--export-to", "file://"+out)
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "A-1", 1000, "")
	for range 12 {
		admin.charge(t, instance, "unit", "", "1")
		admin.must(t, "POST", "/farebox/v1/test-clock", `{"advance":"P1D"}`, nil)
	}
	const configuration = "/dynamicmonetization/provisioning/api/v1.1/configuration"
	admin.must(t, "PATCH", configuration, `{"name":"usage.retention","value":"P8D"}`, nil)
	admin.must(t, "POST", "/farebox/v1/test-clock", `{"advance":"PT2H"}`, nil)
	var events struct {
		Events   []any `json:"events"`
		Earliest int64 `json:"earliest"`
	}
	for deadline := time.Now().Add(patience); len(events.Events) != 7; time.Sleep(20 * time.Millisecond) { // of 12, 5 are older than 8 days
		events.Events = nil
		admin.must(t, "GET", "/farebox/v1/usage/events", "", &events)
		if time.Now().After(deadline) {
			t.Fatalf("there are %d events since %d", len(events.Events), events.Earliest)
		}
	}
	if want := time.Date(2027, 1, 5, 0, 0, 0, 1e6, time.UTC).UnixMilli(); events.Earliest != want {
		t.Errorf("earliest is %d, want %d", events.Earliest, want)
	}
	if _, err := os.Stat(filepath.Join(out, "date=2027-01-01")); err != nil {
		t.Error(err)
	}
	target := "export-to file://" + out
	if text := must(t, "", "usage", "followers", "list", "--db", s.db); !strings.Contains(text, target) {
		t.Errorf("followers are\n%s", text)
	}
	for _, stopped := range []bool{false, true} {
		if stopped {
			s.stop()
		}
		text := must(t, "", "verify", "--db", s.db)
		if !strings.Contains(text, "5 receipts before 2027-01-05T00:00:00.001Z by the opening state\nall balances agree\n") || !strings.Contains(text, "12 usage events") {
			t.Errorf("verify prints %q", text)
		}
	}
	must(t, "", "usage", "followers", "forget", target, "--db", s.db)
	if text := must(t, "", "usage", "followers", "list", "--db", s.db); strings.Contains(text, target) {
		t.Errorf("after one was forgotten, followers are\n%s", text)
	}
	if r := run(t, "", "usage", "followers", "forget", target, "--db", s.db); r.code != 1 || !strings.Contains(r.stderr, "nobody follows by the name") {
		t.Errorf("forgetting it again: %+v", r)
	}
}
