package cluster

import (
	"context"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby returns a synchronous replica of a cluster that listens: from now on a commit is answered when both have it.
func (c *Cluster) Standby(t testing.TB) *Cluster {
	t.Helper()
	s, err := prepare(freePort(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	copying := c.command("pg_basebackup", "-D", s.data(), "-d", c.url, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if text, err := copying.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, text)
	}
	if err := s.configure(); err != nil {
		t.Fatal(err)
	}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	c.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	c.Exec(t, "SELECT pg_reload_conf()")
	c.until(t, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
	return s
}

// Promote has a replica take over. Who follows it from then on is for others to say: commits wait for nobody.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	c.Exec(t, "SELECT pg_promote()")
	c.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = ''")
	c.Exec(t, "SELECT pg_reload_conf()")
}

// Either is a URL of two clusters, of which the one is meant that can be written.
func Either(t testing.TB, to string, a, b *Cluster) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = a.Address()+","+b.Address(), "sslmode=disable&target_session_attrs=read-write"
	return u.String()
}

// until waits until a question is answered by true.
func (c *Cluster) until(t testing.TB, query string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for yes, end := false, time.Now().Add(time.Minute); !yes; time.Sleep(10 * time.Millisecond) {
		if err := conn.QueryRow(ctx, query).Scan(&yes); err != nil || time.Now().After(end) {
			t.Fatal(query, err)
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
