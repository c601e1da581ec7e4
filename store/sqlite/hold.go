package sqlite

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

const (
	selectHolds    = "SELECT number, id, instance_id, promise, holding FROM hold "
	whereLiveHolds = "WHERE instance_id = ? AND live AND lease = ? AND until_ms > ? AND number < ? ORDER BY number DESC LIMIT ?"
	selectHeld     = "SELECT id, instance_id, holding FROM hold WHERE instance_id = ? AND live AND until_ms > ?"
	forgetHolds    = "DELETE FROM hold WHERE until_ms < ? AND NOT lease"
	forgetLeases   = "DELETE FROM hold WHERE until_ms < ? AND lease"
)

// knowsHolds reports whether a book that is kept in memory has all holds that are live at a time: not when the clock was set back.
func knowsHolds(book *ledger.Book, nowMS int64) bool { return book.HeldSinceMS <= nowMS }

// loadHeld gives a book the holds that are live at a time.
func (s *Store) loadHeld(ctx context.Context, book *ledger.Book, nowMS int64) error {
	book.HeldSinceMS = nowMS
	rows, err := s.stmts.held.QueryContext(ctx, book.InstanceID, nowMS)
	if err != nil {
		return err
	}
	return eachHeld(rows, func(h *ledger.Hold) error {
		book.Keep(h)
		return nil
	})
}

// loadHolds loads the holds that a batch names.
func (s *Store) loadHolds(ctx context.Context, want store.Want, loaded *store.Loaded) error {
	for _, id := range want.Holds {
		if loaded.Holds[id] != nil {
			continue
		}
		rows, err := s.stmts.hold.QueryContext(ctx, id)
		if err != nil {
			return err
		}
		err = eachHold(rows, func(h *access.Hold) error {
			if loaded.Holds == nil {
				loaded.Holds = map[string]*access.Hold{}
			}
			loaded.Holds[id] = h
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func eachHold(rows *sql.Rows, fn func(*access.Hold) error) error {
	defer rows.Close()
	for rows.Next() {
		h := new(access.Hold)
		var promise, holding sql.RawBytes
		if err := rows.Scan(&h.Number, &h.ID, &h.InstanceID, &promise, &holding); err != nil {
			return err
		}
		if err := json.Unmarshal(promise, &h.Promise); err != nil {
			return err
		}
		if err := json.Unmarshal(holding, &h.Holding); err != nil {
			return err
		}
		if err := fn(h); err != nil {
			return err
		}
	}
	return rows.Err()
}

func eachHeld(rows *sql.Rows, fn func(*ledger.Hold) error) error {
	defer rows.Close()
	for rows.Next() {
		var id, instanceID string
		var text sql.RawBytes
		var holding access.Holding
		if err := rows.Scan(&id, &instanceID, &text); err != nil {
			return err
		}
		if err := json.Unmarshal(text, &holding); err != nil {
			return err
		}
		if err := fn(holding.OnBook(id, instanceID)); err != nil {
			return err
		}
	}
	return rows.Err()
}

// writeHolds writes how holds stand after a batch.
func (s *Store) writeHolds(ctx context.Context, holds map[string]usage.HoldEffect) error {
	for _, id := range slices.Sorted(maps.Keys(holds)) {
		h := holds[id]
		holding, err := json.Marshal(&h.Holding)
		if err != nil {
			return err
		}
		if h.Promise == nil {
			result, err := s.stmts.moveHold.ExecContext(ctx, !h.Ended(), h.UntilMS, holding, id)
			if err == nil {
				err = oneRow(result, "hold "+id, 0)
			}
			if err != nil {
				return err
			}
			continue
		}
		promise, err := json.Marshal(h.Promise, jsontext.PreserveRawStrings(true))
		if err != nil {
			return err
		}
		if _, err := s.stmts.newHold.ExecContext(ctx, id, h.InstanceID, h.Promise.Lease != nil, !h.Ended(), h.UntilMS, promise, holding); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) holds(where string, args ...any) (all []*access.Hold, err error) {
	err = each(r, eachHold, func(h *access.Hold) error {
		all = append(all, h)
		return nil
	}, selectHolds+where, args...)
	return all, err
}

func (r *reader) Hold(id string) (*access.Hold, error) {
	all, err := r.holds("WHERE id = ?", id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (r *reader) LiveHolds(instanceID string, leases bool, nowMS, beforeNumber int64, limit int) ([]*access.Hold, error) {
	return r.holds(whereLiveHolds, instanceID, leases, nowMS, before(beforeNumber), limit)
}

func (r *reader) Held(instanceID string, nowMS int64) (all []*ledger.Hold, err error) {
	err = each(r, eachHeld, func(h *ledger.Hold) error {
		all = append(all, h)
		return nil
	}, selectHeld, instanceID, nowMS)
	return all, err
}

func (r *reader) EachHold(fn func(*access.Hold) error) error {
	return each(r, eachHold, fn, selectHolds)
}
