package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"maps"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Change implements store.Store.
func (s *Store) Change(ctx context.Context, fn func(store.Tx) error) error {
	ctx = context.WithoutCancel(ctx)
	t := &tx{reader: reader{ctx: ctx, s: s, tables: s.tables}, touched: map[string]bool{}, answered: map[usage.OnceID]int64{}}
	return s.transaction(ctx, func() error {
		t.q = s.conn
		return fn(t)
	}, func() error {
		for id := range t.touched {
			delete(s.books, id)
		}
		for id, timeMS := range t.answered {
			s.once.put(timeMS, id, notCharge)
		}
		if t.removed > 0 {
			s.once.removed = t.removed
		}
		if t.settings {
			return s.loadSettings(ctx)
		}
		return nil
	})
}

// transaction runs fn in a durable transaction, then the after functions still under the lock. An error that fn returns
// comes back as it is.
func (s *Store) transaction(ctx context.Context, fn func() error, after ...func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return store.Unavailable(err)
	}
	over := false
	defer func() {
		if !over { // fn panicked: without this the transaction would stay open, and no other could begin
			_ = s.undo(ctx, nil)
		}
	}()
	err := fn()
	over = true
	if err != nil {
		_ = s.undo(ctx, nil)
		return err
	}
	if _, err := s.stmts.commit.ExecContext(ctx); err != nil {
		return s.undo(ctx, err)
	}
	s.checkpoint.written()
	for _, do := range after {
		if err := do(); err != nil {
			// The change is durable; only our memory of it is not fresh. Read everything anew next time.
			s.version = -1
		}
	}
	return nil
}

type tx struct {
	reader
	touched  map[string]bool        // instances whose books have changed
	answered map[usage.OnceID]int64 // when
	settings bool                   // keys, configuration or rate tables have changed
	removed  int64                  // the last journal row that was removed; 0: none was
}

// Conn returns the connection of a change, for what moves whole tables. While the change is open nobody else writes into the file.
func Conn(t store.Tx) *sql.Conn { return t.(*tx).s.conn }

func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	result, err := t.s.conn.ExecContext(t.ctx, query, args...)
	return result, store.Unavailable(err)
}

func (t *tx) InsertInstance(i *store.Instance) error {
	result, err := t.exec("INSERT INTO instance (id, short_name, account_id, is_default, created_ms, modified_ms) VALUES (?, ?, ?, ?, ?, ?)",
		i.ID, i.ShortName, i.AccountID, i.Default, i.CreatedMS, i.ModifiedMS)
	if err != nil {
		return err
	}
	i.Number, err = result.LastInsertId()
	return err
}

func (t *tx) PutLineItem(l *ledger.LineItem) error {
	t.touched[l.InstanceID] = true
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
	row := t.s.conn.QueryRowContext(t.ctx, `
		INSERT INTO line_item (activation_id, instance_id, state, quantity, start_ms, end_ms, elastic, series, overdraft_type,
			overdraft_limit, priority, kind, unit_price, currency, recurs, begun_ms, actions, consumption_limit, deleted)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (activation_id) DO UPDATE SET (state, quantity, start_ms, end_ms, elastic, series, overdraft_type,
			overdraft_limit, priority, kind, unit_price, currency, recurs, begun_ms, actions, consumption_limit, deleted) = (excluded.state,
			excluded.quantity, excluded.start_ms, excluded.end_ms, excluded.elastic, excluded.series, excluded.overdraft_type,
			excluded.overdraft_limit, excluded.priority, excluded.kind, excluded.unit_price, excluded.currency, excluded.recurs,
			excluded.begun_ms, excluded.actions, excluded.consumption_limit, excluded.deleted)
		RETURNING number`,
		l.ActivationID, l.InstanceID, l.State, l.Quantity, l.StartMS, l.EndMS, l.Elastic, l.Series, l.Overdraft,
		l.OverdraftLimit, l.Priority, l.Kind, l.UnitPrice.String(), l.Currency, l.Recurs, l.BegunMS, actions, limit, l.Deleted)
	if err := row.Scan(&l.Number); err != nil {
		return store.Unavailable(err)
	}
	if _, err := t.exec("INSERT INTO balance (line_item, used, charged) VALUES (?, ?, 0) ON CONFLICT DO NOTHING", l.Number, token.Amount{}.String()); err != nil {
		return err
	}
	return t.keepAllocations(l)
}

func (t *tx) Charged(activationID string) (charged bool, err error) {
	err = t.s.conn.QueryRowContext(t.ctx, `SELECT charged OR EXISTS (SELECT 1 FROM hold WHERE hold.instance_id = line_item.instance_id)
		FROM balance JOIN line_item ON line_item = number WHERE activation_id = ?`, activationID).
		Scan(&charged)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return charged, store.Unavailable(err)
}

