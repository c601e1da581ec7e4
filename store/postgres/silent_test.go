package postgres

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/test/cluster"
)

// A network that swallows a commit, or its answer, holds up a batch for as long as is allowed; then what became of it is found out, and nothing is
// made twice. A commit that was not heard keeps its locks in PostgreSQL until that gives it up: it may be told to be in doubt.
func TestSwallowedCommits(t *testing.T) {
	t.Parallel()
	c := cluster.Shared(t)
	var next atomic.Int64 // a cluster.Cut
	p := cluster.NewProxy(t, c, func(commits bool) cluster.Cut {
		if commits {
			return cluster.Cut(next.Swap(int64(cluster.None)))
		}
		return cluster.None
	})
	s := open(t, p.Through(t, c.URL(t)), Options{})
	defer s.Close()
	world(t, s)
	s.batchMost = 300 * time.Millisecond
	want := map[string]bool{}
	for i, how := range []cluster.Cut{cluster.Muted, cluster.Swallowed, cluster.Muted} {
		id := fmt.Sprint("charge ", i)
		next.Store(int64(how))
		within(t, doubtPatience, func() {
			err := charge(s, id)
			want[id] = err == nil
			if err != nil && (how == cluster.Muted || problem.KindOf(err) != problem.Unavailable) {
				t.Error(err)
			}
		})
		if !want[id] {
			delete(want, id)
		}
		onlyCharged(t, s, want)
	}
}

// A PostgreSQL that is frozen, all of it, holds up nobody for longer than is documented, and goes on when it does.
func TestFrozenDatabase(t *testing.T) {
	t.Parallel()
	c := cluster.Own(t)
	s := open(t, c.URL(t), Options{})
	defer s.Close()
	world(t, s)
	want := map[string]bool{"before": true, "after": true}
	if err := charge(s, "before"); err != nil {
		t.Fatal(err)
	}
	thaw := c.Freeze(t)
	var all sync.WaitGroup
	for what, ask := range map[string]func() error{
		"a charge":  func() error { return charge(s, "frozen") },
		"a change":  func() error { return s.Change(ctx, func(store.Tx) error { return nil }) },
		"another":   func() error { return s.Change(ctx, func(store.Tx) error { return nil }) },
		"a view":    func() error { return s.View(ctx, func(store.Reader) error { return nil }) },
		"a refresh": func() error { return s.Refresh(ctx) },
	} {
		all.Go(func() {
			if err := ask(); problem.KindOf(err) != problem.Unavailable {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	within(t, batchMost+doubtPatience, all.Wait)
	thaw()
	if err := charge(s, "after"); err != nil {
		t.Fatal(err)
	}
	onlyCharged(t, s, want)
}

// Who waits for a lock gives up before its attempt does, so that nobody goes on waiting in PostgreSQL for who has gone.
func TestLocksAreNotWaitedForLonger(t *testing.T) {
	t.Parallel()
	c := cluster.Own(t)
	s := open(t, c.URL(t), Options{})
	defer s.Close()
	world(t, s)
	s.batchMost = 10 * time.Second // a lock is waited for 8
	conn, err := s.reads.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	other, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback(ctx) }()
	if _, err := other.Exec(ctx, "SELECT FROM instance WHERE id = 'A' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	err = charge(s, "waits")
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "55P03" || problem.KindOf(err) != problem.Unavailable {
		t.Errorf("a batch that waits for a lock: %v", err)
	}
	if _, err := other.Exec(ctx, "SELECT pg_advisory_xact_lock_shared($1)", s.locks.change); err != nil {
		t.Fatal(err)
	}
	err = s.Change(ctx, func(store.Tx) error { return nil })
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "55P03" || problem.KindOf(err) != problem.Unavailable {
		t.Errorf("a change that waits for a lock: %v", err)
	}
}

// within holds that something does not take longer.
func within(t *testing.T, most time.Duration, what func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		what()
	}()
	select {
	case <-done:
	case <-time.After(most + time.Minute): // this machine may be busy
		t.Fatalf("it was to be over within %v, and is not", most)
	}
}

// A commit that is made where it was asked for, but whose wait for its synchronous replica an administrator has cancelled, is not acknowledged
// before the replica has it. Nor is anything that was made earlier, when it is asked for again.
func TestCancelledWaitForReplica(t *testing.T) {
	primary := cluster.Listening(t)
	replica := primary.Standby(t)
	s := open(t, primary.URL(t), Options{})
	defer s.Close()
	world(t, s)
	s.batchMost = time.Minute // an administrator is faster
	frozen := replica.Freeze(t)
	done := make(chan error)
	go func() { done <- charge(s, "waits") }()
	primary.Exec(t, `DO $$ DECLARE found integer := 0; BEGIN
		WHILE found < 1 LOOP
			PERFORM pg_stat_clear_snapshot();
			SELECT count(*) INTO found FROM (SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep') AS cancelled;
			PERFORM pg_sleep(0.01);
		END LOOP; END $$`)
	select {
	case err := <-done:
		t.Errorf("the replica has nothing of it, but this was answered: %v", err)
		return
	case <-time.After(time.Second): // it waits again
	}
	frozen()
	if err := <-done; err != nil {
		t.Error(err)
	}
	onlyCharged(t, s, map[string]bool{"waits": true})
}

// While the replica is away, what is in doubt is told to be so, and what a batch only reads is not answered either: what it saw may be lost.
func TestReplicaAway(t *testing.T) {
	t.Parallel()
	primary := cluster.Listening(t)
	replica := primary.Standby(t)
	s := open(t, primary.URL(t), Options{})
	defer s.Close()
	world(t, s)
	s.batchMost = 2 * time.Second
	thaw := replica.Freeze(t)
	look := func() error {
		return s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(*store.Loaded) store.Decided { return store.Decided{} })
	}
	within(t, s.batchMost+doubtPatience, func() {
		if err := charge(s, "away"); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("a charge was answered by %v", err)
		}
	})
	within(t, s.batchMost+doubtPatience, func() {
		if err := look(); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("what was made without the replica was told by %v", err)
		}
	})
	thaw()
	s.batchMost = time.Minute
	if err := look(); err != nil {
		t.Error(err)
	}
	onlyCharged(t, s, map[string]bool{"away": true})
}
