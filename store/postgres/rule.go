package postgres

import (
	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/ledger"
)

func (r *reader) Conditions(instanceID string) (all []*ledger.Condition, err error) {
	err = r.each(func(rows pgx.Rows) error {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return err
		}
		c := new(ledger.Condition)
		all = append(all, c)
		return json.Unmarshal(body, c)
	}, "SELECT body FROM condition WHERE instance_id = $1 ORDER BY position", instanceID)
	return all, err
}

func (t *tx) PutConditions(instanceID string, all []*ledger.Condition) error {
	if _, err := t.exec("DELETE FROM condition WHERE instance_id = $1", instanceID); err != nil {
		return err
	}
	bodies := make([][]byte, len(all))
	for i, c := range all {
		var err error
		if bodies[i], err = json.Marshal(c); err != nil {
			return err
		}
	}
	_, err := t.exec(`INSERT INTO condition (instance_id, position, body)
		SELECT $1, place, body FROM unnest($2::bytea[]) WITH ORDINALITY AS n (body, place)`, instanceID, bodies)
	return err
}
