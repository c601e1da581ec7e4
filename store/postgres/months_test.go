package postgres

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/usage"
)

// at returns the time of a day as milliseconds.
func at(t *testing.T, day string) int64 {
	t.Helper()
	when, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	return when.UnixMilli()
}

// chargeAt commits a receipt of a day, with a key.
func chargeAt(t *testing.T, s *Store, id, day string) {
	t.Helper()
	err := s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(*store.Loaded) store.Decided {
		return store.Decided{Receipts: []*usage.Receipt{{CorrelationID: id, TimeMS: at(t, day), InstanceID: "A", Key: id}}}
	})
	if err != nil {
		t.Fatalf("a charge of %s: %v", day, err)
	}
}

// record returns the ids of the receipts that a filter may select, in order, with their numbers.
func record(t *testing.T, s *Store, filter *usage.Filter) string {
	t.Helper()
	var all []string
	err := s.View(ctx, func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, filter, 0, func(p usage.Position, receipt *usage.Receipt) (bool, error) {
			all = append(all, fmt.Sprint(p.Commit, receipt.CorrelationID))
			return true, nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// partitions returns the months of the journal, and how many commits each has.
func partitions(t *testing.T, url string) string {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT format('%s %s', relname, (SELECT count(*) FROM journal AS j WHERE j.tableoid = c.oid))
		FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = 'journal'::regclass`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return strings.ReplaceAll(strings.Join(all, ", "), "journal_", "")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// Commits are in the month of their time, and never in one before that of the commit before them. All that asks by number, time, key or
// correlation id finds them wherever they are.
func TestJournalByMonth(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	s := open(t, url, Options{})
	defer s.Close()
	world(t, s)
	for id, day := range []string{"2026-01-31", "2026-02-01", "2026-02-28", "2026-06-15", "2026-05-30", "2026-06-30"} { // the fifth by a clock that is behind
		chargeAt(t, s, string(rune('a'+id)), day)
	}
	expect(t, "partitions", partitions(t, url), "2026_01 1, 2026_02 2, 2026_03 0, 2026_06 3, 2026_07 0")
	other := open(t, url, Options{}) // which knows nothing yet
	defer other.Close()
	for _, s := range []*Store{s, other} {
		expect(t, "the record", record(t, s, nil), "1a 2b 3c 4d 5e 6f")
		expect(t, "since February", record(t, s, &usage.Filter{FromMS: at(t, "2026-02-01")}), "2b 3c 4d 5e 6f")
		expect(t, "until June", record(t, s, &usage.Filter{FromMS: at(t, "2026-02-02"), ToMS: at(t, "2026-06-01")}), "3c 5e")
		expect(t, "since July", record(t, s, &usage.Filter{FromMS: at(t, "2026-07-01")}), "")
		err := s.Change(ctx, func(tx store.Tx) error {
			for id, day := range map[string]string{"a": "2026-01-31", "c": "2026-02-28", "d": "2026-06-15", "e": "2026-05-30"} {
				receipt, err := tx.Receipt(id, at(t, day))
				if err != nil || receipt == nil {
					t.Errorf("receipt %s is %v, %v", id, receipt, err)
				}
				once, _ := (&usage.Receipt{InstanceID: "A", Key: id}).OnceID()
				if receipt, err = tx.Earlier(once); err != nil || receipt == nil || receipt.CorrelationID != id {
					t.Errorf("the receipt of key %s is %v, %v", id, receipt, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	chargeAt(t, other, "g", "2026-07-01")
	chargeAt(t, s, "h", "2026-07-02")
	chargeAt(t, other, "i", "2026-08-01")
	chargeAt(t, s, "j", "2026-07-31") // by a server that has not heard of August yet, and whose clock is behind
	expect(t, "the record", record(t, s, nil), "1a 2b 3c 4d 5e 6f 7g 8h 9i 10j")
	expect(t, "partitions", partitions(t, url), "2026_01 1, 2026_02 2, 2026_03 0, 2026_06 3, 2026_07 2, 2026_08 2, 2026_09 0")
}

// What is in the way of a partition that is made ahead is in no charge's way.
func TestChargesDoNotWaitForNextMonth(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	s := open(t, url, Options{})
	defer s.Close()
	world(t, s)
	chargeAt(t, s, "a", "2026-01-10")
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	vacuum, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vacuum.Exec(ctx, "LOCK TABLE journal IN SHARE UPDATE EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	s.aheadAt.Store(0)
	chargeAt(t, s, "b", "2026-02-10")
	chargeAt(t, s, "c", "2026-02-11")
	expect(t, "behind a lock", partitions(t, url), "2026_01 1, 2026_02 2")
	if err := vacuum.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	s.aheadAt.Store(0)
	chargeAt(t, s, "d", "2026-02-12")
	expect(t, "after it", partitions(t, url), "2026_01 1, 2026_02 3, 2026_03 0")
	expect(t, "the record", record(t, s, nil), "1a 2b 3c 4d")
}

// Servers that come into a month that was not made ahead make it once.
func TestServersMakeAMonthTogether(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	var stores []*Store
	for range 4 {
		s := open(t, url, Options{})
		defer s.Close()
		stores = append(stores, s)
	}
	world(t, stores[0])
	done := make(chan struct{})
	for i, s := range stores {
		go func() {
			defer func() { done <- struct{}{} }()
			for month := range 12 {
				chargeAt(t, s, fmt.Sprintf("%d/%d", i, month), fmt.Sprintf("2026-%02d-10", month+1))
			}
		}()
	}
	for range stores {
		<-done
	}
	if n := len(strings.Fields(record(t, stores[0], nil))); n != 48 {
		t.Errorf("%d commits are there, of 48", n)
	}
}

// What is removed is found by nobody, and a month goes when all of it is removed and nobody reads who began before.
func TestMonthsPastRetention(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	s, other := open(t, url, Options{}), open(t, url, Options{})
	defer s.Close()
	defer other.Close()
	world(t, s)
	for id, day := range []string{"2026-01-10", "2026-01-20", "2026-02-10", "2026-02-20", "2026-03-10"} {
		chargeAt(t, s, string(rune('a'+id)), day)
	}
	expect(t, "the record", record(t, other, nil), "1a 2b 3c 4d 5e")
	const all = "2026_01 2, 2026_02 2, 2026_03 1, 2026_04 0"
	forget := func(want string) {
		t.Helper()
		if err := s.Forget(ctx, 0, 0); err != nil {
			t.Error(err)
		}
		expect(t, "partitions", partitions(t, url), want)
	}
	err := s.View(ctx, func(r store.Reader) error {
		if _, err := r.Clock(); err != nil { // now it has begun
			return err
		}
		err := other.Change(ctx, func(tx store.Tx) error {
			return tx.RemoveReceipts(store.Removed{Next: usage.Position{Commit: 3, Receipt: 1}}, []byte("what they came to"))
		})
		if err != nil {
			return err
		}
		forget(all)
		n := 0
		_, err = r.Receipts(usage.Position{}, nil, 0, func(usage.Position, *usage.Receipt) (bool, error) { n++; return true, nil })
		if n != 5 {
			t.Errorf("who began before finds %d commits, not 5", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "the record", record(t, s, nil), "4d 5e")
	forget("2026_02 2, 2026_03 1, 2026_04 0")
	for _, s := range []*Store{s, other} {
		expect(t, "the record", record(t, s, nil), "4d 5e")
	}
	chargeAt(t, other, "f", "2026-04-01")
	err = s.Change(ctx, func(tx store.Tx) error {
		if r, err := tx.Receipt("c", at(t, "2026-02-10")); r != nil || err != nil {
			t.Errorf("a receipt that is removed is %v, %v", r, err)
		}
		return tx.RemoveReceipts(store.Removed{Next: usage.Position{Commit: 5, Receipt: 1}}, []byte("what they came to"))
	})
	if err != nil {
		t.Fatal(err)
	}
	forget("2026_04 1, 2026_05 0")
	expect(t, "the record", record(t, s, nil), "6f")
}

// After a restore to an earlier time servers that know of later months go on from what is there.
func TestMonthsAfterARestore(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	s := open(t, url, Options{})
	defer s.Close()
	world(t, s)
	for id, day := range []string{"2026-01-10", "2026-02-10", "2026-03-10"} {
		chargeAt(t, s, string(rune('a'+id)), day)
	}
	if err := s.Forget(ctx, 0, 0); err != nil { // which reads the months again
		t.Fatal(err)
	}
	execute(t, url, "DELETE FROM once; DELETE FROM journal WHERE number > 1")
	execute(t, url, "DROP TABLE journal_2026_03, journal_2026_04")
	chargeAt(t, s, "d", "2026-03-10")
	expect(t, "the record", record(t, s, nil), "1a 2d")
	expect(t, "partitions", partitions(t, url), "2026_01 1, 2026_02 0, 2026_03 1, 2026_04 0")
}

// A schema from before there were months keeps its journal, and goes on in it until its month is over.
func TestJournalFromBeforeMonths(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	text, err := schema.ReadFile(schemaFiles[0])
	if err != nil {
		t.Fatal(err)
	}
	execute := func(statements string) {
		t.Helper()
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.PgConn().Exec(ctx, statements).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	execute(string(text) + "; INSERT INTO farebox (schema, settings) VALUES (1, gen_random_uuid())")
	for id, day := range []string{"2026-01-10", "2026-03-10", "2026-02-10"} {
		r := &usage.Receipt{CorrelationID: string(rune('a' + id)), TimeMS: at(t, day), InstanceID: "A"}
		lines, err := codec.AppendLines(nil, []*usage.Receipt{r})
		if err != nil {
			t.Fatal(err)
		}
		execute(fmt.Sprintf(`INSERT INTO journal VALUES (%d, gen_random_uuid(), %d, %d, 0, '\x%x')`, id+1, r.TimeMS, r.TimeMS, lines))
	}
	s := open(t, url, Options{})
	defer s.Close()
	world(t, s)
	expect(t, "the record", record(t, s, nil), "1a 2b 3c")
	chargeAt(t, s, "d", "2026-03-31")
	chargeAt(t, s, "e", "2026-04-01")
	expect(t, "the record", record(t, s, nil), "1a 2b 3c 4d 5e")
	expect(t, "since February", record(t, s, &usage.Filter{FromMS: at(t, "2026-02-10")}), "2b 3c 4d 5e")
	expect(t, "partitions", partitions(t, url), "2026_04 1, 2026_05 0, before 4")
	if err := s.Change(ctx, func(tx store.Tx) error {
		return tx.RemoveReceipts(store.Removed{Next: usage.Position{Commit: 4, Receipt: 1}}, nil)
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(ctx, 0, 0); err != nil {
		t.Fatal(err)
	}
	expect(t, "partitions", partitions(t, url), "2026_04 1, 2026_05 0")
	expect(t, "the record", record(t, s, nil), "5e")
}

var aPartition = regexp.MustCompile(`journal_\d{4}_\d\d`)

// What is asked often touches few of many months.
func TestFewMonthsAreTouched(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	s := open(t, url, Options{})
	defer s.Close()
	world(t, s)
	for month := range 36 {
		chargeAt(t, s, fmt.Sprint(month), time.Date(2024, time.Month(month+1), 5, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	s.months.Store(nil)
	record(t, s, nil)
	m := s.months.Load()
	explain := func(query string, args ...any) int {
		conn, err := s.reads.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		rows, err := conn.Query(ctx, "EXPLAIN "+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, line := range lines {
			if found := aPartition.FindString(line); found != "" {
				all[found] = true
			}
		}
		return len(all)
	}
	now := at(t, "2026-12-05")
	for what, touched := range map[string]int{
		"the next number":   explain(insertAfter(m.latest(), monthOf(now)), newBatch(), 1, 1, 0, []byte{}),
		"the last commit":   explain(selectLast, m.latest()),
		"a retry":           explain(selectOnceRows, [][16]byte{newBatch()}, monthOf(now)),
		"who follows":       explain("SELECT number FROM journal WHERE month >= $2 AND number >= $1"+notRemoved+inOrder+"LIMIT 64", 36, m.of(36)),
		"the first of time": explain(selectFirst, monthOf(now), now, 1),
	} {
		if touched < 1 || touched > 2 {
			t.Errorf("%s touches %d months of 37", what, touched)
		}
	}
	if touched := explain(selectMadeAt, now, commitsBefore, monthOf(now).AddDate(0, -1, 0)); touched < 1 || touched > 3 {
		t.Errorf("looking for a receipt touches %d months of 37", touched)
	}
}
