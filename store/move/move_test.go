package move

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/postgres"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/cluster"
)

var ctx = context.Background()

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// book is a file with something in every column of every table, and an empty database.
type book struct {
	t    *testing.T
	path string
	url  string
	rows map[string]int64 // by table
}

const rowsOfEach = 3

func newBook(t *testing.T) *book {
	b := &book{t: t, path: filepath.Join(t.TempDir(), "f.db"), url: cluster.Shared(t).URL(t), rows: map[string]int64{}}
	s, err := sqlite.Open(b.path, sqlite.Options{Create: true})
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	booleans := b.booleans()
	rows, err := b.open().Query(`SELECT t.name, c.name, c.type, c."notnull" OR c.pk FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' ORDER BY t.name, c.cid`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns := map[string][]string{}
	values := map[string][][]any{}
	for n := 0; rows.Next(); n++ {
		var table, column, kind string
		var never bool // is it NULL
		if err := rows.Scan(&table, &column, &kind, &never); err != nil {
			t.Fatal(err)
		}
		columns[table] = append(columns[table], column)
		values[table] = append(values[table], filling(n, table, column, kind, never, booleans[table+"."+column]))
	}
	for table := range columns {
		b.fill(table, columns[table], values[table])
	}
	return b
}

// booleans are the columns that the database has as such, where the file has 0 and 1.
func (b *book) booleans() map[string]bool {
	s, err := postgres.Open(b.url, postgres.Options{})
	if err = errors.Join(err, s.Close()); err != nil {
		b.t.Fatal(err)
	}
	tables, err := tablesOfDatabase(ctx, b.conn())
	if err != nil {
		b.t.Fatal(err)
	}
	found := map[string]bool{}
	for _, t := range tables {
		for _, c := range t.columns {
			found[t.name+"."+c.name] = c.kind == "boolean" && c.name != "one"
		}
	}
	return found
}

// filling is what a column has in each row: never twice the same, NULL where that may be, and texts that are awkward.
func filling(n int, table, column, kind string, never, boolean bool) (values []any) {
	for i := range rowsOfEach {
		v := any(int64(1_000_000*n + 1_000_000_000_000 + i))
		switch {
		case boolean:
			v = int64(i % 2)
		case slices.Contains([]string{"only", "one"}, column):
			v = int64(1)
		case table == "journal" && column == "number", table == "once" && column == "journal", table == "given" && column == "journal":
			v = int64(i + 1)
		case slices.Contains([]string{"codec", "position", "status"}, column), table == "given" && column == "number":
			v = int64(i)
		case column == "once_id":
			v = fmt.Appendf(nil, "%016d", i)
		case column == "keys": // three of its own, and one that every row has, at place 258
			v = fmt.Appendf(nil, "key %011d.\x00\x00key %011d.\x00\x01used many times.\x01\x02", 2*i, 2*i+1)
		case kind == "TEXT":
			v = fmt.Sprintf("%d ü\t\\x27 %d", n, rowsOfEach-i)
		case column == "items":
			v = fmt.Appendf(nil, `[{"name":"item %d","rate":%d}]`, i, n)
		case kind == "BLOB":
			v = []byte(strings.Repeat(fmt.Sprintf("%d\x00\xff%d\n", n, i), 1+i*1000))
		}
		if i == 1 && !never {
			v = nil
		}
		if i == 2 && kind == "BLOB" && column == "body" {
			v = []byte{}
		}
		values = append(values, v)
	}
	return values
}

func (b *book) open() *sql.DB {
	db, err := sql.Open("sqlite", b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = db.Close() })
	return db
}

func (b *book) exec(query string, args ...any) {
	b.t.Helper()
	db := b.open()
	if _, err := db.Exec(query, args...); err != nil {
		b.t.Fatal(query, err)
	}
	_ = db.Close()
}

func (b *book) fill(table string, columns []string, values [][]any) {
	b.t.Helper()
	many := rowsOfEach
	if slices.Contains([]string{"clock", "removed"}, table) { // which have one row
		many = 1
	}
	for i := range many {
		var args []any
		for _, of := range values {
			args = append(args, of[i])
		}
		b.exec(fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.Trim(strings.Repeat("?, ", len(args)), ", ")), args...)
	}
	b.rows[table] = int64(many)
	if table == "once" {
		b.rows[table] = 2*rowsOfEach + 1
	}
}

