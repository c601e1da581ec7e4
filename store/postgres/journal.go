package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

const (
	selectLast = "SELECT number FROM journal WHERE month >= $1 ORDER BY month DESC, number DESC LIMIT 1"
	// The first from one number on that can have receipts of a time. Without that number it would be looked for from the beginning of the month: by number, since
	// PostgreSQL knows nothing of times when it plans for all.
	selectFirst = "SELECT number FROM journal WHERE month >= $1 AND time_ms >= $2 AND number >= $3" + notRemoved + inOrder + "LIMIT 1"
	// What is removed is there until its whole month is.
	notRemoved = " AND number > (SELECT coalesce(max(journal), 0) FROM removed) "
	inOrder    = "ORDER BY month, number "
)

// page is how many journal rows are read at a time.
const page = 64

// pageWithin is how many rows are read at a time by who looks at about bound receipts; each row has one at least.
func pageWithin(bound int) int {
	if bound > 0 {
		return min(bound, page)
	}
	return page
}

type journalRow struct {
	number, timeMS int64
	fromMS         int64 // the earliest receipt's time
	codec          int
	receipts       []byte
}

// Receipts implements store.Reader.
func (r *reader) Receipts(from usage.Position, filter *usage.Filter, bound int, fn func(usage.Position, *usage.Receipt) (bool, error)) (usage.Position, error) {
	months, err := r.s.monthsKnown(r.ctx, r.q)
	if err != nil {
		return usage.Position{}, store.Unavailable(err)
	}
	if filter != nil && filter.FromMS > 0 {
		first, err := r.number(selectFirst, later(monthOf(filter.FromMS), months.of(from.Commit)), filter.FromMS, from.Commit)
		if err != nil || first == 0 {
			return usage.Position{}, err
		}
		if first > from.Commit {
			from = usage.Position{Commit: first}
		}
	}
	most := pageWithin(bound)
	for looked := 0; ; {
		rows, err := r.journal(months.of(from.Commit), from.Commit, filter, most)
		if err != nil {
			return from, err
		}
		for i := range rows {
			row := &rows[i]
			if filter != nil && !row.between(filter) {
				from = usage.Position{Commit: row.number + 1}
				looked++
				continue
			}
			receipts, err := r.s.receipts.Decode(row.codec, row.receipts)
			if err != nil {
				return from, store.Unavailable(err)
			}
			if row.number > from.Commit {
				from = usage.Position{Commit: row.number}
			}
			for from.Receipt < len(receipts) {
				more, err := fn(from, receipts[from.Receipt])
				if err != nil || !more {
					return from, err
				}
				from = usage.Position{Commit: row.number, Receipt: from.Receipt + 1}
			}
			looked += len(receipts)
			from = usage.Position{Commit: row.number + 1}
		}
		if len(rows) < most {
			return usage.Position{}, nil
		}
		if bound > 0 && looked >= bound {
			return from, nil
		}
	}
}

// between reports whether receipts of a row can be of a filter's time.
func (row *journalRow) between(filter *usage.Filter) bool {
	return row.timeMS >= filter.FromMS && (filter.ToMS == 0 || row.fromMS < filter.ToMS)
}

// journal reads rows from one on, which is not before a month; those that are not of a filter's time come without their receipts.
func (r *reader) journal(month time.Time, from int64, filter *usage.Filter, most int) ([]journalRow, error) {
	if filter == nil {
		filter = &usage.Filter{}
	}
	return collect(r, func(rows pgx.Rows, row *journalRow) error {
		return rows.Scan(&row.number, &row.fromMS, &row.timeMS, &row.codec, &row.receipts)
	}, `SELECT number, from_ms, time_ms, codec, CASE WHEN time_ms >= $2 AND ($3::bigint = 0 OR from_ms < $3) THEN receipts END
		FROM journal WHERE month >= $5 AND number >= $1`+notRemoved+inOrder+"LIMIT $4", from, filter.FromMS, filter.ToMS, most, month)
}

func (r *reader) LastCommit() (int64, error) {
	months, err := r.s.monthsKnown(r.ctx, r.q)
	if err != nil {
		return 0, store.Unavailable(err)
	}
	last, err := r.number(selectLast, months.latest())
	if err == nil && last == 0 && !months.latest().IsZero() { // there is less than we knew of, say after a restore
		last, err = r.number(selectLast, time.Time{})
	}
	return last, err
}
