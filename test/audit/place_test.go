package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/move"
	"github.com/farebox/farebox/store/postgres"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/usage"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// place is where a history keeps its books.
type place interface {
	open() (store.Store, error)
	crash(close func()) error // goes on from what a kill of all processes would leave; close ends them
}

// onEveryStore runs a test on each store; what it is given makes a new place.
func onEveryStore(t *testing.T, test func(*testing.T, func() place)) {
	t.Run("sqlite", func(t *testing.T) { test(t, func() place { return newFile(t) }) })
	t.Run("postgres", func(t *testing.T) { test(t, func() place { return schema(cluster.Shared(t).URL(t)) }) })
	t.Run("moved", func(t *testing.T) {
		test(t, func() place { return &moved{newFile(t), schema(cluster.Shared(t).URL(t)), false} })
	})
}

// moved is a place in a file that moves to PostgreSQL at the first crash.
type moved struct {
	file   *file
	schema schema
	gone   bool
}

func (m *moved) open() (store.Store, error) {
	if m.gone {
		return m.schema.open()
	}
	return m.file.open()
}

func (m *moved) crash(close func()) error {
	if m.gone {
		return m.schema.crash(close)
	}
	m.gone = true
	if err := m.file.crash(close); err != nil {
		return err
	}
	from, err := sqlite.Open(m.file.path(), sqlite.Options{Serve: true, Move: true})
	if err != nil {
		return err
	}
	to, err := postgres.Open(string(m.schema), postgres.Options{})
	if err != nil {
		return err
	}
	verified := func(r store.Reader) error {
		proof, err := engine.Prove(r)
		if err == nil && len(proof.Differences) > 0 {
			err = errors.New(strings.Join(proof.Differences, "\n"))
		}
		return err
	}
	_, err = move.Books(ctx, from, to, move.Checks{File: verified, Database: verified}, nil)
	return errors.Join(err, from.Close(), to.Close())
}

// file is a place in a file of SQLite.
type file struct {
	dir   string
	files int
}

func newFile(t *testing.T) *file { return &file{dir: t.TempDir()} }

func (f *file) path() string { return filepath.Join(f.dir, fmt.Sprint(f.files, ".db")) }

func (f *file) open() (store.Store, error) {
	return sqlite.Open(f.path(), sqlite.Options{Create: true})
}

func (f *file) crash(close func()) error {
	was := f.path()
	f.files++
	for _, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(was + end)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.WriteFile(f.path()+end, content, 0o600); err != nil {
			return err
		}
	}
	close()
	return nil
}

// schema is a place in PostgreSQL, by its URL. A process that is killed leaves nothing behind there but what was committed.
type schema string

func (s schema) open() (store.Store, error) { return postgres.Open(string(s), postgres.Options{}) }

func (s schema) crash(close func()) error {
	close()
	return nil
}

// forgetful is a place in a file whose store knows nothing from before: ahead of every batch another process writes into the file.
type forgetful struct{ *file }

func (f forgetful) open() (store.Store, error) {
	s, err := f.file.open()
	if err != nil {
		return nil, err
	}
	other, err := f.file.open()
	return &forgetfulStore{Store: s, other: other}, err
}

type forgetfulStore struct {
	store.Store
	other  store.Store
	writes int
}

func (s *forgetfulStore) Commit(ctx context.Context, want store.Want, decide func(*store.Loaded) store.Decided) error {
	s.writes++
	err := s.other.Change(ctx, func(tx store.Tx) error {
		return tx.PutConfigValue(store.ConfigValue{Name: "nothing", Value: fmt.Sprint(s.writes)})
	})
	if err != nil {
		return err
	}
	return s.Store.Commit(ctx, want, decide)
}

func (s *forgetfulStore) Close() error { return errors.Join(s.other.Close(), s.Store.Close()) }

// What a store remembers of its books changes nothing: the same history leaves the same books and the same record where they are read anew
// for every batch, byte for byte.
func TestMemoryChangesNothing(t *testing.T) {
	agree(t, 12, "a file", func(t *testing.T) place { return newFile(t) }, "one whose store forgets", func(t *testing.T) place { return forgetful{newFile(t)} })
}

// The same history on both stores leaves the same books and the same record, byte for byte.
func TestStoresAgree(t *testing.T) {
	c := cluster.Shared(t)
	agree(t, 4, "SQLite", func(t *testing.T) place { return newFile(t) }, "PostgreSQL", func(t *testing.T) place { return schema(c.URL(t)) })
}

