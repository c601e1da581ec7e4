// Package move moves the books from a file (store/sqlite) into a database in PostgreSQL (store/postgres): table by table, as they are.
package move

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/postgres"
	"github.com/farebox/farebox/store/sqlite"
)

// Checks are what else has to hold: of the file before anything is moved, and of the database before it is committed.
type Checks struct {
	File, Database func(store.Reader) error
}

// Moved is how many rows of a table were moved, or found to be there.
type Moved struct {
	Table string
	Rows  int64
}

// Books moves a book, or finds that it was moved before, which again reports false. All is one transaction of the database, so that an
// interruption leaves nothing behind; nobody else writes into either meanwhile. Every row is read back and compared before it is
// committed. A database that holds anything else is refused. Memory does not grow with the book. Told, unless nil, hears of each table
// as it is done.
func Books(ctx context.Context, from *sqlite.Store, to *postgres.Store, checks Checks, told func(Moved)) (again bool, err error) {
	if told == nil {
		told = func(Moved) {}
	}
	err = from.Change(ctx, func(file store.Tx) error { // which writes nothing, and keeps others from writing
		if err := checks.File(file); err != nil {
			return err
		}
		return to.Change(ctx, func(database store.Tx) error {
			m := &moving{ctx, sqlite.Conn(file), postgres.Conn(database), database, told}
			p, err := m.plan()
			if err != nil {
				return err
			}
			filled, err := m.filled(p)
			if err != nil {
				return err
			}
			if filled {
				if err := m.recognise(p); err != nil {
					return err
				}
				return errThere
			}
			if err := m.fill(p); err != nil {
				return err
			}
			return checks.Database(database)
		})
	})
	if errors.Is(err, errThere) {
		return true, nil
	}
	return false, err
}

// errThere undoes a transaction that had nothing to do.
var errThere = errors.New("it was moved before")

type moving struct {
	ctx      context.Context
	file     *sql.Conn
	database *pgx.Conn
	into     store.Tx // of the database
	told     func(Moved)
}

// Nothing bounds this transaction but the will of who runs it. Rows are read back in the order of an index that is there, not sorted.
const unbounded = `SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
	set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true)`

func (m *moving) plan() (plan, error) {
	if _, err := m.database.Exec(m.ctx, unbounded); err != nil {
		return nil, err
	}
	if _, err := m.file.ExecContext(m.ctx, makeHelpers); err != nil {
		return nil, err
	}
	file, err := tablesOfFile(m.ctx, m.file)
	if err != nil {
		return nil, err
	}
	database, err := tablesOfDatabase(m.ctx, m.database)
	if err != nil {
		return nil, err
	}
	return planned(file, database)
}

// filled says whether a database has any row of a book.
func (m *moving) filled(p plan) (any bool, err error) {
	for i := range p {
		if err := m.database.QueryRow(m.ctx, "SELECT EXISTS (SELECT FROM "+p[i].name+")").Scan(&any); any || err != nil {
			return any, err
		}
	}
	return false, nil
}

// fill moves all tables into an empty database, and compares what came of it. What is left of an earlier attempt that was undone takes
// no room any more.
func (m *moving) fill(p plan) error {
	var names []string
	for i := range p {
		names = append(names, p[i].name)
	}
	if _, err := m.database.Exec(m.ctx, "TRUNCATE "+strings.Join(names, ", ")); err != nil {
		return err
	}
	if err := m.makeMonths(); err != nil {
		return err
	}
	for i := range p {
		if err := m.copy(&p[i]); err != nil {
			return err
		}
	}
	if _, err := m.database.Exec(m.ctx, "ANALYZE "+strings.Join(names, ", ")); err != nil {
		return err
	}
	for i := range p {
		rows, err := m.compare(&p[i])
		if err != nil {
			return fmt.Errorf("what was written is not what is read back: %w", err)
		}
		m.told(Moved{p[i].name, rows})
	}
	return nil
}

