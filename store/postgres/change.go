package postgres

import (
	"context"
	"errors"
	"math"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// tx is a change in the making.
type tx struct {
	reader
	id       [16]byte
	wrote    bool
	settings bool // keys, configuration or rate tables have changed
}

// Conn returns the connection of a change, for what moves whole tables. All settings are taken to change.
func Conn(t store.Tx) *pgx.Conn {
	of := t.(*tx)
	of.wrote, of.settings = true, true
	return of.q
}

func (t *tx) exec(query string, args ...any) (pgconn.CommandTag, error) {
	t.wrote = true
	ctx, cancel := context.WithTimeout(t.ctx, statementMost)
	defer cancel()
	tag, err := t.q.Exec(ctx, query, args...)
	return tag, store.Unavailable(err)
}

// insert runs a statement that returns one number.
func (t *tx) insert(query string, args ...any) (n int64, err error) {
	t.wrote = true
	ctx, cancel := context.WithTimeout(t.ctx, statementMost)
	defer cancel()
	err = t.q.QueryRow(ctx, query, args...).Scan(&n)
	return n, store.Unavailable(err)
}

// notNull makes no bytes an empty value: an answer without a body is an answer too.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// orNull makes 0 NULL.
func orNull(ms int64) *int64 {
	if ms == 0 {
		return nil
	}
	return &ms
}

// before returns what lists that begin with the newest go on from.
func before(number int64) int64 {
	if number == 0 {
		return math.MaxInt64
	}
	return number
}

func (t *tx) InsertInstance(i *store.Instance) (err error) {
	i.Number, err = t.insert(`INSERT INTO instance (id, short_name, account_id, is_default, created_ms, modified_ms) VALUES ($1, $2, $3, $4, $5, $6)
		RETURNING number`, i.ID, i.ShortName, i.AccountID, i.Default, i.CreatedMS, i.ModifiedMS)
	return err
}

const (
	updateLineItem = `UPDATE line_item SET (state, quantity, start_ms, end_ms, elastic, series, overdraft_type, overdraft_limit, priority, kind,
		unit_price, currency, recurs, begun_ms, actions, consumption_limit, deleted) = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
		WHERE activation_id = $1 RETURNING number`
	insertLineItem = `INSERT INTO line_item (activation_id, state, quantity, start_ms, end_ms, elastic, series, overdraft_type, overdraft_limit,
		priority, kind, unit_price, currency, recurs, begun_ms, actions, consumption_limit, deleted, instance_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) RETURNING number`
)

func (t *tx) PutLineItem(l *ledger.LineItem) error {
	var actions, limit []byte // nil, which is NULL, of none
	var err error
	if len(l.Actions) > 0 {
		if actions, err = json.Marshal(l.Actions); err != nil {
			return err
		}
	}
	if l.Limit != nil {
		if limit, err = json.Marshal(l.Limit); err != nil {
			return err
		}
	}
	args := []any{l.ActivationID, l.State, l.Quantity, l.StartMS, l.EndMS, l.Elastic, l.Series, l.Overdraft, l.OverdraftLimit, l.Priority, l.Kind,
		l.UnitPrice.String(), l.Currency, l.Recurs, l.BegunMS, actions, limit, l.Deleted}
	l.Number, err = t.insert(updateLineItem, args...)
	if errors.Is(err, pgx.ErrNoRows) {
		l.Number, err = t.insert(insertLineItem, append(args, l.InstanceID)...)
	}
	if err != nil {
		return err
	}
	_, err = t.exec("INSERT INTO balance (line_item, used, charged) VALUES ($1, $2, false) ON CONFLICT (line_item) DO NOTHING", l.Number, token.Amount{}.String())
	if err != nil {
		return err
	}
	return t.keepAllocations(l)
}

func (t *tx) Charged(activationID string) (charged bool, err error) {
	err = t.each(func(rows pgx.Rows) error { return rows.Scan(&charged) },
		`SELECT charged OR EXISTS (SELECT 1 FROM hold WHERE hold.instance_id = line_item.instance_id)
		FROM balance JOIN line_item ON line_item = number WHERE activation_id = $1`, activationID)
	return charged, err
}

func (t *tx) RemoveLineItem(activationID string) error {
	l, err := t.LineItem(activationID)
	if err != nil || l == nil {
		return err
	}
	for _, query := range [...]string{
		"DELETE FROM balance WHERE line_item = $1", "DELETE FROM allocation WHERE line_item = $1", forgetConsumed,
		"DELETE FROM line_item WHERE number = $1",
	} {
		if _, err := t.exec(query, l.Number); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) InsertRateTable(table *rate.Table) error {
	t.settings = true
	text, err := codec.MarshalItems(table.Items)
	if err != nil {
		return err
	}
	table.Serial, err = t.insert("INSERT INTO rate_table (series, version, effective_from_ms, created_ms, items) VALUES ($1, $2, $3, $4, $5) RETURNING serial",
		table.Series, table.Version, table.EffectiveFromMS, table.CreatedMS, text)
	return err
}

func (t *tx) DeleteRateTable(series, version string) error {
	t.settings = true
	_, err := t.exec("DELETE FROM rate_table WHERE series = $1 AND version = $2", series, version)
	return err
}

func (t *tx) PutKey(k auth.Key) error {
	t.settings = true
	_, err := t.exec(`INSERT INTO key (role, id, public_pem, created_ms, modified_ms) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (role, id) DO UPDATE SET public_pem = excluded.public_pem, modified_ms = excluded.modified_ms`,
		k.Role, k.ID, k.PublicPEM, k.CreatedMS, k.ModifiedMS)
	return err
}

func (t *tx) DeleteKey(role auth.Role, id string) error {
	t.settings = true
	_, err := t.exec("DELETE FROM key WHERE role = $1 AND id = $2", role, id)
	return err
}

func (t *tx) PutConfigValue(v store.ConfigValue) error {
	t.settings = true
	_, err := t.exec(`INSERT INTO configuration (name, value, modified_ms, updated_by) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, modified_ms = excluded.modified_ms, updated_by = excluded.updated_by`,
		v.Name, v.Value, v.ModifiedMS, v.UpdatedBy)
	return err
}

func (r *reader) Answer(id usage.OnceID) (*store.Answer, error) {
	return first(collect(r, func(rows pgx.Rows, a *store.Answer) error {
		return rows.Scan(&a.TimeMS, &a.Fingerprint, &a.Status, &a.Body)
	}, "SELECT time_ms, fingerprint, status, body FROM answer WHERE once_id = $1", [16]byte(id)))
}

func (t *tx) PutAnswer(id usage.OnceID, a *store.Answer) error {
	_, err := t.exec("INSERT INTO answer (once_id, time_ms, fingerprint, status, body) VALUES ($1, $2, $3, $4, $5)",
		[16]byte(id), a.TimeMS, notNull(a.Fingerprint), a.Status, notNull(a.Body))
	return err
}

func (t *tx) Earlier(id usage.OnceID) (*usage.Receipt, error) {
	var at place
	err := t.each(func(rows pgx.Rows) error { return rows.Scan(&at.batch, &at.receipt, &at.timeMS) },
		"SELECT batch, place, time_ms FROM once WHERE id = $1", [16]byte(id))
	if err != nil || at.batch == nil {
		return nil, err
	}
	var row journalRow
	found := false
	err = t.each(func(rows pgx.Rows) error {
		found = true
		return rows.Scan(&at.batch, &row.codec, &row.receipts)
	}, selectOnceRows, [][16]byte{*at.batch}, monthOf(at.timeMS))
	if err != nil || !found {
		return nil, err
	}
	lines, err := t.s.receipts.Unpack(row.codec, row.receipts)
	if err != nil {
		return nil, store.Unavailable(err)
	}
	r, err := codec.Receipt(lines, at.receipt)
	return r, store.Unavailable(err)
}
