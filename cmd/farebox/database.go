package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/postgres"
	"github.com/farebox/farebox/store/sqlite"
)

// database is the flag of every verb that opens the books: the one place that knows which stores there are.
type database struct {
	DB string `default:"./farebox.db" help:"The database: a file, or postgres://user@host/database." placeholder:"FILE|URL" env:"FAREBOX_DB"`
}

// opening says what a verb wants of the books.
type opening struct {
	create bool // make them when they are not there
	serve  bool // answer requests; of a file there may be one who does
	read   bool // change nothing, not even the schema
}

func (d *database) open(how opening) (store.Store, error) {
	if kind, _, isURL := strings.Cut(d.DB, "://"); isURL && !isPostgres(d.DB) {
		return nil, usageError(fmt.Sprintf("--db: there are no databases of the kind %s://; name a file, or postgres://user@host/database", kind))
	}
	if isPostgres(d.DB) {
		return orNoStore(postgres.Open(d.DB, postgres.Options{Read: how.read}))
	}
	return orNoStore(sqlite.Open(d.DB, sqlite.Options{Create: how.create, Serve: how.serve, Read: how.read}))
}

// orNoStore keeps what a failed Open returns from looking like a store.
func orNoStore(s store.Store, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func isPostgres(db string) bool {
	return strings.HasPrefix(db, "postgres://") || strings.HasPrefix(db, "postgresql://")
}

// missing says that there is no such file yet.
func (d *database) missing() bool {
	if isPostgres(d.DB) {
		return false
	}
	_, err := os.Stat(d.DB)
	return errors.Is(err, fs.ErrNotExist)
}

// beside returns how the names of files begin that lie beside a database; those of one in PostgreSQL lie here.
func beside(db string) string {
	if isPostgres(db) {
		return "./farebox"
	}
	return db
}

// shown returns the name of a database for logs and messages, which is no place for a password.
func shown(db string) string {
	if isPostgres(db) {
		return postgres.Name(db)
	}
	return db
}
