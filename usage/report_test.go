package usage

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // the same everywhere

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// The reports of buckets, however events are cut into them and merged, are those of a plain loop over the events.
func TestReportsAddUpEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		q := drawQuery(t)
		buckets := drawBuckets(t, events)
		adders := []*Adder{NewAdder(q), NewAdder(q)}
		for i, b := range buckets {
			if key := b.Header.Misses(q); key != "" {
				t.Fatalf("a bucket of %d events has no column for %s", b.Header.Rows, key)
			}
			columns := map[string][]byte{}
			for _, name := range q.Columns() { // and no others
				if data := b.Columns[name]; data != nil {
					columns[name] = data
				}
			}
			if err := adders[i%2].Add(&Bucket{Header: b.Header, Columns: columns}); err != nil {
				t.Fatal(err)
			}
		}
		adders[0].Merge(adders[1])
		got, err := adders[0].Report()
		if err != nil {
			t.Fatal(err)
		}
		want := loop(events, q)
		if g, w := reportText(got), reportText(want); g != w {
			t.Fatalf("query %+v\ngot\n%s\nwant\n%s", *q, g, w)
		}
	})
}

var someZones = []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Asuncion"}

func drawEvents(t *rapid.T) []Event {
	price := rapid.SampledFrom([]string{"0", "0.5", "0.000000000001", "9999999999999999999.999999999999"})
	tokens := rapid.SampledFrom([]string{"0", "1", "2.5", "0.000003", "1000000", "9999999999999999999", "0.000000000001", "-4.25"})
	text := func(all ...string) string { return rapid.SampledFrom(all).Draw(t, "text") }
	events := make([]Event, rapid.IntRange(0, 60).Draw(t, "events"))
	// Around a change of clocks, a month's end and a year's end.
	base := rapid.SampledFrom([]int64{1774746000000, 1792976400000, 1767220000000, 1775311200000, 1796000000000}).Draw(t, "base")
	for i := range events {
		e := &events[i]
		base += rapid.Int64Range(-400_000, 9_000_000).Draw(t, "later")
		e.UsageTimeMS = base
		e.AccountID, e.InstanceID, e.Item, e.ItemVersion = text("A", "B"), text("a", "b", "c"), text("x", "y", "z"), text("", "", "1")
		e.Requester = access.Requester{Type: text("user", "node"), Value: text("ann", "bob", "eve")}
		e.Kind, e.Status = Kind(text("CHARGE", "CHARGE", "REFUND", "DENIAL", "AUTOMATIC_CHARGE")), ledger.Granted
		e.Requests = rapid.IntRange(0, 1).Draw(t, "requests")
		e.Count = token.MustParse(tokens.Draw(t, "count"))
		if e.Kind != Denial {
			e.ActivationID, e.Tokens, e.Overdraft = text("L1", "L2"), token.MustParse(tokens.Draw(t, "tokens")), token.MustParse(tokens.Draw(t, "overdraft"))
			e.RateTableSeries, e.LineItemKind = text("", "s"), ledger.Kind(text("", "FREE"))
			if e.UnitPrice = token.MustParse(price.Draw(t, "price")); !e.UnitPrice.IsZero() {
				e.Currency = text("EUR", "USD")
			}
		}
		if text("", "s") != "" {
			e.Source = &Source{Address: text("", "192.0.2.0/24"), UserAgent: text("", "app/1")}
		}
		e.MetaData = jsontext.Value(text("", `{}`, `{"project":"p"}`, `{"project":"q","n":1}`, `{"project":"","n":1.0}`, `{"project":null}`, `{"project":[1, 2]}`, `{"n":true}`))
		e.Requester.Dictionary = jsontext.Value(text("", `{"department":"film"}`, `{"department":"1"}`, `{"department":1}`))
		if len(e.MetaData) == 0 {
			e.MetaData = nil
		}
		if len(e.Requester.Dictionary) == 0 {
			e.Requester.Dictionary = nil
		}
	}
	return events
}

