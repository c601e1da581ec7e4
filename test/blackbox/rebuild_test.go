package blackbox

import (
	"database/sql"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/bigfile"
)

// A rebuild that is killed half way leaves queries as they were, and so does the next one.
func TestKilledWhileItRebuilds(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "f.db")
	s, err := sqlite.Open(db, sqlite.Options{Create: true, Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	o := bigfile.Default()
	o.Events, o.Instances, o.Days = 80_000, 20, 40 // three buckets
	if _, err := bigfile.Write(t.Context(), s, o, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	answers := func() (all string) {
		for _, by := range [][]string{{"--by", "account", "--by", "item", "--interval", "week"}, {"--by", "metadata.project", "--by", "kind"}} {
			all += must(t, "", append([]string{"usage", "query", "--db", db, "--format", "json"}, by...)...)
		}
		return all
	}
	must(t, "", "usage", "rebuild", "--db", db)
	before := answers()
	books, err := sql.Open("sqlite", "file:"+db)
	if err != nil {
		t.Fatal(err)
	}
	defer books.Close()
	buckets := func() (n int) {
		if err := books.QueryRow("SELECT count(*) FROM bucket").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	whole := buckets()
	if whole < 3 {
		t.Fatalf("there are %d buckets, too few to stop between them", whole)
	}
	for _, at := range []int{0, whole - 1} {
		if n := killRebuild(t, db, whole, at, buckets); n < at || n >= whole {
			t.Fatalf("it was to be killed at bucket %d of %d, and there are %d", at, whole, n)
		}
		if half := answers(); half != before {
			t.Errorf("killed at bucket %d it answers\n%s\nnot\n%s", at, half, before)
		}
		must(t, "", "usage", "rebuild", "--db", db)
		if after := answers(); after != before || buckets() != whole {
			t.Errorf("made again after bucket %d, of %d buckets, it answers\n%s\nnot, of %d,\n%s", at, buckets(), after, whole, before)
		}
	}
	verify(t, db)
}

// killRebuild kills a rebuild when it has made so many buckets, and returns how many there are then.
func killRebuild(t *testing.T, db string, whole, at int, buckets func() int) int {
	t.Helper()
	cmd := exec.Command(farebox, "usage", "rebuild", "--db", db)
	cmd.Env = environment()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	end := time.Now().Add(patience)
	for n := whole; n == whole || n < at; n = buckets() {
		if time.Now().After(end) {
			t.Fatalf("there are %d buckets, of %d", n, whole)
		}
		time.Sleep(time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return buckets()
}
