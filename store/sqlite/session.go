package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/store"
)

// What finds sessions by index, beside the statements of the hot path.
const (
	selectSessions = "SELECT number, id, instance_id, body FROM session "
	whereLive      = "WHERE instance_id = ? AND live AND number < ? ORDER BY number DESC LIMIT ?"
	selectNextDue  = "SELECT coalesce(min(due_ms), 0) FROM session WHERE due_ms IS NOT NULL"
)

// loadSessions loads the sessions that a batch names and those that it claims, with their books. This
// connection holds the only write lock, so a claim is nothing more than a look.
func (s *Store) loadSessions(ctx context.Context, want store.Want, loaded *store.Loaded) error {
	for _, id := range want.Sessions {
		if _, done := loaded.Sessions[id]; done {
			continue
		}
		if err := s.querySessions(ctx, loaded, nil, s.stmts.session, id); err != nil {
			return err
		}
	}
	if want.Due != nil {
		if err := s.querySessions(ctx, loaded, &loaded.Due, s.stmts.due, want.Due.ByMS, want.Due.Most); err != nil {
			return err
		}
	}
	for _, session := range loaded.Sessions {
		if err := s.loadBook(ctx, session.InstanceID, want.NowMS, loaded); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) querySessions(ctx context.Context, loaded *store.Loaded, order *[]*access.Session, query *sql.Stmt, args ...any) error {
	rows, err := query.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	return eachSession(rows, func(session *access.Session) error {
		if there := loaded.Sessions[session.ID]; there != nil {
			session = there // one session is one thing, however it was asked for
		} else {
			loaded.Sessions[session.ID] = session
		}
		if order != nil {
			*order = append(*order, session)
		}
		return nil
	})
}

func eachSession(rows *sql.Rows, fn func(*access.Session) error) error {
	defer rows.Close()
	for rows.Next() {
		session := new(access.Session)
		var body sql.RawBytes
		if err := rows.Scan(&session.Number, &session.ID, &session.InstanceID, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, session); err != nil {
			return err
		}
		if err := fn(session); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *Store) writeSessions(ctx context.Context, sessions []*access.Session) error {
	for _, session := range sessions {
		body, err := json.Marshal(session, jsontext.PreserveRawStrings(true))
		if err != nil {
			return err
		}
		if session.Number == 0 {
			err = s.insertSession(ctx, session, body)
		} else {
			err = s.updateSession(ctx, session, body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) insertSession(ctx context.Context, session *access.Session, body []byte) error {
	due := session.Due()
	result, err := s.stmts.newSession.ExecContext(ctx, session.ID, session.InstanceID, due != 0, sql.NullInt64{Int64: due, Valid: due != 0}, body)
	if err != nil {
		return err
	}
	session.Number, err = result.LastInsertId()
	return err
}

// updateSession names a session by its id too: its number is another's if it is of a batch that failed.
func (s *Store) updateSession(ctx context.Context, session *access.Session, body []byte) (err error) {
	var result sql.Result
	if due := session.Due(); due != 0 {
		result, err = s.stmts.goOn.ExecContext(ctx, due, body, session.Number, session.ID)
	} else {
		result, err = s.stmts.endSession.ExecContext(ctx, body, session.Number, session.ID)
	}
	if err != nil {
		return err
	}
	return oneRow(result, "session", session.Number)
}

func (r *reader) sessions(where string, args ...any) (all []*access.Session, err error) {
	err = each(r, eachSession, func(s *access.Session) error {
		all = append(all, s)
		return nil
	}, selectSessions+where, args...)
	return all, err
}

func (r *reader) Session(id string) (*access.Session, error) {
	all, err := r.sessions("WHERE id = ?", id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (r *reader) LiveSessions(instanceID string, beforeNumber int64, limit int) ([]*access.Session, error) {
	return r.sessions(whereLive, instanceID, before(beforeNumber), limit)
}

func (r *reader) EachSession(fn func(*access.Session) error) error {
	return each(r, eachSession, fn, selectSessions)
}

func (r *reader) NextDue() (due int64, err error) {
	err = r.q.QueryRowContext(r.ctx, selectNextDue).Scan(&due)
	return due, store.Unavailable(err)
}

func (r *reader) Clock() (*store.Clock, error) {
	c := new(store.Clock)
	err := r.q.QueryRowContext(r.ctx, "SELECT test, now_ms FROM clock").Scan(&c.Test, &c.NowMS)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return c, store.Unavailable(err)
}

func (t *tx) PutClock(c store.Clock) error {
	_, err := t.exec("INSERT INTO clock (only, test, now_ms) VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET (test, now_ms) = (excluded.test, excluded.now_ms)",
		c.Test, c.NowMS)
	return err
}
