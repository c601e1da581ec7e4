package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
)

// months are the partitions of the journal, as a server has found them. They are told to queries as constants, so that these are planned
// for, and lock, the few months that they are about; what is not known here yet is only slower.
type months struct {
	made  map[time.Time]bool // that can be written, though they may be empty
	begun []begun            // in order
}

// begun is a month that has commits.
type begun struct {
	month     time.Time
	first     int64 // the number of its first commit that is there
	partition string
}

// monthOf returns the month of a time, as the journal's column has it.
func monthOf(ms int64) time.Time {
	t := time.UnixMilli(ms).UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func after(month time.Time) time.Time { return month.AddDate(0, 1, 0) }

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// of returns a month before which there is no commit with a number or a later one.
func (m *months) of(number int64) (month time.Time) {
	for _, b := range m.begun {
		if b.first > number {
			break
		}
		month = b.month
	}
	return month
}

// latest returns the latest month that is known to have commits; the zero time when none is.
func (m *months) latest() time.Time {
	if len(m.begun) == 0 {
		return time.Time{}
	}
	return m.begun[len(m.begun)-1].month
}

// writable says whether a commit of a month has a partition: its own, or that of the commit before it, which is of a later month.
func (m *months) writable(month time.Time) bool { return m.made[month] || !m.latest().Before(month) }

const selectPartitions = "SELECT relname::text FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'journal'::regclass AND to_regclass(relname) IS NOT NULL"

// monthsKnown returns the months, and reads them if nothing is known of them.
func (s *Store) monthsKnown(ctx context.Context, conn *pgx.Conn) (*months, error) {
	if m := s.months.Load(); m != nil {
		return m, nil
	}
	return s.readMonths(ctx, conn)
}

func (s *Store) readMonths(ctx context.Context, conn *pgx.Conn) (*months, error) {
	rows, err := conn.Query(ctx, selectPartitions)
	if err != nil {
		return nil, err
	}
	partitions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	m := &months{made: map[time.Time]bool{}}
	b := new(pgx.Batch)
	for _, partition := range partitions {
		if month, err := time.Parse(partitionName, partition); err == nil {
			m.made[month] = true
		}
		b.Queue("SELECT month, number FROM " + partition + " ORDER BY month, number LIMIT 1").Query(func(rows pgx.Rows) error {
			return eachRow(rows, func(rows pgx.Rows) error {
				found := begun{partition: partition}
				err := rows.Scan(&found.month, &found.first)
				m.begun = append(m.begun, found)
				return err
			})
		})
	}
	if b.Len() > 0 {
		if err := conn.SendBatch(ctx, b).Close(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(m.begun, func(a, b begun) int { return a.month.Compare(b.month) })
	s.months.Store(m)
	return m, nil
}

const partitionName = "journal_2006_01"

// What is made ahead must not hold up a charge: whoever makes a partition waits for others who do, or for an administrator's VACUUM, no longer than this.
const aheadWithin = "100ms"

// readyMonth sees to it that a commit of a time has a partition, in the commit's own transaction. Whoever writes first in a month makes the next one,
// too: it is there when it is needed.
func (s *Store) readyMonth(ctx context.Context, conn *pgx.Conn, ms int64) (*months, error) {
	month := monthOf(ms)
	m, err := s.monthsKnown(ctx, conn)
	if err != nil || m.writable(month) && (m.writable(after(month)) || s.aheadAt.Load() > time.Now().Unix()) {
		return m, err
	}
	if m, err = s.readMonths(ctx, conn); err != nil { // another server may have made it
		return nil, err
	}
	if !m.writable(month) {
		if err := s.makeMonth(ctx, conn, month); err != nil {
			return nil, err
		}
	}
	if !m.writable(after(month)) && !s.makeAhead(ctx, conn, after(month)) {
		s.aheadAt.Store(time.Now().Add(aheadAgain).Unix())
	}
	s.months.Store(nil) // nobody knows of a new one before it is committed
	return m, nil
}

// MakeMonth makes a month's partition of the journal, for what moves whole tables.
func MakeMonth(t store.Tx, month time.Time) error {
	of := t.(*tx)
	of.wrote = true
	of.s.months.Store(nil)
	return store.Unavailable(of.s.makeMonth(of.ctx, of.q, month))
}

// aheadAgain is when a server tries again to make a partition ahead that it could not make.
const aheadAgain = time.Minute

// makeAhead makes a partition and says whether it did, or else leaves it to a later commit.
func (s *Store) makeAhead(ctx context.Context, conn *pgx.Conn, month time.Time) (made bool) {
	if _, err := conn.Exec(ctx, "SAVEPOINT ahead"); err != nil {
		return false
	}
	_, err := conn.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", aheadWithin)
	if err == nil {
		err = s.makeMonth(ctx, conn, month)
	}
	end := "RELEASE ahead; SELECT set_config('lock_timeout', '" + s.lockWithin() + "', true)"
	if err != nil {
		slog.Debug("the journal's partition of next month was not made now", "error", err)
		end = "ROLLBACK TO ahead"
	}
	_, failed := conn.Exec(ctx, end, pgx.QueryExecModeSimpleProtocol) // then what follows fails, too
	return err == nil && failed == nil
}

// makeMonth makes a partition unless it is there. Attaching it is in nobody's way who reads or writes (https://www.postgresql.org/docs/15/sql-altertable.html).
func (s *Store) makeMonth(ctx context.Context, conn *pgx.Conn, month time.Time) error {
	if _, err := conn.Exec(ctx, lockAlone, s.locks.months); err != nil {
		return err
	}
	name := month.Format(partitionName)
	var there bool
	if err := conn.QueryRow(ctx, "SELECT $1 IN ("+selectPartitions+")", name).Scan(&there); err != nil || there {
		return err
	}
	const day = "2006-01-02"
	_, err := conn.Exec(ctx, fmt.Sprintf("CREATE TABLE %s (LIKE journal INCLUDING ALL); ALTER TABLE journal ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')",
		name, name, month.Format(day), after(month).Format(day)), pgx.QueryExecModeSimpleProtocol)
	return err
}

// dropMonths drops the partitions whose commits are all removed. Nobody may be reading who began before they were: to such a reader they would be
// missing. Who comes in the way is waited for a moment only, since others wait behind; then it is for the next time.
func (s *Store) dropMonths(ctx context.Context) error {
	return s.try(ctx, func(bool) error {
		return s.transaction(ctx, s.writes, func(conn *pgx.Conn) error {
			if _, err := s.begin(ctx, conn, beginShared); err != nil {
				return err
			}
			m, err := s.readMonths(ctx, conn)
			if err != nil {
				return err
			}
			var gone int64
			if err := conn.QueryRow(ctx, selectGone).Scan(&gone); err != nil {
				return err
			}
			var past []string
			for i := range len(m.begun) - 1 {
				if m.begun[i+1].first <= gone+1 {
					past = append(past, m.begun[i].partition)
				}
			}
			if len(past) == 0 {
				return nil
			}
			if _, err := conn.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", aheadWithin); err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, "DROP TABLE "+strings.Join(past, ", ")); err != nil {
				slog.Debug("months of the journal that are past their time were not dropped now", "partitions", past, "error", err)
				return nil
			}
			s.months.Store(nil)
			_, err = conn.Exec(ctx, commit)
			return err
		})
	})
}

// selectGone returns up to which number commits are removed for everybody, and 0 while somebody still reads who began before. That is known of
// those who come with this role, as all servers do.
const selectGone = `SELECT coalesce((SELECT gone FROM farebox WHERE gone_by IS NOT NULL AND
	(SELECT bool_and(age(backend_xmin) < age(gone_by::xid)) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL)), 0)`
