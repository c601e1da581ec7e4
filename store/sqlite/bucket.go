package sqlite

import (
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

func (r *reader) Buckets(fromMS, toMS int64) (_ []usage.BucketHeader, err error) {
	defer translate(&err)
	rows, err := r.q.QueryContext(r.ctx,
		"SELECT number, header FROM bucket WHERE last_ms >= ? AND (? = 0 OR from_ms < ?) ORDER BY journal, receipt", fromMS, toMS, toMS)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []usage.BucketHeader
	for rows.Next() {
		var h usage.BucketHeader
		var text []byte
		if err := rows.Scan(&h.Number, &text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &h); err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, rows.Err()
}

func (r *reader) BucketColumns(number int64, names []string) (_ map[string][]byte, err error) {
	defer translate(&err)
	args := []any{number}
	for _, name := range names {
		args = append(args, name)
	}
	rows, err := r.q.QueryContext(r.ctx, "SELECT name, data FROM bucket_column WHERE bucket = ? AND name IN ("+
		strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ")+")", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns := make(map[string][]byte, len(names))
	for rows.Next() {
		var name string
		var data []byte
		if err := rows.Scan(&name, &data); err != nil {
			return nil, err
		}
		columns[name] = data
	}
	return columns, rows.Err()
}

func (t *tx) InsertBucket(b *usage.Bucket) error {
	h := &b.Header
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	result, err := t.exec("INSERT INTO bucket (journal, receipt, from_ms, last_ms, header) VALUES (?, ?, ?, ?, ?)",
		h.From.Commit, h.From.Receipt, h.FromMS, h.LastMS, text)
	if err != nil {
		return err
	}
	if h.Number, err = result.LastInsertId(); err != nil {
		return store.Unavailable(err)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Columns)) { // always the same file
		data := b.Columns[name]
		if _, err := t.exec("INSERT INTO bucket_column (bucket, name, data) VALUES (?, ?, ?)", h.Number, name, data); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) DeleteBucket(number int64) error {
	for _, query := range [...]string{"DELETE FROM bucket_column WHERE bucket = ?", "DELETE FROM bucket WHERE number = ?"} {
		if _, err := t.exec(query, number); err != nil {
			return err
		}
	}
	return nil
}
