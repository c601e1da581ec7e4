package postgres

import (
	"context"
	"math"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
	"github.com/farebox/farebox/usage"
)

const (
	// Locks are taken in the order of ids, by everybody; so nobody waits in a circle. They keep out other batches, not readers.
	lockInstances = `SELECT id, account_id FROM instance WHERE id IN (SELECT unnest($1::text[]) UNION SELECT instance_id FROM session WHERE id = ANY($2))
		ORDER BY id FOR NO KEY UPDATE`
	// What is due is claimed by its instance, so that what is due earlier on it is made earlier. Waiting for nobody, this cannot close a
	// circle either. What another server has just done about a session does not show here: sessions are read after.
	claimInstances = `SELECT i.id, i.account_id FROM session AS s JOIN instance AS i ON i.id = s.instance_id
		WHERE s.due_ms <= $1 ORDER BY s.due_ms, s.number LIMIT $2 FOR NO KEY UPDATE OF i SKIP LOCKED`

	whereInstances = "WHERE instance_id = ANY($1)"
	selectOnce     = `SELECT id, batch, place, time_ms FROM once WHERE id = ANY($1)
		UNION ALL SELECT once_id, NULL, 0, 0 FROM answer WHERE once_id = ANY($1)`
	selectOnceRows = "SELECT batch, codec, receipts FROM journal WHERE month >= $2 AND batch = ANY($1)"
)

// loading is the loading of what a batch decides on, each step under the locks of those before.
type loading struct {
	s      *Store
	conn   *pgx.Conn
	want   store.Want
	loaded *store.Loaded

	instances []string // wanted, then locked; once each, in order
	sessions  []string
	once      [][16]byte
	stamp     stamp
	places    map[usage.OnceID]place
	rows      map[[16]byte]journalRow

	remembered map[string]*heldBook // by instance
	later      laterHolds
	moved      int64 // the number of the last move of a hold, if it was asked for
}

// place is where in the journal a receipt is; without a batch, the key came with a request other than a charge.
type place struct {
	batch   *[16]byte
	receipt int
	timeMS  int64 // of the batch
}

func newLoading(s *Store, conn *pgx.Conn, want store.Want) *loading {
	l := &loading{
		s: s, conn: conn, want: want, instances: distinct(want.Instances), sessions: distinct(want.Sessions),
		loaded: &store.Loaded{
			Books: make(map[string]*ledger.Book, len(want.Instances)), Sessions: map[string]*access.Session{},
			Standings: map[ledger.RequesterKey]*ledger.Standing{},
		},
		places: map[usage.OnceID]place{}, rows: map[[16]byte]journalRow{},
	}
	for _, id := range want.Once {
		l.once = append(l.once, id)
	}
	return l
}

// distinct returns each text once, in order, but for those that a database cannot have.
func distinct(texts []string) []string {
	all := slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return !storable(t) })
	slices.Sort(all)
	return slices.Compact(all)
}

func (l *loading) load(ctx context.Context) error {
	b := new(pgx.Batch)
	l.s.queueBegin(b, beginShared, &l.stamp)
	l.queueLocks(b)
	if len(l.sessions) > 0 || l.want.Due != nil { // which books these bring is known after the locks
		if err := l.send(ctx, b); err != nil {
			return err
		}
		b = new(pgx.Batch)
		l.instances = l.locked()
		l.queueSessions(b)
	}
	l.queueBooks(b)
	if err := l.send(ctx, b); err != nil {
		return err
	}
	settings, err := l.s.current(ctx, l.conn, l.stamp)
	if err != nil {
		return err
	}
	l.loaded.Settings = settings.all
	if err := l.recall(ctx); err != nil {
		return err
	}
	for _, book := range l.loaded.Books {
		book.Sort()
	}
	if err := l.loadMore(ctx); err != nil {
		return err
	}
	return l.findEarlier()
}

