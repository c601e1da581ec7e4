package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// onceWindow finds, in memory, where in the journal an idempotency key was used. An index of random keys on disk would
// cost more than all else of a charge together, since each key dirties a page of its own. Keys are kept by day, so that
// old ones go at once.
type onceWindow struct {
	days    []onceDay
	removed int64 // keys of journal rows up to this one are past their time, as the rows are
}

type onceDay struct {
	day int64 // since 1970
	at  map[usage.OnceID]place
}

// place is a receipt in the journal: 48 bits of the row's number and 16 of the receipt's place in it, of
// which there are at most codec.ReceiptsMost.
type place uint64

// notCharge is the place of a key that came with a request other than a charge; table answer has it.
const notCharge place = 0

func newPlace(journal int64, receipt int) place { return place(journal)<<16 | place(receipt) }

func (p place) journal() int64 { return int64(p >> 16) }
func (p place) receipt() int   { return int(p & 0xffff) }

const dayMS = 24 * 60 * 60 * 1000

func (w *onceWindow) find(id usage.OnceID) (place, bool) {
	for i := len(w.days) - 1; i >= 0; i-- {
		if at, used := w.days[i].at[id]; used && (at == notCharge || at.journal() > w.removed) {
			return at, true
		}
	}
	return 0, false
}

func (w *onceWindow) put(timeMS int64, id usage.OnceID, at place) {
	day := timeMS / dayMS
	for i := range w.days {
		if w.days[i].day == day {
			w.days[i].at[id] = at
			return
		}
	}
	w.days = append(w.days, onceDay{day, map[usage.OnceID]place{id: at}})
}

// add remembers the keys of a row that was committed.
func (w *onceWindow) add(journal int64, receipts []*usage.Receipt, keys []byte) {
	for ; len(keys) > 0; keys = keys[onceEntry:] {
		id, at := onceKey(keys)
		w.put(receipts[at].MadeMS(), id, newPlace(journal, at))
	}
}

// forget drops whole days that end before a time.
func (w *onceWindow) forget(beforeMS int64) {
	kept := w.days[:0]
	for _, d := range w.days {
		if (d.day+1)*dayMS > beforeMS {
			kept = append(kept, d)
		}
	}
	w.days = kept
}

const onceEntry = 18 // bytes of one key in a row

// onceKeys appends the keys of receipts, with their places, as a row has them.
func onceKeys(keys []byte, receipts []*usage.Receipt) []byte {
	for i, r := range receipts {
		if id, had := r.OnceID(); had {
			keys = append(keys, id[:]...)
			keys = binary.BigEndian.AppendUint16(keys, uint16(i))
		}
	}
	return keys
}

// onceKey returns the first of the keys of a row, and the place of its receipt.
func onceKey(keys []byte) (usage.OnceID, int) {
	return usage.OnceID(keys[:16]), int(binary.BigEndian.Uint16(keys[16:]))
}

// loadOnce reads the keys of journal rows after a number.
func (s *Store) loadOnce(ctx context.Context, after int64) error {
	rows, err := s.conn.QueryContext(ctx, "SELECT journal, time_ms, keys FROM once WHERE journal > ?", after)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var journal, timeMS int64
		var keys []byte
		if err := rows.Scan(&journal, &timeMS, &keys); err != nil {
			return err
		}
		if len(keys)%onceEntry != 0 {
			return fmt.Errorf("row %d of table once is damaged", journal)
		}
		for ; len(keys) > 0; keys = keys[onceEntry:] {
			id, at := onceKey(keys)
			s.once.put(timeMS, id, newPlace(journal, at))
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return s.loadAnswers(ctx)
}

func (s *Store) loadAnswers(ctx context.Context) error {
	rows, err := s.conn.QueryContext(ctx, "SELECT once_id, time_ms FROM answer")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id []byte
		var timeMS int64
		if err := rows.Scan(&id, &timeMS); err != nil {
			return err
		}
		s.once.put(timeMS, usage.OnceID(id), notCharge)
	}
	return rows.Err()
}

// Forget implements store.Store.
func (s *Store) Forget(ctx context.Context, beforeMS, settledMS int64) error {
	err := s.transaction(ctx, func() error {
		// Rows are in the order of time, or nearly: what is older than the first row to keep goes, or all.
		if _, err := s.conn.ExecContext(ctx, `DELETE FROM once WHERE journal <
			coalesce((SELECT min(journal) FROM once WHERE time_ms >= ?), 9223372036854775807)`, beforeMS); err != nil {
			return store.Unavailable(err)
		}
		for _, query := range [...]string{"DELETE FROM answer WHERE time_ms < ?", forgetCovers, forgetHolds} {
			if _, err := s.conn.ExecContext(ctx, query, beforeMS); err != nil {
				return store.Unavailable(err)
			}
		}
		if _, err := s.conn.ExecContext(ctx, forgetLeases, beforeMS-store.LeaseLonger.Milliseconds()); err != nil {
			return store.Unavailable(err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.once.forget(beforeMS)
	s.mu.Unlock()
	return s.forgetPeriods(ctx, settledMS)
}
