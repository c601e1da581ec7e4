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
	port    int    // 0: it has a socket alone
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
	return start(0, "fsync = off")
})

// Own returns a cluster that only this test has, and that it may stop. It is reached by its socket.
func Own(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	return own(t, 0, settings)
}

// Listening returns one that is reached over the network of this machine.
func Listening(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	return own(t, freePort(t), settings)
}

func own(t testing.TB, port int, settings []string) *Cluster {
	t.Helper()
	if _, err := binaries(); err != nil {
		Shared(t) // says why there is none
		t.Skip("FAREBOX_TEST_POSTGRES is elsewhere, and this test needs a cluster that it may stop: it was NOT run")
	}
	c, err := start(port, settings...)
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
	if c.port != 0 {
		u.Host, u.RawQuery = c.Address(), "sslmode=disable"
	}
	return u.String()
}

// Address is where a cluster listens, as host:port.
func (c *Cluster) Address() string { return fmt.Sprint("127.0.0.1:", c.port) }

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

// Folder makes a folder that belongs to who runs PostgreSQL, and goes with the cluster.
func (c *Cluster) Folder(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	c.Give(t, path)
	return path
}

// Give has a file belong to who runs PostgreSQL.
func (c *Cluster) Give(t testing.TB, path string) {
	t.Helper()
	if who := owner(); who != nil {
		if err := os.Chown(path, int(who.Uid), int(who.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

// MoveLog has the write-ahead log elsewhere, which is a folder that is not there yet.
func (c *Cluster) MoveLog(t testing.TB, to string) {
	t.Helper()
	c.Crash(t)
	log := filepath.Join(c.data(), "pg_wal")
	copying := exec.Command("cp", "-a", log, to)
	Unprivileged(copying)
	if text, err := copying.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := errors.Join(os.RemoveAll(log), os.Symlink(to, log)); err != nil {
		t.Fatal(err)
	}
	c.Start(t)
}

// Ended waits until PostgreSQL has ended by itself.
func (c *Cluster) Ended(t testing.TB) {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(time.Minute):
		t.Fatal("PostgreSQL goes on")
	}
}

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

func start(port int, settings ...string) (*Cluster, error) {
	c, err := prepare(port)
	if err != nil {
		return nil, err
	}
	init := c.command("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1")
	if text, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, text)
	}
	if err := c.configure(append([]string{"max_connections = 300"}, settings...)...); err != nil {
		return nil, err
	}
	return c, c.run()
}

// prepare makes the place of a cluster.
func prepare(port int) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "farebox-pg-")
	if err != nil {
		return nil, err
	}
	if who := owner(); who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return nil, err
		}
	}
	started.Store(true)
	c := &Cluster{dir: dir, bin: bin, port: port, url: "postgres://postgres@/postgres?host=" + url.QueryEscape(dir)}
	if port != 0 {
		c.url += fmt.Sprint("&port=", port)
	}
	return c, nil
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// configure adds to the settings with which it starts; of two the later holds.
func (c *Cluster) configure(settings ...string) error {
	conf, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if c.port == 0 {
		_, err = fmt.Fprintln(conf, "listen_addresses = ''")
	} else {
		_, err = fmt.Fprintf(conf, "listen_addresses = '127.0.0.1'\nport = %d\n", c.port)
	}
	settings = append([]string{fmt.Sprintf("unix_socket_directories = '%s'", c.dir)}, settings...)
	for _, s := range settings {
		if err == nil {
			_, err = fmt.Fprintln(conf, s)
		}
	}
	return errors.Join(err, conf.Close())
}

func (c *Cluster) run() error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := c.command("postgres", "-D", c.data())
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
	if c.process != nil {
		c.end(syscall.SIGQUIT)
	}
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
