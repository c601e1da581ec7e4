package sqlite

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// plan returns how SQLite goes about a statement, a line a table.
func plan(t *testing.T, s *Store, text string) (steps []string) {
	t.Helper()
	args := make([]any, strings.Count(text, "?"))
	rows, err := s.conn.QueryContext(ctx, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// However much there is in the books, a batch reads what it wants by index, in the order in which it wants it.
func TestNothingIsSearchedForWithoutIndex(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "plans.db"), Options{Create: true})
	byIndex := map[string]string{ // what needs an index of its own
		selectSessions + whereLive: "session_live", selectNextDue: "session_due", forgetCovers: "cover_until",
		forgetConsumed: "consumed_line_item", selectConsumed + wherePeriod + pageOfRequesters: "consumed_line_item", selectConsumed + wherePeriodAfter + pageOfRequesters: "consumed_line_item",
		forgetAllocations + "(?, ?)": "", selectAllocations + " WHERE activation_id = ?": "",
	}
	var hot statements
	for text, into := range hot.texts() {
		byIndex[text] = ""
		switch into {
		case &hot.due:
			byIndex[text] = "session_due"
		case &hot.allocations, &hot.lineItems:
			byIndex[text] = "line_item_instance"
		}
	}
	for text, index := range byIndex {
		steps := strings.Join(plan(t, s, text), "; ")
		if strings.Contains(steps, "SCAN") || strings.Contains(steps, "TEMP B-TREE") || !strings.Contains(steps, index) {
			t.Errorf("%s\n\tgoes about it so: %s\n\twant it to search index %q, or a key", text, steps, index)
		}
	}
	if all := strings.Join(plan(t, s, selectSessions), "; "); !strings.Contains(all, "SCAN") {
		t.Errorf("reading all sessions goes about it so: %s; a scan is no longer called one", all)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// beginOne commits a session of instance A and nothing else.
func beginOne(t *testing.T, s *Store, id string) {
	t.Helper()
	err := s.Commit(ctx, store.Want{}, func(*store.Loaded) store.Decided {
		return store.Decided{Sessions: []*access.Session{access.NewSession(id, "A", 1)}}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSessionsAloneLeaveNoJournalRow(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "alone.db"), Options{Create: true})
	setUp(t, s)
	beginOne(t, s, "first")
	chargeOne(t, s, "key")
	beginOne(t, s, "second")
	for table, want := range map[string]int{"journal": 1, "once": 1, "session": 2} {
		var rows int
		if err := s.conn.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&rows); err != nil || rows != want {
			t.Errorf("%d rows in table %s, %v; want %d", rows, table, err, want)
		}
	}
	chargeOne(t, s, "another key")
	sameTally(t, s, 2)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func sameContents(x, y [2][]byte) bool { return bytes.Equal(x[0], y[0]) && bytes.Equal(x[1], y[1]) }

func TestNothingDecidedWritesNothing(t *testing.T) {
	path, s := crashable(t)
	chargeOne(t, s, "key")
	beginOne(t, s, "s")
	before := contents(t, path)
	err := s.Commit(ctx, store.Want{Sessions: []string{"s"}, Due: &store.Due{ByMS: period.LatestMS, Most: 5}}, func(loaded *store.Loaded) store.Decided {
		loaded.Sessions["s"].Net = loaded.Books["A"].LineItems[0].Used
		loaded.Books["A"].LineItems[0].Used = loaded.Sessions["s"].Net.Add(loaded.Sessions["s"].Net)
		return store.Decided{}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !sameContents(contents(t, path), before) {
		t.Error("a batch in which nothing was decided has written something")
	}
	beginOne(t, s, "another")
	if sameContents(contents(t, path), before) {
		t.Error("a session that has begun was not written")
	}
	sameTally(t, s, 1)
}

func TestAcknowledgedSessionsSurviveCrash(t *testing.T) {
	path, s := crashable(t)
	for i := range 5 {
		beginOne(t, s, fmt.Sprint(i))
		err := s.Commit(ctx, store.Want{Sessions: []string{fmt.Sprint(i)}}, func(loaded *store.Loaded) store.Decided {
			session := loaded.Sessions[fmt.Sprint(i)]
			session.Beat(int64(i + 10))
			return store.Decided{Sessions: []*access.Session{session}, Receipts: []*usage.Receipt{{
				InstanceID: "A", Items: []usage.Item{{Item: fmt.Sprint(i), CoveredUntilMS: 1, Slices: []usage.Slice{{
					Number: 1, Used: token.FromInt(int64(i)), Ruled: &usage.Ruled{Limited: true, Consumed: token.FromInt(int64(i))},
				}}}},
			}}}
		})
		if err != nil {
			t.Fatal(err)
		}
		after := open(t, crash(t, path), Options{Serve: true})
		sessions, covers, consumed := 0, 0, ""
		err = after.View(ctx, func(r store.Reader) error {
			err := r.EachSession(func(session *access.Session) error {
				if fmt.Sprint(session.HeartbeatMS-10) != session.ID {
					t.Errorf("after the crash session %s has its last heartbeat at %d", session.ID, session.HeartbeatMS)
				}
				sessions++
				return nil
			})
			if err != nil {
				return err
			}
			if err := r.EachCover(func(*ledger.Cover) error { covers++; return nil }); err != nil {
				return err
			}
			return r.EachConsumed(func(c *ledger.Consumed) error { consumed += c.Tokens.String(); return nil })
		})
		if err != nil || sessions != i+1 || covers != i+1 || consumed != fmt.Sprint(i) {
			t.Errorf("after the crash there are %d sessions and %d covers, want %d, and %s is consumed, want %d; %v", sessions, covers, i+1, consumed, i, err)
		}
		if err := after.Close(); err != nil {
			t.Error(err)
		}
	}
}
