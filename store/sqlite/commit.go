package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
	"github.com/farebox/farebox/usage"
)

// statements of the hot path, prepared once on the writing connection.
type statements struct {
	begin, commit, rollback, dataVersion *sql.Stmt
	journal, once, balance               *sql.Stmt
	instance, lineItems                  *sql.Stmt

	session, due                     *sql.Stmt
	newSession, goOn, endSession     *sql.Stmt
	conditions, allocations          *sql.Stmt
	covers, consumed                 *sql.Stmt
	putAllocation, consume, putCover *sql.Stmt
	held, hold, newHold, moveHold    *sql.Stmt

	putAlertState, deleteAlertState, alertFired, newDelivery *sql.Stmt // many at a time when many line items cross a threshold
}

// texts are the statements as SQLite reads them, and where each belongs.
func (st *statements) texts() map[string]**sql.Stmt {
	return map[string]**sql.Stmt{
		"BEGIN IMMEDIATE":     &st.begin,
		"COMMIT":              &st.commit,
		"ROLLBACK":            &st.rollback,
		"PRAGMA data_version": &st.dataVersion,
		"INSERT INTO journal (number, from_ms, time_ms, codec, receipts) VALUES (?, ?, ?, ?, ?)": &st.journal,
		"INSERT INTO once (journal, time_ms, keys) VALUES (?, ?, ?)":                             &st.once,
		"UPDATE balance SET used = ?, reset_ms = ?, charged = 1 WHERE line_item = ?":             &st.balance,
		"SELECT account_id FROM instance WHERE id = ?":                                           &st.instance,
		selectLineItems + " WHERE instance_id = ?":                                               &st.lineItems,

		selectSessions + "WHERE id = ?":                                                    &st.session,
		selectSessions + "WHERE due_ms <= ? ORDER BY due_ms, number LIMIT ?":               &st.due,
		"INSERT INTO session (id, instance_id, live, due_ms, body) VALUES (?, ?, ?, ?, ?)": &st.newSession,
		"UPDATE session SET due_ms = ?, body = ? WHERE number = ? AND id = ?":              &st.goOn,
		"UPDATE session SET due_ms = NULL, live = 0, body = ? WHERE number = ? AND id = ?": &st.endSession,
		selectConditions: &st.conditions,
		selectAllocations + " WHERE instance_id = ?": &st.allocations,
		selectCovers + whereRequester:                &st.covers,
		selectConsumed + whereRequester:              &st.consumed,
		"INSERT INTO allocation (line_item, action_id, used) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used = excluded.used": &st.putAllocation,
		`INSERT INTO consumed (instance_id, requester_type, requester_value, line_item, since_ms, tokens) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET tokens = excluded.tokens`: &st.consume,
		`INSERT INTO cover (instance_id, requester_type, requester_value, item, version, count, until_ms, line_item)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET (count, until_ms, line_item) = (excluded.count, excluded.until_ms, excluded.line_item)`: &st.putCover,

		selectHeld:                   &st.held,
		selectHolds + "WHERE id = ?": &st.hold,
		"INSERT INTO hold (id, instance_id, lease, live, until_ms, promise, holding) VALUES (?, ?, ?, ?, ?, ?, ?)": &st.newHold,
		"UPDATE hold SET live = ?, until_ms = ?, holding = ? WHERE id = ?":                                         &st.moveHold,

		`INSERT INTO alert_state (subject, alert, due_ms, body) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET (due_ms, body) = (excluded.due_ms, excluded.body)`: &st.putAlertState,
		"DELETE FROM alert_state WHERE subject = ? AND alert = ?":                                     &st.deleteAlertState,
		"INSERT INTO alert_fired (id, account_id, instance_id, time_ms, body) VALUES (?, ?, ?, ?, ?)": &st.alertFired,
		"INSERT INTO delivery (id, webhook_id, created_ms, due_ms, body) VALUES (?, ?, ?, ?, ?)":      &st.newDelivery,
	}
}

func prepare(ctx context.Context, conn *sql.Conn) (st statements, err error) {
	for text, into := range st.texts() {
		if *into, err = conn.PrepareContext(ctx, text); err != nil {
			return st, err
		}
	}
	return st, nil
}

func (st *statements) close() {
	for _, stmt := range st.texts() {
		if *stmt != nil {
			_ = (*stmt).Close()
		}
	}
}

