package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
)

const selectTold = `SELECT number, after_journal, used, reset_ms, line_item, time_ms, activation_id, instance_id, state, quantity, start_ms, end_ms, elastic,
	series, overdraft_type, overdraft_limit, priority, kind, unit_price, currency, recurs, begun_ms, deleted FROM line_item_change `

func scanTold(rows pgx.Rows, c *store.Told) error {
	l := &c.LineItem
	var price, used string
	err := rows.Scan(&c.Number, &c.After, &used, &l.ResetMS, &l.Number, &c.TimeMS, &l.ActivationID, &l.InstanceID, &l.State, &l.Quantity, &l.StartMS,
		&l.EndMS, &l.Elastic, &l.Series, &l.Overdraft, &l.OverdraftLimit, &l.Priority, &l.Kind, &price, &l.Currency, &l.Recurs, &l.BegunMS, &l.Deleted)
	if err != nil {
		return err
	}
	return errors.Join(l.UnitPrice.UnmarshalText([]byte(price)), l.Used.UnmarshalText([]byte(used)))
}

func (r *reader) LineItemChanges(instanceID string) ([]store.LineItemChange, error) {
	query, args := selectTold, []any(nil)
	if instanceID != "" {
		query, args = query+"WHERE instance_id = $1 ", []any{instanceID}
	}
	told, err := collect(r, scanTold, query+"ORDER BY number", args...)
	var all []store.LineItemChange
	for i := range told {
		c := told[i].LineItemChange
		c.LineItem = c.LineItem.Terms()
		all = append(all, c)
	}
	return all, err
}

func (r *reader) LastTold() (int64, error) {
	return r.number("SELECT coalesce(max(number), 0) FROM line_item_change")
}

func (r *reader) ToldAfter(number int64, limit int) ([]store.Told, error) {
	return collect(r, scanTold, selectTold+"WHERE number > $1 ORDER BY number LIMIT $2", number, limit)
}

func (r *reader) ToldBy(lineItem, commit int64) (*store.Told, error) {
	return first(collect(r, scanTold, selectTold+"WHERE line_item = $1 AND after_journal < $2 ORDER BY number DESC LIMIT 1", lineItem, commit))
}

func (r *reader) ToldBefore(lineItem, number int64) (*store.Told, error) {
	return first(collect(r, scanTold, selectTold+"WHERE line_item = $1 AND number < $2 ORDER BY number DESC LIMIT 1", lineItem, number))
}

func (r *reader) LineItemsFrom(afterNumber int64, limit int) ([]*ledger.LineItem, error) {
	return withoutActions(r.bareLineItems("WHERE number > $1 AND NOT deleted ORDER BY number LIMIT $2", afterNumber, limit))
}

func (r *reader) LineItemsEnding(fromMS, afterNumber, byMS int64, limit int) ([]*ledger.LineItem, error) {
	return withoutActions(r.bareLineItems("WHERE (end_ms, number) > ($1, $2) AND end_ms <= $3 AND NOT deleted ORDER BY end_ms, number LIMIT $4",
		fromMS, afterNumber, byMS, limit))
}

func withoutActions(all []*ledger.LineItem, err error) ([]*ledger.LineItem, error) {
	for _, l := range all {
		l.Actions = nil
	}
	return all, err
}

// AddLineItemChange implements store.Tx. No batch commits meanwhile, so its place among the commits is after the last.
func (t *tx) AddLineItemChange(c store.LineItemChange) error {
	l := &c.LineItem
	last, err := t.LastCommit()
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO line_item_change (line_item, time_ms, activation_id, instance_id, state, quantity, start_ms, end_ms, elastic, series,
		overdraft_type, overdraft_limit, priority, kind, unit_price, currency, recurs, begun_ms, deleted, after_journal, used, reset_ms)
		SELECT $1::bigint, $2::bigint, $3::text, $4::text, $5::text, $6::bigint, $7::bigint, $8::bigint, $9::boolean, $10::text, $11::text, $12::bigint,
		$13::bigint, $14::text, $15::text, $16::text, $17::text, $18::bigint, $19::boolean, $20::bigint, coalesce(used, '0'),
		coalesce(reset_ms, 0) FROM (SELECT 1) AS one LEFT JOIN balance ON line_item = $1`,
		l.Number, c.TimeMS, l.ActivationID, l.InstanceID, l.State, l.Quantity, l.StartMS, l.EndMS, l.Elastic, l.Series,
		l.Overdraft, l.OverdraftLimit, l.Priority, l.Kind, l.UnitPrice.String(), l.Currency, l.Recurs, l.BegunMS, l.Deleted, last)
	return err
}
