package postgres

import (
	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/usage"
)

func (r *reader) Buckets(fromMS, toMS int64) (all []usage.BucketHeader, err error) {
	err = r.each(func(rows pgx.Rows) error {
		var h usage.BucketHeader
		var text []byte
		if err := rows.Scan(&h.Number, &text); err != nil {
			return err
		}
		if err := json.Unmarshal(text, &h); err != nil {
			return err
		}
		all = append(all, h)
		return nil
	}, "SELECT number, header FROM bucket WHERE last_ms >= $1 AND ($2::bigint = 0 OR from_ms < $2) ORDER BY journal, receipt", fromMS, toMS)
	return all, err
}

func (r *reader) BucketColumns(number int64, names []string) (map[string][]byte, error) {
	columns := make(map[string][]byte, len(names))
	err := r.each(func(rows pgx.Rows) error {
		var name string
		var data []byte
		err := rows.Scan(&name, &data)
		columns[name] = data
		return err
	}, "SELECT name, data FROM bucket_column WHERE bucket = $1 AND name = ANY($2)", number, distinct(names))
	return columns, err
}

func (t *tx) InsertBucket(b *usage.Bucket) error {
	h := &b.Header
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	h.Number, err = t.insert("INSERT INTO bucket (journal, receipt, from_ms, last_ms, header) VALUES ($1, $2, $3, $4, $5) RETURNING number",
		h.From.Commit, h.From.Receipt, h.FromMS, h.LastMS, text)
	if err != nil {
		return err
	}
	var names []string
	var data [][]byte
	for name, column := range b.Columns {
		names, data = append(names, name), append(data, column)
	}
	_, err = t.exec("INSERT INTO bucket_column (bucket, name, data) SELECT $1, name, data FROM unnest($2::text[], $3::bytea[]) AS n (name, data)", h.Number, names, data)
	return err
}

func (t *tx) DeleteBucket(number int64) error {
	for _, query := range [...]string{"DELETE FROM bucket_column WHERE bucket = $1", "DELETE FROM bucket WHERE number = $1"} {
		if _, err := t.exec(query, number); err != nil {
			return err
		}
	}
	return nil
}
