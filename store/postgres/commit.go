package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
	"github.com/farebox/farebox/usage"
)

// Commit implements store.Store.
//
// A batch is one transaction of two round trips, whatever its size: one that locks and loads, one that writes and commits. Sessions, rules, retries,
// and settings that have changed take one more each. Nothing is remembered of books between batches but what is held (held.go), and that is brought up to date under the locks; so any number of
// servers may do this.
func (s *Store) Commit(ctx context.Context, want store.Want, decide func(*store.Loaded) store.Decided) error {
	ctx = context.WithoutCancel(ctx) // a caller that hangs up does not interrupt the others' batch
	batch := newBatch()
	return s.try(ctx, func(doubt bool) error {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		return s.transaction(ctx, s.writes, func(conn *pgx.Conn) error {
			l := newLoading(s, conn, want)
			if err := l.load(ctx); err != nil {
				return err
			}
			// The locks that were just taken were held until an earlier attempt had ended, if there was one. Not those of what it
			// claimed, which are passed over; but then its row is in the way of another of the same name, or is of another month, and both
			// are there, each with what it had claimed.
			if doubt {
				var made bool
				if err := conn.QueryRow(ctx, selectMade, batch).Scan(&made); err != nil {
					return err
				}
				if made {
					return s.confirm(ctx, conn)
				}
			}
			decided := decide(l.loaded)
			if len(decided.Receipts)+len(decided.Sessions) == 0 {
				return s.confirm(ctx, conn)
			}
			made, err := s.write(ctx, conn, batch, &decided)
			if err != nil {
				s.months.Store(nil) // they may be others than we thought
				return err
			}
			l.remember(made)
			return nil
		})
	})
}

// write puts a batch into the transaction and commits it. Balances and the like are guarded by the locks of their instances.
func (s *Store) write(ctx context.Context, conn *pgx.Conn, batch [16]byte, decided *store.Decided) (made committed, err error) {
	made.batch = batch
	b := new(pgx.Batch)
	var months *months
	if len(decided.Receipts) > 0 {
		if months, err = s.readyMonth(ctx, conn, madeMS(decided.Receipts)); err != nil {
			return made, err
		}
	}
	if err := queueSessions(b, decided.Sessions); err != nil {
		return made, err
	}
	if len(decided.Receipts) == 0 {
		b.Queue("INSERT INTO change (id) VALUES ($1)", batch)
	} else if err := s.queueReceipts(b, &made, months, decided.Receipts); err != nil {
		return made, err
	}
	b.Queue(commit)
	err = s.sendCommit(ctx, conn, b) // which also tells what was asked for
	return made, err
}

const (
	insertOnce = `INSERT INTO once (id, batch, place, time_ms) SELECT id, $1, place, $2 FROM unnest($3::uuid[], $4::integer[]) AS n (id, place)
		ON CONFLICT (id) DO UPDATE SET (batch, place, time_ms) = (excluded.batch, excluded.place, excluded.time_ms)`
	// Numbers have no gaps and are in the order in which commits become visible, since the lock of the journal is held until then: who
	// follows the journal never finds a number that is less than one seen before.
	// The commit before is looked for in the months from one on that is known to have some. If there is none, or it is of a later month than
	// this one, the journal is not the one that we know, and takes no row, since a number is not NULL.
	// Months are constants in its text: so its plan is kept, and is for the partitions of these alone.
	insertJournal = `INSERT INTO journal (month, number, batch, from_ms, time_ms, codec, receipts) VALUES ('%[1]s',
		(SELECT CASE WHEN month <= '%[1]s' THEN number END FROM journal WHERE month >= '%[2]s' ORDER BY month DESC, number DESC LIMIT 1) + 1, $1, $2, $3, $4, $5)`
	// While no month is known to have any, the journal is empty, or others have just begun it.
	insertFirst = `INSERT INTO journal (month, number, batch, from_ms, time_ms, codec, receipts)
		SELECT greatest($1::date, month), coalesce(number, 0) + 1, $2, $3::bigint, $4::bigint, $5::integer, $6::bytea
		FROM (SELECT 1) AS one LEFT JOIN (SELECT month, number FROM journal ORDER BY month DESC, number DESC LIMIT 1) AS last ON true`
)

// insertAfter is the statement that appends a row of a month, when the one before is of no month before latest.
func insertAfter(latest, month time.Time) string {
	return fmt.Sprintf(insertJournal, month.Format(time.DateOnly), latest.Format(time.DateOnly))
}

// madeMS returns when the latest of some receipts was written down.
func madeMS(receipts []*usage.Receipt) (ms int64) {
	ms = receipts[0].MadeMS()
	for _, r := range receipts {
		ms = max(ms, r.MadeMS())
	}
	return ms
}

