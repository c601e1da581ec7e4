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

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/test/cluster"
)

// Statements that come again have names, so that PostgreSQL plans them once a connection.
func TestStatementsHaveNames(t *testing.T) {
	s := open(t, cluster.Shared(t).URL(t), Options{})
	defer s.Close()
	world(t, s)
	for i := range 3 {
		if err := charge(s, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	var named int
	if err := s.writes.QueryRow(ctx, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%INSERT INTO journal%'").Scan(&named); err != nil || named == 0 {
		t.Errorf("%d statements that write the journal have names: %v", named, err)
	}
}

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
	if mode := s.writes.Config().ConnConfig.DefaultQueryExecMode; mode != pgx.QueryExecModeCacheDescribe {
		t.Errorf("statements are asked for as %v; a pool that gives them any connection may know nothing of names", mode)
	}
	named, err := Open(u.String()+"&default_query_exec_mode=exec", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	if mode := named.writes.Config().ConnConfig.DefaultQueryExecMode; mode != pgx.QueryExecModeExec {
		t.Errorf("the URL asks for statements as exec, and got %v", mode)
	}
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