func (t *tx) RemoveLineItem(activationID string) error {
	l, err := t.LineItem(activationID)
	if err != nil || l == nil {
		return err
	}
	t.touched[l.InstanceID] = true
	for _, query := range [...]string{
		"DELETE FROM balance WHERE line_item = ?", "DELETE FROM allocation WHERE line_item = ?", forgetConsumed,
		"DELETE FROM line_item WHERE number = ?",
	} {
		if _, err := t.exec(query, l.Number); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) InsertRateTable(table *rate.Table) error {
	t.settings = true
	t.tables = maps.Clone(t.tables) // if this is undone the next table has the same serial: none of it may be remembered
	text, err := codec.MarshalItems(table.Items)
	if err != nil {
		return err
	}
	result, err := t.exec("INSERT INTO rate_table (series, version, effective_from_ms, created_ms, items) VALUES (?, ?, ?, ?, ?)",
		table.Series, table.Version, table.EffectiveFromMS, table.CreatedMS, text)
	if err != nil {
		return err
	}
	table.Serial, err = result.LastInsertId()
	return err
}

func (t *tx) DeleteRateTable(series, version string) error {
	t.settings = true
	_, err := t.exec("DELETE FROM rate_table WHERE series = ? AND version = ?", series, version)
	return err
}

func (t *tx) PutKey(k auth.Key) error {
	t.settings = true
	_, err := t.exec(`INSERT INTO key (role, id, public_pem, created_ms, modified_ms) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (role, id) DO UPDATE SET public_pem = excluded.public_pem, modified_ms = excluded.modified_ms`,
		k.Role, k.ID, k.PublicPEM, k.CreatedMS, k.ModifiedMS)
	return err
}

func (t *tx) DeleteKey(role auth.Role, id string) error {
	t.settings = true
	_, err := t.exec("DELETE FROM key WHERE role = ? AND id = ?", role, id)
	return err
}

func (t *tx) PutConfigValue(v store.ConfigValue) error {
	t.settings = true
	_, err := t.exec(`INSERT INTO configuration (name, value, modified_ms, updated_by) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, modified_ms = excluded.modified_ms, updated_by = excluded.updated_by`,
		v.Name, v.Value, v.ModifiedMS, v.UpdatedBy)
	return err
}

func (r *reader) Answer(id usage.OnceID) (*store.Answer, error) {
	a := new(store.Answer)
	err := r.q.QueryRowContext(r.ctx, "SELECT time_ms, fingerprint, status, body FROM answer WHERE once_id = ?", id[:]).
		Scan(&a.TimeMS, &a.Fingerprint, &a.Status, &a.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return a, store.Unavailable(err)
}

func (t *tx) PutAnswer(id usage.OnceID, a *store.Answer) error {
	t.answered[id] = a.TimeMS
	_, err := t.exec("INSERT INTO answer (once_id, time_ms, fingerprint, status, body) VALUES (?, ?, ?, ?, ?)",
		id[:], a.TimeMS, notNull(a.Fingerprint), a.Status, notNull(a.Body))
	return err
}

func (t *tx) Earlier(id usage.OnceID) (*usage.Receipt, error) {
	at, used := t.s.once.find(id)
	if !used || at == notCharge {
		return nil, nil
	}
	receipt, err := t.s.receiptAt(t.ctx, at, unpackedRows{})
	return receipt, store.Unavailable(err)
}

// reload reads everything that is kept in memory anew: another process has written, or nothing was read yet.
func (s *Store) reload(ctx context.Context) error {
	var version, last int64
	if err := s.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return err
	}
	if err := s.conn.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) FROM journal").Scan(&last); err != nil {
		return err
	}
	clear(s.books)
	if err := s.loadSettings(ctx); err != nil {
		return err
	}
	if err := s.conn.QueryRowContext(ctx, "SELECT coalesce(max(journal), 0) FROM removed").Scan(&s.once.removed); err != nil {
		return err
	}
	if !s.read && !s.move { // nobody decides here
		if err := s.loadOnce(ctx, s.lastCommit); err != nil {
			return err
		}
	}
	s.version, s.lastCommit = version, last
	return nil
}

// Refresh implements store.Store.
func (s *Store) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return store.Unavailable(s.reconnect(ctx))
	}
	var version int64
	if err := s.stmts.dataVersion.QueryRowContext(ctx).Scan(&version); err != nil {
		return store.Unavailable(err)
	}
	if version == s.version {
		return nil
	}
	return store.Unavailable(s.reload(ctx))
}

func (s *Store) loadSettings(ctx context.Context) error {
	settings, err := (&reader{ctx: ctx, q: s.conn, s: s, tables: s.tables}).Settings()
	if err != nil {
		return err
	}
	s.settings.Store(settings)
	return nil
}
