package sqlite

import (
	"database/sql"

	"github.com/farebox/farebox/store"
)

const selectAutoTopUps = "SELECT line_item, coalesce(due_ms, 0), body FROM auto_top_up "

func scanAutoTopUp(rows *sql.Rows, t *store.AutoTopUp) error {
	return rows.Scan(&t.LineItem, &t.DueMS, &t.Body)
}

func (r *reader) AutoTopUp(lineItem int64) (*store.AutoTopUp, error) {
	return first(collect(r, scanAutoTopUp, selectAutoTopUps+"WHERE line_item = ?", lineItem))
}

func (r *reader) AutoTopUps(afterLineItem int64, limit int) ([]store.AutoTopUp, error) {
	return collect(r, scanAutoTopUp, selectAutoTopUps+"WHERE line_item > ? ORDER BY line_item LIMIT ?", afterLineItem, limit)
}

func (r *reader) DueAutoTopUps(byMS int64, limit int) ([]store.AutoTopUp, error) {
	return collect(r, scanAutoTopUp, selectAutoTopUps+"WHERE due_ms <= ? ORDER BY due_ms, line_item LIMIT ?", byMS, limit)
}

func (t *tx) PutAutoTopUp(a store.AutoTopUp) error {
	_, err := t.exec(`INSERT INTO auto_top_up (line_item, due_ms, body) VALUES (?, ?, ?)
		ON CONFLICT (line_item) DO UPDATE SET (due_ms, body) = (excluded.due_ms, excluded.body)`, a.LineItem, orNull(a.DueMS), notNull(a.Body))
	return err
}

func (t *tx) DeleteAutoTopUp(lineItem int64) error {
	_, err := t.exec("DELETE FROM auto_top_up WHERE line_item = ?", lineItem)
	return err
}
