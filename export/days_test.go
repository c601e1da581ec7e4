package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

const dawnMS = 1767225600000 // 2026-01-01

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // faults are made on purpose here
	os.Exit(m.Run())
}

// world is an engine with a clock of its own and a line item that pays for item x.
type world struct {
	*testing.T
	*engine.Engine
	clock    atomic.Int64 // the engine looks at it of itself
	instance string
	failing  *failingStore
}

// failingStore fails the next changes, as many as it is told.
type failingStore struct {
	store.Store
	fail int
}

func (s *failingStore) Change(ctx context.Context, fn func(store.Tx) error) error {
	if s.fail > 0 {
		s.fail--
		return problem.New(problem.Unavailable, "on purpose")
	}
	return s.Store.Change(ctx, fn)
}

func newWorld(t *testing.T) *world {
	books, err := sqlite.Open(filepath.Join(t.TempDir(), "world.db"), sqlite.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, failing: &failingStore{Store: books}}
	w.clock.Store(dawnMS)
	w.Engine = engine.New(w.failing, engine.Options{Now: func() time.Time { return time.UnixMilli(w.clock.Load()) }})
	t.Cleanup(func() {
		w.Stop()
		if err := books.Close(); err != nil {
			t.Error(err)
		}
	})
	_, _, err = w.Change(t.Context(), "", nil, func(c *engine.Change) (*store.Answer, error) {
		i, err := c.CreateInstance("instance", "account")
		if err != nil {
			return nil, err
		}
		w.instance = i.ID
		if err := c.AddRateTable(&rate.Table{Version: "1", Items: []rate.Item{{Name: "x", Rate: token.FromInt(1)}}}); err != nil {
			return nil, err
		}
		_, err = c.PutLineItem(ledger.LineItem{ActivationID: "a", InstanceID: w.instance, State: ledger.Deployed, Quantity: 1_000_000,
			StartMS: dawnMS, EndMS: dawnMS + 1000*dayMS, Elastic: true, Kind: ledger.Paid})
		return new(store.Answer), err
	})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// charge makes n requests for two items, of which one is denied.
func (w *world) charge(n int) {
	w.Helper()
	one := token.FromInt(1)
	for range n {
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: &access.Request{
			Requester: access.Requester{Type: "USER", Value: "u"},
			Items:     []access.Item{{Ask: ledger.Ask{Item: "x", Count: one}}, {Ask: ledger.Ask{Item: "missing", Count: one}}},
		}})
		w.must(err)
	}
}

// events are all events of the record.
func (w *world) events() []usage.Event {
	w.Helper()
	all, _, err := w.Events(w.Context(), usage.Position{}, &usage.Filter{}, 1_000_000)
	w.must(err)
	return all
}

// follow has a follower read until there is nothing more, with a most of its own.
func (w *world) follow(f *engine.Follower, most int) error {
	f.Most = most
	for more := true; more; {
		var err error
		if more, err = w.FollowOnce(w.Context(), f); err != nil {
			return err
		}
	}
	return nil
}

