package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// pragma sets a value on the writing connection.
func pragma(t *testing.T, s *Store, text string, args ...any) {
	t.Helper()
	if _, err := s.conn.ExecContext(ctx, "PRAGMA "+fmt.Sprintf(text, args...)); err != nil {
		t.Fatal(err)
	}
}

// fill charges until that fails and returns how many charges were acknowledged.
func fill(t *testing.T, s *Store, done int) int {
	t.Helper()
	for range 5000 {
		err := tryChargeOne(s, fmt.Sprint("key ", done))
		if err != nil {
			kind(t, err, problem.Unavailable)
			return done
		}
		done++
	}
	t.Fatal("nothing is ever full")
	return 0
}

// stuck holds a store that cannot write to what it acknowledged: it refuses, it charges nothing, and it still reads.
func stuck(t *testing.T, s *Store, done int) {
	t.Helper()
	for range 3 {
		kind(t, tryChargeOne(s, fmt.Sprint("key ", done)), problem.Unavailable)
		sameTally(t, s, done)
	}
	table := &rate.Table{Version: "too large", Items: make([]rate.Item, 20_000)}
	for i := range table.Items {
		table.Items[i] = rate.Item{Name: fmt.Sprint("item ", i), Rate: token.FromInt(1)}
	}
	kind(t, s.Change(ctx, func(tx store.Tx) error { return tx.InsertRateTable(table) }), problem.Unavailable)
	if len(s.Settings().Rates.Tables()) != 0 {
		t.Error("a rate table that was not written is in force")
	}
	id := usage.NewOnceID("A", fmt.Sprint("key ", done))
	err := s.Commit(ctx, store.Want{Once: []usage.OnceID{id}}, func(loaded *store.Loaded) store.Decided {
		if loaded.Earlier[id] != nil {
			t.Error("the idempotency key of a charge that was not acknowledged is taken")
		}
		return store.Decided{}
	})
	if err != nil {
		t.Error(err)
	}
	sameTally(t, s, done)
}

// recovered holds a store that can write again, now and after a restart.
func recovered(t *testing.T, s *Store, path string, done int) {
	t.Helper()
	chargeOne(t, s, fmt.Sprint("key ", done)) // the very key that failed before
	sameTally(t, s, done+1)
	after := open(t, path, Options{})
	sameTally(t, after, done+1)
	if found, err := after.Check(ctx); err != nil || len(found) > 0 {
		t.Errorf("Check: %q, %v", found, err)
	}
	chargeOne(t, after, "another process")
	sameTally(t, s, done+2)
	if err := after.Close(); err != nil {
		t.Error(err)
	}
}

func TestFullDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "full.db")
	s := open(t, path, Options{Create: true})
	setUp(t, s)
	done := 0
	for range 3 {
		var pages int
		if err := s.conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
			t.Fatal(err)
		}
		pragma(t, s, "max_page_count = %d", pages+3)
		done = fill(t, s, done)
		stuck(t, s, done)
		pragma(t, s, "max_page_count = %d", 1<<30)
		recovered(t, s, path, done)
		done += 2
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestLockedByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked.db")
	s, other := open(t, path, Options{Create: true}), open(t, path, Options{})
	setUp(t, s)
	chargeOne(t, s, "0")
	pragma(t, s, "busy_timeout = 20")
	err := other.Change(ctx, func(store.Tx) error {
		kind(t, tryChargeOne(s, "1"), problem.Unavailable)
		kind(t, s.Change(ctx, func(store.Tx) error { return nil }), problem.Unavailable)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	recovered(t, s, path, 1)
	for _, s := range []*Store{s, other} {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A connection that cannot even roll back is replaced, if need be at a later attempt.
func TestConnectionIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replaced.db")
	s := open(t, path, Options{Create: true})
	s.checkpoint.stop() // it asks s.writes, which this replaces
	setUp(t, s)
	chargeOne(t, s, "key 0")
	good := s.writes
	bad, err := sql.Open("sqlite", dsn(filepath.Join(path, "not a folder"), false))
	if err != nil {
		t.Fatal(err)
	}
	for done, writes := range []*sql.DB{nil, good, bad, good} {
		if writes == nil {
			continue
		}
		if err := s.stmts.rollback.Close(); err != nil {
			t.Fatal(err)
		}
		if s.stmts.rollback, err = s.conn.PrepareContext(ctx, "SELECT abs(-9223372036854775808)"); err != nil { // which overflows
			t.Fatal(err)
		}
		s.writes = writes
		errNotBooked := errors.New("not booked")
		if err := s.Change(ctx, func(tx store.Tx) error { return errors.Join(tx.RemoveLineItem("a1"), errNotBooked) }); !errors.Is(err, errNotBooked) {
			t.Errorf("got %v", err)
		}
		if writes == bad {
			kind(t, tryChargeOne(s, fmt.Sprint("key ", done)), problem.Unavailable)
			kind(t, s.Change(ctx, func(store.Tx) error { return nil }), problem.Unavailable)
			kind(t, s.Refresh(ctx), problem.Unavailable)
			kind(t, s.Forget(ctx, 0, 0), problem.Unavailable)
			s.writes = good
		}
		chargeOne(t, s, fmt.Sprint("key ", done))
		sameTally(t, s, done+1)
	}
	if err := bad.Close(); err != nil {
		t.Error(err)
	}
	recovered(t, s, path, 4)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	path := charged(t)
	before := runtime.NumGoroutine()
	for range 5 {
		s := open(t, path, Options{Serve: true})
		sameTally(t, s, 50)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := Open(path+".missing", Options{}); err == nil {
			t.Error("a missing file was opened")
		}
	}
	deadline := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines became %d:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}
