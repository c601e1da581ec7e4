package usage

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/token"
)

// keyed makes events of one token each, with the metadata that fn returns.
func keyed(n int, metaData func(i int) string) []Event {
	events := make([]Event, n)
	for i := range events {
		events[i] = Event{
			Kind: Charge, UsageTimeMS: int64(i), Tokens: token.FromInt(1), Requests: 1, MetaData: jsontext.Value(metaData(i)),
			Requester: access.Requester{Type: "user", Value: "ann"},
		}
	}
	return events
}

// Names of keys come from callers, who may make up new ones for every request: a bucket stays small, and answers for what it knows.
func TestKeysAreBounded(t *testing.T) {
	events := keyed(4096, func(i int) string {
		var b strings.Builder
		fmt.Fprintf(&b, `{"project":"p%d","id":"%d"`, i%5, i)
		for k := range 50 {
			fmt.Fprintf(&b, `,"once-%d-%d":1`, i, k)
		}
		return b.String() + "}"
	})
	few := keyed(4096, func(i int) string { return fmt.Sprintf(`{"project":"p%d","id":"%d","once-7-7":2}`, i%5, i) })
	made := NewBucket(events, Restless)
	merged, err := MergeBuckets([]*Bucket{NewBucket(few, Restless), made, NewBucket(few, Restless)}, Restless)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*Bucket{made, merged} {
		h := &b.Header
		if header, err := json.Marshal(h); err != nil || len(header) > 10_000 {
			t.Errorf("a header of %d bytes, %v", len(header), err)
		}
		size := 0
		for _, data := range b.Columns {
			size += len(data)
		}
		if size > 100*h.Rows {
			t.Errorf("%d bytes of columns for %d events", size, h.Rows)
		}
		if len(h.Keys) > keysMost || !slices.Contains(h.Keys, "metadata.project") {
			t.Errorf("the keys that have a column are %v", h.Keys)
		}
		for _, d := range []Dimension{"metadata.id", "metadata.once-4000-7", "metadata.once-7-7", "metadata.never"} {
			if got := h.Misses(&Query{By: []Dimension{d}}); got != d {
				t.Errorf("of %s a bucket that does not know it says that it misses %q", d, got)
			}
		}
	}
	a := NewAdder(&Query{By: []Dimension{"metadata.project"}})
	if err := a.Add(merged); err != nil {
		t.Fatal(err)
	}
	r, err := a.Report()
	if err != nil || len(r.Rows) != 5 || r.Total.Tokens.String() != "12288" {
		t.Fatalf("the report is %+v, %v", r, err)
	}
}

// A key that most events have is worth a column more than keys that are there by accident.
func TestCommonKeysAreChosen(t *testing.T) {
	b := NewBucket(keyed(2000, func(i int) string { return fmt.Sprintf(`{"project":"p%d","rare%d":1}`, i%300, i%200) }), Restless)
	if !slices.Contains(b.Header.Keys, "metadata.project") || len(b.Header.Keys) != keysMost || len(b.Header.Keys)+len(b.Header.Wide) != 201 || b.Header.Unlisted {
		t.Errorf("%d keys have a column, %d have not: %+v", len(b.Header.Keys), len(b.Header.Wide), b.Header)
	}
}

// What a query has of receipts that it reads itself is what it would have of a bucket with all columns.
func TestBucketsOfQueries(t *testing.T) {
	events := keyed(1000, func(i int) string { return fmt.Sprintf(`{"id":"%d","n":%d,"other":"x"}`, i/2, i%3) })
	q := &Query{By: []Dimension{"metadata.id", ByRequester}, Where: []Match{{"metadata.n", []Value{{Text: "1"}, {None: true}}}}, FromMS: 10}
	b := q.Bucket(events)
	if key := b.Header.Misses(q); key != "" || b.Columns["metadata.other"] != nil || b.Columns[string(ByAccount)] != nil {
		t.Errorf("it misses %q, and has %d columns", key, len(b.Columns))
	}
	a := NewAdder(q)
	if err := a.Add(b); err != nil {
		t.Fatal(err)
	}
	got, err := a.Report()
	if err != nil {
		t.Fatal(err)
	}
	if g, w := reportText(got), reportText(loop(events, q)); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// Many groups at many prices: what there could be of both is far more than there is.
func TestManyGroupsAtManyPrices(t *testing.T) {
	events := keyed(30_000, func(i int) string { return "" })
	for i := range events {
		e := &events[i]
		e.MetaData = nil
		e.Requester.Value, e.Requester.Type = fmt.Sprint("r", i/2), fmt.Sprint("t", i%1000)
		e.UnitPrice, e.Currency = token.MustParse(fmt.Sprintf("0.%06d", 1+i%5000)), []string{"EUR", "USD", "JPY"}[i%3]
	}
	q := &Query{By: []Dimension{ByRequester, ByCurrency}, Distinct: true, Top: 10_000}
	a := NewAdder(q)
	if err := a.Add(NewBucket(events, Restless)); err != nil {
		t.Fatal(err)
	}
	got, err := a.Report()
	if err != nil {
		t.Fatal(err)
	}
	if g, w := reportText(got), reportText(loop(events, q)); g != w {
		t.Errorf("the reports differ: %d and %d bytes", len(g), len(w))
	}
}

// Who asks for more groups than can be told apart is refused while they are counted, not when they are all there.
func TestTooManyGroups(t *testing.T) {
	events := keyed(RowsMost+1, func(int) string { return "" })
	for i := range events {
		events[i].MetaData, events[i].Item = nil, fmt.Sprint(i)
	}
	a := NewAdder(&Query{By: []Dimension{ByItem}})
	if err := a.Add(NewBucket(events, Restless)); err == nil || !strings.Contains(err.Error(), "more than 50000 rows") {
		t.Errorf("got %v", err)
	}
	a = NewAdder(&Query{By: []Dimension{ByItem}, Top: 1})
	for part := range groupsMost/len(events) + 1 {
		for i := range events {
			events[i].Item = fmt.Sprint(part, "/", i)
		}
		err := a.Add(NewBucket(events, Restless))
		if full := part >= groupsMost/len(events); full != (err != nil) || full && !strings.Contains(err.Error(), "too many to choose") {
			t.Fatalf("after %d buckets: %v", part+1, err)
		}
	}
}
