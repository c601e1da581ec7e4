package postgres

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/usage"
)

const (
	selectHolds    = "SELECT number, id, instance_id, promise, holding FROM hold "
	whereLiveHolds = "WHERE instance_id = $1 AND live AND until_ms > $2 AND number < $3 AND lease = $5 ORDER BY number DESC LIMIT $4"
	selectHeld     = "SELECT id, instance_id, holding FROM hold WHERE instance_id = ANY($1) AND live AND until_ms > $2"

	insertHolds = `INSERT INTO hold (id, instance_id, lease, live, until_ms, promise, holding, moved)
		SELECT id, instance_id, lease, live, until_ms, promise, holding, nextval('hold_moved')
		FROM unnest($1::text[], $2::text[], $3::boolean[], $4::bigint[], $5::bytea[], $6::bytea[], $7::boolean[]) AS n (id, instance_id, live, until_ms, promise, holding, lease)
		ORDER BY id`
	updateHolds = `WITH done AS (UPDATE hold SET live = n.live, until_ms = n.until_ms, holding = n.holding, moved = nextval('hold_moved')
		FROM unnest($1::text[], $2::boolean[], $3::bigint[], $4::bytea[]) AS n (id, live, until_ms, holding) WHERE hold.id = n.id RETURNING 1)
		SELECT must_be(count(*), $5, 'holds') FROM done`
)

func scanHold(rows pgx.Rows, h *access.Hold) error {
	var promise, holding []byte
	if err := rows.Scan(&h.Number, &h.ID, &h.InstanceID, &promise, &holding); err != nil {
		return err
	}
	if err := json.Unmarshal(promise, &h.Promise); err != nil {
		return err
	}
	return json.Unmarshal(holding, &h.Holding)
}

func scanHeld(rows pgx.Rows, h *ledger.Hold, more ...any) error {
	var id, instanceID string
	var text []byte
	var holding access.Holding
	if err := rows.Scan(append([]any{&id, &instanceID, &text}, more...)...); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &holding); err != nil {
		return err
	}
	*h = *holding.OnBook(id, instanceID)
	return nil
}

// queueHolds asks for what is held of the books, whose instances are locked by now or by an earlier statement, and for the holds that a
// batch names. Of books that are remembered it asks what has changed.
func (l *loading) queueHolds(b *pgx.Batch) {
	l.remembered = l.s.held.take(l.instances, l.want.NowMS)
	l.queueLater(b)
	unknown := slices.DeleteFunc(slices.Clone(l.instances), func(id string) bool { return l.remembered[id] != nil })
	l.queueHeld(b, unknown)
	if ids := distinct(l.want.Holds); len(ids) > 0 {
		b.Queue(selectHolds+"WHERE id = ANY($1)", ids).Query(func(rows pgx.Rows) error {
			l.loaded.Holds = map[string]*access.Hold{}
			return eachRow(rows, func(rows pgx.Rows) error {
				h := new(access.Hold)
				err := scanHold(rows, h)
				l.loaded.Holds[h.ID] = h
				return err
			})
		})
	}
}

// queueHeld asks for all that is held of some books.
func (l *loading) queueHeld(b *pgx.Batch, instances []string) {
	if len(instances) == 0 {
		return
	}
	b.Queue(selectHeld, instances, l.want.NowMS).Query(func(rows pgx.Rows) error {
		for _, id := range instances {
			if book := l.loaded.Books[id]; book != nil {
				book.HeldSinceMS = l.want.NowMS
			}
		}
		return eachRow(rows, func(rows pgx.Rows) error {
			h := new(ledger.Hold)
			err := scanHeld(rows, h)
			if book := l.loaded.Books[h.InstanceID]; err == nil && book != nil {
				book.Keep(h)
			}
			return err
		})
	})
}

// queueHoldEffects has written how holds stand after a batch, and asks for the number of the last move.
func queueHoldEffects(b *pgx.Batch, effects map[string]usage.HoldEffect, last *int64) error {
	var fresh, moved holdRows
	for id, h := range effects {
		rows := &moved
		if h.Promise != nil {
			rows = &fresh
		}
		if err := rows.add(id, &h); err != nil {
			return err
		}
	}
	if len(fresh.ids) > 0 {
		b.Queue(insertHolds, fresh.ids, fresh.instances, fresh.live, fresh.until, fresh.promises, fresh.holdings, fresh.leases)
	}
	if len(moved.ids) > 0 {
		b.Queue(updateHolds, moved.ids, moved.live, moved.until, moved.holdings, len(moved.ids))
	}
	if len(effects) > 0 {
		b.Queue(selectMoved).QueryRow(func(row pgx.Row) error { return row.Scan(last) })
	}
	return nil
}

// holdRows are holds in columns.
type holdRows struct {
	ids, instances     []string
	live, leases       []bool
	until              []int64
	promises, holdings [][]byte
}

func (r *holdRows) add(id string, h *usage.HoldEffect) error {
	holding, err := json.Marshal(&h.Holding)
	if err != nil {
		return err
	}
	if h.Promise != nil {
		promise, err := json.Marshal(h.Promise, jsontext.PreserveRawStrings(true))
		if err != nil {
			return err
		}
		r.promises, r.leases = append(r.promises, promise), append(r.leases, h.Promise.Lease != nil)
	}
	r.ids, r.instances, r.live = append(r.ids, id), append(r.instances, h.InstanceID), append(r.live, !h.Ended())
	r.until, r.holdings = append(r.until, h.UntilMS), append(r.holdings, holding)
	return nil
}

func (r *reader) holds(where string, args ...any) (all []*access.Hold, err error) {
	err = r.each(func(rows pgx.Rows) error {
		h := new(access.Hold)
		all = append(all, h)
		return scanHold(rows, h)
	}, selectHolds+where, args...)
	return all, err
}

func (r *reader) Hold(id string) (*access.Hold, error) {
	all, err := r.holds("WHERE id = $1", id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (r *reader) LiveHolds(instanceID string, leases bool, nowMS, beforeNumber int64, limit int) ([]*access.Hold, error) {
	return r.holds(whereLiveHolds, instanceID, nowMS, before(beforeNumber), limit, leases)
}

func (r *reader) Held(instanceID string, nowMS int64) (all []*ledger.Hold, err error) {
	if all, known, err := r.recalled(instanceID, nowMS); known || err != nil {
		return all, err
	}
	err = r.each(func(rows pgx.Rows) error {
		h := new(ledger.Hold)
		all = append(all, h)
		return scanHeld(rows, h)
	}, selectHeld, distinct([]string{instanceID}), nowMS)
	return all, err
}

func (r *reader) EachHold(fn func(*access.Hold) error) error {
	return eachOf(r, scanHold, fn, selectHolds)
}
