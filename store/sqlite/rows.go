package sqlite

import (
	"context"
	"database/sql"
	"math"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/store"
)

// What reads and writes rows, whatever is in them.

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// collect reads rows with a function that scans one.
func collect[T any](r *reader, scan func(*sql.Rows, *T) error, query string, args ...any) (_ []T, err error) {
	defer translate(&err)
	rows, err := r.q.QueryContext(r.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := []T{}
	for rows.Next() {
		var one T
		if err := scan(rows, &one); err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, rows.Err()
}

// first returns the first of what was found; nil if that is nothing.
func first[T any](all []T, err error) (*T, error) {
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// each calls fn with what a query finds, and returns an error of fn as it is.
func each[T any](r *reader, scan func(*sql.Rows, func(T) error) error, fn func(T) error, query string, args ...any) error {
	rows, err := r.q.QueryContext(r.ctx, query, args...)
	if err != nil {
		return store.Unavailable(err)
	}
	var stopped error
	err = scan(rows, func(one T) error {
		stopped = fn(one)
		return stopped
	})
	if stopped != nil {
		return stopped
	}
	return store.Unavailable(err)
}

// number reads one number.
func (r *reader) number(query string, args ...any) (n int64, err error) {
	err = r.q.QueryRowContext(r.ctx, query, args...).Scan(&n)
	return n, store.Unavailable(err)
}

// scanJSON reads a column of JSON; NULL is nothing.
func scanJSON(text []byte, into any) error {
	if text == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// before returns what lists that begin with the newest go on from.
func before(number int64) int64 {
	if number == 0 {
		return math.MaxInt64
	}
	return number
}

// orNull makes 0 NULL.
func orNull(ms int64) any {
	if ms == 0 {
		return nil
	}
	return ms
}

// notNull makes no bytes an empty value: an answer without a body is an answer too.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// translate makes an error of the driver a problem.
func translate(err *error) { *err = store.Unavailable(*err) }
