package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// ofSchema1 makes a database as Farebox had them before there were sessions, with three commits of one token each, at 1000,
// 2000 and 3000. The text of the receipts is that of then.
func ofSchema1(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	tables, err := schema.ReadFile("schema/0001.sql")
	if err != nil {
		t.Fatal(err)
	}
	statements := []string{
		string(tables), fmt.Sprintf("PRAGMA application_id = %d", applicationID), "PRAGMA user_version = 1",
		"INSERT INTO instance VALUES (1, 'A', 'a', 'account', 1, 10, 10)",
		"INSERT INTO line_item VALUES (1, 'a1', 'A', 'DEPLOYED', 1000, 0, 253402300799999, 1, '', '', 0, 0, 'PAID', '0', '', 0)",
		"INSERT INTO balance VALUES (1, '3', 1)",
		`INSERT INTO rate_table VALUES (1, '', '1', 0, 10, CAST('[{"name":"item","rate":1}]' AS BLOB))`,
	}
	for i := 1; i <= 3; i++ {
		statements = append(statements, fmt.Sprintf(`INSERT INTO journal (number, time_ms, codec, receipts) VALUES (%[1]d, %[1]d000, 0, CAST(
			'{"correlationId":"old %[1]d","time":%[1]d000,"accountId":"account","instanceId":"A","requester":{"type":"USER","value":"u"},'||
			'"items":[{"item":"item","count":1,"tokens":1,"status":"101","slices":[{"activationId":"a1","lineItem":1,"tableVersion":"1",'||
			'"rate":1,"tokens":1,"quantity":1000,"used":%[1]d}]}],"idempotencyKey":"key %[1]d","fingerprint":"Zg=="}' || char(10) AS BLOB))`, i))
		id := usage.NewOnceID("A", fmt.Sprint("key ", i))
		statements = append(statements, fmt.Sprintf("INSERT INTO once VALUES (%[1]d, %[1]d000, x'%x0000')", i, id))
	}
	raw(t, path, statements...)
	return path
}

// ofSchema2 makes one as Farebox had them before there were rules, with a session and a cover besides.
func ofSchema2(t *testing.T) string {
	t.Helper()
	path := ofSchema1(t)
	tables, err := schema.ReadFile("schema/0002.sql")
	if err != nil {
		t.Fatal(err)
	}
	raw(t, path, string(tables), "PRAGMA user_version = 2",
		`INSERT INTO session VALUES (1, 's', 'A', 1, 5000, CAST('{"state":"ACTIVE","created":10,"requester":{"type":"USER","value":"u"},"idle":10,'||
			'"items":[{"item":"item","count":1,"since":10,"paid":[{"lineItem":1,"rate":1,"tokens":1}]}],"until":5000}' AS BLOB))`,
		"INSERT INTO cover VALUES ('A', 'USER', 'u', 'item', '', '2.5', 5000, 1)")
	return path
}

// Consumption was kept of the newest period alone.
func TestOpenKeepsConsumption(t *testing.T) {
	path := ofSchema2(t)
	tables, err := schema.ReadFile("schema/0003.sql")
	if err != nil {
		t.Fatal(err)
	}
	raw(t, path, string(tables), "PRAGMA user_version = 3", "INSERT INTO consumed VALUES ('A', 'USER', 'u', 1, '2.5', 1000), ('A', 'USER', 'v', 1, '0', 2000)")
	s := open(t, path, Options{Serve: true})
	found := ""
	err = s.View(ctx, func(r store.Reader) error {
		return r.EachConsumed(func(c *ledger.Consumed) error {
			found += fmt.Sprintln(c.InstanceID, c.Type, c.Value, c.Number, c.Tokens, c.SinceMS)
			return nil
		})
	})
	if want := "A USER u 1 2.5 1000\nA USER v 1 0 2000\n"; found != want {
		t.Errorf("the consumption became\n%s, want\n%s", found, want)
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Error(err)
	}
}

