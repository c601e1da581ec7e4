package sqlite

import (
	"database/sql"
	"errors"

	"github.com/farebox/farebox/store"
)

func (r *reader) Follower(name string) (*store.Follower, error) {
	f := &store.Follower{Name: name}
	err := r.q.QueryRowContext(r.ctx, "SELECT journal, receipt, event, body FROM follower WHERE name = ?", name).
		Scan(&f.Position.Commit, &f.Position.Receipt, &f.Position.Event, &f.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return f, unavailable(err)
}

func (t *tx) PutFollower(f store.Follower) error {
	_, err := t.exec(`INSERT INTO follower (name, journal, receipt, event, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET (journal, receipt, event, body) = (excluded.journal, excluded.receipt, excluded.event, excluded.body)`,
		f.Name, f.Position.Commit, f.Position.Receipt, f.Position.Event, notNull(f.Body))
	return err
}

func (t *tx) DeleteFollower(name string) error {
	_, err := t.exec("DELETE FROM follower WHERE name = ?", name)
	return err
}
