package move

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// plan is what is moved: every table of the database, in the order of their names.
type plan []table

// table is a table of the database, and the query that finds its rows in the file. Both give the same columns in the same order of rows.
type table struct {
	name    string
	columns []column
	key     []string // the columns that rows are in the order of
	query   string   // of the file, without an order
	order   string   // of that query
}

// column is a column of the database.
type column struct {
	name     string
	kind     string // PostgreSQL's name for its type
	null     bool
	identity bool // the database numbers new rows by it
}

// rewritten is a table that the file keeps in another form: its columns there, all of them, and what the database has in place of them. A
// column that is added to the file later is refused until somebody has thought of it here.
type rewritten struct {
	columns string
	query   string
	order   string // that of the database's key, as the file has an index for it; empty: by the key
}

// batchOf names a commit of the file, as the database names all: by a UUID in the order of time (RFC 9562, version 7), here the time of the
// commit and its number. So the same file always comes to the same rows.
const batchOf = `printf('%08x-%04x-7000-8000-%012x', j.time_ms >> 16, j.time_ms & 65535, j.number)`

var differently = map[string]rewritten{
	"clock": {"only test now_ms", "SELECT 1 AS one, test, now_ms FROM clock", ""},
	// Rows from before there was from_ms have 0: their receipts have one time.
	"journal": {"number time_ms codec receipts from_ms", `SELECT (SELECT month FROM temp.month WHERE first <= j.number ORDER BY first DESC LIMIT 1) AS month, j.number, ` + batchOf + ` AS batch,
		CASE j.from_ms WHEN 0 THEN j.time_ms ELSE j.from_ms END AS from_ms, j.time_ms, j.codec, j.receipts FROM journal AS j`, "number"},
	"given": {"charge number refund journal body", `SELECT g.charge, g.number, g.refund, ` + batchOf + ` AS batch, g.body
		FROM given AS g LEFT JOIN journal AS j ON j.number = g.journal`, ""},
	// Moves are numbered from when somebody can remember what was there.
	"hold": {"number id instance_id lease live until_ms promise holding", "SELECT *, 0 AS moved FROM hold", ""},
	// A key is in the file as often as it was used; the last use counts. SQLite takes the other columns from the row that has the maximum
	// (https://sqlite.org/lang_select.html#bareagg). There are as many places as a commit can have receipts.
	"once": {"journal time_ms keys", `SELECT id, batch, place, time_ms FROM (
		SELECT substr(o.keys, 18 * p.number + 1, 16) AS id, ` + batchOf + ` AS batch, substr(o.keys, 18 * p.number + 17, 2) AS place, o.time_ms,
			max(o.journal * 65536 + p.number)
		FROM once AS o CROSS JOIN temp.place AS p ON p.number < length(o.keys) / 18 LEFT JOIN journal AS j ON j.number = o.journal GROUP BY 1)`, ""},
}

// makeHelpers makes temporary tables, which are no part of the file: the places that receipts can have in a commit, and the months of the
// journal, each not before that of the commit before, with its first commit.
const makeHelpers = `CREATE TEMP TABLE IF NOT EXISTS place (number INTEGER PRIMARY KEY);
	INSERT OR IGNORE INTO temp.place WITH RECURSIVE n (number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM n WHERE number < 65535) SELECT number FROM n;
	DROP TABLE IF EXISTS temp.month;
	CREATE TEMP TABLE month AS SELECT month, min(number) AS first FROM (
		SELECT number, date(max(time_ms) OVER (ORDER BY number) / 1000, 'unixepoch', 'start of month') AS month FROM journal) GROUP BY month`

// itsOwn are the tables of the database that say nothing of a book: what schema it is, and which changes were made lately.
var itsOwn = []string{"farebox", "change"}

// planned says for each table of the database where its rows come from. It fails if there is any column on either side that would be
// left out.
func planned(file map[string][]string, database []table) (plan, error) {
	var p plan
	var errs []error
	left := maps.Clone(file)
	for _, t := range database {
		if slices.Contains(itsOwn, t.name) {
			continue
		}
		columns, there := left[t.name]
		delete(left, t.name)
		if !there {
			errs = append(errs, fmt.Errorf("the file has no table %s", t.name))
			continue
		}
		var err error
		if t.query, err = t.from(columns); err != nil {
			errs = append(errs, err)
		}
		p = append(p, t)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		errs = append(errs, fmt.Errorf("the database has no table %s", name))
	}
	return p, errors.Join(errs...)
}

// from returns the query that finds a table's rows in the file, where it has some columns.
func (t *table) from(columns []string) (string, error) {
	slices.Sort(columns)
	t.order = strings.Join(t.key, ", ")
	other, rewritten := differently[t.name]
	expected := t.names()
	if rewritten {
		expected = strings.Fields(other.columns)
	}
	slices.Sort(expected)
	if !slices.Equal(columns, expected) {
		return "", fmt.Errorf("table %s of the file has the columns %q, and %q can be moved", t.name, columns, expected)
	}
	if rewritten {
		t.order = cmp.Or(other.order, t.order)
		return other.query, nil
	}
	return "SELECT * FROM " + t.name, nil
}

func (t *table) names() (names []string) {
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	return names
}

// ordered returns the query that finds the rows of the file in order.
func (t *table) ordered() string {
	return fmt.Sprintf("SELECT %s FROM (%s) ORDER BY %s", strings.Join(t.names(), ", "), t.query, t.order)
}

// tablesOfFile returns the columns of each table of a file.
func tablesOfFile(ctx context.Context, conn *sql.Conn) (map[string][]string, error) {
	rows, err := conn.QueryContext(ctx, `SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	tables := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return nil, err
		}
		tables[table] = append(tables[table], column)
	}
	return tables, rows.Err()
}

// tablesOfDatabase returns the tables of a schema by name, without the partitions that some consist of.
func tablesOfDatabase(ctx context.Context, conn *pgx.Conn) (tables []table, err error) {
	rows, err := conn.Query(ctx, `SELECT relname::text, attname::text, atttypid::regtype::text, NOT attnotnull, attidentity <> '',
			coalesce(array_position(indkey::int2[], attnum), -1)
		FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid LEFT JOIN pg_index ON indrelid = pg_class.oid AND indisprimary
		WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped
		ORDER BY relname, attnum`)
	if err != nil {
		return nil, err
	}
	keys := map[string]map[int]string{}
	var name string
	var c column
	var place int
	_, err = pgx.ForEachRow(rows, []any{&name, &c.name, &c.kind, &c.null, &c.identity, &place}, func() error {
		if len(tables) == 0 || tables[len(tables)-1].name != name {
			tables, keys[name] = append(tables, table{name: name}), map[int]string{}
		}
		t := &tables[len(tables)-1]
		t.columns = append(t.columns, c)
		if place >= 0 {
			keys[name][place] = c.name
		}
		return nil
	})
	for i := range tables {
		t := &tables[i]
		for _, place := range slices.Sorted(maps.Keys(keys[t.name])) {
			t.key = append(t.key, keys[t.name][place])
		}
	}
	return tables, err
}
