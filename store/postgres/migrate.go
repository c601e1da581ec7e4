package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

//go:embed schema/*.sql
var schema embed.FS

// schemaFiles are the migrations, in order: schema/0001.sql and on.
var schemaFiles, _ = fs.Glob(schema, "schema/*.sql")

// migrate brings the schema up to date, in one transaction that excludes batches and changes. Servers that start together take turns.
func (s *Store) migrate(ctx context.Context, conn *pgx.Conn, read bool) error {
	if version, err := schemaVersion(ctx, conn); err != nil {
		return err
	} else if version == len(schemaFiles) {
		return nil
	} else if err := tooNew(version); err != nil {
		return err
	} else if read {
		return fmt.Errorf("the database is of an older Farebox (schema %d, this one needs %d); `farebox serve` brings it up to date", version, len(schemaFiles))
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // does nothing after Commit
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", s.locks.change); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	if err := tooNew(version); err != nil {
		return err
	}
	for _, file := range schemaFiles[version:] {
		text, err := schema.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := conn.PgConn().Exec(ctx, string(text)).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	_, err = tx.Exec(ctx, "INSERT INTO farebox (schema, settings) VALUES ($1, $2) ON CONFLICT (one) DO UPDATE SET schema = excluded.schema",
		len(schemaFiles), [16]byte(uuid.New()))
	if err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func tooNew(version int) error {
	if version <= len(schemaFiles) {
		return nil
	}
	return fmt.Errorf("the database is of a newer Farebox (schema %d, this one knows %d); use that version", version, len(schemaFiles))
}

// schemaVersion returns 0 for an empty schema and refuses one that is not ours.
func schemaVersion(ctx context.Context, conn *pgx.Conn) (version int, err error) {
	var ours bool
	var tables int
	err = conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE relname = 'farebox') > 0, count(*) FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')`).Scan(&ours, &tables)
	switch {
	case err != nil:
		return 0, err
	case !ours && tables > 0:
		return 0, fmt.Errorf("the schema has %d tables, but not of Farebox; give it a schema or a database of its own", tables)
	case !ours:
		return 0, nil
	}
	err = conn.QueryRow(ctx, "SELECT schema FROM farebox").Scan(&version)
	return version, err
}