// move moves, and returns what was moved.
func (b *book) move(checks Checks) (again bool, moved map[string]int64, err error) {
	b.t.Helper()
	from, err := sqlite.Open(b.path, sqlite.Options{Serve: true, Move: true})
	if err != nil {
		b.t.Fatal(err)
	}
	defer from.Close()
	to, err := postgres.Open(b.url, postgres.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer to.Close()
	for _, check := range []*func(store.Reader) error{&checks.File, &checks.Database} {
		if *check == nil {
			*check = func(store.Reader) error { return nil }
		}
	}
	moved = map[string]int64{}
	again, err = Books(ctx, from, to, checks, func(m Moved) { moved[m.Table] = m.Rows })
	return again, moved, err
}

func (b *book) must() (again bool) {
	b.t.Helper()
	again, moved, err := b.move(Checks{})
	if err != nil {
		b.t.Fatal(err)
	}
	for table, rows := range b.rows {
		if moved[table] != rows {
			b.t.Errorf("%d rows of table %s were moved, want %d", moved[table], table, rows)
		}
	}
	return again
}

func (b *book) conn() *pgx.Conn {
	b.t.Helper()
	conn, err := pgx.Connect(ctx, b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close(ctx) })
	return conn
}

// ask returns the one value that a query of the database finds, as text.
func (b *book) ask(query string, args ...any) (text string) {
	b.t.Helper()
	if err := b.conn().QueryRow(ctx, query, args...).Scan(&text); err != nil {
		b.t.Fatal(query, err)
	}
	return text
}

func (b *book) expectEmpty() {
	b.t.Helper()
	for table := range b.rows {
		if n := b.ask("SELECT count(*)::text FROM " + table); n != "0" {
			b.t.Errorf("table %s has %s rows", table, n)
		}
	}
}

