package postgres

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/farebox/farebox/test/cluster"
)

// Through PgBouncer in transaction mode, with fewer connections behind it than the store has: two stores, batches, changes and views at once.
func TestThroughPgBouncer(t *testing.T) {
	c := cluster.Shared(t)
	bouncer, err := exec.LookPath("pgbouncer")
	if err != nil {
		if os.Getenv("FAREBOX_TEST_POSTGRES_REQUIRED") != "" {
			t.Fatal("pgbouncer is not installed (apt-get install pgbouncer)")
		}
		t.Skip("NO PGBOUNCER: this test was NOT run (apt-get install pgbouncer)")
	}
	if c.Socket() == "" {
		t.Skip("FAREBOX_TEST_POSTGRES is elsewhere: the pool in front of it is not for this test to make")
	}
	u, err := url.Parse(c.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "farebox-bouncer-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	config := fmt.Sprintf("[databases]\npostgres = host=%s user=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\n"+
		"pool_mode = transaction\ndefault_pool_size = 3\n", c.Socket(), u.User.Username(), port)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bouncer, file)
	cluster.Unprivileged(cmd)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	u.Host, u.RawQuery = fmt.Sprint("127.0.0.1:", port), "sslmode=disable"
	var s, other *Store
	for range 100 {
		if s, err = Open(u.String(), Options{}); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("%v\n%s", err, said)
	}
	defer s.Close()
	other = open(t, u.String(), Options{})
	defer other.Close()
	world(t, s)
	want := map[string]bool{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for who := range 6 {
		wait.Go(func() {
			for i := range 20 {
				id := fmt.Sprint(who, "/", i)
				store := []*Store{s, other}[(who+i)%2]
				if err := charge(store, id); err != nil {
					t.Error(err)
				}
				if err := store.Refresh(ctx); err != nil {
					t.Error(err)
				}
				mu.Lock()
				want[id] = true
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	onlyCharged(t, other, want)
}
