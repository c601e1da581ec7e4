package postgres

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/store"
)

const (
	selectSessions = "SELECT number, id, instance_id, body FROM session "
	whereLive      = "WHERE instance_id = $1 AND live AND number < $2 ORDER BY number DESC LIMIT $3"
	selectNextDue  = "SELECT coalesce(min(due_ms), 0) FROM session WHERE due_ms IS NOT NULL"
	whereDue       = "WHERE due_ms <= $1 AND instance_id = ANY($2) ORDER BY due_ms, number LIMIT $3"

	insertSessions = `INSERT INTO session (id, instance_id, live, due_ms, body) SELECT id, instance_id, due_ms IS NOT NULL, due_ms, body
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[]) WITH ORDINALITY AS n (id, instance_id, due_ms, body, place)
		ORDER BY place RETURNING id, number`
	updateSessions = `WITH done AS (UPDATE session SET live = n.due_ms IS NOT NULL, due_ms = n.due_ms, body = n.body
		FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[]) AS n (number, id, due_ms, body)
		WHERE session.number = n.number AND session.id = n.id RETURNING 1)
		SELECT must_be(count(*), $5, 'sessions') FROM done`
)

func scanSession(rows pgx.Rows, s *access.Session) error {
	var body []byte
	if err := rows.Scan(&s.Number, &s.ID, &s.InstanceID, &body); err != nil {
		return err
	}
	return json.Unmarshal(body, s)
}

// queueSessions asks for the sessions that a batch names and those that it has claimed, whose instances are locked by now.
func (l *loading) queueSessions(b *pgx.Batch) {
	keep := func(order *[]*access.Session) func(pgx.Rows) error {
		return func(rows pgx.Rows) error {
			return eachRow(rows, func(rows pgx.Rows) error {
				session := new(access.Session)
				if err := scanSession(rows, session); err != nil {
					return err
				}
				if there := l.loaded.Sessions[session.ID]; there != nil {
					session = there // one session is one thing, however it was asked for
				} else {
					l.loaded.Sessions[session.ID] = session
				}
				if order != nil {
					*order = append(*order, session)
				}
				return nil
			})
		}
	}
	if len(l.sessions) > 0 {
		b.Queue(selectSessions+"WHERE id = ANY($1)", l.sessions).Query(keep(nil))
	}
	if l.want.Due != nil {
		b.Queue(selectSessions+whereDue, l.want.Due.ByMS, l.instances, l.want.Due.Most).Query(keep(&l.loaded.Due))
	}
}

// queueSessions has sessions written, and new ones numbered.
func queueSessions(b *pgx.Batch, sessions []*access.Session) error {
	var fresh, changed sessionRows
	for _, s := range sessions {
		rows := &changed
		if s.Number == 0 {
			rows = &fresh
		}
		if err := rows.add(s); err != nil {
			return err
		}
	}
	if len(fresh.ids) > 0 {
		b.Queue(insertSessions, fresh.ids, fresh.instances, fresh.dues, fresh.bodies).Query(func(rows pgx.Rows) error {
			numbers := map[string]int64{}
			err := eachRow(rows, func(rows pgx.Rows) error {
				var id string
				var number int64
				err := rows.Scan(&id, &number)
				numbers[id] = number
				return err
			})
			for _, s := range sessions {
				if s.Number == 0 {
					s.Number = numbers[s.ID]
				}
			}
			return err
		})
	}
	if len(changed.ids) > 0 {
		// A session is named by its id too: its number is another's if it is of a batch that failed.
		b.Queue(updateSessions, changed.numbers, changed.ids, changed.dues, changed.bodies, len(changed.ids))
	}
	return nil
}

// sessionRows are sessions in columns.
type sessionRows struct {
	numbers        []int64
	ids, instances []string
	dues           []*int64
	bodies         [][]byte
}

func (r *sessionRows) add(s *access.Session) error {
	body, err := json.Marshal(s, jsontext.PreserveRawStrings(true))
	if err != nil {
		return err
	}
	var due *int64
	if d := s.Due(); d != 0 {
		due = &d
	}
	r.numbers, r.ids, r.instances = append(r.numbers, s.Number), append(r.ids, s.ID), append(r.instances, s.InstanceID)
	r.dues, r.bodies = append(r.dues, due), append(r.bodies, body)
	return nil
}

func (r *reader) sessions(where string, args ...any) (all []*access.Session, err error) {
	err = r.each(func(rows pgx.Rows) error {
		s := new(access.Session)
		all = append(all, s)
		return scanSession(rows, s)
	}, selectSessions+where, args...)
	return all, err
}

func (r *reader) Session(id string) (*access.Session, error) {
	all, err := r.sessions("WHERE id = $1", id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (r *reader) LiveSessions(instanceID string, beforeNumber int64, limit int) ([]*access.Session, error) {
	return r.sessions(whereLive, instanceID, before(beforeNumber), limit)
}

func (r *reader) EachSession(fn func(*access.Session) error) error {
	return eachOf(r, scanSession, fn, selectSessions)
}

func (r *reader) NextDue() (int64, error) { return r.number(selectNextDue) }

func (r *reader) Clock() (*store.Clock, error) {
	return first(collect(r, func(rows pgx.Rows, c *store.Clock) error { return rows.Scan(&c.Test, &c.NowMS) }, "SELECT test, now_ms FROM clock"))
}

func (t *tx) PutClock(c store.Clock) error {
	_, err := t.exec("INSERT INTO clock (test, now_ms) VALUES ($1, $2) ON CONFLICT (one) DO UPDATE SET (test, now_ms) = (excluded.test, excluded.now_ms)",
		c.Test, c.NowMS)
	return err
}