func (l *loading) send(ctx context.Context, b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	return l.conn.SendBatch(ctx, b).Close()
}

func (l *loading) queueLocks(b *pgx.Batch) {
	keep := func(rows pgx.Rows) error {
		return eachRow(rows, func(rows pgx.Rows) error {
			book := new(ledger.Book)
			if err := rows.Scan(&book.InstanceID, &book.AccountID); err != nil {
				return err
			}
			if l.loaded.Books[book.InstanceID] == nil {
				l.loaded.Books[book.InstanceID] = book
			}
			return nil
		})
	}
	if len(l.instances)+len(l.sessions) > 0 {
		b.Queue(lockInstances, l.instances, l.sessions).Query(keep)
	}
	if l.want.Due != nil {
		b.Queue(claimInstances, l.want.Due.ByMS, l.want.Due.Most).Query(keep)
	}
}

func (l *loading) locked() (ids []string) {
	for id := range l.loaded.Books {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (l *loading) queueBooks(b *pgx.Batch) {
	if len(l.instances) > 0 {
		b.Queue(selectLineItems+whereInstances, l.instances).Query(func(rows pgx.Rows) error {
			return eachRow(rows, func(rows pgx.Rows) error {
				item := new(ledger.LineItem)
				if err := scanLineItem(rows, item); err != nil {
					return err
				}
				book := l.loaded.Books[item.InstanceID]
				book.LineItems = append(book.LineItems, item)
				return nil
			})
		})
		l.queueHolds(b)
	}
	if len(l.once) > 0 {
		b.Queue(selectOnce, l.once).Query(l.scanPlaces)
	}
}

func (l *loading) scanPlaces(rows pgx.Rows) error {
	return eachRow(rows, func(rows pgx.Rows) error {
		var id [16]byte
		var at place
		if err := rows.Scan(&id, &at.batch, &at.receipt, &at.timeMS); err != nil {
			return err
		}
		l.places[id] = at
		return nil
	})
}

// queueRows asks for the rows of keys that were used before. Most keys are new, and then looking for them in vain would cost every batch.
func (l *loading) queueRows(b *pgx.Batch) {
	var batches [][16]byte
	first := int64(math.MaxInt64)
	for _, at := range l.places {
		if at.batch != nil {
			batches, first = append(batches, *at.batch), min(first, at.timeMS)
		}
	}
	if len(batches) > 0 {
		b.Queue(selectOnceRows, batches, monthOf(first)).Query(l.scanRows)
	}
}

func (l *loading) scanRows(rows pgx.Rows) error {
	return eachRow(rows, func(rows pgx.Rows) error {
		var batch [16]byte
		var row journalRow
		if err := rows.Scan(&batch, &row.codec, &row.receipts); err != nil {
			return err
		}
		l.rows[batch] = row
		return nil
	})
}

// findEarlier finds the receipts of keys that were used before. Of a key that came with another request there is none to read; an
// empty receipt, which no request matches, stands for it.
func (l *loading) findEarlier() error {
	if len(l.places) == 0 {
		return nil
	}
	l.loaded.Earlier = make(map[usage.OnceID]*usage.Receipt, len(l.places))
	unpacked := map[[16]byte][]byte{}
	for id, at := range l.places {
		if at.batch == nil {
			l.loaded.Earlier[id] = new(usage.Receipt)
			continue
		}
		lines, done := unpacked[*at.batch]
		if !done {
			row, there := l.rows[*at.batch]
			if !there {
				return codec.ErrNoReceipt
			}
			var err error
			if lines, err = l.s.receipts.Unpack(row.codec, row.receipts); err != nil {
				return err
			}
			unpacked[*at.batch] = lines
		}
		r, err := codec.Receipt(lines, at.receipt)
		if err != nil {
			return err
		}
		l.loaded.Earlier[id] = r
	}
	return nil
}

// loadMore loads what only some batches need: receipts of keys that were used before, rules of access, and what requesters have behind them.
func (l *loading) loadMore(ctx context.Context) error {
	b := new(pgx.Batch)
	l.queueRows(b)
	l.queueMoved(b)
	l.queueRules(b)
	l.queueStandings(b)
	l.queueGiven(b)
	return l.send(ctx, b)
}

func (l *loading) queueRules(b *pgx.Batch) {
	var ruled []*ledger.LineItem
	var instances []string
	for id, book := range l.loaded.Books {
		if anyActions(book.LineItems) {
			ruled, instances = append(ruled, book.LineItems...), append(instances, id)
			book.Conditions = map[string]*ledger.Condition{}
		}
	}
	if len(ruled) == 0 {
		return
	}
	b.Queue(selectAllocations, ruledNumbers(ruled)).Query(func(rows pgx.Rows) error { return eachRow(rows, scanAllocations(ruled)) })
	b.Queue("SELECT instance_id, body FROM condition "+whereInstances, instances).Query(func(rows pgx.Rows) error {
		return eachRow(rows, func(rows pgx.Rows) error {
			var id string
			var body []byte
			if err := rows.Scan(&id, &body); err != nil {
				return err
			}
			c := new(ledger.Condition)
			if err := json.Unmarshal(body, c); err != nil {
				return err
			}
			l.loaded.Books[id].Conditions[c.ID] = c
			return nil
		})
	})
}

// queueStandings asks for what the requesters of a batch and of its sessions have behind them. Without rate tables that have windows,
// and books that have limits, that is nothing, and asks the database nothing.
func (l *loading) queueStandings(b *pgx.Batch) {
	var covered, limited requesters
	windows := l.loaded.Settings.Rates.HasWindows()
	add := func(key ledger.RequesterKey) {
		book := l.loaded.Books[key.InstanceID]
		ruled := book != nil && book.Ruled()
		if !windows && !ruled || l.loaded.Standings[key] != nil || !storable(key.InstanceID) {
			return
		}
		l.loaded.Standings[key] = ledger.NewStanding(key)
		if windows {
			covered.add(key)
		}
		if ruled {
			limited.add(key)
		}
	}
	for _, key := range l.want.Requesters {
		add(key)
	}
	for _, session := range l.loaded.Sessions {
		if session.Requester.Type != "" || session.Requester.Value != "" { // or nothing was granted to it yet
			add(session.Requester.Key(session.InstanceID))
		}
	}
	if len(covered.instances) > 0 {
		b.Queue(selectCovers+joinRequesters, covered.instances, covered.types, covered.values).Query(func(rows pgx.Rows) error {
			return eachRow(rows, func(rows pgx.Rows) error {
				c := new(ledger.Cover)
				if err := scanCover(rows, c); err != nil {
					return err
				}
				l.loaded.Standings[c.RequesterKey].Covers[c.ItemKey] = c
				return nil
			})
		})
	}
	if len(limited.instances) > 0 {
		b.Queue(selectConsumed+joinRequesters, limited.instances, limited.types, limited.values).Query(func(rows pgx.Rows) error {
			return eachRow(rows, func(rows pgx.Rows) error {
				c := new(ledger.Consumed)
				if err := scanConsumed(rows, c); err != nil {
					return err
				}
				l.loaded.Standings[c.RequesterKey].Consumed[c.PeriodKey] = c
				return nil
			})
		})
	}
}

// requesters are keys in columns.
type requesters struct {
	instances     []string
	types, values [][]byte
}

func (r *requesters) add(key ledger.RequesterKey) {
	r.instances, r.types, r.values = append(r.instances, key.InstanceID), append(r.types, []byte(key.Type)), append(r.values, []byte(key.Value))
}

const joinRequesters = `JOIN unnest($1::text[], $2::bytea[], $3::bytea[]) AS n (instance, type, value)
	ON (instance_id, requester_type, requester_value) = (n.instance, n.type, n.value)`
