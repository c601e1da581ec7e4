package engine_test

import (
	"database/sql"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the same everywhere

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// sqlUsage is the usage events in a table of their own, as the export has them, where SQL groups and filters them.
type sqlUsage struct {
	*testing.T
	db *sql.DB
}

// exported loads all events that an engine has.
func exported(t *testing.T, e *engine.Engine) *sqlUsage {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each would have a memory of its own
	t.Cleanup(func() { _ = db.Close() })
	u := &sqlUsage{t, db}
	u.exec("CREATE TABLE event (MS INTEGER, LINE_ITEM_KIND TEXT, " + strings.Join(usage.Columns, " TEXT, ") + " TEXT)")
	u.exec("CREATE TABLE span (label TEXT, from_ms INTEGER, to_ms INTEGER)")
	insert, err := db.Prepare("INSERT INTO event VALUES (?, ?" + strings.Repeat(", ?", len(usage.Columns)) + ")")
	if err != nil {
		t.Fatal(err)
	}
	err = e.View(ctx, func(r store.Reader) error {
		events, _, err := engine.EventPage(r, usage.Position{}, &usage.Filter{}, 1<<30, 0)
		for i := range events {
			row := []any{events[i].UsageTimeMS, string(events[i].LineItemKind)}
			for _, cell := range events[i].Row() {
				row = append(row, cell)
			}
			if _, err := insert.Exec(row...); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *sqlUsage) exec(query string, args ...any) {
	u.Helper()
	if _, err := u.db.Exec(query, args...); err != nil {
		u.Fatalf("%s: %v", query, err)
	}
}

// expression returns what a dimension is in SQL: NULL where an event has nothing there.
func expression(d usage.Dimension) string {
	columns := map[usage.Dimension]string{
		usage.ByAccount: "ACCOUNT_ID", usage.ByInstance: "INSTANCE_ID", usage.ByLineItem: "ACTIVATION_ID", usage.ByItem: "ITEM", usage.ByItemVersion: "ITEM_VERSION",
		usage.ByRequester: "CONSUMER_ID", usage.ByRequesterType: "CONSUMER_TYPE", usage.ByKind: "KIND", usage.ByStatus: "STATUS",
		usage.BySeries: "RATE_TABLE_SERIES", usage.ByTableVersion: "RATE_TABLE_VERSION", usage.ByCurrency: "CURRENCY", usage.ByAddress: "SOURCE_ADDRESS", usage.ByUserAgent: "USER_AGENT",
	}
	if column, is := columns[d]; is {
		return "NULLIF(" + column + ", '')"
	}
	if d == usage.ByLineItemKind {
		return "CASE WHEN ACTIVATION_ID = '' THEN NULL WHEN LINE_ITEM_KIND = '' THEN 'PAID' ELSE LINE_ITEM_KIND END"
	}
	prefix, key, _ := strings.Cut(string(d), ".")
	object := map[string]string{"metadata": "METADATA", "dictionary": "CONSUMER_DICTIONARY"}[prefix]
	path := `'$."` + key + `"'`
	return "CASE json_type(NULLIF(" + object + ", ''), " + path + ") WHEN 'null' THEN NULL WHEN 'text' THEN json_extract(" + object + ", " + path +
		") ELSE NULLIF(" + object + ", '') -> " + path + " END"
}

// cut fills the table of spans in which something was used: the stretches of quarters of an hour that have one name, by a zone's calendar.
func (u *sqlUsage) cut(q *usage.Query, aroundMS, untilMS int64) {
	u.Helper()
	u.exec("DELETE FROM span")
	name := func(t time.Time) string {
		switch year, week := t.ISOWeek(); q.Interval {
		case usage.Hourly:
			return t.Format("2006-01-02 15 -0700")
		case usage.Daily:
			return t.Format("2006-01-02")
		case usage.Weekly:
			return fmt.Sprint(year, " ", week)
		}
		return t.Format("2006-01")
	}
	const quarterMS = 15 * minuteMS
	from := aroundMS - aroundMS%quarterMS - 40*24*hourMS
	times := u.times()
	current := ""
	for at := from; at < untilMS+40*24*hourMS; at += quarterMS {
		if is := name(time.UnixMilli(at).In(q.Zone)); is != current {
			if n, _ := slices.BinarySearch(times, from); current != "" && n < len(times) && times[n] < at { // others would be joined to nothing
				u.exec("INSERT INTO span VALUES (?, ?, ?)", current, from, at)
			}
			current, from = is, at
		}
	}
}

// times returns when events were, in order.
func (u *sqlUsage) times() (all []int64) {
	u.Helper()
	result, err := u.db.Query("SELECT DISTINCT MS FROM event ORDER BY MS")
	if err != nil {
		u.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		var ms int64
		if err := result.Scan(&ms); err != nil {
			u.Fatal(err)
		}
		all = append(all, ms)
	}
	return all
}

// rows are what a query is answered with, in words and in order.
func (u *sqlUsage) rows(q *usage.Query, money bool) []string {
	u.Helper()
	from, group, keys := "event", []string{}, []string{fmt.Sprint(q.FromMS), fmt.Sprint(q.ToMS)}
	if q.Interval != "" {
		from, keys, group = "event JOIN span ON MS >= from_ms AND MS < to_ms", []string{"from_ms", "to_ms"}, []string{"from_ms", "to_ms"}
	}
	for _, d := range q.By {
		keys, group = append(keys, "quote("+expression(d)+")"), append(group, expression(d))
	}
	where, args := u.where(q)
	sums := `group_concat(TOKENS, ' '), group_concat(OVERDRAFT, ' '), group_concat(CASE KIND WHEN 'DENIAL' THEN '0' ELSE COUNT END, ' '),
		group_concat(NULLIF(MONEY, ''), ' '), SUM(REQUESTS), SUM(KIND = 'DENIAL'), COUNT(DISTINCT CONSUMER_TYPE || char(31) || CONSUMER_ID)`
	if money {
		group, keys, where = append(group, "CURRENCY"), append(keys, "CURRENCY"), where+" AND CURRENCY <> ''"
	}
	query := "SELECT " + strings.Join(keys, " || ' ' || ") + ", " + sums + " FROM " + from + " WHERE " + where
	if len(group) > 0 {
		query += " GROUP BY " + strings.Join(group, ", ")
	} else {
		query += " HAVING COUNT(*) > 0"
	}
	result, err := u.db.Query(query, args...)
	if err != nil {
		u.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = result.Close() }()
	var all []string
	for result.Next() {
		var key, tokens, overdraft, count string
		var paid sql.NullString
		var requests, denials, requesters int64
		if err := result.Scan(&key, &tokens, &overdraft, &count, &paid, &requests, &denials, &requesters); err != nil {
			u.Fatal(err)
		}
		switch {
		case money:
			all = append(all, key+" "+sum(paid.String))
		default:
			if !q.Distinct {
				requesters = 0
			}
			all = append(all, fmt.Sprint(key, ": ", sum(tokens), " ", sum(overdraft), " ", sum(count), " ", requests, " ", denials, " ", requesters))
		}
	}
	if err := result.Err(); err != nil {
		u.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func (u *sqlUsage) where(q *usage.Query) (text string, args []any) {
	text, args = "MS >= ?", append(args, q.FromMS)
	if q.ToMS != 0 {
		text, args = text+" AND MS < ?", append(args, q.ToMS)
	}
	for _, m := range q.Where {
		is := expression(m.Dimension)
		any := "0"
		for _, v := range m.Values {
			if v.None {
				any += " OR " + is + " IS NULL"
			} else {
				any, args = any+" OR "+is+" = ?", append(args, v.Text)
			}
		}
		text += " AND (" + any + ")"
	}
	return text, args
}

// sum adds decimals up.
func sum(list string) string {
	total := new(big.Rat)
	for text := range strings.FieldsSeq(list) {
		one, _ := new(big.Rat).SetString(text)
		total.Add(total, one)
	}
	return total.FloatString(12)
}

// reported are the rows of a report, in the words of sqlUsage.rows.
func reported(q *usage.Query, r *usage.Report) (rows, money []string) {
	for i := range r.Rows {
		row := &r.Rows[i]
		key := fmt.Sprint(row.FromMS, " ", row.ToMS)
		for _, v := range row.By {
			if v.None {
				key += " NULL"
			} else {
				key += " '" + strings.ReplaceAll(v.Text, "'", "''") + "'"
			}
		}
		exact := func(a token.Amount) string { return sum(a.String()) }
		rows = append(rows, fmt.Sprint(key, ": ", exact(row.Tokens), " ", exact(row.Overdraft), " ", exact(row.Count), " ", row.Requests, " ", row.Denials, " ", row.Requesters))
		for _, m := range row.Money {
			money = append(money, key+" "+m.Currency+" "+exact(m.Amount))
		}
	}
	slices.Sort(rows)
	slices.Sort(money)
	return rows, money
}