// files reads what is in a folder.
func files(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[name], err = os.ReadFile(filepath.Join(folder, name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// check fails unless files of days have the events, each once, in order and under its day.
func (w *world) check(all map[string][]byte, want []usage.Event) {
	w.Helper()
	var got, rows [][]string
	for i := range want {
		rows = append(rows, want[i].Row())
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) }) // the order of positions
	for _, name := range names {
		_, these := parquetRows(w.T, all[name])
		for _, row := range these {
			if day, _, _ := strings.Cut(row[3], "T"); !strings.HasPrefix(name, "date="+day+"/usage-") {
				w.Errorf("%s has what was recorded at %s", name, row[3])
			}
		}
		got = append(got, these...)
	}
	if diff := cmp.Diff(rows, got); diff != "" {
		w.Error(diff)
	}
}

func TestDaysAreWrittenWhenTheyAreOver(t *testing.T) {
	w := newWorld(t)
	folder := filepath.Join(t.TempDir(), "deep", "usage")
	bucket, err := OpenBucket(t.Context(), "file://"+filepath.ToSlash(folder))
	w.must(err)
	days := &Days{Bucket: bucket, Format: Parquet}
	f := days.Follower("days", w.Now)
	w.charge(5)
	w.must(w.follow(f, 3))
	over := int64(dawnMS + dayMS)
	for _, early := range []int64{over - 1, over, over + daysLate.Milliseconds() - 1} {
		w.clock.Store(early)
		if days.Look(w.Now()) {
			t.Errorf("it looks at %d", early)
		}
		w.must(w.follow(f, 3))
		if all := files(t, folder); len(all) != 0 {
			t.Fatalf("at %d there is %d files", early, len(all))
		}
	}
	yesterday := w.events()
	w.charge(4) // of the next day already
	w.clock.Store(over + daysLate.Milliseconds())
	if !days.Look(w.Now()) {
		t.Error("it does not look when the day is over")
	}
	w.must(w.follow(f, 3))
	all := files(t, folder)
	w.check(all, yesterday)
	if len(all) != 2 {
		t.Errorf("5 receipts by 3 make %d files", len(all))
	}
	w.clock.Add(40 * dayMS) // days without anything have no file
	w.must(w.follow(f, 3))
	w.check(files(t, folder), w.events())
}

// Whatever fails between a file and the position behind it, files are written again under the same name, byte for byte.
func TestDaysSurviveACrashBetweenFileAndPosition(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	bucket, err := OpenFolder(folder)
	w.must(err)
	for range 3 {
		w.charge(7)
		w.clock.Add(dayMS)
	}
	w.clock.Add(dayMS)
	written := map[string][]byte{}
	for crashes := 0; ; crashes++ {
		// A process anew each time, which knows what is with the books and nothing else.
		f := (&Days{Bucket: bucket, Format: Parquet}).Follower("days", w.Now)
		w.failing.fail = (crashes + 1) % 2 // after the file, before the position
		f.Most = 4
		more, err := w.FollowOnce(t.Context(), f)
		if w.failing.fail = 0; err == nil && !more {
			break
		}
		for name, data := range files(t, folder) {
			if before := written[name]; before != nil && !bytes.Equal(before, data) {
				t.Fatalf("%s was written with other bytes", name)
			}
			written[name] = data
		}
		if crashes > 100 {
			t.Fatal("it does not come to an end")
		}
	}
	if len(written) != 6 {
		t.Errorf("%d files", len(written))
	}
	w.check(files(t, folder), w.events())
}

// A clock that was set back makes another file of the day before, never a second one with the same events.
func TestDaysWithAClockSetBack(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	bucket, err := OpenFolder(folder)
	w.must(err)
	for _, day := range []int64{0, 1, 0, 2, 1} {
		w.clock.Store(dawnMS + day*dayMS)
		w.charge(2)
	}
	w.clock.Store(dawnMS + 10*dayMS)
	w.must(w.follow((&Days{Bucket: bucket, Format: Parquet}).Follower("days", w.Now), 100))
	w.check(files(t, folder), w.events())
}

func TestDaysKeepToAFilterAndAFormat(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	bucket, err := OpenFolder(folder)
	w.must(err)
	w.charge(3)
	w.clock.Add(2 * dayMS)
	w.must(w.follow((&Days{Bucket: bucket, Format: NDJSON, Filter: usage.Filter{Kind: usage.Denial}}).Follower("denials", w.Now), 100))
	w.must(w.follow((&Days{Bucket: bucket, Format: CSV, Filter: usage.Filter{Item: "nothing"}}).Follower("nothing", w.Now), 100))
	all := files(t, folder)
	for name, data := range all {
		if !strings.HasSuffix(name, ".ndjson") || bytes.Count(data, []byte(`"kind":"DENIAL"`)) != 3 || bytes.Count(data, []byte("\n")) != 3 {
			t.Errorf("%s: %s", name, data)
		}
	}
	if len(all) != 1 {
		t.Errorf("%d files", len(all))
	}
}

// A real S3 API in this process, which can be told to fail.
func TestDaysGoToAnObjectStore(t *testing.T) {
	w := newWorld(t)
	backend := s3mem.New()
	w.must(backend.CreateBucket("usage"))
	fake := gofakes3.New(backend).Server()
	failing := true
	s3 := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if failing {
			http.Error(rw, "on purpose", http.StatusForbidden)
			return
		}
		fake.ServeHTTP(rw, r)
	}))
	defer s3.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	bucket, err := OpenBucket(t.Context(), "s3://usage/made/here?region=eu-central-1&s3ForcePathStyle=true&endpoint="+s3.URL)
	w.must(err)
	w.charge(9)
	w.clock.Add(2 * dayMS)
	f := (&Days{Bucket: bucket, Format: Parquet}).Follower("days", w.Now)
	if err := w.follow(f, 4); err == nil || !strings.Contains(err.Error(), "403") {
		t.Fatalf("a store that refuses: %v", err)
	}
	w.charge(1) // is not held up
	failing = false
	w.failing.fail = 1
	if err := w.follow(f, 4); problem.KindOf(err) != problem.Unavailable {
		t.Fatal(err)
	}
	w.must(w.follow(f, 4))
	all := map[string][]byte{}
	list, err := backend.ListBucket("usage", nil, gofakes3.ListBucketPage{})
	w.must(err)
	for _, object := range list.Contents {
		name, in := strings.CutPrefix(object.Key, "made/here/")
		if !in {
			t.Errorf("%s is not in its folder", object.Key)
		}
		all[name], err = bucket.Get(t.Context(), name)
		w.must(err)
	}
	w.check(all, w.events()[:18]) // the last one's day is not over
	if none, err := bucket.Get(t.Context(), "none"); none != nil || err != nil {
		t.Errorf("%q, %v of what is not there", none, err)
	}
}

func TestTargetsThatAreNone(t *testing.T) {
	for target, says := range map[string]string{
		"file://relative/folder":             "three slashes",
		"ftp://user:secret@host/x?key=hid":   `ftp://host/x: there is no export to "ftp"`,
		"::":                                 "not a URL",
		"s3://usage?region=x&unheard=secret": "s3://usage",
	} {
		_, err := OpenBucket(t.Context(), target)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(fmt.Sprint(err), "user:secret") {
			t.Errorf("%s: %v", target, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(file); err == nil {
		t.Error("a file is taken for a folder")
	}
}
