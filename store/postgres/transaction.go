package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// How every transaction that writes begins. Settings of a transaction are its own, so a pool of connections is none the wiser. The first bounds how long
// the locks of a server that died without a word hold up others: not as long as these wait, but that changes may compute between their statements. The
// second bounds how long is waited for any lock; it is set before the first is taken.
const (
	begin       = "BEGIN"
	bound       = "set_config('lock_timeout', $2, true)"
	beginShared = "SELECT set_config('idle_in_transaction_session_timeout', '10s', true), " + bound + ", pg_advisory_xact_lock_shared($1)"
	beginAlone  = "SELECT set_config('idle_in_transaction_session_timeout', '20s', true), " + bound + ", pg_advisory_xact_lock($1)"
	lockAlone   = "SELECT pg_advisory_xact_lock($1)"
	lockJournal = lockAlone
	commit      = "COMMIT"
)

// lockWithin is how long is waited for a lock: less than an attempt takes at most, so that PostgreSQL does not go on waiting for who has given up.
func (s *Store) lockWithin() string { return fmt.Sprint((s.batchMost * 4 / 5).Milliseconds(), "ms") }

// bounded bounds what is waited for that takes no time unless PostgreSQL is busy or away: a connection, a beginning, a commit.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.batchMost)
}

// begin opens a transaction on a connection, under the lock of changes, in one round trip.
func (s *Store) begin(ctx context.Context, conn *pgx.Conn, lock string) (is stamp, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	b := new(pgx.Batch)
	s.queueBegin(b, lock, &is)
	return is, conn.SendBatch(ctx, b).Close()
}

func (s *Store) queueBegin(b *pgx.Batch, lock string, is *stamp) {
	b.Queue(begin)
	b.Queue(lock, s.locks.change, s.lockWithin())
	b.Queue(selectStamp).QueryRow(func(row pgx.Row) error { return row.Scan(&is.schema, &is.settings) })
}

// transaction runs fn on a connection, and undoes what fn has begun and not committed, also when it panics.
func (s *Store) transaction(ctx context.Context, pool *pgxpool.Pool, fn func(*pgx.Conn) error) error {
	waiting, cancel := s.bounded(ctx)
	conn, err := pool.Acquire(waiting)
	cancel()
	if err != nil {
		return &lost{err, false}
	}
	defer conn.Release() // drops a connection that is in a transaction still
	defer func() {
		if !conn.Conn().IsClosed() && conn.Conn().PgConn().TxStatus() != 'I' {
			ctx, cancel := s.bounded(ctx)
			defer cancel()
			_, _ = conn.Exec(ctx, "ROLLBACK")
		}
	}()
	err = fn(conn.Conn())
	if err != nil && conn.Conn().IsClosed() {
		s.reads.Reset() // what happened to this connection has likely happened to those that wait for work
		s.writes.Reset()
		if _, told := errors.AsType[*lost](err); !told {
			return &lost{err, false}
		}
	}
	return err
}

// lost says that a connection was lost, or that there is none.
type lost struct {
	error
	doubt bool // whether a commit was made is not known
}

func (l *lost) Unwrap() error { return l.error }

// How long is tried again: until everybody who waits is better told to come back later; longer while it is not known whether something
// was done.
const (
	patience       = 3 * time.Second
	doubtPatience  = 15 * time.Second
	firstPause     = 10 * time.Millisecond
	longestPause   = 500 * time.Millisecond
	attemptsAtMost = 100
)

