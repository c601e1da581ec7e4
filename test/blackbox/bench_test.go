package blackbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/farebox/farebox/test/cluster"
)

// benchReport is what `farebox bench --json` promises.
type benchReport struct {
	Complete    bool
	Connections int
	Machine     struct{ Processors int }
	Disk        []struct{ Syncs int }
	Summary     []struct {
		Contender  string
		OfBaseline float64
	}
	Measurements []struct {
		Contender         string
		Round             int
		AskedPerSecond    float64
		Requests, Items   int64
		RequestsPerSecond float64
		Errors, Missed    int64
		ErrorTexts        []string
		Latency           struct{ P50, P99, P999, Max float64 }
		DiskBytesPerItem  float64
		StartMillis       float64
		Verified          string
	}
}

func parseBench(t *testing.T, text string) (r benchReport) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return r
}

const shortBench = "--rounds 1 --duration 100ms --connections 4 --instances 20"

// What was acknowledged to the load is what the books say, of every workload.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	text := must(t, dir, strings.Fields("bench --json --verify --warmup 0s --workload ordered,random,hot,many,sessions,denials,rules --line-items 30 "+shortBench)...)
	r := parseBench(t, text)
	var names []string
	for _, m := range r.Measurements {
		names = append(names, m.Contender)
		if m.Round != 1 || m.Requests < 4 || m.Errors != 0 || m.RequestsPerSecond <= 0 || m.Latency.P50 <= 0 || m.Latency.P50 > m.Latency.P99 || m.Latency.P999 > m.Latency.Max*1.001 {
			t.Errorf("%+v", m)
		}
		bare := strings.HasPrefix(m.Contender, "bare")
		grows := !bare && m.Requests >= 100 // few fit into pages that are there
		if bare != (m.Verified == "") || bare && m.DiskBytesPerItem != 0 || grows && m.DiskBytesPerItem == 0 || m.StartMillis <= 0 {
			t.Errorf("%+v", m)
		}
		counts := fmt.Sprintf(", %d receipts, %d usage events, ", m.Requests, m.Items)
		if !bare && m.Contender != "sessions" && !strings.Contains(m.Verified, counts) || !bare && !strings.Contains(m.Verified, "all balances agree") {
			t.Errorf("%s: of %d requests and %d items verify says %s", m.Contender, m.Requests, m.Items, m.Verified)
		}
	}
	for _, s := range r.Summary {
		if (strings.HasPrefix(s.Contender, "bare") || s.Contender == "sessions") != (s.OfBaseline == 0) {
			t.Errorf("%+v", s)
		}
	}
	if want := "[bare ordered random hot bare many many sessions denials rules]"; fmt.Sprint(names) != want {
		t.Errorf("measured were %v, not %s", names, want)
	}
	if !r.Complete || r.Connections != 4 || r.Machine.Processors == 0 || len(r.Disk) != 1 || r.Disk[0].Syncs == 0 || len(r.Summary) != len(names) {
		t.Errorf("%s", text)
	}
	expectEmpty(t, dir)
}

