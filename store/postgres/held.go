package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/ledger"
)

// What is held of a book is the one thing of it that is remembered between batches: an instance may have 10,000 live holds, and to read them all takes
// thirty times what a charge does. It is never trusted, but brought up to date under the lock of the instance, by two questions in
// the round trip that reads the book:
//
//   - Which holds were moved since? Their moves are numbered under that lock, by whichever server.
//   - Is the commit still there as of which it is remembered, one of this server's own? If it is, so is all that came before it. If not, another replica has
//     taken over that never had it, or a backup was restored; numbers of moves may then have been given twice, and all is read anew.

const (
	// Few are asked for, or a plan for all instances would be for one that has most of all holds, and read the table.
	selectLater = `SELECT h.id, h.instance_id, h.holding, h.moved, h.live FROM unnest($1::text[], $2::bigint[]) AS n (id, moved)
		CROSS JOIN LATERAL (SELECT * FROM hold WHERE instance_id = n.id AND hold.moved > n.moved ORDER BY hold.moved LIMIT $3) AS h`
	selectProofs = "SELECT batch FROM journal WHERE month = ANY($2) AND batch = ANY($1) UNION ALL SELECT id FROM change WHERE id = ANY($1)"
	// All moves of the instances that a transaction has locked have numbers up to this one, and all later ones have others.
	selectMoved = "SELECT last_value FROM hold_moved"
)

// How much is remembered.
const (
	heldLeast = 32      // live holds of a book; fewer are read about as fast as what has changed of them
	heldMost  = 200_000 // live holds in all, of some 500 bytes; past it, any others go and are read again when they are asked for
	laterMost = 1_000   // moves; after that many, a book is read anew
)

// heldBook is what is held of a book as of a commit.
type heldBook struct {
	book *ledger.Book
	committed
}

// committed is a commit of this server, as far as who remembers has to know it.
type committed struct {
	batch [16]byte
	month time.Time // of its row in the journal, if it has one
	moved int64     // no hold that it has locked has moved since the move of this number; 0: not known
}

// heldBooks are remembered by instance. Who takes one has it alone: a decision changes it, and if that is not committed it is forgotten.
type heldBooks struct {
	mu    sync.Mutex
	books map[string]*heldBook
	holds int
}

// take returns what is remembered of some books, of those that know their holds at a time: not when the clock was set back.
func (m *heldBooks) take(instances []string, nowMS int64) map[string]*heldBook {
	m.mu.Lock()
	defer m.mu.Unlock()
	var taken map[string]*heldBook
	for _, id := range instances {
		known := m.books[id]
		if known == nil {
			continue
		}
		m.drop(id)
		if known.book.HeldSinceMS > nowMS {
			continue
		}
		if taken == nil {
			taken = map[string]*heldBook{}
		}
		taken[id] = known
	}
	return taken
}

// look returns the holds that are remembered of a book, for who decides nothing; nil: none are, or a batch has them.
func (m *heldBooks) look(instance string, nowMS int64) ([]*ledger.Hold, committed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.books[instance]
	if known == nil || known.book.HeldSinceMS > nowMS {
		return nil, committed{}
	}
	return known.book.Holds(), known.committed
}

func (m *heldBooks) put(known *heldBook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(known.book.InstanceID)
	for id := range m.books {
		if m.holds+known.book.LiveHolds() <= heldMost {
			break
		}
		m.drop(id)
	}
	if m.books == nil {
		m.books = map[string]*heldBook{}
	}
	m.books[known.book.InstanceID] = known
	m.holds += known.book.LiveHolds()
}

func (m *heldBooks) drop(id string) {
	if known := m.books[id]; known != nil {
		m.holds -= known.book.LiveHolds()
		delete(m.books, id)
	}
}

// later is what has happened to the holds of the books that are remembered.
type laterHolds struct {
	holds  []movedHold
	proofs map[[16]byte]bool // the commits that are still there
}

type movedHold struct {
	*ledger.Hold
	moved int64
	live  bool
}

func scanMoved(rows pgx.Rows, h *movedHold) error {
	h.Hold = new(ledger.Hold)
	return scanHeld(rows, h.Hold, &h.moved, &h.live)
}