func drawQuery(t *rapid.T) *Query {
	all := append(slices.Clone(Dimensions), "metadata.project", "metadata.n", "dictionary.department", "metadata.never")
	q := &Query{
		Interval: rapid.SampledFrom(append([]Interval{""}, Intervals...)).Draw(t, "interval"),
		By:       rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, DimensionsMost, rapid.ID).Draw(t, "by"),
		Distinct: rapid.Bool().Draw(t, "distinct"),
	}
	if len(q.By) > 0 {
		q.Top = rapid.IntRange(0, 3).Draw(t, "top")
	}
	q.Zone, _ = time.LoadLocation(rapid.SampledFrom(someZones).Draw(t, "zone"))
	if rapid.Bool().Draw(t, "bounded") {
		q.FromMS = rapid.Int64Range(1767000000000, 1797000000000).Draw(t, "from")
		q.ToMS = q.FromMS + rapid.Int64Range(1, 20_000_000_000).Draw(t, "length")
	}
	for range rapid.IntRange(0, 2).Draw(t, "matches") {
		m := Match{Dimension: rapid.SampledFrom(all).Draw(t, "where")}
		for range rapid.IntRange(1, 2).Draw(t, "values") {
			m.Values = append(m.Values, rapid.SampledFrom([]Value{{Text: "a"}, {Text: "x"}, {Text: "user"}, {Text: "p"}, {Text: "1"}, {Text: ""}, {None: true}, {Text: "CHARGE"}}).Draw(t, "value"))
		}
		q.Where = append(q.Where, m)
	}
	return q
}

// drawBuckets cuts events into buckets, and merges some of those.
func drawBuckets(t *rapid.T, events []Event) (all []*Bucket) {
	for len(events) > 0 {
		n := rapid.IntRange(1, len(events)).Draw(t, "rows")
		all = append(all, NewBucket(events[:n], Restless))
		events = events[n:]
	}
	for len(all) > 1 && rapid.Bool().Draw(t, "merge") {
		at := rapid.IntRange(0, len(all)-2).Draw(t, "at")
		n := rapid.IntRange(2, len(all)-at).Draw(t, "parts")
		m, err := MergeBuckets(all[at:at+n], Restless)
		if err != nil {
			t.Fatal(err)
		}
		all = slices.Replace(all, at, at+n, m)
	}
	return all
}

// valueOf is an event's value in a dimension, found the slow way.
func valueOf(e *Event, d Dimension) Value {
	if !d.isKey() {
		return d.fieldOf(e)
	}
	found := Value{None: true}
	keysOf(e, func(key Dimension, text []byte) {
		if key == d {
			found = Value{Text: string(text)}
		}
	})
	return found
}

// loop answers a query the plain way.
func loop(events []Event, q *Query) *Report {
	type key struct {
		from int64
		by   string
	}
	rows, sets := map[key]*Row{}, map[key]map[string]bool{}
	byTokens, byRequests, named := map[string]token.Amount{}, map[string]int64{}, map[string][]Value{}
	var selected []*Event
	for i := range events {
		e := &events[i]
		wanted := e.UsageTimeMS >= q.FromMS && (q.ToMS == 0 || e.UsageTimeMS < q.ToMS)
		for _, m := range q.Where {
			wanted = wanted && slices.Contains(m.Values, valueOf(e, m.Dimension))
		}
		if wanted {
			selected = append(selected, e)
		}
	}
	group := func(e *Event) (string, []Value) {
		var by []Value
		for _, d := range q.By {
			by = append(by, valueOf(e, d))
		}
		return fmt.Sprintf("%q", by), by
	}
	for _, e := range selected {
		name, by := group(e)
		byTokens[name], named[name] = byTokens[name].Add(e.Tokens), by
		byRequests[name] += int64(e.Requests)
	}
	names := make([]string, 0, len(named))
	for name := range named {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(byTokens[y].Cmp(byTokens[x]), cmp.Compare(byRequests[y], byRequests[x]), slices.CompareFunc(named[x], named[y], compareValues))
	})
	total, everybody := Row{}, map[string]bool{}
	for _, e := range selected {
		name, by := group(e)
		s := q.spanOf(e.UsageTimeMS)
		other := q.Top > 0 && slices.Index(names, name) >= q.Top
		if other {
			name, by = "other", nil
		}
		k := key{s.fromMS, name}
		if rows[k] == nil {
			rows[k], sets[k] = &Row{FromMS: s.fromMS, ToMS: s.toMS, By: by, Other: other}, map[string]bool{}
		}
		who := e.Requester.Type + "/" + e.Requester.Value
		for _, r := range []*Row{rows[k], &total} {
			g := &group1{&r.Sums}
			g.add(e)
		}
		sets[k][who], everybody[who] = true, true
	}
	report := &Report{Total: total.Sums}
	for k, r := range rows {
		if q.Distinct {
			r.Requesters = int64(len(sets[k]))
		}
		report.Rows = append(report.Rows, *r)
	}
	if q.Distinct {
		report.Total.Requesters = int64(len(everybody))
	}
	slices.SortFunc(report.Rows, compareRows)
	return report
}

