package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Make a key pair, or register a public key."`
	List   keysListCmd   `cmd:"" help:"List the registered keys."`
	Delete keysDeleteCmd `cmd:"" help:"Delete a key; its tokens are worthless within seconds."`
}

// Help adds to --help.
func (*keysCmd) Help() string {
	return `A server knows a key that is made or deleted here within a second or two.

  farebox keys create --client --id acme-2026
  farebox keys list`
}

// role is the pair of flags that choose between administration and client keys.
type role struct {
	Admin  bool `xor:"role" help:"An administration key: its tokens may do everything. Either this or --client."`
	Client bool `xor:"role" help:"A client key: its tokens may use the instances they name."`
}

// Validate refuses neither; the parser refuses both.
func (r *role) Validate() error {
	if !r.Admin && !r.Client {
		return errors.New("give --admin or --client")
	}
	return nil
}

func (r *role) role() auth.Role {
	if r.Admin {
		return auth.Admin
	}
	return auth.Client
}

// pemFile is where the private half of a role's first key lies.
func pemFile(db string, r auth.Role) string {
	return beside(db) + "." + strings.ToLower(string(r)) + ".pem"
}

// firstKeys gives a database that has no administration key its first key pairs. A private key that lies there already,
// say because the database was made anew, is used again.
func firstKeys(ctx context.Context, e *engine.Engine, db string) error {
	var keys []auth.Key
	for _, k := range e.Settings().Keys {
		if k.Role == auth.Admin {
			return nil
		}
	}
	for _, r := range []auth.Role{auth.Admin, auth.Client} {
		file := pemFile(db, r)
		pair, err := readPair(input(file))
		if errors.Is(err, fs.ErrNotExist) {
			pair, err = newPairIn(file)
		}
		if err != nil {
			return err
		}
		slog.Info("registered a key", "role", r, "id", pair.ID, "private", file)
		keys = append(keys, auth.Key{Role: r, ID: pair.ID, PublicPEM: pair.PublicPEM})
	}
	return change(ctx, e, func(tx *engine.Change) error { return tx.SaveKeys(keys) })
}

func readPair(file input) (*auth.Pair, error) {
	text, err := file.read()
	if err != nil {
		return nil, err
	}
	pair, err := auth.ParsePrivate(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w", file.name(), err)
	}
	return pair, nil
}

// newPairIn makes a key pair and keeps its private half in a new file that only its owner may read.
func newPairIn(file string) (*auth.Pair, error) {
	pair, err := auth.NewPair()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(pair.PrivatePEM)
	return pair, errors.Join(err, f.Sync(), f.Close())
}

// change runs a change from the command line.
func change(ctx context.Context, e *engine.Engine, fn func(*engine.Change) error) error {
	_, _, err := e.Change(ctx, "", nil, func(tx *engine.Change) (*store.Answer, error) { return nil, fn(tx) })
	return err
}

// withEngine opens a database for a verb that may run beside a server.
func (d *database) withEngine(create bool, fn func(context.Context, *engine.Engine) error) error {
	missing := d.missing()
	s, err := d.open(opening{create: create})
	if err != nil {
		return err
	}
	if missing {
		slog.Warn("made a new database; was that meant?", "db", d.DB)
	}
	ctx := context.Background()
	clock, err := clockOf(ctx, s)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	e := engine.New(s, engine.Options{Clock: clock})
	err = fn(ctx, e)
	e.Stop()
	return errors.Join(err, s.Close())
}

// clockOf returns how time passes in a database; nil if it was never served.
func clockOf(ctx context.Context, s store.Store) (clock *store.Clock, err error) {
	err = s.View(ctx, func(r store.Reader) (err error) {
		clock, err = r.Clock()
		return err
	})
	return clock, err
}

type keysCreateCmd struct {
	role     `embed:""`
	ID       string `help:"The key's id; its RFC 7638 thumbprint unless given." placeholder:"ID"`
	Public   input  `help:"Register this public key (PEM) instead of making a pair; - is the standard input." placeholder:"FILE" type:"existingfile"`
	Out      string `help:"Where the private half goes; it must not exist. Unless given: beside the database, with the id in its name." placeholder:"FILE"`
	database `embed:""`
}

// Help adds to --help.
func (*keysCreateCmd) Help() string {
	return `Prints the key's id. A running server knows the key within a second or two.

  farebox keys create --client --id acme-2026 --out acme.pem`
}

// Run is the verb.
func (cmd *keysCreateCmd) Run() error {
	return cmd.withEngine(true, func(ctx context.Context, e *engine.Engine) error {
		key := auth.Key{Role: cmd.role.role(), ID: cmd.ID}
		if err := cmd.fill(&key); err != nil {
			return err
		}
		if err := change(ctx, e, func(tx *engine.Change) error { return tx.SaveKeys([]auth.Key{key}) }); err != nil {
			return err
		}
		fmt.Println(key.ID)
		return nil
	})
}

func (cmd *keysCreateCmd) fill(key *auth.Key) error {
	if cmd.Public != "" {
		text, err := cmd.Public.read()
		if err != nil {
			return err
		}
		public, err := auth.ParsePublic(string(text))
		if err != nil {
			return fmt.Errorf("%s %w", cmd.Public.name(), err)
		}
		key.PublicPEM = string(text)
		if key.ID == "" {
			key.ID, err = auth.Thumbprint(public)
		}
		return err
	}
	pair, file, err := cmd.newPair()
	if err != nil {
		return err
	}
	slog.Info("the private half is in a file; keep it safe", "file", file)
	key.PublicPEM = pair.PublicPEM
	if key.ID == "" {
		key.ID = pair.ID
	}
	return nil
}

func (cmd *keysCreateCmd) newPair() (*auth.Pair, string, error) {
	if cmd.Out != "" {
		pair, err := newPairIn(cmd.Out)
		return pair, cmd.Out, err
	}
	name := cmd.ID
	if name == "" {
		name = time.Now().UTC().Format("20060102T150405.000000000")
	}
	name = strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, name)
	file := fmt.Sprintf("%s.%s.%s.pem", beside(cmd.DB), strings.ToLower(string(cmd.role.role())), name)
	pair, err := newPairIn(file)
	return pair, file, err
}

type keysListCmd struct {
	database `embed:""`
}

// Help adds to --help.
func (*keysListCmd) Help() string {
	return `Prints their roles and ids, and when they were registered and last replaced (UTC).

  farebox keys list --db ./farebox.db`
}

// Run is the verb.
func (cmd *keysListCmd) Run() error {
	return cmd.withEngine(false, func(_ context.Context, e *engine.Engine) error {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ROLE\tID\tCREATED\tMODIFIED")
		for _, k := range e.Settings().Keys {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", strings.ToLower(string(k.Role)), k.ID, timeText(k.CreatedMS), timeText(k.ModifiedMS))
		}
		return w.Flush()
	})
}

func timeText(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

type keysDeleteCmd struct {
	role     `embed:""`
	ID       string `arg:"" help:"The key's id."`
	database `embed:""`
}

// Help adds to --help.
func (*keysDeleteCmd) Help() string {
	return `"farebox keys list" has the ids.

  farebox keys delete --client acme-2026`
}

// Run is the verb.
func (cmd *keysDeleteCmd) Run() error {
	return cmd.withEngine(false, func(ctx context.Context, e *engine.Engine) error {
		err := change(ctx, e, func(tx *engine.Change) error { return tx.DeleteKey(cmd.role.role(), cmd.ID) })
		if problem.KindOf(err) == problem.NotFound {
			return fmt.Errorf("%w of this role; `farebox keys list` has those that there are", err)
		}
		return err
	})
}
