package sqlite

import (
	"database/sql"
	"errors"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
)

const selectAlerts = "SELECT name, created_ms, modified_ms, body FROM alert "

func scanAlert(rows *sql.Rows, a *store.Alert) error {
	return rows.Scan(&a.Name, &a.CreatedMS, &a.ModifiedMS, &a.Body)
}

func (r *reader) Alert(name string) (*store.Alert, error) {
	return first(collect(r, scanAlert, selectAlerts+"WHERE name = ?", name))
}

func (r *reader) Alerts() ([]store.Alert, error) {
	return collect(r, scanAlert, selectAlerts+"ORDER BY name")
}

const selectAlertStates = "SELECT subject, alert, coalesce(due_ms, 0), body FROM alert_state "

func scanAlertState(rows *sql.Rows, s *store.AlertState) error {
	return rows.Scan(&s.Subject, &s.Alert, &s.DueMS, &s.Body)
}

func (r *reader) AlertStates(subjects ...string) ([]store.AlertState, error) {
	list, err := json.Marshal(subjects)
	if err != nil {
		return nil, err
	}
	return collect(r, scanAlertState, selectAlertStates+"WHERE subject IN (SELECT value FROM json_each(?)) ORDER BY subject, alert", string(list))
}

func (r *reader) AlertStatesFrom(prefix, afterSubject string, limit int) ([]store.AlertState, error) {
	return collect(r, scanAlertState, selectAlertStates+"WHERE subject > ? AND subject >= ? AND subject < ? ORDER BY subject, alert LIMIT ?",
		afterSubject, prefix, prefix+"\U0010ffff", limit)
}

func (r *reader) DueAlertStates(byMS int64, limit int) ([]store.AlertState, error) {
	return collect(r, scanAlertState, selectAlertStates+"WHERE due_ms <= ? ORDER BY due_ms LIMIT ?", byMS, limit)
}

func (r *reader) AlertsFired(accountID, instanceID string, beforeNumber int64, limit int) ([]store.AlertFired, error) {
	where, args := "WHERE number < ? ", []any{before(beforeNumber)}
	if accountID != "" {
		where, args = where+"AND account_id = ? ", append(args, accountID)
	}
	if instanceID != "" {
		where, args = where+"AND instance_id = ? ", append(args, instanceID)
	}
	return collect(r, func(rows *sql.Rows, f *store.AlertFired) error {
		return rows.Scan(&f.Number, &f.ID, &f.AccountID, &f.InstanceID, &f.TimeMS, &f.Body)
	}, "SELECT number, id, account_id, instance_id, time_ms, body FROM alert_fired "+where+"ORDER BY number DESC LIMIT ?", append(args, limit)...)
}

func (r *reader) LastCommit() (int64, error) {
	return r.number("SELECT coalesce(max(number), 0) FROM journal")
}

func (r *reader) LastTold() (int64, error) {
	return r.number("SELECT coalesce(max(number), 0) FROM line_item_change")
}

const selectTold = "SELECT number, after_journal, used, reset_ms, " + lineItemChangeColumns + " FROM line_item_change "

func scanTold(rows *sql.Rows, c *store.Told) error {
	l := &c.LineItem
	var price, used string
	err := rows.Scan(&c.Number, &c.After, &used, &l.ResetMS, &l.Number, &c.TimeMS, &l.ActivationID, &l.InstanceID, &l.State, &l.Quantity, &l.StartMS,
		&l.EndMS, &l.Elastic, &l.Series, &l.Overdraft, &l.OverdraftLimit, &l.Priority, &l.Kind, &price, &l.Currency, &l.Recurs, &l.BegunMS, &l.Deleted)
	return errors.Join(err, l.UnitPrice.UnmarshalText([]byte(price)), l.Used.UnmarshalText([]byte(used)))
}

func (r *reader) ToldAfter(number int64, limit int) ([]store.Told, error) {
	return collect(r, scanTold, selectTold+"WHERE number > ? ORDER BY number LIMIT ?", number, limit)
}

func (r *reader) ToldBy(lineItem, commit int64) (*store.Told, error) {
	return first(collect(r, scanTold, selectTold+"WHERE line_item = ? AND after_journal < ? ORDER BY number DESC LIMIT 1", lineItem, commit))
}

func (r *reader) ToldBefore(lineItem, number int64) (*store.Told, error) {
	return first(collect(r, scanTold, selectTold+"WHERE line_item = ? AND number < ? ORDER BY number DESC LIMIT 1", lineItem, number))
}

func (r *reader) LineItemsFrom(afterNumber int64, limit int) ([]*ledger.LineItem, error) {
	return r.bareLineItems(" WHERE number > ? AND NOT deleted ORDER BY number LIMIT ?", afterNumber, limit)
}

func (r *reader) LineItemsEnding(fromMS, afterNumber, byMS int64, limit int) ([]*ledger.LineItem, error) {
	return r.bareLineItems(" WHERE (end_ms, number) > (?, ?) AND end_ms <= ? AND NOT deleted ORDER BY end_ms, number LIMIT ?",
		fromMS, afterNumber, byMS, limit)
}

// bareLineItems reads line items without their actions.
func (r *reader) bareLineItems(where string, args ...any) (_ []*ledger.LineItem, err error) {
	defer translate(&err)
	rows, err := r.q.QueryContext(r.ctx, selectLineItems+where, args...)
	if err != nil {
		return nil, err
	}
	found, err := scanLineItems(rows)
	for _, l := range found {
		l.Actions = nil
	}
	return found, err
}

func (t *tx) PutAlert(a store.Alert) error {
	_, err := t.exec(`INSERT INTO alert (name, created_ms, modified_ms, body) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET (created_ms, modified_ms, body) = (excluded.created_ms, excluded.modified_ms, excluded.body)`,
		a.Name, a.CreatedMS, a.ModifiedMS, notNull(a.Body))
	return err
}

func (t *tx) DeleteAlert(name string) error {
	if _, err := t.exec("DELETE FROM alert WHERE name = ?", name); err != nil {
		return err
	}
	return t.ForgetAlertStates(name)
}

func (t *tx) ForgetAlertStates(name string) error {
	_, err := t.exec("DELETE FROM alert_state WHERE alert = ?", name)
	return err
}

func (t *tx) PutAlertState(s store.AlertState) error {
	_, err := t.s.stmts.putAlertState.ExecContext(t.ctx, s.Subject, s.Alert, orNull(s.DueMS), notNull(s.Body))
	return store.Unavailable(err)
}

func (t *tx) DeleteAlertState(subject, alert string) error {
	_, err := t.s.stmts.deleteAlertState.ExecContext(t.ctx, subject, alert)
	return store.Unavailable(err)
}

func (t *tx) InsertAlertFired(f *store.AlertFired) error {
	result, err := t.s.stmts.alertFired.ExecContext(t.ctx, f.ID, f.AccountID, f.InstanceID, f.TimeMS, notNull(f.Body))
	if err != nil {
		return store.Unavailable(err)
	}
	f.Number, err = result.LastInsertId()
	return err
}

// ForgetAlertsFired implements store.NoticeWriter. Entries are logged about in the order of their time, so no index of that is needed.
func (t *tx) ForgetAlertsFired(beforeMS int64, most int) (int, error) {
	result, err := t.exec("DELETE FROM alert_fired WHERE number IN (SELECT number FROM alert_fired ORDER BY number LIMIT ?) AND time_ms < ?", most, beforeMS)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), store.Unavailable(err)
}
