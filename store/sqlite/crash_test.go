package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// crashable returns a database with a line item whose log is not copied into it by anybody.
func crashable(t *testing.T) (string, *Store) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crashable.db")
	s := open(t, path, Options{Create: true})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.checkpoint.stop()
	setUp(t, s)
	return path, s
}

// crash returns a copy of the database as a kill of the process, now, would leave it: the file and its log, nothing else.
func crash(t *testing.T, path string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "crashed.db")
	for i, content := range contents(t, path) {
		if err := os.WriteFile(copied+[]string{"", "-wal"}[i], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// contents returns the database and its log.
func contents(t *testing.T, path string) (files [2][]byte) {
	t.Helper()
	for i, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + end)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		files[i] = content
	}
	return files
}

func TestAcknowledgedChargesSurviveCrash(t *testing.T) {
	path, s := crashable(t)
	for i := range 30 {
		key := fmt.Sprint(i)
		chargeOne(t, s, key)
		if i%10 != 9 {
			continue
		}
		after := open(t, crash(t, path), Options{Serve: true})
		sameTally(t, after, i+1)
		id := usage.NewOnceID("A", key)
		err := after.Commit(ctx, store.Want{Once: []usage.OnceID{id}}, func(loaded *store.Loaded) store.Decided {
			if loaded.Earlier[id] == nil {
				t.Errorf("the idempotency key of charge %d is lost", i)
			}
			return store.Decided{}
		})
		if err != nil {
			t.Error(err)
		}
		chargeOne(t, after, "after the crash")
		sameTally(t, after, i+2)
		if err := after.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The end of a log that was being written may be torn anywhere: what was acknowledged before is there, and what was not is
// there whole or not at all.
func TestTornLogIsWholeOrNothing(t *testing.T) {
	path, s := crashable(t)
	chargeOne(t, s, "0")
	settled := len(contents(t, path)[1])
	chargeOne(t, s, "1")
	chargeOne(t, s, "2")
	crashed := crash(t, path)
	files := contents(t, crashed)
	step := (len(files[1])-settled)/40 + 1
	for length := settled; length <= len(files[1]); length += step {
		torn := filepath.Join(t.TempDir(), "torn.db")
		for i, content := range [][]byte{files[0], files[1][:length]} {
			if err := os.WriteFile(torn+[]string{"", "-wal"}[i], content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, torn, Options{})
		got := tally(t, s)
		if got[0] != got[1] || got[0] != got[2] || got[0] < "1" || got[0] > "3" {
			t.Errorf("with %d of %d bytes of the log: readers see %s used, batches %s, the receipts add up to %s",
				length, len(files[1]), got[0], got[1], got[2])
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What survives a power cut hangs on these settings, of a replaced connection too.
func TestCommitsWaitForTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.db")
	s := open(t, path, Options{Create: true})
	settings := func() {
		t.Helper()
		for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "wal_autocheckpoint": "0"} {
			var got string
			if err := s.conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q, %v; want %q", name, got, err, want)
			}
		}
	}
	settings()
	if err := s.reconnect(ctx); err != nil {
		t.Fatal(err)
	}
	settings()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
