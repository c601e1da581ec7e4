package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/move"
	"github.com/farebox/farebox/store/postgres"
	"github.com/farebox/farebox/store/sqlite"
)

type migrateDBCmd struct {
	From string `default:"./farebox.db" help:"The file whose books move. No server may run on it." placeholder:"FILE"`
	To   string `required:"" help:"The database they move to, empty: postgres://user@host/database." placeholder:"URL"`
}

// Help adds to --help.
func (*migrateDBCmd) Help() string {
	return `Everything moves: prices, line items, usage, sessions, holds, idempotency keys, alerts, webhooks, keys, configuration. Balances, statements,
receipts and retries are answered as before. Both sides are verified, and every row is read back and compared, before the database keeps anything:
what is interrupted leaves nothing behind, and may be run again. A database that holds another book is refused. The file stays as it is.

  farebox migrate-db --from ./farebox.db --to postgres://farebox@db.example/postgres`
}

// Run is the verb.
func (cmd *migrateDBCmd) Run() error {
	if isPostgres(cmd.From) {
		return usageError("--from is a file; between databases in PostgreSQL, pg_dump and pg_restore move books")
	}
	if !isPostgres(cmd.To) {
		return usageError("--to is a database such as postgres://user@host/database")
	}
	from, err := sqlite.Open(cmd.From, sqlite.Options{Serve: true, Move: true})
	if err != nil {
		return err
	}
	again, err := cmd.moveFrom(from)
	if err = errors.Join(err, from.Close()); err != nil {
		return err
	}
	if again {
		fmt.Printf("%s holds this book already, as it is in %s; nothing was changed\n", shown(cmd.To), cmd.From)
	} else {
		fmt.Printf("%s is in %s now. Serve that, and keep the file as a backup: two servers on two books would charge twice\n", cmd.From, shown(cmd.To))
	}
	cmd.hintKeys()
	return nil
}

func (cmd *migrateDBCmd) moveFrom(from *sqlite.Store) (again bool, err error) {
	to, err := postgres.Open(cmd.To, postgres.Options{})
	if err != nil {
		return false, err
	}
	var sides proofs
	again, err = move.Books(context.Background(), from, to, move.Checks{
		File: func(r store.Reader) (err error) {
			if sides.file, err = proved(from, r, cmd.From); err == nil {
				fmt.Printf("%s: %s; all balances agree\n", cmd.From, summary(sides.file))
			}
			return err
		},
		Database: func(r store.Reader) error {
			if sides.database, err = proved(to, r, shown(cmd.To)); err != nil {
				return err
			}
			fmt.Printf("%s: %s; all balances agree\n", shown(cmd.To), summary(sides.database))
			return sides.compare()
		},
	}, func(m move.Moved) {
		if m.Rows > 0 {
			fmt.Printf("  %-17s %d rows, the same on both sides\n", m.Table, m.Rows)
		}
	})
	return again, errors.Join(err, to.Close())
}

// proofs are what verify comes to on both sides.
type proofs struct{ file, database *engine.Proof }

func (p proofs) compare() error {
	if !reflect.DeepEqual(p.file, p.database) {
		return fmt.Errorf("the file comes to %s, and what was written to %s; nothing was moved", summary(p.file), summary(p.database))
	}
	return nil
}

// proved is verify of one side. A book that does not agree with itself is not moved.
func proved(s store.Store, r store.Reader, name string) (*engine.Proof, error) {
	damage, err := s.Check(context.Background())
	if err != nil {
		return nil, err
	}
	p, err := engine.Prove(r)
	if err != nil {
		return nil, fmt.Errorf("%s could not be read to its end: %w", name, err)
	}
	for _, line := range append(damage, p.Differences...) {
		fmt.Println(line)
	}
	if n := len(damage) + len(p.Differences) + p.More; n > 0 {
		return nil, fmt.Errorf("%s has %d differences; nothing was moved", name, n)
	}
	return p, nil
}

// hintKeys says where the private halves of the keys are looked for from now on.
func (cmd *migrateDBCmd) hintKeys() {
	for _, of := range []string{".admin.pem", ".client.pem"} {
		private, here := beside(cmd.From)+of, beside(cmd.To)+of
		if _, err := os.Stat(private); err != nil {
			continue
		}
		if _, err := os.Stat(here); err == nil {
			continue
		}
		fmt.Printf("farebox token looks for %s in the working directory now: cp %s %s\n", here, private, here)
	}
}