// At a share of the most, both are measured; the table is for people.
func TestBenchAtAShareOfTheMost(t *testing.T) {
	r := parseBench(t, must(t, t.TempDir(), strings.Fields("bench --json --no-bare --warmup 10ms --workload ordered --rate 50% "+shortBench)...))
	if len(r.Measurements) != 2 {
		t.Fatalf("%+v", r)
	}
	most, half := r.Measurements[0], r.Measurements[1]
	if most.AskedPerSecond != 0 || half.AskedPerSecond != most.RequestsPerSecond/2 || half.Requests == 0 || half.Errors != 0 {
		t.Errorf("%+v", r)
	}
	text := must(t, t.TempDir(), strings.Fields("bench --warmup 0s --workload denials "+shortBench)...)
	for _, want := range []string{"disk: 40 KiB", "OF BARE", "denials  ", "Medians of 1 round"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
}

// A database that is there is only copied.
func TestBenchOfADatabase(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	c := s.admin()
	instance := c.newInstance(t, "acme")
	c.putLineItem(t, instance, "A", 100, "")
	c.charge(t, instance, "unit", "", "1")
	dir := t.TempDir()
	r := parseBench(t, must(t, dir, strings.Fields("bench --json --verify --no-bare --warmup 0s --workload ordered --db "+s.db+" "+shortBench)...))
	if len(r.Measurements) != 1 {
		t.Fatalf("%+v", r)
	}
	m := r.Measurements[0]
	if want := fmt.Sprintf("21 line items, 0 sessions, %d receipts", m.Requests+1); !strings.Contains(m.Verified, want) {
		t.Errorf("not %q in %s", want, m.Verified)
	}
	expectEmpty(t, dir)
	s.stop()
	if text := must(t, "", "verify", "--db", s.db); !strings.Contains(text, "1 line items, 0 sessions, 1 receipts") {
		t.Errorf("the database was changed: %s", text)
	}
}

func TestBenchOfAServerElsewhere(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	flags := strings.Fields("--warmup 0s --workload ordered,sessions --url " + s.url() + "/ " + shortBench)
	r := run(t, t.TempDir(), append(flags, "bench", "--token", "nonsense")...)
	if r.code != 2 {
		t.Errorf("flags before the verb: exit %d", r.code)
	}
	for _, refused := range []string{"nonsense", token(t, s.db, "--client", "--instance", "x")} {
		r := run(t, t.TempDir(), append([]string{"bench", "--token", refused}, flags...)...)
		if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "refuses the token") {
			t.Errorf("with a token that is not one of administration: exit %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
	}
	report := parseBench(t, must(t, t.TempDir(), append([]string{"bench", "--json", "--token", token(t, s.db, "--admin")}, flags...)...))
	if len(report.Measurements) != 2 || len(report.Disk) != 0 {
		t.Fatalf("%+v", report)
	}
	for _, m := range report.Measurements {
		if m.Errors != 0 || m.Requests < 4 {
			t.Errorf("%+v", m)
		}
	}
	s.stop()
	verify(t, s.db)
	r = run(t, t.TempDir(), append([]string{"bench", "--token", "x"}, flags...)...)
	if r.code != 1 || !strings.Contains(r.stderr, "connection refused") {
		t.Errorf("a server that is not there: exit %d, stderr %q", r.code, r.stderr)
	}
}

// Ctrl-C prints what was measured until then, and leaves nothing behind.
func TestBenchIsStopped(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), farebox, strings.Fields("bench --no-bare --warmup 0s --duration 1h --rounds 2 --workload ordered --connections 4 --instances 20")...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, environment(), &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(patience)
	for busy := false; !busy && time.Now().Before(until); {
		logs, err := filepath.Glob(filepath.Join(dir, "*", "farebox.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		for _, log := range logs {
			about, err := os.Stat(log)
			busy = busy || err == nil && about.Size() > 200<<10
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its state says how it ended
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stdout.String(), "ordered  ") || !strings.Contains(stdout.String(), "not complete") ||
		stderr.String() != "farebox: stopped before its end\n" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
	expectEmpty(t, dir)
}

// On PostgreSQL each is measured in a schema of its own, of which nothing is left.
func TestBenchOnPostgres(t *testing.T) {
	t.Parallel()
	c := cluster.Own(t)
	u, err := url.Parse(c.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	c.Exec(t, "GRANT CREATE ON DATABASE postgres TO "+u.User.Username())
	dir := t.TempDir()
	flags := strings.Fields("bench --json --verify --no-bare --warmup 0s --workload ordered --servers 1,2 --db " + u.String() + " " + shortBench)
	r := parseBench(t, must(t, dir, flags...))
	if len(r.Measurements) != 2 || r.Measurements[0].Contender != "ordered" || r.Measurements[1].Contender != "ordered on 2 servers" {
		t.Fatalf("%+v", r)
	}
	for _, m := range r.Measurements {
		if want := fmt.Sprintf("20 line items, 0 sessions, %d receipts", m.Requests); m.Errors != 0 || m.Requests < 4 || m.DiskBytesPerItem == 0 || !strings.Contains(m.Verified, want) {
			t.Errorf("not %q: %+v", want, m)
		}
	}
	expectEmpty(t, dir)
	c.Exec(t, "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM pg_namespace WHERE nspname LIKE 'farebox_bench%'), 'a schema is left'; END $$")
	c.Exec(t, "ALTER SYSTEM SET synchronous_commit = off")
	c.Exec(t, "SELECT pg_reload_conf()")
	if r := run(t, dir, flags...); r.code != 1 || !strings.Contains(r.stderr, "synchronous_commit is off") {
		t.Errorf("without durable settings: exit %d, %s", r.code, r.stderr)
	}
	for _, wrong := range []string{"bench --servers 2", "bench --servers 0 --db postgres://x/y", "bench --db nothing.db"} {
		if r := run(t, dir, strings.Fields(wrong)...); r.code != 2 || !strings.Contains(r.stderr, "--") {
			t.Errorf("%s: exit %d, %s", wrong, r.code, r.stderr)
		}
	}
}
