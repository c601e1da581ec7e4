package cluster

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Bouncer starts a PgBouncer in transaction mode, with fewer connections behind it than a store has, and more settings of it. It returns the URL of a place
// that URL has given through it, without TLS. Where there is no PgBouncer the test is skipped, or fails as those without PostgreSQL do.
func (c *Cluster) Bouncer(t testing.TB, place string, settings ...string) string {
	t.Helper()
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
	u, err := url.Parse(place)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	dir := c.Folder(t, fmt.Sprint("bouncer-", port))
	behind := fmt.Sprint("host=", c.Socket())
	if c.port != 0 {
		behind += fmt.Sprint(" port=", c.port)
	}
	config := fmt.Sprintf("[databases]\npostgres = %s user=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\n"+
		"pool_mode = transaction\ndefault_pool_size = 3\n%s\n", behind, u.User.Username(), port, strings.Join(settings, "\n"))
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(bouncer, file)
	Unprivileged(cmd)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	u.Host, u.RawQuery = fmt.Sprint("127.0.0.1:", port), "sslmode=disable"
	for range 500 {
		var conn net.Conn
		if conn, err = net.Dial("tcp", u.Host); err == nil {
			_ = conn.Close()
			return u.String()
		}
		time.Sleep(20 * time.Millisecond)
	}
	said, _ := os.ReadFile(log.Name())
	t.Fatalf("PgBouncer does not listen: %v\n%s", err, said)
	return ""
}
