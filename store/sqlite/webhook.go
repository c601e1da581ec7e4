package sqlite

import (
	"database/sql"

	"github.com/farebox/farebox/store"
)

const selectWebhooks = "SELECT id, created_ms, modified_ms, body FROM webhook "

func scanWebhook(rows *sql.Rows, w *store.Webhook) error {
	return rows.Scan(&w.ID, &w.CreatedMS, &w.ModifiedMS, &w.Body)
}

func (r *reader) Webhook(id string) (*store.Webhook, error) {
	return first(collect(r, scanWebhook, selectWebhooks+"WHERE id = ?", id))
}

func (r *reader) Webhooks() ([]store.Webhook, error) {
	return collect(r, scanWebhook, selectWebhooks+"ORDER BY number")
}

const selectDeliveries = "SELECT number, id, webhook_id, created_ms, coalesce(due_ms, 0), body FROM delivery "

func scanDelivery(rows *sql.Rows, d *store.Delivery) error {
	return rows.Scan(&d.Number, &d.ID, &d.WebhookID, &d.CreatedMS, &d.DueMS, &d.Body)
}

func (r *reader) Delivery(id string) (*store.Delivery, error) {
	return first(collect(r, scanDelivery, selectDeliveries+"WHERE id = ?", id))
}

func (r *reader) Deliveries(webhookID string, beforeNumber int64, limit int) ([]store.Delivery, error) {
	return collect(r, scanDelivery, selectDeliveries+"WHERE webhook_id = ? AND number < ? ORDER BY number DESC LIMIT ?", webhookID, before(beforeNumber), limit)
}

func (r *reader) DueDeliveries(webhookID string, byMS int64, limit int) ([]store.Delivery, error) {
	return collect(r, scanDelivery, selectDeliveries+"WHERE webhook_id = ? AND due_ms <= ? ORDER BY due_ms, number LIMIT ?", webhookID, byMS, limit)
}

func (r *reader) Attempts(deliveryID string) ([]store.Attempt, error) {
	return collect(r, func(rows *sql.Rows, a *store.Attempt) error { return rows.Scan(&a.DeliveryID, &a.TimeMS, &a.Body) },
		"SELECT delivery_id, time_ms, body FROM delivery_attempt WHERE delivery_id = ? ORDER BY number", deliveryID)
}

func (t *tx) PutWebhook(w store.Webhook) error {
	_, err := t.exec(`INSERT INTO webhook (id, created_ms, modified_ms, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET (created_ms, modified_ms, body) = (excluded.created_ms, excluded.modified_ms, excluded.body)`,
		w.ID, w.CreatedMS, w.ModifiedMS, notNull(w.Body))
	return err
}

func (t *tx) DeleteWebhook(id string) error {
	for _, query := range [...]string{
		"DELETE FROM delivery_attempt WHERE delivery_id IN (SELECT id FROM delivery WHERE webhook_id = ?)",
		"DELETE FROM delivery WHERE webhook_id = ?", "DELETE FROM webhook WHERE id = ?",
	} {
		if _, err := t.exec(query, id); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) InsertDelivery(d *store.Delivery) error {
	result, err := t.s.stmts.newDelivery.ExecContext(t.ctx, d.ID, d.WebhookID, d.CreatedMS, orNull(d.DueMS), notNull(d.Body))
	if err != nil {
		return store.Unavailable(err)
	}
	d.Number, err = result.LastInsertId()
	return err
}

func (t *tx) PutDelivery(d *store.Delivery) error {
	_, err := t.exec("UPDATE delivery SET due_ms = ?, body = ? WHERE id = ?", orNull(d.DueMS), notNull(d.Body), d.ID)
	return err
}

func (t *tx) InsertAttempt(a store.Attempt) error {
	_, err := t.exec("INSERT INTO delivery_attempt (delivery_id, time_ms, body) VALUES (?, ?, ?)", a.DeliveryID, a.TimeMS, notNull(a.Body))
	return err
}

func (t *tx) ForgetDeliveries(beforeMS int64, most int) (int, error) {
	old, err := collect(&t.reader, func(rows *sql.Rows, id *string) error { return rows.Scan(id) },
		"SELECT id FROM delivery WHERE due_ms IS NULL AND created_ms < ? ORDER BY created_ms LIMIT ?", beforeMS, most)
	if err != nil {
		return 0, err
	}
	for _, id := range old {
		if _, err := t.exec("DELETE FROM delivery_attempt WHERE delivery_id = ?", id); err != nil {
			return 0, err
		}
		if _, err := t.exec("DELETE FROM delivery WHERE id = ?", id); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
