package blackbox

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A backup made under load is a database of its own, as of one moment; verify on the live file finds nothing.
func TestBackupUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := start(t, filepath.Join(dir, "f.db"))
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "L", 10_000_000, "")
	load := startLoad(s, admin.token, instance)
	var copies []string
	for i := range 4 {
		file := filepath.Join(dir, fmt.Sprintf("copy-%d.db", i))
		before := admin.used(t, instance, "L")
		if text := must(t, "", "backup", file, "--db", s.db); text != file+"\n" {
			t.Errorf("backup prints %q", text)
		}
		after := admin.used(t, instance, "L")
		expectUsedBetween(t, file, instance, before, after)
		verify(t, s.db)
		copies = append(copies, file)
	}
	granted := load.stop(t)
	if used := admin.used(t, instance, "L"); used.Cmp(new(big.Rat).SetInt64(granted)) != 0 {
		t.Errorf("%s tokens were charged, %d charges were answered", used.RatString(), granted)
	}
	expectServable(t, s, copies[len(copies)-1], admin.token, instance)
	expectRefusedTarget(t, s.db, copies[0])
}

// expectUsedBetween holds what the copy says against what the server said before and after it was made.
func expectUsedBetween(t testing.TB, file, instance string, before, after *big.Rat) {
	t.Helper()
	text := must(t, "", "verify", "--db", file)
	events := strings.Count(must(t, "", "usage", "events", "--db", file, "--instance", instance), "\n") - 1
	copied := new(big.Rat).SetInt64(int64(events)) // one token each
	if copied.Cmp(before) < 0 || copied.Cmp(after) > 0 || !strings.Contains(text, fmt.Sprintf(" %d tokens used\nall balances agree\n", events)) {
		t.Errorf("%s used before, %d in the copy, %s after; verify: %s", before.RatString(), events, after.RatString(), text)
	}
}

// expectServable serves a copy; the tokens of the original's keys are good for it.
func expectServable(t testing.TB, s *server, file, token, instance string) {
	t.Helper()
	other := start(t, file)
	c := newClient(other.url(), token)
	defer c.http.CloseIdleConnections()
	before := c.used(t, instance, "L")
	if code := c.charge(t, instance, "unit", "", "1"); code != "1101" {
		t.Errorf("a charge on the copy is answered with %s", code)
	}
	if after := c.used(t, instance, "L"); after.Cmp(before.Add(before, big.NewRat(1, 1))) != 0 {
		t.Errorf("used of the copy is %s", after.RatString())
	}
	c.http.CloseIdleConnections()
	other.stop()
	verify(t, file)
	verify(t, s.db)
}

func expectRefusedTarget(t testing.TB, db, file string) {
	t.Helper()
	before := read(t, file)
	for _, target := range []string{file, db, filepath.Dir(file), filepath.Join(filepath.Dir(file), "missing", "copy.db")} {
		if r := run(t, "", "backup", target, "--db", db); r.code != 1 || !strings.Contains(r.stderr, target) {
			t.Errorf("backup to %s: exit %d, stderr %q", target, r.code, r.stderr)
		}
	}
	if read(t, file) != before {
		t.Errorf("%s was written over", file)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.part"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "missing")); err == nil {
		t.Error("backup made a directory")
	}
}