func TestOpenKeepsWhatThereWasBeforeRules(t *testing.T) {
	path := ofSchema2(t)
	refused(t, path, Options{Read: true}, path, "older", "schema 2", "farebox serve")
	s := open(t, path, Options{Serve: true})
	sameTally(t, s, 3)
	err := s.View(ctx, func(r store.Reader) error {
		l, err1 := r.LineItem("a1")
		session, err2 := r.Session("s")
		err3 := r.EachCover(func(c *ledger.Cover) error {
			if c.Type != "USER" || c.Value != "u" || c.Item != "item" || c.Count.String() != "2.5" || c.UntilMS != 5000 || c.Number != 1 {
				t.Errorf("the cover became %+v", c)
			}
			return nil
		})
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if l.Quantity != 1000 || l.Recurs != "" || len(l.Actions) > 0 || l.Limit != nil || l.ResetMS != 0 {
			t.Errorf("the line item became %+v", l)
		}
		if session.UntilMS != 5000 || len(session.Items) != 1 || len(session.Items[0].Paid) != 1 {
			t.Errorf("the session became %+v", session)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	// From now on it may have rules and a limit.
	limit := &ledger.Limit{Tokens: token.FromInt(10), Period: period.Daily}
	err = s.Change(ctx, func(tx store.Tx) error {
		l, err := tx.LineItem("a1")
		if err != nil {
			return err
		}
		l.Limit, l.Actions = limit, []ledger.Action{{ID: "x", Allow: true, Allocation: &limit.Tokens}}
		return tx.PutLineItem(l)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		l := loaded.Books["A"].LineItems[0]
		l.Used = l.Used.Add(token.FromInt(1))
		return store.Decided{Receipts: []*usage.Receipt{{
			CorrelationID: "new", TimeMS: 4000, InstanceID: "A", Items: []usage.Item{{Tokens: token.FromInt(1), Slices: []usage.Slice{{
				Number: 1, Tokens: token.FromInt(1), Used: l.Used, ResetMS: 7,
				Ruled: &usage.Ruled{ActionID: "x", ActionUsed: token.FromInt(2), Limited: true, Consumed: token.FromInt(3)},
			}}}},
		}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	sameTally(t, s, 4)
	err = s.View(ctx, func(r store.Reader) error {
		l, err := r.LineItem("a1")
		if err != nil {
			return err
		}
		all, err := r.Consumed(ledger.PeriodKey{Number: 1}, nil, 10)
		if l.ResetMS != 7 || l.Actions[0].Used.String() != "2" || len(all) != 1 || all[0].Tokens.String() != "3" {
			t.Errorf("after a charge there are %+v and %+v", l, all)
		}
		return err
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Error(err)
	}
}

// shown returns the receipts that a store shows for a filter of time, among which those it selects must be.
func shown(t *testing.T, s *Store, fromMS, toMS int64) (found []string) {
	t.Helper()
	err := s.View(ctx, func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, &usage.Filter{FromMS: fromMS, ToMS: toMS}, 0, func(_ usage.Position, r *usage.Receipt) (bool, error) {
			found = append(found, r.CorrelationID)
			return true, nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOpenBringsOlderSchemaUpToDate(t *testing.T) {
	path := ofSchema1(t)
	refused(t, path, Options{Read: true}, path, "older", "schema 1", "farebox serve")
	s := open(t, path, Options{Serve: true})
	sameTally(t, s, 3)
	if tables := s.Settings().Rates.Tables(); len(tables) != 1 || tables[0].Items[0].Rate.String() != "1" {
		t.Errorf("the rate tables became %+v", tables)
	}
	filters := []struct {
		from, to int64
		want     []string
	}{
		{0, 0, []string{"old 1", "old 2", "old 3"}}, {0, 1000, nil}, {0, 1001, []string{"old 1"}}, {1001, 0, []string{"old 2", "old 3"}},
		{2000, 3000, []string{"old 2"}}, {0, 3000, []string{"old 1", "old 2"}}, {3000, 0, []string{"old 3"}}, {3001, 0, nil},
	}
	look := func(when string) {
		t.Helper()
		for _, f := range filters {
			if got := shown(t, s, f.from, f.to); !slices.Equal(got, f.want) {
				t.Errorf("from %d to %d there are %q%s, want %q", f.from, f.to, got, when, f.want)
			}
		}
	}
	look("")
	for i := 1; i <= 3; i++ {
		id := usage.NewOnceID("A", fmt.Sprint("key ", i))
		err := s.Commit(ctx, store.Want{Once: []usage.OnceID{id}}, func(loaded *store.Loaded) store.Decided {
			if r := loaded.Earlier[id]; r == nil || r.CorrelationID != fmt.Sprint("old ", i) {
				t.Errorf("key %d finds %+v", i, r)
			}
			return store.Decided{}
		})
		if err != nil {
			t.Error(err)
		}
	}

	// From now on receipts may be late, and there may be sessions.
	err := s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) store.Decided {
		receipt := func(id string, timeMS, writtenMS int64) *usage.Receipt {
			l := loaded.Books["A"].LineItems[0]
			l.Used = l.Used.Add(token.FromInt(1))
			return &usage.Receipt{
				CorrelationID: id, TimeMS: timeMS, WrittenMS: writtenMS, InstanceID: "A",
				Items: []usage.Item{{Item: "item", Count: token.FromInt(1), Tokens: token.FromInt(1), Status: ledger.Granted, Slices: []usage.Slice{{
					ActivationID: "a1", Number: l.Number, Rate: token.FromInt(1), Tokens: token.FromInt(1), Quantity: l.Quantity, Used: l.Used,
				}}}},
			}
		}
		return store.Decided{
			Receipts: []*usage.Receipt{receipt("late", 1500, 4000), receipt("new", 4000, 0)},
			Sessions: []*access.Session{access.NewSession("s", "A", 4000)},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	filters = append(filters[:0], []struct {
		from, to int64
		want     []string
	}{
		{0, 0, []string{"old 1", "old 2", "old 3", "late", "new"}}, {0, 1500, []string{"old 1"}}, {0, 1501, []string{"old 1", "late", "new"}},
		{1500, 2000, []string{"late", "new"}}, {3500, 4000, []string{"late", "new"}}, {3000, 0, []string{"old 3", "late", "new"}}, {4001, 0, nil},
	}...)
	look(" beside a late one")
	sameTally(t, s, 5)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = open(t, path, Options{Read: true})
	look(" beside a late one, after reopening")
	err = s.View(ctx, func(r store.Reader) error {
		session, err := r.Session("s")
		if session == nil {
			t.Error("the session is lost")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A process of an older version may have the file open while it is brought up to date, and go on.
func TestOlderProcessMayGoOn(t *testing.T) {
	path := ofSchema1(t)
	s := open(t, path, Options{})
	raw(t, path, `INSERT INTO journal (number, time_ms, codec, receipts) VALUES (4, 4000, 0, CAST('{"correlationId":"old 4","time":4000}' AS BLOB))`)
	for to, want := range map[int64]int{4000: 3, 4001: 4} {
		if got := shown(t, s, 0, to); len(got) != want {
			t.Errorf("until %d there are %q, want %d", to, got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
