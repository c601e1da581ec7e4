package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var ctx = context.Background()

// refused fails unless Open refuses a file with a message that has all the words, and leaves the file as it was.
func refused(t *testing.T, path string, options Options, words ...string) {
	t.Helper()
	before, _ := os.ReadFile(path)
	s, err := Open(path, options)
	if err == nil {
		t.Errorf("%+v: it was opened: %v", options, s.Close())
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%+v: the message %q does not say %q", options, err, word)
		}
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Errorf("%+v: the file was changed", options)
	}
}

// everyWay are the options of all verbs that open a database.
var everyWay = []Options{{}, {Read: true}, {Create: true, Serve: true}}

// raw runs statements on a file as another program would.
func raw(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestOpenRefusesMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing.db")
	for _, options := range []Options{{}, {Read: true}, {Serve: true}} {
		refused(t, path, options, path, "does not exist", "farebox serve")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) > 0 {
		t.Errorf("refusing made %v", entries)
	}
	refused(t, filepath.Join(path, "deeper.db"), Options{Create: true}, "cannot be opened")
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	if err := open(t, path, Options{Create: true}).Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, "PRAGMA user_version = 1000")
	for _, options := range everyWay {
		refused(t, path, options, path, "newer", "1000")
	}
}

func TestOpenRefusesOlderSchemaToReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	raw(t, path, fmt.Sprintf("PRAGMA application_id = %d", applicationID), "PRAGMA user_version = 0", "VACUUM")
	refused(t, path, Options{Read: true}, path, "older", "farebox serve")
}

func TestOpenRefusesOthersFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "theirs.db")
	raw(t, path, "CREATE TABLE theirs (x)", "INSERT INTO theirs VALUES (1)")
	for _, options := range everyWay {
		refused(t, path, options, path, "not of Farebox")
	}
	raw(t, path, "PRAGMA user_version = 1") // as ours
	for _, options := range everyWay {
		refused(t, path, options, path, "not of Farebox")
	}
}

func TestOpenRefusesGarbage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "garbage.db")
	for name, content := range map[string][]byte{
		"text":       []byte(strings.Repeat("this is a letter to my aunt\n", 400)),
		"zeros":      make([]byte, 8192),
		"short text": []byte("hello"),
		"header":     append([]byte("SQLite format 3\x00"), bytes.Repeat([]byte{0xff}, 5000)...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, options := range everyWay {
				refused(t, path, options, path, "restore it from a backup")
			}
		})
	}
}

// charged makes a database with receipts over many pages and returns its path.
func charged(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "charged.db")
	s := open(t, path, Options{Create: true})
	setUp(t, s)
	for i := range 50 {
		chargeOne(t, s, fmt.Sprint("key ", i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// setUp makes instance A with line item a1 of 1000 tokens.
func setUp(t *testing.T, s *Store) {
	t.Helper()
	if err := trySetUp(s); err != nil {
		t.Fatal(err)
	}
}

func trySetUp(s *Store) error {
	return s.Change(ctx, func(tx store.Tx) error {
		if err := tx.InsertInstance(&store.Instance{ID: "A", ShortName: "a", AccountID: "account", Default: true}); err != nil {
			return err
		}
		return tx.PutLineItem(&ledger.LineItem{
			ActivationID: "a1", InstanceID: "A", State: ledger.Deployed, Quantity: 1000, EndMS: period.LatestMS, Elastic: true, Kind: ledger.Paid,
		})
	})
}

func lineItem(s *Store) (l *ledger.LineItem, err error) {
	err = s.View(ctx, func(r store.Reader) error {
		l, err = r.LineItem("a1")
		return err
	})
	return l, err
}

func chargeOne(t *testing.T, s *Store, key string) {
	t.Helper()
	if err := tryChargeOne(s, key); err != nil {
		t.Fatal(err)
	}
}

// tryChargeOne takes one token from a1, in a receipt that no compression makes small.
func tryChargeOne(s *Store, key string) error {
	return s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		l := loaded.Books["A"].LineItems[0]
		l.Used = l.Used.Add(token.FromInt(1))
		id := usage.NewOnceID("noise", key)
		return store.Decided{Receipts: []*usage.Receipt{{
			CorrelationID: fmt.Sprintf("%x", id), InstanceID: "A", AccountID: "account", Key: key, Fingerprint: bytes.Repeat(id[:], 20),
			Items: []usage.Item{{Item: "item", Count: token.FromInt(1), Tokens: token.FromInt(1), Status: ledger.Granted, Slices: []usage.Slice{{
				ActivationID: "a1", Number: l.Number, Rate: token.FromInt(1), Tokens: token.FromInt(1), Quantity: l.Quantity, Used: l.Used,
			}}}},
		}}}
	})
}

// tally returns the use of a1 as readers see it, as batches see it, and as its receipts add up.
func tally(t *testing.T, s *Store) [3]string {
	t.Helper()
	var read, book, sum token.Amount
	err := s.View(ctx, func(r store.Reader) error {
		l, err := r.LineItem("a1")
		if err != nil {
			return err
		}
		read = l.Used
		_, err = r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
			sum = sum.Add(receipt.Items[0].Tokens)
			return true, nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		book = loaded.Books["A"].LineItems[0].Used
		return store.Decided{}
	})
	if err != nil {
		t.Fatal(err)
	}
	return [3]string{read.String(), book.String(), sum.String()}
}

func sameTally(t *testing.T, s *Store, want int) {
	t.Helper()
	text := fmt.Sprint(want)
	if got := tally(t, s); got != [3]string{text, text, text} {
		t.Errorf("readers see %s used, batches %s, the receipts add up to %s; want %s", got[0], got[1], got[2], text)
	}
}

// A damaged file may be refused or opened, but it must never give wrong answers without a word, and never panic.
func TestDamageIsNoticed(t *testing.T) {
	whole, err := os.ReadFile(charged(t))
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string][]byte{"cut in half": whole[:len(whole)/2], "a page short": whole[:len(whole)-4096], "cut in a page": whole[:len(whole)-1000]}
	for page := 1; page < len(whole)/4096; page += 3 {
		scratched := bytes.Clone(whole)
		copy(scratched[page*4096:], bytes.Repeat([]byte{0xa5}, 600))
		damage[fmt.Sprint("scratched page ", page)] = scratched
	}
	for name, content := range damage {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "damaged.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(path, Options{Read: true})
			if err != nil {
				if !strings.Contains(err.Error(), "restore it from a backup") {
					t.Errorf("the message %q does not say what to do", err)
				}
				return
			}
			defer s.Close()
			found, err := s.Check(ctx)
			if err != nil {
				kind(t, err, problem.Unavailable)
			} else if len(found) == 0 {
				t.Error("Check found nothing")
			}
		})
	}
}

