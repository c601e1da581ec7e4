// Package cluster gives tests a PostgreSQL of their own: it starts one in a temporary folder from the binaries that are installed, or uses
// the one at FAREBOX_TEST_POSTGRES. Without either, tests are skipped, or fail if FAREBOX_TEST_POSTGRES_REQUIRED is set, as it is in CI.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a running PostgreSQL.
type Cluster struct {
	url     string // of an administrator
	dir     string // empty: it was running before
	bin     string
	process *os.Process
	ended   chan struct{} // closed when the process has ended
}

// Shared returns the one cluster of this test process. It ends with the process.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	c, err := shared()
	if errors.Is(err, errNone) && os.Getenv("FAREBOX_TEST_POSTGRES_REQUIRED") == "" {
		t.Skip("NO POSTGRESQL: this test was NOT run. Install PostgreSQL 15 or later (apt-get install postgresql), or set FAREBOX_TEST_POSTGRES to the URL of an administrator")
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var shared = sync.OnceValues(func() (*Cluster, error) {
	if url := os.Getenv("FAREBOX_TEST_POSTGRES"); url != "" {
		return &Cluster{url: url}, nil
	}
	return start("fsync = off")
})

// Own returns a cluster that only this test has, and that it may stop.
func Own(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	Shared(t) // or why there is none
	c, err := start(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.remove)
	return c
}

// Main runs a package's tests and ends the cluster that they have shared.
func Main(m *testing.M) int {
	code := m.Run()
	End()
	return code
}

// End ends the cluster that the tests of this process have shared, if they have.
func End() {
	if !started.Load() {
		return
	}
	if c, err := shared(); err == nil && c.dir != "" {
		c.remove()
	}
}

var (
	started atomic.Bool
	errNone = errors.New("there is no PostgreSQL")
	serial  atomic.Int64
)

// URL returns an empty place for books: a schema that belongs to a user who owns nothing else.
func (c *Cluster) URL(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("farebox_test_%d_%d", os.Getpid(), serial.Add(1))
	c.Exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'; CREATE SCHEMA %s AUTHORIZATION %s", name, name, name, name))
	t.Cleanup(func() {
		if c.dir == "" { // others live there
			c.Exec(t, fmt.Sprintf("DROP SCHEMA %s CASCADE; DROP ROLE %s", name, name))
		}
	})
	u, err := url.Parse(c.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, name)
	return u.String()
}

// Empty empties a place that URL has given, of which nothing may be open.
func (c *Cluster) Empty(t testing.TB, place string) {
	t.Helper()
	u, err := url.Parse(place)
	if err != nil {
		t.Fatal(err)
	}
	name := u.User.Username()
	c.Exec(t, fmt.Sprintf("DROP SCHEMA %s CASCADE; CREATE SCHEMA %s AUTHORIZATION %s", name, name, name))
}

// Exec runs statements as an administrator.
func (c *Cluster) Exec(t testing.TB, statements string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, statements).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// Socket is the folder of the cluster's socket.
func (c *Cluster) Socket() string { return c.dir }

// Crash ends PostgreSQL at once, as pg_ctl stop -m immediate does, and Start starts it again.
func (c *Cluster) Crash(t testing.TB) {
	t.Helper()
	c.end(syscall.SIGQUIT)
}

// Start starts a cluster that has crashed.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
}

func start(settings ...string) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "farebox-pg-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, url: "postgres://postgres@/postgres?host=" + url.QueryEscape(dir)}
	if who := owner(); who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return nil, err
		}
	}
	init := c.command("initdb", "-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if text, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, text)
	}
	conf, err := os.OpenFile(filepath.Join(dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conf, "listen_addresses = ''\nunix_socket_directories = '%s'\nmax_connections = 300\n", dir)
	for _, s := range settings {
		if err == nil {
			_, err = fmt.Fprintln(conf, s)
		}
	}
	if err := errors.Join(err, conf.Close()); err != nil {
		return nil, err
	}
	started.Store(true)
	return c, c.run()
}

func (c *Cluster) run() error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := c.command("postgres", "-D", filepath.Join(c.dir, "data"))
	cmd.Stdout, cmd.Stderr = log, log
	endWithUs(cmd.SysProcAttr)
	c.ended = make(chan struct{})
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // the signal comes when this thread ends
		err := cmd.Start()
		begun <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(c.ended)
	}()
	if err := <-begun; err != nil {
		return err
	}
	c.process = cmd.Process
	return c.answers()
}

func (c *Cluster) answers() (err error) {
	ctx := context.Background()
	for range 600 {
		select {
		case <-c.ended:
			text, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("PostgreSQL has ended:\n%s", text)
		case <-time.After(50 * time.Millisecond):
		}
		var conn *pgx.Conn
		if conn, err = pgx.Connect(ctx, c.url); err == nil {
			return conn.Close(ctx)
		}
	}
	return err
}

func (c *Cluster) end(signal syscall.Signal) {
	_ = c.process.Signal(signal) // fails when it has ended already
	<-c.ended
}

func (c *Cluster) remove() {
	c.end(syscall.SIGQUIT)
	_ = os.RemoveAll(c.dir)
}

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner()}
	return cmd
}

// Unprivileged has a command run as who runs PostgreSQL.
func Unprivileged(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner()}
}

// owner is who runs PostgreSQL, which refuses to be run by root: then its own user, or nobody.
func owner() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, err1 := strconv.Atoi(u.Uid)
			gid, err2 := strconv.Atoi(u.Gid)
			if err1 == nil && err2 == nil {
				return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
			}
		}
	}
	return nil
}

// binaries is the folder of the newest PostgreSQL that is installed.
func binaries() (string, error) {
	var folders []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/pgsql/bin"} {
		found, _ := filepath.Glob(pattern)
		slices.Sort(found)
		slices.Reverse(found)
		folders = append(folders, found...)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(path))
	}
	for _, folder := range folders {
		text, err := exec.Command(filepath.Join(folder, "postgres"), "--version").Output()
		if err != nil {
			continue
		}
		version, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(text)), "postgres (PostgreSQL) "), ".")
		if major, err := strconv.Atoi(version); err == nil && major >= 15 {
			return folder, nil
		}
	}
	return "", errNone
}