// queueLater asks for it.
func (l *loading) queueLater(b *pgx.Batch) {
	if len(l.remembered) == 0 {
		return
	}
	var ids []string
	var moved []int64
	var batches [][16]byte
	var months []time.Time
	for id, known := range l.remembered {
		ids, moved = append(ids, id), append(moved, known.moved)
		if !slices.Contains(batches, known.batch) {
			batches, months = append(batches, known.batch), append(months, known.month)
		}
	}
	l.later.proofs = map[[16]byte]bool{}
	b.Queue(selectProofs, batches, months).Query(func(rows pgx.Rows) error {
		return eachRow(rows, func(rows pgx.Rows) error {
			var batch [16]byte
			err := rows.Scan(&batch)
			l.later.proofs[batch] = true
			return err
		})
	})
	b.Queue(selectLater, ids, moved, laterMost).Query(func(rows pgx.Rows) error {
		return eachRow(rows, func(rows pgx.Rows) error {
			var h movedHold
			err := scanMoved(rows, &h)
			l.later.holds = append(l.later.holds, h)
			return err
		})
	})
}

// recall gives books the holds that are remembered of them, brought up to date; those of which that cannot be are read. It comes after the books were read.
func (l *loading) recall(ctx context.Context) error {
	later := map[string]int{}
	for _, h := range l.later.holds {
		later[h.InstanceID]++
	}
	var unknown []string
	for id, known := range l.remembered {
		book := l.loaded.Books[id]
		if book == nil || !l.later.proofs[known.batch] || later[id] >= laterMost {
			delete(l.remembered, id)
			unknown = append(unknown, id)
			continue
		}
		book.TakeHolds(known.book)
		known.book = book
	}
	for _, h := range l.later.holds {
		known := l.remembered[h.InstanceID]
		if known == nil {
			continue
		}
		known.moved = max(known.moved, h.moved)
		if known.book.Drop(h.ID); h.live {
			known.book.Keep(h.Hold)
		}
	}
	b := new(pgx.Batch)
	l.queueHeld(b, unknown)
	return l.send(ctx, b)
}

// recalled returns what is held of an instance at a time as it is remembered, brought up to date for who only reads. What a reader sees is the books after
// some commit: if that as of which this is remembered is among them, so are all moves up to it.
func (r *reader) recalled(instanceID string, nowMS int64) (all []*ledger.Hold, known bool, err error) {
	remembered, of := r.s.held.look(instanceID, nowMS)
	if remembered == nil {
		return nil, false, nil
	}
	there, err := r.number("SELECT count(*) FROM ("+selectProofs+") AS proofs", [][16]byte{of.batch}, []time.Time{of.month})
	if err != nil || there == 0 {
		return nil, false, err
	}
	later, err := collect(r, scanMoved, selectLater, []string{instanceID}, []int64{of.moved}, laterMost)
	if err != nil || len(later) >= laterMost {
		return nil, false, err
	}
	moved := make(map[string]bool, len(later))
	for i := range later {
		moved[later[i].ID] = true
	}
	all = slices.DeleteFunc(remembered, func(h *ledger.Hold) bool { return moved[h.ID] || h.UntilMS <= nowMS })
	for i := range later {
		if h := &later[i]; h.live && h.UntilMS > nowMS {
			all = append(all, h.Hold)
		}
	}
	return all, true, nil
}

// queueMoved asks for the number of the last move, if there are books to remember of which none is known.
func (l *loading) queueMoved(b *pgx.Batch) {
	for id, book := range l.loaded.Books {
		if l.remembered[id] == nil && book.LiveHolds() >= heldLeast {
			b.Queue(selectMoved).QueryRow(func(row pgx.Row) error { return row.Scan(&l.moved) })
			return
		}
	}
}

// remember keeps what is held of the books for the next batch, when this one has been committed. What was decided has changed the books as it has the holds.
func (l *loading) remember(of committed) {
	for id, book := range l.loaded.Books {
		if book.LiveHolds() < heldLeast {
			continue
		}
		of := of
		of.moved = max(of.moved, l.moved)
		if known := l.remembered[id]; known != nil {
			of.moved = max(of.moved, known.moved)
		}
		if of.moved > 0 {
			l.s.held.put(&heldBook{book, of})
		}
	}
}
