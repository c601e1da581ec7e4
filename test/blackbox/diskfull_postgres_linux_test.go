package blackbox

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/farebox/farebox/test/cluster"
)

// smallDisk mounts one in a folder, for as long as the test runs.
func smallDisk(t *testing.T, dir, size string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0777,size="+size); err != nil {
		t.Skipf("SKIPPED, a full disk was not tried: only root may mount a small one: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// newFullDatabase is a server whose database's disk fills up.
func newFullDatabase(t *testing.T, db string) *fullDisk {
	t.Helper()
	s := newShopOn(t, db, 1)
	d := &fullDisk{server: s.servers[0], c: s.clients(s.token("--admin"))[0]}
	d.instance = d.c.newInstance(t, "acme")
	d.c.putLineItem(t, d.instance, "L", 1_000_000, "")
	d.charge(t, 20)
	return d
}

// askAtLength is a request for one unit that takes about so many bytes on disk.
func askAtLength(bytes int) string {
	text := make([]byte, bytes/2)
	_, _ = rand.Read(text) // never fails
	return fmt.Sprintf(`{"requester":{"type":"user","value":"mia"},"requestedItems":[{"item":"unit","version":"","count":1,"metaData":{"x":"%x"}}]}`, text)
}

// The disk of PostgreSQL's tables is full: what cannot be written is refused for now, and charged when there is space again.
func TestDatabaseDiskFull(t *testing.T) {
	t.Parallel()
	c := cluster.Own(t, "fsync = off", "autovacuum = off")
	dir := c.Folder(t, "small")
	smallDisk(t, dir, "8m")
	tables := filepath.Join(dir, "tables")
	if err := os.Mkdir(tables, 0o700); err != nil {
		t.Fatal(err)
	}
	c.Give(t, tables)
	db := c.URL(t)
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	who := u.User.Username()
	c.Exec(t, fmt.Sprintf("CREATE TABLESPACE small LOCATION '%s'", tables))
	c.Exec(t, fmt.Sprintf("GRANT CREATE ON TABLESPACE small TO %s; ALTER ROLE %s SET default_tablespace = small", who, who))
	d := newFullDatabase(t, db)
	ballast := filepath.Join(dir, "ballast")
	d.expectRecovery(t, func() { fill(t, ballast) }, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}

// The disk of its write-ahead log is full: PostgreSQL ends, and what it did not acknowledge is charged once when it has been started again.
func TestDatabaseLogDiskFull(t *testing.T) {
	t.Parallel()
	c := cluster.Own(t, "max_wal_size = 2MB", "min_wal_size = 2MB", "wal_keep_size = 1GB", "restart_after_crash = off") // kept, as for a replica that is away
	dir := c.Folder(t, "small")
	smallDisk(t, dir, "16m")
	c.MoveLog(t, filepath.Join(dir, "wal"))
	d := newFullDatabase(t, c.URL(t))
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	var failed *sent
	for i := range 20_000 {
		r := &sent{path: accessPath("v1.1", d.instance), key: fmt.Sprint("key ", i), body: askAtLength(12 << 10)}
		if !d.ask(t, r) {
			failed = r
			break
		}
	}
	if failed == nil {
		t.Fatal("the disk does not fill up")
	}
	c.Ended(t)
	d.expectAlive(t)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	c.Start(t)
	d.askUntilItWorks(t, failed)
	d.charge(t, 20)
	d.expectUsed(t)
	d.stop()
	verify(t, d.db)
}
