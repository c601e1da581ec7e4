package sqlite

import (
	"database/sql"

	"github.com/farebox/farebox/store"
)

const selectFollowers = "SELECT name, journal, receipt, event, body FROM follower "

func scanFollower(rows *sql.Rows, f *store.Follower) error {
	return rows.Scan(&f.Name, &f.Position.Commit, &f.Position.Receipt, &f.Position.Event, &f.Body)
}

func (r *reader) Follower(name string) (*store.Follower, error) {
	return first(collect(r, scanFollower, selectFollowers+"WHERE name = ?", name))
}

func (r *reader) Followers() ([]store.Follower, error) {
	return collect(r, scanFollower, selectFollowers+"ORDER BY name")
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