// A table or column of either store that nobody has thought of here is an error; so this fails when one is added and not moved.
func TestEveryTableMoves(t *testing.T) {
	b := newBook(t)
	if b.must() {
		t.Error("what was moved for the first time is said to have been there")
	}
	if !b.must() {
		t.Error("what was moved before is said to be new")
	}
	for query, want := range map[string]string{
		"SELECT string_agg(convert_from(body, 'UTF8'), '' ORDER BY name) = '' FROM pack WHERE body = ''":                              "true",
		"SELECT count(*)::text FROM line_item WHERE actions IS NULL":                                                                  "1",
		"SELECT count(*)::text FROM once JOIN journal USING (batch)":                                                                  fmt.Sprint(b.rows["once"]),
		"SELECT number::text || ' ' || place FROM once JOIN journal USING (batch) WHERE id = encode('used many times.', 'hex')::uuid": "3 258",
		"SELECT number::text || ' ' || place FROM once JOIN journal USING (batch) WHERE id = encode('key 00000000003.', 'hex')::uuid": "2 1",
		"SELECT string_agg(journal.number::text, ' ' ORDER BY given.number) FROM given JOIN journal USING (batch)":                    "1 2 3",
	} {
		if got := b.ask("SELECT (" + query + ")::text"); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// Rows that are made after are numbered after all that ever were, also after those that are gone.
func TestNumbersGoOn(t *testing.T) {
	b := newBook(t)
	b.exec("UPDATE sqlite_sequence SET seq = 4000000000000 WHERE name = 'bucket'")
	b.must()
	if got := b.ask("INSERT INTO bucket (journal, receipt, from_ms, last_ms, header) VALUES (1, 1, 1, 1, '') RETURNING number::text"); got != "4000000000001" {
		t.Errorf("the next bucket is number %s", got)
	}
	var last int64
	if err := b.open().QueryRow("SELECT max(number) FROM line_item_change").Scan(&last); err != nil {
		t.Fatal(err)
	}
	if got := b.ask("SELECT nextval(pg_get_serial_sequence('line_item_change', 'number'))::text"); got != fmt.Sprint(last+1) {
		t.Errorf("the next change is number %s, the last was %d", got, last)
	}
}

// A check that fails, of either side, leaves the database empty, and the next attempt begins anew.
func TestNothingIsKeptUnlessItHolds(t *testing.T) {
	b := newBook(t)
	broken := errors.New("does not agree")
	for _, checks := range []Checks{
		{File: func(store.Reader) error { return broken }},
		{Database: func(r store.Reader) error {
			if clock, err := r.Clock(); clock == nil || err != nil {
				t.Errorf("what is checked is not what was moved: %v", err)
			}
			return broken
		}},
	} {
		if _, _, err := b.move(checks); !errors.Is(err, broken) {
			t.Errorf("a check that fails comes to %v", err)
		}
		b.expectEmpty()
	}
	b.must()
}

// What PostgreSQL cannot have is named, and nothing is moved.
func TestWhatCannotBeKept(t *testing.T) {
	for _, wrong := range []struct{ exec, want string }{
		{"UPDATE pack SET name = 'a' || char(0) || 'b' WHERE created_ms = (SELECT min(created_ms) FROM pack)",
			`table pack, row with name "a\x00b": name has a NUL character`},
		{"UPDATE sale SET pack = CAST(x'ff' AS TEXT) WHERE time_ms = (SELECT min(time_ms) FROM sale)", "pack is not UTF-8"},
		{"UPDATE line_item SET deleted = 2 WHERE number = (SELECT min(number) FROM line_item)", "table line_item, row with number"},
	} {
		b := newBook(t)
		b.exec(wrong.exec)
		if _, _, err := b.move(Checks{}); err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("after %s it says %v", wrong.exec, err)
		}
		b.expectEmpty()
	}
}

// A database that does not hold what the file holds is left as it is, and the message says what it holds.
func TestAnotherBookIsRefused(t *testing.T) {
	for _, other := range []struct{ name, file, database, want string }{
		{"another", "UPDATE journal SET receipts = x'00'", "", "holds another book already (table journal: receipts of month \"2001-09-01\", number 1)"},
		{"gone on", "", "UPDATE balance SET used = '5'", "has gone on since it was moved there (table balance: used of line_item"},
		{"gone on", "", "INSERT INTO journal SELECT month, number + 1, gen_random_uuid(), from_ms, time_ms, codec, receipts FROM journal ORDER BY number DESC LIMIT 1",
			"has gone on since it was moved there (table journal: one has 3 rows, the other more)"},
		{"behind", "INSERT INTO journal SELECT 4, time_ms, codec, receipts, from_ms FROM journal WHERE number = 3", "", "the file has changed since"},
		{"other things", "", "DELETE FROM journal; UPDATE clock SET now_ms = 3", "holds another book already (table clock: now_ms of one true)"},
		{"a lone key", "", "TRUNCATE " + "journal, once, given, instance, line_item, clock, removed, balance", "another book already"},
	} {
		t.Run(other.name, func(t *testing.T) {
			b := newBook(t)
			b.must()
			if other.file != "" {
				b.exec(other.file)
			}
			if other.database != "" {
				if _, err := b.conn().Exec(ctx, other.database, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatal(err)
				}
			}
			before := b.ask("SELECT (SELECT count(*) FROM journal) || ' ' || (SELECT count(*) FROM key) || ' ' || settings FROM farebox")
			_, _, err := b.move(Checks{})
			if e, ok := errors.AsType[*problem.Error](err); !ok || e.Kind != problem.Conflict || !strings.Contains(err.Error(), other.want) {
				t.Errorf("it says %v", err)
			}
			if after := b.ask("SELECT (SELECT count(*) FROM journal) || ' ' || (SELECT count(*) FROM key) || ' ' || settings FROM farebox"); after != before {
				t.Errorf("it was %s and is %s", before, after)
			}
		})
	}
}

func TestPlanLeavesNothingOut(t *testing.T) {
	database := []table{{name: "pack", columns: []column{{name: "name"}, {name: "body"}}}, {name: "clock", columns: []column{{name: "one"}, {name: "test"}, {name: "now_ms"}}}}
	clock := []string{"only", "test", "now_ms"}
	for _, p := range []struct {
		file map[string][]string
		want string
	}{
		{map[string][]string{"clock": clock, "pack": {"body", "name"}}, ""},
		{map[string][]string{"clock": clock, "pack": {"body", "name", "colour"}}, "table pack of the file"},
		{map[string][]string{"clock": clock, "pack": {"name"}}, "table pack of the file"},
		{map[string][]string{"clock": append([]string{"zone"}, clock...), "pack": {"body", "name"}}, "table clock of the file"},
		{map[string][]string{"clock": clock}, "the file has no table pack"},
		{map[string][]string{"clock": clock, "pack": {"body", "name"}, "lease": {"id"}}, "the database has no table lease"},
	} {
		_, err := planned(p.file, database)
		if p.want == "" && err != nil || p.want != "" && (err == nil || !strings.Contains(err.Error(), p.want)) {
			t.Errorf("of %v it says %v, want %q", p.file, err, p.want)
		}
	}
}