// booksKept bounds the books held in memory; past it, any others go and are read again when they are asked for.
const booksKept = 100_000

// Commit implements store.Store.
//
// Books are kept in memory between batches. That is safe because this connection holds the write lock while it decides,
// and data_version tells whether another process has written since.
func (s *Store) Commit(ctx context.Context, want store.Want, decide func(*store.Loaded) store.Decided) error {
	ctx = context.WithoutCancel(ctx) // a caller that hangs up does not interrupt the others' batch
	if s.move {
		return store.Unavailable(errors.New("this database is being moved"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return store.Unavailable(err)
	}
	loaded, over := s.newLoaded(want), false
	defer func() {
		if !over { // the caller's code panicked: without this the transaction would stay open, and no other could begin
			s.dropBooks(loaded)
			_ = s.undo(ctx, nil)
		}
	}()
	if err := s.load(ctx, want, loaded); err != nil {
		over = true
		return s.undo(ctx, err)
	}
	decided := decide(loaded)
	over = true
	if len(decided.Receipts)+len(decided.Sessions) == 0 {
		s.dropBooks(loaded) // nobody answers for what decide left in them
		return s.undo(ctx, nil)
	}
	if err := s.write(ctx, &decided); err != nil {
		s.dropBooks(loaded)
		return s.undo(ctx, err)
	}
	if _, err := s.stmts.commit.ExecContext(ctx); err != nil {
		s.dropBooks(loaded)
		return s.undo(ctx, err)
	}
	s.checkpoint.written()
	if len(decided.Receipts) > 0 {
		s.lastCommit++
		s.once.add(s.lastCommit, decided.Receipts, s.keys)
		s.recent.add(s.lastCommit, decided.Receipts, s.written)
	}
	return nil
}

// begin opens the transaction and takes notice of other processes' work.
func (s *Store) begin(ctx context.Context) error {
	if s.conn == nil {
		if err := s.reconnect(ctx); err != nil {
			return err
		}
	}
	if _, err := s.stmts.begin.ExecContext(ctx); err != nil {
		return err
	}
	var version int64
	if err := s.stmts.dataVersion.QueryRowContext(ctx).Scan(&version); err != nil {
		return s.undo(ctx, err)
	}
	if version == s.version {
		return nil
	}
	if err := s.reload(ctx); err != nil {
		return s.undo(ctx, err)
	}
	return nil
}

// undo ends a transaction that is not to be; err is why. A connection that cannot even roll back is replaced.
func (s *Store) undo(ctx context.Context, err error) error {
	if _, failed := s.stmts.rollback.ExecContext(ctx); failed != nil && !endedAlready(failed) {
		err = errors.Join(err, s.reconnect(ctx))
	}
	return store.Unavailable(err)
}

// endedAlready recognises a rollback for which SQLite has nothing left to do: some failures of a commit roll back by
// themselves.
func endedAlready(err error) bool {
	return bytes.Contains([]byte(err.Error()), []byte("no transaction is active"))
}

// reconnect replaces the writing connection. If that fails there is none, and the next transaction tries again.
func (s *Store) reconnect(ctx context.Context) (err error) {
	s.disconnect()
	if s.conn, err = s.writes.Conn(ctx); err != nil {
		s.conn = nil
		return err
	}
	if s.stmts, err = prepare(ctx, s.conn); err == nil {
		err = s.reload(ctx)
	}
	if err != nil {
		s.disconnect()
	}
	return err
}

// disconnect drops the writing connection, and with it whatever transaction it is in.
func (s *Store) disconnect() {
	if s.conn == nil {
		return
	}
	s.stmts.close() // while they have a connection
	_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = s.conn.Close()
	s.conn, s.stmts = nil, statements{}
}

func (s *Store) newLoaded(want store.Want) *store.Loaded {
	return &store.Loaded{
		Books: make(map[string]*ledger.Book, len(want.Instances)), Sessions: map[string]*access.Session{},
		Standings: map[ledger.RequesterKey]*ledger.Standing{}, Settings: s.settings.Load(),
	}
}

func (s *Store) load(ctx context.Context, want store.Want, loaded *store.Loaded) error {
	for _, id := range want.Instances {
		if err := s.loadBook(ctx, id, want.NowMS, loaded); err != nil {
			return err
		}
	}
	if err := s.loadHolds(ctx, want, loaded); err != nil {
		return err
	}
	if err := s.loadSessions(ctx, want, loaded); err != nil {
		return err
	}
	if err := s.loadStandings(ctx, want, loaded); err != nil {
		return err
	}
	if err := s.loadGiven(ctx, want, loaded); err != nil {
		return err
	}
	rows := unpackedRows{}
	for _, id := range want.Once {
		at, used := s.once.find(id)
		if !used {
			continue
		}
		if loaded.Earlier == nil {
			loaded.Earlier = map[usage.OnceID]*usage.Receipt{}
		}
		var err error
		if loaded.Earlier[id], err = s.receiptAt(ctx, at, rows); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) loadBook(ctx context.Context, id string, nowMS int64, loaded *store.Loaded) error {
	if _, done := loaded.Books[id]; done {
		return nil
	}
	book, err := s.book(ctx, id, nowMS)
	if book != nil {
		loaded.Books[id] = book
	}
	return err
}

func (s *Store) book(ctx context.Context, id string, nowMS int64) (*ledger.Book, error) {
	if book := s.books[id]; book != nil && knowsHolds(book, nowMS) {
		return book, nil
	}
	book := &ledger.Book{InstanceID: id}
	err := s.stmts.instance.QueryRowContext(ctx, id).Scan(&book.AccountID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.stmts.lineItems.QueryContext(ctx, id)
	if err != nil {
		return nil, err
	}
	if book.LineItems, err = scanLineItems(rows); err != nil {
		return nil, err
	}
	if anyActions(book.LineItems) {
		if err := s.loadRules(ctx, book); err != nil {
			return nil, err
		}
	}
	if err := s.loadHeld(ctx, book, nowMS); err != nil {
		return nil, err
	}
	book.Sort()
	for other := range s.books {
		if len(s.books) < booksKept {
			break
		}
		delete(s.books, other)
	}
	s.books[id] = book
	return book, nil
}

func (s *Store) dropBooks(loaded *store.Loaded) {
	for id := range loaded.Books {
		delete(s.books, id)
	}
}

// write puts a batch into the open transaction.
func (s *Store) write(ctx context.Context, decided *store.Decided) error {
	if len(decided.Receipts) > 0 {
		if err := s.writeReceipts(ctx, decided.Receipts); err != nil {
			return err
		}
	}
	return s.writeSessions(ctx, decided.Sessions)
}

// writeReceipts writes the receipts, their idempotency keys and all that follows from them.
func (s *Store) writeReceipts(ctx context.Context, receipts []*usage.Receipt) error {
	number, fromMS, nowMS := s.lastCommit+1, receipts[0].TimeMS, receipts[0].MadeMS()
	for _, r := range receipts {
		fromMS, nowMS = min(fromMS, r.TimeMS), max(nowMS, r.MadeMS())
	}
	form, text, err := s.encode(receipts)
	if err != nil {
		return err
	}
	if _, err := s.stmts.journal.ExecContext(ctx, number, fromMS, nowMS, form, text); err != nil {
		return err
	}
	if s.keys = onceKeys(s.keys[:0], receipts); len(s.keys) > 0 {
		if _, err := s.stmts.once.ExecContext(ctx, number, nowMS, s.keys); err != nil {
			return err
		}
	}
	return s.writeEffects(ctx, usage.EffectsOf(receipts))
}

// oneRow fails unless a statement has changed one row, so that nothing that was decided goes missing without a word.
func oneRow(result sql.Result, what string, number int64) error {
	n, err := result.RowsAffected()
	if err == nil && n != 1 {
		err = fmt.Errorf("%s number %d is there %d times", what, number, n)
	}
	return err
}

const linesKept = 4 << 20 // bytes of room for receipts that are kept between batches

func (s *Store) encode(receipts []*usage.Receipt) (form int, text []byte, err error) {
	lines, err := codec.AppendLines(s.lines[:0], receipts)
	if err != nil {
		return 0, nil, err
	}
	s.written = len(lines)
	if cap(lines) <= linesKept {
		s.lines = lines
	}
	form, text = s.receipts.Pack(lines, s.packed)
	if form == codec.Zstd {
		s.packed = text
	}
	return form, text, nil
}