// agree lives through the same histories in two places, and compares what is told of them.
func agree(t *testing.T, times int, first string, one func(*testing.T) place, second string, other func(*testing.T) place) {
	checkTimes(t, times, func(rt *rapid.T) {
		salt := rapid.Uint64().Draw(rt, "salt")
		var told [2][]string
		for i, place := range []place{one(t), other(t)} {
			m := newRulesMachine(rt, place, salt, true)
			m.live()
			told[i] = strings.Split(tell(rt, m.store), "\n")
			m.close()
		}
		a, b := told[0], told[1]
		if len(a) < 20 {
			rt.Fatalf("a history of %d lines says little", len(a))
		}
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				rt.Fatalf("line %d of %s is\n%s\nand of %s\n%s", i, first, a[i], second, b[i])
			}
		}
		if len(a) != len(b) {
			rt.Fatalf("%s tells %d lines, %s %d", first, len(a), second, len(b))
		}
	})
}

// tell returns all that a store knows as text.
func tell(t *rapid.T, s store.Store) string {
	var text bytes.Buffer
	line := func(what string, v any) { fmt.Fprintf(&text, "%s %+v\n", what, v) }
	err := s.View(ctx, func(r store.Reader) error {
		// Numbers are a store's own names of line items, which nobody else sees.
		lineItems, err2 := r.LineItems("")
		place := map[int64]int64{}
		for i, l := range lineItems {
			place[l.Number] = int64(i)
		}
		_, err1 := r.Receipts(usage.Position{}, nil, 0, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
			kinds := [][]usage.Item{receipt.Refunds, receipt.Items}
			if h := receipt.Hold; h != nil {
				kinds = append(kinds, h.Items)
				rename(place, h.Shares)
			}
			for _, items := range kinds {
				for i := range items {
					for j := range items[i].Slices {
						items[i].Slices[j].Number = place[items[i].Slices[j].Number]
					}
				}
			}
			b, err := receipt.AppendJSON(nil)
			line("receipt", fmt.Sprint(at, " ", string(b)))
			return true, err
		})
		for _, l := range lineItems {
			terms := l.Terms()
			terms.Number = place[l.Number]
			line("line item", fmt.Sprintf("%+v %v %d %+v %+v", terms, l.Used, l.ResetMS, l.Actions, l.Limit))
		}
		changes, err3 := r.LineItemChanges("")
		for _, c := range changes {
			c.LineItem.Number = place[c.LineItem.Number]
			line("change", fmt.Sprintf("%d %+v", c.TimeMS, c.LineItem))
		}
		var all []string
		err4 := r.EachSession(func(s *access.Session) error {
			b, err := json.Marshal(s, json.Deterministic(true))
			all = append(all, fmt.Sprintf("session %d %s %s", s.Number, s.ID, b))
			return err
		})
		eachHold := r.EachHold(func(h *access.Hold) error {
			rename(place, h.Shares)
			promise, err1 := json.Marshal(&h.Promise, json.Deterministic(true))
			holding, err2 := json.Marshal(&h.Holding, json.Deterministic(true))
			all = append(all, fmt.Sprintf("hold %s %s %s", h.ID, promise, holding))
			return errors.Join(err1, err2)
		})
		eachGiven := r.EachGiven(func(g *usage.GivenBack) error {
			all = append(all, fmt.Sprintf("given back %+v", *g))
			return nil
		})
		err5 := r.EachCover(func(c *ledger.Cover) error {
			c.Number = place[c.Number]
			all = append(all, fmt.Sprintf("cover %+v", *c))
			return nil
		})
		err6 := r.EachConsumed(func(c *ledger.Consumed) error {
			c.Number = place[c.Number]
			all = append(all, fmt.Sprintf("consumed %+v", *c))
			return nil
		})
		slices.Sort(all) // they come in any order
		line("sessions and standings", strings.Join(all, "\n"))
		instances, err7 := r.Instances(0, 100)
		line("instances", instances)
		return errors.Join(err1, err2, err3, err4, eachHold, eachGiven, err5, err6, err7)
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// rename gives shares the names that line items have in every store.
func rename(place map[int64]int64, shares [][]ledger.Share) {
	for _, of := range shares {
		for i := range of {
			of[i].Number = place[of[i].Number]
		}
	}
}