type group1 struct{ *Sums }

func (g *group1) add(e *Event) {
	g.Tokens, g.Overdraft = g.Tokens.Add(e.Tokens), g.Overdraft.Add(e.Overdraft)
	g.Requests += int64(e.Requests)
	if e.Kind == Denial {
		g.Denials++
	} else {
		g.Count = g.Count.Add(e.Count)
	}
	if e.Currency == "" {
		return
	}
	for i := range g.Money {
		if g.Money[i].Currency == e.Currency {
			g.Money[i].Amount = g.Money[i].Amount.Add(e.Money())
			return
		}
	}
	g.Money = append(g.Money, Money{e.Currency, e.Money()})
	slices.SortFunc(g.Money, func(x, y Money) int { return cmp.Compare(x.Currency, y.Currency) })
}

func reportText(r *Report) (text string) {
	for _, row := range append(slices.Clone(r.Rows), Row{Sums: r.Total}) {
		text += fmt.Sprintf("%d-%d %q %v: %v %v %v", row.FromMS, row.ToMS, row.By, row.Other, row.Tokens, row.Overdraft, row.Count)
		for _, m := range row.Money {
			text += " " + m.Currency + " " + m.Amount.String()
		}
		text += fmt.Sprintln("", row.Requests, row.Denials, row.Requesters)
	}
	return text
}

// Rows tell of events what their columns have, and a filter selects the same of both.
func TestRowsAreEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		for i := range events {
			if events[i].Kind != Denial && rapid.Bool().Draw(t, "recurs") {
				events[i].ResetMS = 1767000000000
				events[i].Balance.ResetMS = events[i].ResetMS + rapid.Int64Range(0, 5).Draw(t, "later")
			}
			events[i].RateTableVersion = rapid.SampledFrom([]string{"", "1"}).Draw(t, "version")
		}
		filter := &Filter{InstanceIDs: rapid.SampledFrom([][]string{nil, {"a"}, {"b", "c"}, {"nobody"}}).Draw(t, "instances"), Kind: Kind(rapid.SampledFrom([]string{"", "CHARGE"}).Draw(t, "kind"))}
		if rapid.Bool().Draw(t, "bounded") {
			filter.FromMS = rapid.Int64Range(1767000000000, 1797000000000).Draw(t, "from")
			filter.ToMS = filter.FromMS + rapid.Int64Range(1, 20_000_000_000).Draw(t, "length")
		}
		row := func(e *Event) string {
			address, agent := "", ""
			if e.Source != nil {
				address, agent = e.Source.Address, e.Source.UserAgent
			}
			count := e.Count
			if e.Kind == Denial {
				count = token.Amount{} // what was denied was not used
			}
			return fmt.Sprintln(e.AccountID, e.InstanceID, e.ActivationID, e.lineItemKind(), e.Item, e.ItemVersion, e.Requester.Type, e.Requester.Value, e.Kind, e.Status,
				e.RateTableSeries, e.RateTableVersion, e.Currency, e.UnitPrice, address, agent, e.UsageTimeMS, e.Tokens, e.Overdraft, count, e.Requests, e.ResetMS, e.Balance.ResetMS)
		}
		var got, want string
		for i := range events {
			if filter.Match(&events[i]) {
				want += row(&events[i])
			}
		}
		for _, b := range drawBuckets(t, events) {
			if err := b.EachRow(filter, func(e *Event) { got += row(e) }); err != nil {
				t.Fatal(err)
			}
		}
		if got != want {
			t.Fatalf("filter %+v\ngot\n%s\nwant\n%s", *filter, got, want)
		}
	})
}