// queueReceipts has the receipts written, their idempotency keys and all that follows from them. The journal comes last, since all servers
// wait for each other there. It says of the commit in which month it will be.
func (s *Store) queueReceipts(b *pgx.Batch, made *committed, months *months, receipts []*usage.Receipt) error {
	fromMS, nowMS := receipts[0].TimeMS, madeMS(receipts)
	for _, r := range receipts {
		fromMS = min(fromMS, r.TimeMS)
	}
	lines, err := codec.AppendLines(nil, receipts)
	if err != nil {
		return err
	}
	form, packed := s.receipts.Pack(lines, nil)
	effects := usage.EffectsOf(receipts)
	if err := queueEffects(b, effects, &made.moved); err != nil {
		return err
	}
	if err := queueGivenBack(b, made.batch, effects.Given); err != nil {
		return err
	}
	queueOnce(b, made.batch, nowMS, receipts)
	made.month = later(monthOf(nowMS), months.latest())
	b.Queue(lockJournal, s.locks.journal)
	if latest := months.latest(); latest.IsZero() {
		b.Queue(insertFirst, monthOf(nowMS), made.batch, fromMS, nowMS, form, packed)
	} else {
		b.Queue(insertAfter(latest, made.month), made.batch, fromMS, nowMS, form, packed)
	}
	return nil
}

func queueOnce(b *pgx.Batch, batch [16]byte, nowMS int64, receipts []*usage.Receipt) {
	places := map[[16]byte]int32{} // of a key that came twice, the last
	for i, r := range receipts {
		if id, had := r.OnceID(); had {
			places[id] = int32(i)
		}
	}
	if len(places) == 0 {
		return
	}
	ids, at := make([][16]byte, 0, len(places)), make([]int32, 0, len(places))
	for id, place := range places {
		ids, at = append(ids, id), append(at, place)
	}
	b.Queue(insertOnce, batch, nowMS, ids, at)
}

// forgetAtOnce bounds for how long anybody waits while something is forgotten.
const forgetAtOnce = 5_000

// What is forgotten; each takes a time and how many at once.
const (
	forgetOnce    = "DELETE FROM once WHERE id IN (SELECT id FROM once WHERE time_ms < $1 LIMIT $2)"
	forgetAnswers = "DELETE FROM answer WHERE once_id IN (SELECT once_id FROM answer WHERE time_ms < $1 LIMIT $2)"
	forgetCovers  = `DELETE FROM cover WHERE (instance_id, requester_type, requester_value, item, version) IN
		(SELECT instance_id, requester_type, requester_value, item, version FROM cover WHERE until_ms < $1 LIMIT $2)`
	forgetHolds  = "DELETE FROM hold WHERE number IN (SELECT number FROM hold WHERE until_ms < $1 AND NOT lease ORDER BY until_ms LIMIT $2)"
	forgetLeases = "DELETE FROM hold WHERE number IN (SELECT number FROM hold WHERE until_ms < $1 AND lease ORDER BY until_ms LIMIT $2)"
	// The periods of a limit are the same for all: one is over when another, later one has begun.
	forgetPeriods = `DELETE FROM consumed WHERE (instance_id, requester_type, requester_value, line_item, since_ms) IN (
		SELECT c.instance_id, c.requester_type, c.requester_value, c.line_item, c.since_ms FROM line_item JOIN consumed AS c ON c.line_item = number
		WHERE consumption_limit IS NOT NULL AND c.since_ms < (SELECT max(since_ms) FROM consumed WHERE line_item = number AND since_ms <= $1)
		LIMIT $2)`
	forgetChanges = "DELETE FROM change WHERE id IN (SELECT id FROM change WHERE at < now() - interval '1 hour' LIMIT $1)"
)

// Forget implements store.Store.
func (s *Store) Forget(ctx context.Context, beforeMS, settledMS int64) error {
	for _, of := range []struct {
		query string
		args  []any
	}{
		{forgetOnce, []any{beforeMS, forgetAtOnce}}, {forgetAnswers, []any{beforeMS, forgetAtOnce}}, {forgetCovers, []any{beforeMS, forgetAtOnce}},
		{forgetHolds, []any{beforeMS, forgetAtOnce}}, {forgetLeases, []any{beforeMS - store.LeaseLonger.Milliseconds(), forgetAtOnce}},
		{forgetPeriods, []any{settledMS, forgetAtOnce}}, {forgetChanges, []any{forgetAtOnce}},
	} {
		for forgotten := int64(forgetAtOnce); forgotten == forgetAtOnce; {
			err := s.Change(ctx, func(t store.Tx) error {
				tag, err := t.(*tx).exec(of.query, of.args...)
				forgotten = tag.RowsAffected()
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return s.dropMonths(ctx)
}
