package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
)

const selectAlerts = "SELECT name, created_ms, modified_ms, body FROM alert "

func scanAlert(rows pgx.Rows, a *store.Alert) error {
	return rows.Scan(&a.Name, &a.CreatedMS, &a.ModifiedMS, &a.Body)
}

func (r *reader) Alert(name string) (*store.Alert, error) {
	return first(collect(r, scanAlert, selectAlerts+"WHERE name = $1", name))
}

func (r *reader) Alerts() ([]store.Alert, error) {
	return collect(r, scanAlert, selectAlerts+"ORDER BY name")
}

const selectAlertStates = "SELECT subject, alert, coalesce(due_ms, 0), body FROM alert_state "

func scanAlertState(rows pgx.Rows, s *store.AlertState) error {
	return rows.Scan(&s.Subject, &s.Alert, &s.DueMS, &s.Body)
}

func (r *reader) AlertStates(subjects ...string) ([]store.AlertState, error) {
	return collect(r, scanAlertState, selectAlertStates+"WHERE subject = ANY($1) ORDER BY subject, alert", subjects)
}

func (r *reader) AlertStatesFrom(prefix, afterSubject string, limit int) ([]store.AlertState, error) {
	return collect(r, scanAlertState, selectAlertStates+"WHERE subject > $1 AND subject >= $2 AND subject < $3 ORDER BY subject, alert LIMIT $4",
		afterSubject, prefix, prefix+"\U0010ffff", limit)
}

func (r *reader) DueAlertStates(byMS int64, limit int) ([]store.AlertState, error) {
	return collect(r, scanAlertState, selectAlertStates+"WHERE due_ms <= $1 ORDER BY due_ms, subject, alert LIMIT $2", byMS, limit)
}

func (r *reader) AlertsFired(accountID, instanceID string, beforeNumber int64, limit int) ([]store.AlertFired, error) {
	where, args := "WHERE number < $1 ", []any{before(beforeNumber), limit}
	switch {
	case accountID != "" && instanceID != "":
		where, args = where+"AND account_id = $3 AND instance_id = $4 ", append(args, accountID, instanceID)
	case accountID != "":
		where, args = where+"AND account_id = $3 ", append(args, accountID)
	case instanceID != "":
		where, args = where+"AND instance_id = $3 ", append(args, instanceID)
	}
	return collect(r, func(rows pgx.Rows, f *store.AlertFired) error {
		return rows.Scan(&f.Number, &f.ID, &f.AccountID, &f.InstanceID, &f.TimeMS, &f.Body)
	}, "SELECT number, id, account_id, instance_id, time_ms, body FROM alert_fired "+where+"ORDER BY number DESC LIMIT $2", args...)
}

func (t *tx) PutAlert(a store.Alert) error {
	_, err := t.exec(`INSERT INTO alert (name, created_ms, modified_ms, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET (created_ms, modified_ms, body) = (excluded.created_ms, excluded.modified_ms, excluded.body)`,
		a.Name, a.CreatedMS, a.ModifiedMS, notNull(a.Body))
	return err
}

func (t *tx) DeleteAlert(name string) error {
	if _, err := t.exec("DELETE FROM alert WHERE name = $1", name); err != nil {
		return err
	}
	return t.ForgetAlertStates(name)
}

func (t *tx) ForgetAlertStates(name string) error {
	_, err := t.exec("DELETE FROM alert_state WHERE alert = $1", name)
	return err
}

func (t *tx) PutAlertState(s store.AlertState) error {
	_, err := t.exec(`INSERT INTO alert_state (subject, alert, due_ms, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (subject, alert) DO UPDATE SET (due_ms, body) = (excluded.due_ms, excluded.body)`, s.Subject, s.Alert, orNull(s.DueMS), notNull(s.Body))
	return err
}

func (t *tx) DeleteAlertState(subject, alert string) error {
	_, err := t.exec("DELETE FROM alert_state WHERE subject = $1 AND alert = $2", subject, alert)
	return err
}

func (t *tx) InsertAlertFired(f *store.AlertFired) (err error) {
	f.Number, err = t.insert("INSERT INTO alert_fired (id, account_id, instance_id, time_ms, body) VALUES ($1, $2, $3, $4, $5) RETURNING number",
		f.ID, f.AccountID, f.InstanceID, f.TimeMS, notNull(f.Body))
	return err
}

// ForgetAlertsFired implements store.NoticeWriter. Entries are logged about in the order of their time, so no index of that is needed.
func (t *tx) ForgetAlertsFired(beforeMS int64, most int) (int, error) {
	tag, err := t.exec("DELETE FROM alert_fired WHERE number IN (SELECT number FROM alert_fired ORDER BY number LIMIT $1) AND time_ms < $2", most, beforeMS)
	return int(tag.RowsAffected()), err
}