// makeMonths makes the partitions of the journal.
func (m *moving) makeMonths() error {
	rows, err := m.file.QueryContext(m.ctx, "SELECT month FROM temp.month")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		month, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return err
		}
		if err := postgres.MakeMonth(m.into, month); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (m *moving) copy(t *table) error {
	rows, err := m.rowsOf(t)
	if err != nil {
		return err
	}
	defer rows.Close()
	if _, err = m.database.CopyFrom(m.ctx, pgx.Identifier{t.name}, t.names(), rows); err != nil {
		return fmt.Errorf("table %s: %w", t.name, err)
	}
	for _, c := range t.columns {
		if c.identity {
			if err := m.number(t, c.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// number has new rows numbered after all that ever were: a number is never given twice.
func (m *moving) number(t *table, column string) error {
	var last int64
	err := m.file.QueryRowContext(m.ctx, fmt.Sprintf("SELECT max(coalesce((SELECT max(%s) FROM %s), 0), coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = '%s'), 0))",
		column, t.name, t.name)).Scan(&last)
	if err != nil || last == 0 {
		return err
	}
	_, err = m.database.Exec(m.ctx, "SELECT setval(pg_get_serial_sequence($1, $2), $3)", t.name, column, last)
	return err
}

// difference is the first row in which a table is not the same on both sides.
type difference struct {
	table string
	what  string
}

func (d *difference) Error() string { return fmt.Sprintf("table %s: %s", d.table, d.what) }

// compare reads a table of both sides row by row, and returns how many there are.
func (m *moving) compare(t *table) (rows int64, err error) {
	ours, err := m.rowsOf(t)
	if err != nil {
		return 0, err
	}
	defer ours.Close()
	theirs, err := m.database.Query(m.ctx, fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", strings.Join(t.names(), ", "), t.name, strings.Join(t.key, ", ")))
	if err != nil {
		return 0, err
	}
	defer theirs.Close()
	for {
		one, other := ours.Next(), theirs.Next()
		if err := errors.Join(ours.Err(), theirs.Err()); err != nil {
			return rows, fmt.Errorf("table %s: %w", t.name, err)
		}
		if one != other {
			return rows, &difference{t.name, fmt.Sprintf("one has %d rows, the other more", rows)}
		}
		if !one {
			return rows, nil
		}
		values, err := theirs.Values()
		if err != nil {
			return rows, err
		}
		for i, theirs := range values {
			if !same(ours.values[i], theirs) {
				return rows, &difference{t.name, fmt.Sprintf("%s of %s", t.columns[i].name, ours.which())}
			}
		}
		rows++
	}
}

// recognise accepts a database that holds what the file holds, and says what it is that it holds otherwise.
func (m *moving) recognise(p plan) error {
	for i := range p {
		rows, err := m.compare(&p[i])
		if d, ok := errors.AsType[*difference](err); ok {
			return m.another(d)
		}
		if err != nil {
			return err
		}
		m.told(Moved{p[i].name, rows})
	}
	return nil
}

// another says whose book it is that is not the same as the file's: by the last commit of each, which is the file's own if the other one
// has it too.
func (m *moving) another(d *difference) error {
	ahead, err := m.has(m.file.QueryRowContext(m.ctx, lastOfFile), func(last *commit) error {
		return m.database.QueryRow(m.ctx, "SELECT time_ms, receipts FROM journal WHERE number = $1", last.number).Scan(&last.timeMS, &last.receipts)
	})
	if err != nil {
		return err
	}
	if ahead {
		return problem.New(problem.Conflict, "the database holds this book already, and has gone on since it was moved there (%v). "+
			"Nothing was changed: serve the database, and keep the file as a backup", d)
	}
	behind, err := m.has(m.database.QueryRow(m.ctx, "SELECT number, time_ms, receipts FROM journal ORDER BY number DESC LIMIT 1"), func(last *commit) error {
		return m.file.QueryRowContext(m.ctx, "SELECT time_ms, receipts FROM journal WHERE number = ?", last.number).Scan(&last.timeMS, &last.receipts)
	})
	if err != nil {
		return err
	}
	if behind {
		return problem.New(problem.Conflict, "the database holds this book as it was earlier: the file has changed since it was moved there (%v). "+
			"Nothing was changed: if nobody has charged on the database since, empty its schema and run this again; else there are two books now", d)
	}
	return problem.New(problem.Conflict, "the database holds another book already (%v). Nothing was changed: give this one a schema or a database of its own", d)
}

const lastOfFile = "SELECT number, time_ms, receipts FROM journal ORDER BY number DESC LIMIT 1"

type commit struct {
	number, timeMS int64
	receipts       []byte
}

// has says whether the last commit of one side is on the other side, too.
func (m *moving) has(row interface{ Scan(...any) error }, find func(*commit) error) (bool, error) {
	var last commit
	if err := row.Scan(&last.number, &last.timeMS, &last.receipts); err != nil {
		return false, unlessNone(err)
	}
	there := commit{number: last.number}
	if err := find(&there); err != nil {
		return false, unlessNone(err)
	}
	return there.timeMS == last.timeMS && string(there.receipts) == string(last.receipts), nil
}

func unlessNone(err error) error {
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// fileRows are the rows of a table of the file, as the database has them.
type fileRows struct {
	*sql.Rows
	table  *table
	values []any
	into   []any
	err    error
}

var _ pgx.CopyFromSource = (*fileRows)(nil)

func (m *moving) rowsOf(t *table) (*fileRows, error) {
	rows, err := m.file.QueryContext(m.ctx, t.ordered())
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.name, err)
	}
	r := &fileRows{Rows: rows, table: t, values: make([]any, len(t.columns)), into: make([]any, len(t.columns))}
	for i := range r.values {
		r.into[i] = &r.values[i]
	}
	return r, nil
}

// Next reads a row, and stops at one that the database cannot have.
func (r *fileRows) Next() bool {
	if r.err != nil || !r.Rows.Next() {
		return false
	}
	if r.err = r.Scan(r.into...); r.err != nil {
		return false
	}
	var wrong error
	for i := range r.values {
		v, err := r.table.columns[i].convert(r.values[i])
		if err == nil {
			r.values[i] = v
		} else if wrong == nil {
			wrong = err
		}
	}
	if wrong != nil {
		r.err = fmt.Errorf("table %s, row with %s: %w", r.table.name, r.which(), wrong)
	}
	return r.err == nil
}

// Values implements pgx.CopyFromSource.
func (r *fileRows) Values() ([]any, error) { return r.values, nil }

// Err implements pgx.CopyFromSource.
func (r *fileRows) Err() error { return errors.Join(r.err, r.Rows.Err()) }

// which names the row by its key.
func (r *fileRows) which() string {
	var key []string
	for i, c := range r.table.columns {
		for _, k := range r.table.key {
			if k != c.name {
				continue
			}
			v := r.values[i]
			switch b := v.(type) {
			case []byte:
				v = string(b)
			case [16]byte:
				v = fmt.Sprintf("%x", b[:])
			case time.Time:
				v = b.Format(time.DateOnly)
			}
			if s, ok := v.(string); ok {
				v = fmt.Sprintf("%q", s)
			}
			key = append(key, fmt.Sprintf("%s %v", c.name, v))
		}
	}
	return strings.Join(key, ", ")
}
