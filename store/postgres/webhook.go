package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
)

const selectWebhooks = "SELECT id, created_ms, modified_ms, body FROM webhook "

func scanWebhook(rows pgx.Rows, w *store.Webhook) error {
	return rows.Scan(&w.ID, &w.CreatedMS, &w.ModifiedMS, &w.Body)
}

func (r *reader) Webhook(id string) (*store.Webhook, error) {
	return first(collect(r, scanWebhook, selectWebhooks+"WHERE id = $1", id))
}

func (r *reader) Webhooks() ([]store.Webhook, error) {
	return collect(r, scanWebhook, selectWebhooks+"ORDER BY number")
}

const selectDeliveries = "SELECT number, id, webhook_id, created_ms, coalesce(due_ms, 0), body FROM delivery "

func scanDelivery(rows pgx.Rows, d *store.Delivery) error {
	return rows.Scan(&d.Number, &d.ID, &d.WebhookID, &d.CreatedMS, &d.DueMS, &d.Body)
}

func (r *reader) Delivery(id string) (*store.Delivery, error) {
	return first(collect(r, scanDelivery, selectDeliveries+"WHERE id = $1", id))
}

func (r *reader) Deliveries(webhookID string, beforeNumber int64, limit int) ([]store.Delivery, error) {
	return collect(r, scanDelivery, selectDeliveries+"WHERE webhook_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3", webhookID, before(beforeNumber), limit)
}

func (r *reader) DueDeliveries(webhookID string, byMS int64, limit int) ([]store.Delivery, error) {
	return collect(r, scanDelivery, selectDeliveries+"WHERE webhook_id = $1 AND due_ms <= $2 ORDER BY due_ms, number LIMIT $3", webhookID, byMS, limit)
}

func (r *reader) Attempts(deliveryID string) ([]store.Attempt, error) {
	return collect(r, func(rows pgx.Rows, a *store.Attempt) error { return rows.Scan(&a.DeliveryID, &a.TimeMS, &a.Body) },
		"SELECT delivery_id, time_ms, body FROM delivery_attempt WHERE delivery_id = $1 ORDER BY number", deliveryID)
}

func (t *tx) PutWebhook(w store.Webhook) error {
	tag, err := t.exec("UPDATE webhook SET (created_ms, modified_ms, body) = ($2, $3, $4) WHERE id = $1", w.ID, w.CreatedMS, w.ModifiedMS, notNull(w.Body))
	if err != nil || tag.RowsAffected() > 0 {
		return err
	}
	_, err = t.exec("INSERT INTO webhook (id, created_ms, modified_ms, body) VALUES ($1, $2, $3, $4)", w.ID, w.CreatedMS, w.ModifiedMS, notNull(w.Body))
	return err
}

func (t *tx) DeleteWebhook(id string) error {
	for _, query := range [...]string{
		"DELETE FROM delivery_attempt WHERE delivery_id IN (SELECT id FROM delivery WHERE webhook_id = $1)",
		"DELETE FROM delivery WHERE webhook_id = $1", "DELETE FROM webhook WHERE id = $1",
	} {
		if _, err := t.exec(query, id); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) InsertDelivery(d *store.Delivery) (err error) {
	d.Number, err = t.insert("INSERT INTO delivery (id, webhook_id, created_ms, due_ms, body) VALUES ($1, $2, $3, $4, $5) RETURNING number",
		d.ID, d.WebhookID, d.CreatedMS, orNull(d.DueMS), notNull(d.Body))
	return err
}

func (t *tx) PutDelivery(d *store.Delivery) error {
	_, err := t.exec("UPDATE delivery SET due_ms = $2, body = $3 WHERE id = $1", d.ID, orNull(d.DueMS), notNull(d.Body))
	return err
}

func (t *tx) InsertAttempt(a store.Attempt) error {
	_, err := t.exec("INSERT INTO delivery_attempt (delivery_id, time_ms, body) VALUES ($1, $2, $3)", a.DeliveryID, a.TimeMS, notNull(a.Body))
	return err
}

func (t *tx) ForgetDeliveries(beforeMS int64, most int) (int, error) {
	old, err := collect(&t.reader, func(rows pgx.Rows, id *string) error { return rows.Scan(id) },
		"SELECT id FROM delivery WHERE due_ms IS NULL AND created_ms < $1 ORDER BY created_ms LIMIT $2", beforeMS, most)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	for _, query := range [...]string{"DELETE FROM delivery_attempt WHERE delivery_id = ANY($1)", "DELETE FROM delivery WHERE id = ANY($1)"} {
		if _, err := t.exec(query, old); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
