package sqlite

import (
	"context"
	"database/sql"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
	"github.com/farebox/farebox/usage"
)

const (
	selectGiven = "SELECT charge, refund, body FROM given "
	whereCharge = "WHERE charge = ? ORDER BY number"
	insertGiven = "INSERT INTO given (charge, number, refund, journal, body) SELECT ?1, count(*) + 1, ?2, ?3, ?4 FROM given WHERE charge = ?1"
	removeGiven = "DELETE FROM given WHERE journal <= ?"
	selectMade  = `SELECT codec, receipts FROM journal WHERE time_ms = ?1
		UNION ALL SELECT codec, receipts FROM (SELECT codec, receipts FROM journal WHERE time_ms < ?1 ORDER BY time_ms DESC LIMIT ?2)`
	commitsBefore = 16 // that are looked at for a receipt: ids were made a little after the time of their commit once
)

func eachGiven(rows *sql.Rows, fn func(*usage.GivenBack) error) error {
	defer rows.Close()
	for rows.Next() {
		g := new(usage.GivenBack)
		var body []byte
		if err := rows.Scan(&g.Of, &g.CorrelationID, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, g); err != nil {
			return err
		}
		if err := fn(g); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r *reader) EachGiven(fn func(*usage.GivenBack) error) error {
	return each(r, eachGiven, fn, selectGiven)
}

func (r *reader) Given(correlationID string) (all []usage.GivenBack, err error) {
	err = each(r, eachGiven, func(g *usage.GivenBack) error {
		all = append(all, *g)
		return nil
	}, selectGiven+whereCharge, correlationID)
	return all, err
}

// loadGiven loads what was given back of the charges that a batch may refund.
func (s *Store) loadGiven(ctx context.Context, want store.Want, loaded *store.Loaded) error {
	for _, id := range want.Charges {
		if loaded.Given == nil {
			loaded.Given = map[string][]usage.GivenBack{}
		}
		if _, done := loaded.Given[id]; done {
			continue
		}
		rows, err := s.conn.QueryContext(ctx, selectGiven+whereCharge, id)
		if err != nil {
			return err
		}
		loaded.Given[id] = nil
		err = eachGiven(rows, func(g *usage.GivenBack) error {
			loaded.Given[id] = append(loaded.Given[id], *g)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) writeGiven(ctx context.Context, journal int64, given []usage.GivenBack) error {
	for i := range given {
		g := &given[i]
		body, err := json.Marshal(g)
		if err != nil {
			return err
		}
		if _, err := s.conn.ExecContext(ctx, insertGiven, g.Of, g.CorrelationID, journal, body); err != nil {
			return err
		}
	}
	return nil
}

// Receipt implements store.Reader.
func (r *reader) Receipt(correlationID string, madeMS int64) (_ *usage.Receipt, err error) {
	defer translate(&err)
	rows, err := r.q.QueryContext(r.ctx, selectMade, madeMS, commitsBefore)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var form int
		var packed []byte
		if err := rows.Scan(&form, &packed); err != nil {
			return nil, err
		}
		lines, err := r.s.receipts.Unpack(form, packed)
		if err != nil {
			return nil, err
		}
		if found, err := codec.Find(lines, correlationID); found != nil || err != nil {
			return found, err
		}
	}
	return nil, rows.Err()
}
