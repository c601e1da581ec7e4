package sqlite

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
)

//go:embed schema/*.sql
var schema embed.FS

// applicationID marks the file as ours ("Fare"), so that no other database is taken for one.
const applicationID = 0x46617265

// migrate brings the schema up to date, in one transaction: files schema/0001.sql and on, counted by user_version.
func (s *Store) migrate(ctx context.Context, read bool) error {
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return err
	}
	if !read {
		// Two processes that meet a new file take turns.
		if _, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		defer func() { _, _ = s.conn.ExecContext(ctx, "ROLLBACK") }() // does nothing after COMMIT
	}
	version, err := schemaVersion(ctx, s.conn)
	if err != nil {
		return err
	}
	switch {
	case version > len(files):
		return fmt.Errorf("the database is of a newer Farebox (schema %d, this one knows %d); use that version", version, len(files))
	case version == len(files):
		return nil
	case read:
		return fmt.Errorf("the database is of an older Farebox (schema %d, this one needs %d); `farebox serve` brings it up to date", version, len(files))
	}
	for _, file := range files[version:] {
		text, err := schema.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := s.conn.ExecContext(ctx, string(text)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	_, err = s.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", applicationID, len(files)))
	return err
}

// schemaVersion returns 0 for an empty file and refuses a database that is not ours.
func schemaVersion(ctx context.Context, q querier) (int, error) {
	var version, application, tables int
	for query, into := range map[string]*int{
		"PRAGMA user_version": &version, "PRAGMA application_id": &application, "SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := q.QueryRowContext(ctx, query).Scan(into); err != nil {
			return 0, err
		}
	}
	if application != applicationID && tables > 0 {
		return 0, fmt.Errorf("this is a database, but not of Farebox")
	}
	return version, nil
}
