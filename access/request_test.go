package access

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// world is a book of line items of 10 tokens each, named "a", "b" ..., and an item "x" that costs 1.
func world(lineItems int) (*ledger.Book, *ledger.Prices) {
	book := &ledger.Book{InstanceID: "A"}
	for i := range lineItems {
		book.LineItems = append(book.LineItems, &ledger.LineItem{
			ActivationID: string(rune('a' + i)), State: ledger.Deployed, Elastic: true, Quantity: 10, EndMS: 1000,
		})
	}
	catalog := rate.NewCatalog([]*rate.Table{{Version: "1", Items: []rate.Item{{Name: "x", Rate: token.FromInt(1)}}}})
	return book, &ledger.Prices{Catalog: catalog}
}

func request(counts ...string) *Request {
	r := &Request{Requester: Requester{Type: "USER", Value: "somebody"}}
	for _, count := range counts {
		name := "x"
		if rest, missing := strings.CutPrefix(count, "missing "); missing {
			name, count = "missing", rest
		}
		r.Items = append(r.Items, Item{Ask: ledger.Ask{Item: name, Count: token.MustParse(count)}})
	}
	return r
}

func standing() *ledger.Standing {
	return ledger.NewStanding(ledger.RequesterKey{InstanceID: "A", Type: "USER", Value: "somebody"})
}

// text writes outcomes such as "101 3: a 1 b 2".
func text(outcomes []ledger.Outcome) (lines []string) {
	for _, o := range outcomes {
		line := fmt.Sprintf("%s %s:", o.Status, o.Tokens)
		for _, s := range o.Slices {
			line += fmt.Sprintf(" %s %s", s.LineItem.ActivationID, s.Tokens)
		}
		lines = append(lines, line)
	}
	return lines
}

func used(book *ledger.Book) (all []string) {
	for _, l := range book.LineItems {
		all = append(all, l.Used.String())
	}
	return all
}

