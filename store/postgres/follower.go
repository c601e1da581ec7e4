package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
)

const selectFollowers = "SELECT name, journal, receipt, event, body FROM follower "

func scanFollower(rows pgx.Rows, f *store.Follower) error {
	err := rows.Scan(&f.Name, &f.Position.Commit, &f.Position.Receipt, &f.Position.Event, &f.Body)
	if len(f.Body) == 0 {
		f.Body = nil
	}
	return err
}

func (r *reader) Follower(name string) (*store.Follower, error) {
	return first(collect(r, scanFollower, selectFollowers+"WHERE name = $1", name))
}

func (r *reader) Followers() ([]store.Follower, error) {
	return collect(r, scanFollower, selectFollowers+"ORDER BY name")
}

func (t *tx) PutFollower(f store.Follower) error {
	_, err := t.exec(`INSERT INTO follower (name, journal, receipt, event, body) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name) DO UPDATE SET (journal, receipt, event, body) = (excluded.journal, excluded.receipt, excluded.event, excluded.body)`,
		f.Name, f.Position.Commit, f.Position.Receipt, f.Position.Event, notNull(f.Body))
	return err
}

func (t *tx) DeleteFollower(name string) error {
	_, err := t.exec("DELETE FROM follower WHERE name = $1", name)
	return err
}
