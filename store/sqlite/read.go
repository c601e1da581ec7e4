package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
	"github.com/farebox/farebox/usage"
)

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	t, err := s.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return store.Unavailable(err)
	}
	defer func() { _ = t.Rollback() }()
	return fn(&reader{ctx: ctx, q: t, s: s, tables: map[int64]*rate.Table{}})
}

type reader struct {
	ctx    context.Context
	q      querier
	s      *Store
	tables map[int64]*rate.Table // rate tables that were read before, by serial
}

const selectInstances = "SELECT number, id, short_name, account_id, is_default, created_ms, modified_ms FROM instance "

func (r *reader) instances(where string, args ...any) ([]store.Instance, error) {
	return collect(r, func(rows *sql.Rows, i *store.Instance) error {
		return rows.Scan(&i.Number, &i.ID, &i.ShortName, &i.AccountID, &i.Default, &i.CreatedMS, &i.ModifiedMS)
	}, selectInstances+where, args...)
}

func (r *reader) Instance(id string) (*store.Instance, error) {
	return first(r.instances("WHERE id = ?", id))
}

func (r *reader) DefaultInstance(accountID string) (*store.Instance, error) {
	return first(r.instances("WHERE account_id = ? AND is_default", accountID))
}

func (r *reader) Instances(after int64, limit int) ([]store.Instance, error) {
	return r.instances("WHERE number > ? ORDER BY number LIMIT ?", after, limit)
}

const selectLineItems = `SELECT number, activation_id, instance_id, state, quantity, start_ms, end_ms, elastic, series, overdraft_type,
	overdraft_limit, priority, kind, unit_price, currency, recurs, begun_ms, actions, consumption_limit, deleted, used, reset_ms
	FROM line_item JOIN balance ON line_item = number`

