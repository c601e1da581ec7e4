package blackbox

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // makes a database that is not ours
)

// pageSize is SQLite's.
const pageSize = 4096

// A file that cannot be served is refused with a reason, and not touched.
func TestBadDatabases(t *testing.T) {
	good := wellUsed(t)
	for name, c := range map[string]struct {
		spoil func(text []byte) []byte
		says  string
	}{
		"garbage":         {func([]byte) []byte { return bytes.Repeat([]byte("no database "), 1_000) }, "is not a database"},
		"header":          {func(b []byte) []byte { copy(b, "SQLite form"); copy(b[11:], "garbage"); return b }, "is not a database"},
		"schema damaged":  {func(b []byte) []byte { return scribble(b, 100, 3_000) }, "restore it from a backup"},
		"cut off":         {func(b []byte) []byte { return b[:len(b)/pageSize/2*pageSize] }, "restore it from a backup"},
		"newer schema":    {func(b []byte) []byte { binary.BigEndian.PutUint32(b[60:], 9_999); return b }, "of a newer Farebox"},
		"of another kind": {func([]byte) []byte { return othersDatabase(t) }, "not of Farebox"},
	} {
		t.Run(name, func(t *testing.T) {
			db := filepath.Join(t.TempDir(), "f.db")
			text := c.spoil(bytes.Clone(good))
			if err := os.WriteFile(db, text, 0o644); err != nil {
				t.Fatal(err)
			}
			for _, args := range []string{"serve --addr 127.0.0.1:0", "verify", "usage events", "keys list", "keys create --client", "backup " + db + ".copy"} {
				r := run(t, filepath.Dir(db), append(strings.Fields(args), "--db", db)...)
				if r.code != 1 || !strings.Contains(r.stderr, c.says) || !strings.Contains(r.stderr, db) || strings.Contains(r.stderr, "goroutine") {
					t.Errorf("farebox %s: exit %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
				}
				if now, err := os.ReadFile(db); err != nil || !bytes.Equal(now, text) {
					t.Errorf("farebox %s changed the file %v", args, err)
				}
				if _, err := os.Stat(db + ".copy"); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("farebox %s left a copy", args)
				}
			}
		})
	}
}

// A file too short to be a database is somebody's notes.
func TestShortFilesAreNotWrittenOver(t *testing.T) {
	for _, text := range []string{"x", "my notes\n", strings.Repeat("n", 511)} {
		db := filepath.Join(t.TempDir(), "notes.txt")
		if err := os.WriteFile(db, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		r := run(t, "", "keys", "create", "--client", "--db", db) // opens as serve does, and ends
		if r.code != 1 || !strings.Contains(r.stderr, "is not a database") || read(t, db) != text {
			t.Errorf("%d bytes: exit %d, stderr %q, and the file has %d bytes", len(text), r.code, r.stderr, len(read(t, db)))
		}
	}
}

// wellUsed returns a database with some charges, as a file.
func wellUsed(t testing.TB) []byte {
	t.Helper()
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "L", 1_000, "")
	for range 60 {
		admin.charge(t, instance, "unit", "", "2.5")
	}
	s.stop()
	return []byte(read(t, s.db))
}

func scribble(b []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		b[i] ^= byte(i*7 + 13)
	}
	return b
}

func othersDatabase(t testing.TB) []byte {
	file := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE precious (a, b); INSERT INTO precious VALUES (1, 2)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(read(t, file))
}

// Damage where no start looks, in the rows of the record, is found by verify; what verify does not find has changed nothing.
func TestVerifyFindsDamage(t *testing.T) {
	good := wellUsed(t)
	db := filepath.Join(t.TempDir(), "f.db")
	tell := func(text []byte) (verdict result, events string) {
		if err := os.WriteFile(db, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return run(t, "", "verify", "--db", db), run(t, "", "usage", "events", "--db", db).stdout
	}
	_, before := tell(good)
	found := 0
	for page := 1; page < len(good)/pageSize; page++ {
		r, events := tell(scribble(bytes.Clone(good), page*pageSize+8, (page+1)*pageSize))
		if r.code == 0 {
			if events != before {
				t.Errorf("page %d: verify finds nothing, yet the events are\n%s", page+1, events)
			}
			continue
		}
		found++
		if r.code != 1 || strings.Contains(r.stderr, "goroutine") || !strings.Contains(r.stderr, "differences") && !strings.Contains(r.stderr, db) {
			t.Errorf("page %d: exit %d, stdout %q, stderr %q", page+1, r.code, r.stdout, r.stderr)
		}
	}
	if found < 3 {
		t.Errorf("damage was found in %d pages only", found)
	}
}