// try runs fn, and again when it failed of something that passes. Doubt tells it that an earlier run may have been committed all the same.
func (s *Store) try(ctx context.Context, fn func(doubt bool) error) error {
	began, pause, doubt := time.Now(), firstPause, false
	for attempt := 1; ; attempt++ {
		err := fn(doubt)
		if err == nil {
			return nil
		}
		patience := patience
		if e, ok := errors.AsType[*lost](err); ok && e.doubt || repeated(err) {
			doubt = true
		}
		if errors.Is(err, errNotMade) {
			doubt = false
		}
		if doubt {
			patience = doubtPatience
		}
		if !passes(err) || s.closed.Load() || attempt == attemptsAtMost || time.Since(began) > patience {
			if doubt {
				return problem.Wrap(problem.Unavailable, err, "the store does not answer, and whether this was done is not known. Ask again, with the same idempotency key")
			}
			return store.Unavailable(err)
		}
		slog.Debug("trying a transaction again", "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return store.Unavailable(err)
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// passes says whether what went wrong may be over soon.
func passes(err error) bool {
	if _, ok := errors.AsType[*lost](err); ok {
		return true
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch e.Code {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock timeout
		return true
	case "57P01", "57P02", "57P03", "25P03": // shut down, crashed, starting, idle for too long
		return true
	case "53300", "25006": // too many connections; read only: a replica that is about to take over
		return true
	}
	return e.Code[:2] == "08" || repeated(err) || otherMonths(err)
}

// otherMonths says whether the journal was not as a server knew it: another one, whose clock is ahead, has begun the next month, or it was restored.
// What is known of it is forgotten at any failure.
func otherMonths(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && strings.HasPrefix(e.TableName, "journal") && (e.Code == "23502" || e.Code == "23514") // no number, no partition
}

// repeated says whether a batch was there already: it was committed by an attempt that was thought to be lost.
func repeated(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505" && (strings.HasPrefix(e.TableName, "journal") && strings.HasSuffix(e.ConstraintName, "batch_key") || e.ConstraintName == "change_pkey")
}

// newBatch names what is committed, so that it can be found again. Names are in the order of time.
func newBatch() [16]byte { return uuid.Must(uuid.NewV7()) }

const selectMade = "SELECT EXISTS (SELECT FROM journal WHERE batch = $1) OR EXISTS (SELECT FROM change WHERE id = $1)"

// Change implements store.Store. What fn does it does once: only what comes before and after is tried again.
func (s *Store) Change(ctx context.Context, fn func(store.Tx) error) error {
	ctx = context.WithoutCancel(ctx)
	waiting, cancel := s.bounded(ctx)
	defer cancel()
	select {
	case s.changing <- struct{}{}:
		defer func() { <-s.changing }()
	case <-waiting.Done():
		return store.Unavailable(waiting.Err())
	}
	t := &tx{id: newBatch()}
	var called bool
	var ours, failure error // of fn, of the attempt in which it was called
	err := s.try(ctx, func(bool) error {
		return s.transaction(ctx, s.writes, func(conn *pgx.Conn) error {
			is, err := s.begin(ctx, conn, beginAlone)
			if err != nil {
				return err
			}
			if called {
				return s.wasMade(ctx, conn, t.id, failure)
			}
			known, err := s.current(ctx, conn, is)
			if err != nil {
				return err
			}
			t.reader = reader{ctx: ctx, q: conn, s: s, tables: known.tables}
			called = true
			if ours = fn(t); ours != nil {
				return errCallers
			}
			failure = s.finish(ctx, conn, t, known)
			return failure
		})
	})
	if ours != nil {
		return ours
	}
	return err
}

// errCallers stands for an error of a caller's function.
var errCallers = errors.New("an error of the caller")

var errNotMade = errors.New("the change was not made")

// wasMade returns nil if a change was made though it seemed to fail. The lock of changes was held until then.
func (s *Store) wasMade(ctx context.Context, conn *pgx.Conn, id [16]byte, failure error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var made bool
	if err := conn.QueryRow(ctx, selectMade, id).Scan(&made); err != nil {
		return err
	}
	if !made {
		return fmt.Errorf("%w: %v", errNotMade, failure)
	}
	return s.confirm(ctx, conn)
}

// finish commits a change, and makes its settings known.
func (s *Store) finish(ctx context.Context, conn *pgx.Conn, t *tx, known *settings) error {
	b, fresh := new(pgx.Batch), known
	if t.settings {
		next := [16]byte(uuid.New())
		var err error
		if fresh, err = s.load(ctx, conn, next); err != nil {
			return err
		}
		b.Queue("UPDATE farebox SET settings = $1", next)
	}
	if t.wrote {
		b.Queue("INSERT INTO change (id) VALUES ($1)", t.id)
	}
	b.Queue(commit)
	if err := s.sendCommit(ctx, conn, b); err != nil {
		return err
	}
	s.settings.CompareAndSwap(known, fresh) // unless somebody has read newer ones since
	return nil
}

// sendCommit sends statements of which the last is COMMIT. When the connection is lost over it, whether it was made is in doubt; and when its wait
// for a synchronous replica was cancelled, whether it stays.
func (s *Store) sendCommit(ctx context.Context, conn *pgx.Conn, b *pgx.Batch) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	doubts := s.doubts.Load()
	delete(conn.PgConn().CustomData(), unreplicated)
	err := conn.SendBatch(ctx, b).Close()
	_, alone := conn.PgConn().CustomData()[unreplicated]
	switch {
	case err != nil && conn.IsClosed():
	case err == nil && alone:
		err = errUnreplicated
	case err == nil:
		s.settle(doubts)
		return nil
	default:
		return err
	}
	s.doubts.Add(1)
	return &lost{err, true}
}

// settle remembers that a commit has arrived wherever it must, and so all that were there before it was sent.
func (s *Store) settle(doubts int64) {
	for had := s.settled.Load(); had < doubts && !s.settled.CompareAndSwap(had, doubts); had = s.settled.Load() {
	}
}

// confirm ends a transaction that has only read, and perhaps what is not known to have reached a replica: then it commits something, since that is
// answered when all before it has arrived. Reading alone waits for nobody.
func (s *Store) confirm(ctx context.Context, conn *pgx.Conn) error {
	if s.settled.Load() == s.doubts.Load() {
		return nil
	}
	b := new(pgx.Batch)
	b.Queue("INSERT INTO change (id) VALUES ($1)", newBatch())
	b.Queue(commit)
	return s.sendCommit(ctx, conn, b)
}

// unreplicated names what is remembered of a connection whose commit was answered before a synchronous replica had it.
const unreplicated = "unreplicated"

var errUnreplicated = errors.New("the wait for a synchronous replica was cancelled")

// noteNotice looks for the warning that PostgreSQL gives when it answers such a commit. Its text is in the language of the server and its code is
// that of any warning; the routine's name is neither (src/backend/replication/syncrep.c, 15 to 18).
func noteNotice(conn *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" && n.Routine == "SyncRepWaitForLSN" {
		conn.CustomData()[unreplicated] = true
	}
}
