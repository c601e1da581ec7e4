package sqlite

import (
	"github.com/farebox/farebox/store"
)

const lineItemChangeColumns = `line_item, time_ms, activation_id, instance_id, state, quantity, start_ms, end_ms, elastic, series,
	overdraft_type, overdraft_limit, priority, kind, unit_price, currency, recurs, begun_ms, deleted`

func (r *reader) LineItemChanges(instanceID string) (_ []store.LineItemChange, err error) {
	defer translate(&err)
	query, args := "SELECT "+lineItemChangeColumns+" FROM line_item_change ", []any(nil)
	if instanceID != "" {
		query, args = query+"WHERE instance_id = ? ", []any{instanceID}
	}
	rows, err := r.q.QueryContext(r.ctx, query+"ORDER BY number", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []store.LineItemChange
	for rows.Next() {
		var c store.LineItemChange
		var price string
		l := &c.LineItem
		err := rows.Scan(&l.Number, &c.TimeMS, &l.ActivationID, &l.InstanceID, &l.State, &l.Quantity, &l.StartMS, &l.EndMS, &l.Elastic, &l.Series,
			&l.Overdraft, &l.OverdraftLimit, &l.Priority, &l.Kind, &price, &l.Currency, &l.Recurs, &l.BegunMS, &l.Deleted)
		if err != nil {
			return nil, err
		}
		if err := l.UnitPrice.UnmarshalText([]byte(price)); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

func (t *tx) AddLineItemChange(c store.LineItemChange) error {
	l := &c.LineItem
	_, err := t.exec("INSERT INTO line_item_change ("+lineItemChangeColumns+`, after_journal, used, reset_ms)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(number), 0) FROM journal), coalesce(used, '0'), coalesce(reset_ms, 0)
		FROM (SELECT 1) LEFT JOIN balance ON line_item = ?`,
		l.Number, c.TimeMS, l.ActivationID, l.InstanceID, l.State, l.Quantity, l.StartMS, l.EndMS, l.Elastic, l.Series,
		l.Overdraft, l.OverdraftLimit, l.Priority, l.Kind, l.UnitPrice.String(), l.Currency, l.Recurs, l.BegunMS, l.Deleted, l.Number)
	return err
}