func TestDecideInOrder(t *testing.T) {
	for _, row := range []struct {
		rule    string
		request *Request
		want    []string
		used    []string
	}{
		{"each item sees what those before have taken", request("8", "8", "8"), []string{"101 8: a 8", "101 8: a 2 b 6", "306 0:"}, []string{"10", "6"}},
		{"a denied item takes nothing from later ones", request("8", "20", "12"), []string{"101 8: a 8", "306 0:", "101 12: a 2 b 10"}, []string{"10", "10"}},
		{"D7: the same item twice is two requests", request("1", "1"), []string{"101 1: a 1", "101 1: a 1"}, []string{"2", "0"}},
		{"an item that is not priced", request("1", "missing 1", "1"), []string{"101 1: a 1", "201 0:", "101 1: a 1"}, []string{"2", "0"}},
	} {
		t.Run(row.rule, func(t *testing.T) {
			book, prices := world(2)
			if diff := cmp.Diff(row.want, text(Decide(book, prices, standing(), row.request))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(row.used, used(book)); diff != "" {
				t.Errorf("used (-want +got)\n%s", diff)
			}
		})
	}
}

func TestDecideAllOrNothing(t *testing.T) {
	for _, row := range []struct {
		rule    string
		request *Request
		want    []string
		used    []string
	}{
		{"all", request("8", "12"), []string{"101 8: a 8", "101 12: a 2 b 10"}, []string{"10", "10"}},
		{"the last is not covered", request("8", "8", "8"), []string{"102 0:", "102 0:", "306 0:"}, []string{"0", "0"}},
		{"the first is not covered", request("21", "8"), []string{"306 0:", "102 0:"}, []string{"0", "0"}},
		{"each denial has its own reason", request("21", "missing 1", "8"), []string{"306 0:", "201 0:", "102 0:"}, []string{"0", "0"}},
	} {
		t.Run(row.rule, func(t *testing.T) {
			book, prices := world(2)
			row.request.AllOrNothing = true
			outcomes := Decide(book, prices, standing(), row.request)
			if diff := cmp.Diff(row.want, text(outcomes)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(row.used, used(book)); diff != "" {
				t.Errorf("used (-want +got)\n%s", diff)
			}
			for i, o := range outcomes {
				if !o.Count.Equal(row.request.Items[i].Count) {
					t.Errorf("item %d has count %s, want as asked", i, o.Count)
				}
			}
		})
	}
}

// Outcomes share one array of slices while there is room in it. None may write over another's.
func TestOutcomesKeepTheirSlices(t *testing.T) {
	for _, lineItems := range []int{1, 2, 5, 20} {
		together, prices := world(lineItems)
		apart, _ := world(lineItems)
		var counts []string
		for i := range 30 {
			counts = append(counts, []string{"7", "0.5", "300", "missing 1", "25", "1"}[i%6])
		}
		r := request(counts...)
		for i := range r.Items {
			r.Items[i].AllowPartial = i%6 == 2 && i > 12
		}
		var want []ledger.Outcome
		for i := range r.Items {
			o := ledger.Decide(apart, prices, &ledger.Who{Standing: standing()}, r.Items[i].Ask, nil)
			o.Apply()
			want = append(want, o)
		}
		if diff := cmp.Diff(text(want), text(Decide(together, prices, standing(), r))); diff != "" {
			t.Errorf("%d line items (-one by one +together)\n%s", lineItems, diff)
		}
		if diff := cmp.Diff(used(apart), used(together)); diff != "" {
			t.Errorf("%d line items: used (-one by one +together)\n%s", lineItems, diff)
		}
	}
}

func TestValidateRequest(t *testing.T) {
	long := strings.Repeat("x", 256+1)
	object := func(length int) jsontext.Value {
		return jsontext.Value(`{"x":"` + strings.Repeat("x", length-8) + `"}`)
	}
	for _, row := range []struct {
		field  string // empty: fine
		change func(*Request)
	}{
		{"", func(*Request) {}},
		{"", func(r *Request) { r.Requester.Dictionary, r.Items[1].MetaData = object(JSONBytes), object(JSONBytes) }},
		{"", func(r *Request) { r.Items[1].Item, r.Items[1].Version = long[1:], long[1:] }},
		{"", func(r *Request) { r.Items = make([]Item, ItemsMost); fill(r.Items) }},
		{"requester.type", func(r *Request) { r.Requester.Type = "" }},
		{"requester.type", func(r *Request) { r.Requester.Type = long }},
		{"requester.value", func(r *Request) { r.Requester.Value = "" }},
		{"requester.value", func(r *Request) { r.Requester.Value = long }},
		{"requester.dictionary", func(r *Request) { r.Requester.Dictionary = jsontext.Value(`[]`) }},
		{"requester.dictionary", func(r *Request) { r.Requester.Dictionary = object(JSONBytes + 1) }},
		{"requestedItems", func(r *Request) { r.Items = nil }},
		{"requestedItems", func(r *Request) { r.Items = make([]Item, ItemsMost+1); fill(r.Items) }},
		{"requestedItems[1].item", func(r *Request) { r.Items[1].Item = "" }},
		{"requestedItems[1].item", func(r *Request) { r.Items[1].Item = long }},
		{"requestedItems[1].version", func(r *Request) { r.Items[1].Version = long }},
		{"requestedItems[1].count", func(r *Request) { r.Items[1].Count = token.Amount{} }},
		{"requestedItems[1].count", func(r *Request) { r.Items[1].Count = token.FromInt(-1) }},
		{"requestedItems[1].metaData", func(r *Request) { r.Items[1].MetaData = jsontext.Value(`"x"`) }},
		{"requestedItems[1].metaData", func(r *Request) { r.Items[1].MetaData = object(JSONBytes + 1) }},
		{"allowPartial", func(r *Request) { r.Items[1].AllowPartial, r.AllOrNothing = true, true }},
	} {
		r := request("1", "2")
		row.change(r)
		err := r.Validate()
		if row.field == "" {
			if err != nil {
				t.Errorf("refused: %v", err)
			}
			continue
		}
		p, ok := err.(*problem.Error)
		if !ok || p.Kind != problem.Invalid || p.Field != row.field {
			t.Errorf("got %v, want a problem of %s", err, row.field)
		}
	}
}

func fill(items []Item) {
	for i := range items {
		items[i].Item, items[i].Count = "x", token.FromInt(1)
	}
}

// However many items a request has, and however many series price each, its formulas are worked out for no longer than a request may take.
func TestFormulasOfARequestAreBoundedTogether(t *testing.T) {
	costly, err := formula.Parse(strings.Repeat("x^0.37+", 25) + "1")
	if err != nil {
		t.Fatal(err)
	}
	book := &ledger.Book{InstanceID: "A"}
	var tables []*rate.Table
	for i := range 50 {
		series := fmt.Sprint("series ", i)
		tables = append(tables, &rate.Table{Series: series, Version: "1", Items: []rate.Item{{Name: "x", Formula: costly}}})
		book.LineItems = append(book.LineItems, &ledger.LineItem{
			ActivationID: series, Number: int64(i), State: ledger.Deployed, Elastic: true, Quantity: 1, EndMS: period.LatestMS, Series: series,
		})
	}
	prices := &ledger.Prices{Catalog: rate.NewCatalog(tables), NowMS: 1}
	request := &Request{Requester: Requester{Type: "user", Value: "u"}}
	variables, err := rate.NewVariables(map[string]token.Amount{"x": token.FromInt(3)})
	if err != nil {
		t.Fatal(err)
	}
	for range ItemsMost {
		request.Items = append(request.Items, Item{Ask: ledger.Ask{Item: "x", Count: token.FromInt(100), Variables: variables}})
	}
	for range 2 { // a new request begins anew, and comes to the same
		statuses := map[ledger.Status]int{}
		for _, o := range Decide(book, prices, nil, request) {
			statuses[o.Status]++
			if o.Status == ledger.NotEvaluated && !strings.Contains(o.Detail, "too costly together") {
				t.Fatalf("an item is denied since %s", o.Detail)
			}
		}
		if n := statuses[ledger.Insufficient]; n == 0 || n > 10 || statuses[ledger.NotEvaluated] != ItemsMost-n {
			t.Errorf("the items came to %v", statuses)
		}
	}
}

// A decision in room that was used before allocates nothing, where line items have no rules and nothing is covered for a while.
func TestDecideInRoomAllocatesNothing(t *testing.T) {
	var room Room
	book, prices := world(2)
	r, who := request("0.001", "0.002"), standing()
	room.Decide(book, prices, who, r)
	if n := testing.AllocsPerRun(100, func() {
		if o := room.Decide(book, prices, who, r); o[1].Status != ledger.Granted {
			t.Fatal(o[1].Status)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
