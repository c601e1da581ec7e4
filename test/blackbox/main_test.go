// Package blackbox tests the binary that people run, from outside: through its command line, its HTTP port, its files
// and its signals. It says nothing of how a promise is kept, only whether it is, also through kill -9 and a full disk.
package blackbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/farebox/farebox/test/cluster"
)

// farebox is the binary under test.
var farebox string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "farebox-blackbox-")
	if err != nil {
		panic(err)
	}
	farebox = filepath.Join(dir, "farebox")
	build := []string{"build", "-o", farebox}
	if raceEnabled {
		build = append(build, "-race")
	}
	code := 1
	if text, err := exec.Command("go", append(build, "../../cmd/farebox")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, text)
	} else {
		code = cluster.Main(m)
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// environment is a clean one, in which the race detector does not wait at the end of each process.
func environment() []string {
	return append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "FAREBOX_") || strings.HasPrefix(v, "GORACE=")
	}), "GORACE=atexit_sleep_ms=0")
}

// result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a verb in a directory to its end.
func run(t testing.TB, dir string, args ...string) result {
	t.Helper()
	return piped(t, dir, "", args...)
}

// piped is run with a standard input.
func piped(t testing.TB, dir, stdin string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), farebox, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, environment(), strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	if strings.Contains(r.stderr, "DATA RACE") {
		t.Errorf("farebox %q raced:\n%s", args, r.stderr)
	}
	return r
}

// must is run for what has to work; it returns what was printed.
func must(t testing.TB, dir string, args ...string) string {
	t.Helper()
	r := run(t, dir, args...)
	if r.code != 0 {
		t.Fatalf("farebox %q: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// verify fails the test unless all balances of a database agree.
func verify(t testing.TB, db string) {
	t.Helper()
	if text := must(t, "", "verify", "--db", db); !strings.Contains(text, "all balances agree") {
		t.Fatalf("verify prints %q", text)
	}
}

// server is a `farebox serve` on a port of its own.
type server struct {
	t    testing.TB
	db   string
	addr string
	cmd  *exec.Cmd
	logs *logs
	done chan struct{} // closed when the process has ended
}

// patience is how long something is waited for that comes at once on a machine with nothing else to do.
const patience = 3 * time.Minute

// start serves a database and waits until it answers.
func start(t testing.TB, db string, flags ...string) *server {
	t.Helper()
	return startIn(t, "", db, flags...)
}

// startIn is start in a directory, where the keys of a database lie that is no file.
func startIn(t testing.TB, dir, db string, flags ...string) *server {
	t.Helper()
	s := &server{t: t, db: db, logs: &logs{serving: make(chan string, 1)}, done: make(chan struct{})}
	s.cmd = exec.Command(farebox, append([]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--log-format", "json"}, flags...)...)
	s.cmd.Dir, s.cmd.Env, s.cmd.Stderr = dir, environment(), s.logs
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // its state says how it ended
		close(s.done)
	}()
	t.Cleanup(func() {
		s.kill()
		if text := s.logs.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") || strings.Contains(text, `"fault`) {
			t.Errorf("the server raced or faulted:\n%s", text)
		} else if t.Failed() {
			t.Logf("the server's log:\n%s", text)
		}
	})
	select {
	case s.addr = <-s.logs.serving:
	case <-s.done:
		t.Fatalf("the server ended at once:\n%s", s.logs)
	case <-time.After(patience):
		t.Fatalf("the server does not start:\n%s", s.logs)
	}
	return s
}

func (s *server) url() string { return "http://" + s.addr }

// kill ends the process as a power cut would, as far as the process can tell.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // fails when it has ended already
	<-s.done
}

// stop asks the process to end, and expects that it does so well.
func (s *server) stop() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	s.expectEnd()
}

func (s *server) signal(signal os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) expectEnd() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatalf("the server does not stop:\n%s", s.logs)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Fatalf("the server ended with %d:\n%s", code, s.logs)
	}
}

// logs keeps what a server logs, and finds the address in it.
type logs struct {
	mu      sync.Mutex
	text    bytes.Buffer
	serving chan string
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	for line := range bytes.Lines(p) { // slog writes whole lines
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
			l.serving <- entry.Addr
		} else if _, about, found := bytes.Cut(line, []byte(" msg=serving addr=")); found { // with --log-format text
			l.serving <- string(bytes.Fields(about)[0])
		}
	}
	return len(p), nil
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// token returns a token of the keys that lie beside the database.
func token(t testing.TB, db string, args ...string) string {
	t.Helper()
	return strings.TrimSuffix(must(t, "", append([]string{"token", "--db", db}, args...)...), "\n")
}

// client calls a server with a token.
type client struct {
	url, token string
	http       *http.Client
}

func newClient(url, token string) *client {
	return &client{url, token, &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 128}}}
}

func (s *server) admin() *client {
	s.t.Helper()
	c := newClient(s.url(), strings.TrimSuffix(must(s.t, s.cmd.Dir, "token", "--db", s.db, "--admin"), "\n"))
	s.t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	body   string
}

// call sends a request, with an idempotency key unless that is empty.
func (c *client) call(method, path, key, body string) (answer, error) {
	request, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

// must is call for what has to work; it reads the answer into out, unless that is nil.
func (c *client) must(t testing.TB, method, path, body string, out any) {
	t.Helper()
	a, err := c.call(method, path, "", body)
	if err != nil {
		t.Fatal(err)
	}
	if a.status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(a.body), out); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
		}
	}
}
