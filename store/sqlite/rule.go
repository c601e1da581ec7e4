package sqlite

import (
	"context"
	"database/sql"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/ledger"
)

const selectConditions = "SELECT body FROM condition WHERE instance_id = ? ORDER BY position"

// loadRules completes a book in which line items have actions.
func (s *Store) loadRules(ctx context.Context, book *ledger.Book) error {
	rows, err := s.stmts.allocations.QueryContext(ctx, book.InstanceID)
	if err != nil {
		return err
	}
	if err := scanAllocations(rows, book.LineItems); err != nil {
		return err
	}
	if rows, err = s.stmts.conditions.QueryContext(ctx, book.InstanceID); err != nil {
		return err
	}
	book.Conditions = map[string]*ledger.Condition{}
	return eachCondition(rows, func(c *ledger.Condition) error {
		book.Conditions[c.ID] = c
		return nil
	})
}

func eachCondition(rows *sql.Rows, fn func(*ledger.Condition) error) error {
	defer rows.Close()
	for rows.Next() {
		var body sql.RawBytes
		if err := rows.Scan(&body); err != nil {
			return err
		}
		c := new(ledger.Condition)
		if err := json.Unmarshal(body, c); err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r *reader) Conditions(instanceID string) (all []*ledger.Condition, err error) {
	err = each(r, eachCondition, func(c *ledger.Condition) error {
		all = append(all, c)
		return nil
	}, selectConditions, instanceID)
	return all, err
}

func (t *tx) PutConditions(instanceID string, all []*ledger.Condition) error {
	t.touched[instanceID] = true
	if _, err := t.exec("DELETE FROM condition WHERE instance_id = ?", instanceID); err != nil {
		return err
	}
	for i, c := range all {
		body, err := json.Marshal(c)
		if err != nil {
			return err
		}
		if _, err := t.exec("INSERT INTO condition (instance_id, position, body) VALUES (?, ?, ?)", instanceID, i, body); err != nil {
			return err
		}
	}
	return nil
}
