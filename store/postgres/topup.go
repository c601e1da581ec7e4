package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
)

const selectAutoTopUps = "SELECT line_item, coalesce(due_ms, 0), body FROM auto_top_up "

func scanAutoTopUp(rows pgx.Rows, t *store.AutoTopUp) error {
	return rows.Scan(&t.LineItem, &t.DueMS, &t.Body)
}

func (r *reader) AutoTopUp(lineItem int64) (*store.AutoTopUp, error) {
	return first(collect(r, scanAutoTopUp, selectAutoTopUps+"WHERE line_item = $1", lineItem))
}

func (r *reader) AutoTopUps(afterLineItem int64, limit int) ([]store.AutoTopUp, error) {
	return collect(r, scanAutoTopUp, selectAutoTopUps+"WHERE line_item > $1 ORDER BY line_item LIMIT $2", afterLineItem, limit)
}

func (r *reader) DueAutoTopUps(byMS int64, limit int) ([]store.AutoTopUp, error) {
	return collect(r, scanAutoTopUp, selectAutoTopUps+"WHERE due_ms <= $1 ORDER BY due_ms, line_item LIMIT $2", byMS, limit)
}

func (t *tx) PutAutoTopUp(a store.AutoTopUp) error {
	_, err := t.exec(`INSERT INTO auto_top_up (line_item, due_ms, body) VALUES ($1, $2, $3)
		ON CONFLICT (line_item) DO UPDATE SET due_ms = excluded.due_ms, body = excluded.body`, a.LineItem, orNull(a.DueMS), notNull(a.Body))
	return err
}

func (t *tx) DeleteAutoTopUp(lineItem int64) error {
	_, err := t.exec("DELETE FROM auto_top_up WHERE line_item = $1", lineItem)
	return err
}