func scanLineItems(rows *sql.Rows) ([]*ledger.LineItem, error) {
	defer rows.Close()
	all := []*ledger.LineItem{}
	for rows.Next() {
		l := new(ledger.LineItem)
		var price, used string
		var actions, limit sql.RawBytes
		if err := rows.Scan(&l.Number, &l.ActivationID, &l.InstanceID, &l.State, &l.Quantity, &l.StartMS, &l.EndMS, &l.Elastic, &l.Series,
			&l.Overdraft, &l.OverdraftLimit, &l.Priority, &l.Kind, &price, &l.Currency, &l.Recurs, &l.BegunMS, &actions, &limit, &l.Deleted, &used,
			&l.ResetMS); err != nil {
			return nil, err
		}
		if err := errors.Join(l.UnitPrice.UnmarshalText([]byte(price)), l.Used.UnmarshalText([]byte(used)), scanJSON(actions, &l.Actions),
			scanJSON(limit, &l.Limit)); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

func (r *reader) lineItems(where string, args ...any) (_ []*ledger.LineItem, err error) {
	defer translate(&err)
	rows, err := r.q.QueryContext(r.ctx, selectLineItems+where, args...)
	if err != nil {
		return nil, err
	}
	all, err := scanLineItems(rows)
	if err != nil || !anyActions(all) {
		return all, err
	}
	if rows, err = r.q.QueryContext(r.ctx, selectAllocations+where, args...); err != nil {
		return nil, err
	}
	return all, scanAllocations(rows, all)
}

func (r *reader) LineItem(activationID string) (*ledger.LineItem, error) {
	all, err := r.lineItems(" WHERE activation_id = ?", activationID)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (r *reader) LineItems(instanceID string) ([]*ledger.LineItem, error) {
	if instanceID == "" {
		return r.lineItems(" ORDER BY number")
	}
	return r.lineItems(" WHERE instance_id = ? ORDER BY number", instanceID)
}

func (r *reader) Settings() (_ *store.Settings, err error) {
	defer translate(&err)
	settings := new(store.Settings)
	if settings.Keys, err = r.keys(); err != nil {
		return nil, err
	}
	if settings.Configuration, err = r.configuration(); err != nil {
		return nil, err
	}
	settings.Rates, err = r.rates()
	return settings, err
}

func (r *reader) keys() ([]auth.Key, error) {
	keys, err := collect(r, func(rows *sql.Rows, k *auth.Key) error {
		return rows.Scan(&k.Role, &k.ID, &k.PublicPEM, &k.CreatedMS, &k.ModifiedMS)
	}, "SELECT role, id, public_pem, created_ms, modified_ms FROM key ORDER BY role, id")
	if len(keys) == 0 {
		return nil, err
	}
	return keys, err
}

func (r *reader) configuration() (map[string]store.ConfigValue, error) {
	values, err := collect(r, func(rows *sql.Rows, v *store.ConfigValue) error {
		return rows.Scan(&v.Name, &v.Value, &v.ModifiedMS, &v.UpdatedBy)
	},
		"SELECT name, value, modified_ms, updated_by FROM configuration")
	byName := make(map[string]store.ConfigValue, len(values))
	for _, v := range values {
		byName[v.Name] = v
	}
	return byName, err
}

// rates reads the rate tables that were not read before.
func (r *reader) rates() (*rate.Catalog, error) {
	serials, err := collect(r, func(rows *sql.Rows, serial *int64) error { return rows.Scan(serial) }, "SELECT serial FROM rate_table")
	if err != nil {
		return nil, err
	}
	tables := make([]*rate.Table, len(serials))
	for i, serial := range serials {
		if tables[i] = r.tables[serial]; tables[i] == nil {
			if tables[i], err = r.table(serial); err != nil {
				return nil, err
			}
			r.tables[serial] = tables[i]
		}
	}
	return rate.NewCatalog(tables), nil
}

func (r *reader) table(serial int64) (*rate.Table, error) {
	t := &rate.Table{Serial: serial}
	var text []byte
	err := r.q.QueryRowContext(r.ctx, "SELECT series, version, effective_from_ms, created_ms, items FROM rate_table WHERE serial = ?", serial).
		Scan(&t.Series, &t.Version, &t.EffectiveFromMS, &t.CreatedMS, &text)
	if err != nil {
		return nil, err
	}
	t.Items, err = codec.UnmarshalItems(text)
	return t, err
}

// page is how many journal rows are read at a time.
const page = 64

// pageWithin is how many rows are read at a time by who looks at about bound receipts; each row has one at least.
func pageWithin(bound int) int {
	if bound > 0 {
		return min(bound, page)
	}
	return page
}

// Receipts implements store.Reader.
func (r *reader) Receipts(from usage.Position, filter *usage.Filter, bound int, fn func(usage.Position, *usage.Receipt) (bool, error)) (usage.Position, error) {
	if filter != nil && filter.FromMS > 0 {
		first, err := r.firstSince(filter.FromMS)
		if err != nil || first == 0 {
			return usage.Position{}, err
		}
		if first > from.Commit {
			from = usage.Position{Commit: first}
		}
	}
	most := pageWithin(bound)
	for looked := 0; ; {
		rows, err := r.journal(from.Commit, most)
		if err != nil {
			return from, err
		}
		for _, row := range rows {
			if filter != nil && !row.between(filter) {
				from = usage.Position{Commit: row.number + 1}
				looked++
				continue
			}
			receipts, err := r.receiptsOf(&row)
			if err != nil {
				return from, err
			}
			if row.number > from.Commit {
				from = usage.Position{Commit: row.number}
			}
			for from.Receipt < len(receipts) {
				more, err := fn(from, receipts[from.Receipt])
				if err != nil || !more {
					return from, err
				}
				from = usage.Position{Commit: row.number, Receipt: from.Receipt + 1}
			}
			looked += len(receipts)
			from = usage.Position{Commit: row.number + 1}
		}
		if len(rows) < most {
			return usage.Position{}, nil
		}
		if bound > 0 && looked >= bound {
			return from, nil
		}
	}
}

// firstSince returns the first journal row of a time or later, which the index alone tells; 0 when there is none.
func (r *reader) firstSince(timeMS int64) (number int64, err error) {
	err = r.q.QueryRowContext(r.ctx, "SELECT coalesce(min(number), 0) FROM journal WHERE time_ms >= ?", timeMS).Scan(&number)
	return number, store.Unavailable(err)
}

// between reports whether receipts of a row can be of a filter's time.
func (row *journalRow) between(filter *usage.Filter) bool {
	return row.timeMS >= filter.FromMS && (filter.ToMS == 0 || row.fromMS < filter.ToMS)
}

type journalRow struct {
	number, timeMS int64
	fromMS         int64 // the earliest receipt's time
	codec          int
	receipts       []byte // nil: they are held in memory
}

// receiptsOf returns a row's receipts, from memory or from their bytes.
func (r *reader) receiptsOf(row *journalRow) (_ []*usage.Receipt, err error) {
	defer translate(&err)
	if row.receipts == nil {
		if held := r.s.recent.get(row.number); held != nil {
			return held, nil
		}
		err := r.q.QueryRowContext(r.ctx, "SELECT receipts FROM journal WHERE number = ?", row.number).Scan(&row.receipts)
		if err != nil { // it was let go meanwhile
			return nil, err
		}
	}
	return r.s.receipts.Decode(row.codec, row.receipts)
}

func (r *reader) journal(from int64, most int) (_ []journalRow, err error) {
	defer translate(&err)
	rows, err := r.q.QueryContext(r.ctx, `SELECT number, from_ms, time_ms, codec, CASE WHEN number < ? THEN receipts END
		FROM journal WHERE number >= ? ORDER BY number LIMIT ?`, r.s.recent.from(), from, most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make([]journalRow, 0, page)
	for rows.Next() {
		var row journalRow
		if err := rows.Scan(&row.number, &row.fromMS, &row.timeMS, &row.codec, &row.receipts); err != nil {
			return nil, err
		}
		if row.fromMS == 0 { // of a row from before there was from_ms: its receipts have one time
			row.fromMS = row.timeMS
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// receiptAt reads a receipt on the writing connection. Of a key that came with another request there is none to
// read; an empty receipt, which no request matches, stands for it.
func (s *Store) receiptAt(ctx context.Context, at place, rows unpackedRows) (*usage.Receipt, error) {
	if at == notCharge {
		return new(usage.Receipt), nil
	}
	text, known := rows[at.journal()]
	if !known {
		var form int
		err := s.conn.QueryRowContext(ctx, "SELECT codec, receipts FROM journal WHERE number = ?", at.journal()).Scan(&form, &text)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, codec.ErrNoReceipt
		}
		if err != nil {
			return nil, err
		}
		if text, err = s.receipts.Unpack(form, text); err != nil {
			return nil, err
		}
		rows.keep(at.journal(), text)
	}
	return codec.Receipt(text, at.receipt())
}

// unpackedRows are journal rows that were just read: callers that try again together were booked together, and reading
// their row for each of them would hold everybody else up.
type unpackedRows map[int64][]byte

const unpackedRowsMost = 64

func (rows unpackedRows) keep(journal int64, text []byte) {
	if len(rows) == unpackedRowsMost {
		clear(rows)
	}
	rows[journal] = text
}

// Check implements store.Store.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	rows, err := s.reads.QueryContext(ctx, "PRAGMA quick_check(20)")
	if err != nil {
		return nil, store.Unavailable(err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, store.Unavailable(err)
		}
		if line != "ok" {
			found = append(found, line)
		}
	}
	return found, store.Unavailable(rows.Err())
}
