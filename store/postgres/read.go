package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
)

// View implements store.Store. What only reads is not tried again: whoever asked may.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	conn, t, err := s.beginRead(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer func() {
		ctx, cancel := s.bounded(context.WithoutCancel(ctx))
		defer cancel()
		_ = t.Rollback(ctx)
	}()
	return fn(&reader{ctx: ctx, q: conn.Conn(), s: s})
}

// beginRead begins to read one state. It is tried again: connections that waited for work may have been lost meanwhile, all of them at once.
func (s *Store) beginRead(ctx context.Context) (conn *pgxpool.Conn, t pgx.Tx, err error) {
	err = s.try(ctx, func(bool) (err error) {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		if conn, err = s.reads.Acquire(ctx); err != nil {
			return &lost{err, false}
		}
		if t, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); err == nil {
			return nil
		}
		if conn.Conn().IsClosed() {
			s.reads.Reset()
			err = &lost{err, false}
		}
		conn.Release()
		return err
	})
	return conn, t, err
}

type reader struct {
	ctx     context.Context
	q       *pgx.Conn
	s       *Store
	tables  map[int64]*rate.Table // rate tables that were read before, by serial; not to be changed
	cursors int                   // that were opened
}

// each calls scan with every row that a query finds. What has a text that no database has finds nothing.
func (r *reader) each(scan func(pgx.Rows) error, query string, args ...any) error {
	for _, arg := range args {
		if text, ok := arg.(string); ok && !storable(text) {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(r.ctx, statementMost)
	defer cancel()
	rows, err := r.q.Query(ctx, query, args...)
	if err != nil {
		return store.Unavailable(err)
	}
	return store.Unavailable(eachRow(rows, scan))
}

func eachRow(rows pgx.Rows, scan func(pgx.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// collect returns what a query finds.
func collect[T any](r *reader, scan func(pgx.Rows, *T) error, query string, args ...any) ([]T, error) {
	found := []T{}
	err := r.each(func(rows pgx.Rows) error {
		var one T
		err := scan(rows, &one)
		found = append(found, one)
		return err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// first returns the first of what a query found, or nil.
func first[T any](all []T, err error) (*T, error) {
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// number returns the one number that a query finds.
func (r *reader) number(query string, args ...any) (n int64, err error) {
	err = r.each(func(rows pgx.Rows) error { return rows.Scan(&n) }, query, args...)
	return n, err
}

// rowsAtOnce is how many rows of a whole table are held at a time.
const rowsAtOnce = 1000

// eachOf calls fn with all that a query without arguments finds, some at a time, so that fn may read too. An error of fn is returned
// as it is.
func eachOf[T any](r *reader, scan func(pgx.Rows, *T) error, fn func(*T) error, query string) error {
	r.cursors++
	name := fmt.Sprintf("farebox_%d", r.cursors)
	exec := func(what string) error {
		return r.each(func(pgx.Rows) error { return nil }, what, pgx.QueryExecModeExec)
	}
	if err := exec("DECLARE " + name + " NO SCROLL CURSOR FOR " + query); err != nil {
		return err
	}
	for {
		some, err := collect(r, scan, fmt.Sprintf("FETCH %d FROM %s", rowsAtOnce, name), pgx.QueryExecModeExec)
		if err != nil {
			return err
		}
		for i := range some {
			if err := fn(&some[i]); err != nil {
				return err
			}
		}
		if len(some) < rowsAtOnce {
			return exec("CLOSE " + name)
		}
	}
}

const selectInstances = "SELECT number, id, short_name, account_id, is_default, created_ms, modified_ms FROM instance "

func scanInstance(rows pgx.Rows, i *store.Instance) error {
	return rows.Scan(&i.Number, &i.ID, &i.ShortName, &i.AccountID, &i.Default, &i.CreatedMS, &i.ModifiedMS)
}

func (r *reader) Instance(id string) (*store.Instance, error) {
	return first(collect(r, scanInstance, selectInstances+"WHERE id = $1", id))
}

func (r *reader) DefaultInstance(accountID string) (*store.Instance, error) {
	return first(collect(r, scanInstance, selectInstances+"WHERE account_id = $1 AND is_default ORDER BY number LIMIT 1", accountID))
}

func (r *reader) Instances(after int64, limit int) ([]store.Instance, error) {
	return collect(r, scanInstance, selectInstances+"WHERE number > $1 ORDER BY number LIMIT $2", after, limit)
}

const selectLineItems = `SELECT number, activation_id, instance_id, state, quantity, start_ms, end_ms, elastic, series, overdraft_type,
	overdraft_limit, priority, kind, unit_price, currency, recurs, begun_ms, actions, consumption_limit, deleted, used, reset_ms
	FROM line_item JOIN balance ON line_item = number `

func scanLineItem(rows pgx.Rows, l *ledger.LineItem) error {
	var price, used string
	var actions, limit []byte
	if err := rows.Scan(&l.Number, &l.ActivationID, &l.InstanceID, &l.State, &l.Quantity, &l.StartMS, &l.EndMS, &l.Elastic, &l.Series,
		&l.Overdraft, &l.OverdraftLimit, &l.Priority, &l.Kind, &price, &l.Currency, &l.Recurs, &l.BegunMS, &actions, &limit, &l.Deleted, &used,
		&l.ResetMS); err != nil {
		return err
	}
	return errors.Join(l.UnitPrice.UnmarshalText([]byte(price)), l.Used.UnmarshalText([]byte(used)), scanJSON(actions, &l.Actions),
		scanJSON(limit, &l.Limit))
}

// scanJSON reads a column of JSON; NULL is nothing.
func scanJSON(text []byte, into any) error {
	if text == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// bareLineItems reads line items without the use of their allocations.
func (r *reader) bareLineItems(where string, args ...any) ([]*ledger.LineItem, error) {
	all := []*ledger.LineItem{}
	err := r.each(func(rows pgx.Rows) error {
		l := new(ledger.LineItem)
		all = append(all, l)
		return scanLineItem(rows, l)
	}, selectLineItems+where, args...)
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (r *reader) lineItems(where string, args ...any) ([]*ledger.LineItem, error) {
	all, err := r.bareLineItems(where, args...)
	if err != nil || !anyActions(all) {
		return all, err
	}
	return all, r.each(scanAllocations(all), selectAllocations, ruledNumbers(all))
}

func (r *reader) LineItem(activationID string) (*ledger.LineItem, error) {
	all, err := r.lineItems("WHERE activation_id = $1", activationID)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (r *reader) LineItems(instanceID string) ([]*ledger.LineItem, error) {
	if instanceID == "" {
		return r.lineItems("ORDER BY number")
	}
	return r.lineItems("WHERE instance_id = $1 ORDER BY number", instanceID)
}