func kind(t *testing.T, err error, want problem.Kind) {
	t.Helper()
	if err == nil || problem.KindOf(err) != want {
		t.Errorf("got %v (kind %d), want kind %d", err, problem.KindOf(err), want)
	}
}

func TestOneServerAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "served.db")
	first := open(t, path, Options{Create: true, Serve: true})
	setUp(t, first)
	if _, err := Open(path, Options{Create: true, Serve: true}); err == nil || !strings.Contains(err.Error(), "served by another process") {
		t.Errorf("a second server was not refused: %v", err)
	}
	chargeOne(t, first, "after the second was refused")
	beside := open(t, path, Options{}) // a verb of the command line
	chargeOne(t, beside, "beside the server")
	sameTally(t, first, 2)
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(path, Options{Serve: true}); err == nil {
		t.Error("a second server was not refused after a command line verb had closed the file")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	again := open(t, path, Options{Serve: true})
	sameTally(t, again, 2)
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestReadChangesNothing(t *testing.T) {
	path := charged(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, path, Options{Read: true})
	if found, err := s.Check(ctx); err != nil || len(found) > 0 {
		t.Errorf("Check: %q, %v", found, err)
	}
	err = s.View(ctx, func(r store.Reader) error {
		l, err := r.LineItem("a1")
		if err == nil && l.Used.String() != "50" {
			t.Errorf("%s is used, want 50", l.Used)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"Commit": tryChargeOne(s, "read only"),
		"Change": s.Change(ctx, func(tx store.Tx) error { return tx.DeleteRateTable("", "") }),
		"Forget": s.Forget(ctx, period.LatestMS, period.LatestMS),
		"Backup": s.Backup(ctx, filepath.Join(t.TempDir(), "copy")),
	} {
		if err == nil || problem.KindOf(err) != problem.Unavailable {
			t.Errorf("%s: got %v, want a problem of the kind Unavailable", name, err)
		}
	}
	if err := s.Refresh(ctx); err != nil || s.Settings() == nil {
		t.Errorf("Refresh: %v; settings %v", err, s.Settings())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}

// A crash leaves the log beside the database. Who only reads must see what is in the log, and leave it there.
func TestReadChangesNothingAfterCrash(t *testing.T) {
	path, s := crashable(t)
	for i := range 20 {
		chargeOne(t, s, fmt.Sprint(i))
	}
	crashed := crash(t, path)
	before := contents(t, crashed)
	r := open(t, crashed, Options{Read: true})
	err := r.View(ctx, func(r store.Reader) error {
		l, err := r.LineItem("a1")
		if err == nil && l.Used.String() != "20" {
			t.Errorf("%s is used, want 20", l.Used)
		}
		return err
	})
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if after := contents(t, crashed); !bytes.Equal(before[0], after[0]) || !bytes.Equal(before[1], after[1]) {
		t.Errorf("database or log were changed: %d and %d bytes became %d and %d", len(before[0]), len(before[1]), len(after[0]), len(after[1]))
	}
}

func TestPathsAreTakenAsTheyAre(t *testing.T) {
	for _, name := range []string{"with space.db", "100%41.db", "why?mode=memory.db", "#hash.db", "ümläut&x=y.db", ":memory:", "file:x.db"} {
		path := filepath.Join(t.TempDir(), name)
		s := open(t, path, Options{Create: true})
		setUp(t, s)
		copied := path + ".copy"
		if err := s.Backup(ctx, copied); err != nil {
			t.Errorf("Backup: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, p := range []string{path, copied} {
			if _, err := os.Stat(p); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestFilesAreTheirOwnersAlone holds new files to mode 0600, for there are secrets in them, and leaves the mode of a file that is there as it is.
func TestFilesAreTheirOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret.db")
	modes := func(want os.FileMode) {
		t.Helper()
		s := open(t, path, Options{Create: true, Serve: true})
		chargeOne(t, s, fmt.Sprint("key ", want))
		copied := fmt.Sprintf("%s.%o.copy", path, want)
		if err := s.Backup(ctx, copied); err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]os.FileMode{path: want, path + "-wal": want, path + "-shm": want, path + ".lock": 0o600, copied: 0o600} {
			info, err := os.Stat(file)
			if err != nil {
				t.Error(err)
			} else if is := info.Mode().Perm(); is != want {
				t.Errorf("%s has mode %o, want %o", file, is, want)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	s := open(t, path, Options{Create: true})
	setUp(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	modes(0o600)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	modes(0o640)
}
