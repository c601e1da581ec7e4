package usage

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// decided returns the receipt of a request for items called after their price, on line items of the series "", "s", "t" in turn,
// where an item costs its price, twice and three times its price.
func decided(lineItems []*ledger.LineItem, allOrNothing bool, asks ...ledger.Ask) *Receipt {
	book := &ledger.Book{InstanceID: "A", AccountID: "account", LineItems: lineItems}
	series := []string{"", "s", "t"}
	var tables []*rate.Table
	for i, name := range series {
		table := &rate.Table{Series: name, Version: "v" + fmt.Sprint(i+1), Serial: int64(i)}
		for _, price := range []string{"0.000003", "0.3", "1", "3", "7"} {
			table.Items = append(table.Items, rate.Item{Name: price, Rate: token.MulHalfEven(token.MustParse(price), token.FromInt(int64(i+1)))})
		}
		tables = append(tables, table)
	}
	for i, l := range lineItems {
		l.State, l.Elastic, l.EndMS, l.Series, l.Number = ledger.Deployed, true, 1000, series[i%3], int64(i+1)
	}
	request := &access.Request{Requester: access.Requester{Type: "USER", Value: "u"}, AllOrNothing: allOrNothing}
	for _, ask := range asks {
		request.Items = append(request.Items, access.Item{Ask: ask, MetaData: jsontext.Value(`{"n":1}`)})
	}
	prices := &ledger.Prices{Catalog: rate.NewCatalog(tables), NowMS: 5}
	return NewReceipt("id", 5, book, request, access.Decide(book, prices, newStandings()(&request.Requester), request))
}

func ask(item, count string) ledger.Ask { return ledger.Ask{Item: item, Count: token.MustParse(count)} }

// Several items that one line item pays must each show the use as it was after them, not as it is after all.
func TestReceiptShowsUseAfterEachSlice(t *testing.T) {
	a := &ledger.LineItem{ActivationID: "a", Quantity: 10, Used: token.FromInt(2), Overdraft: ledger.NumberOverdraft, OverdraftLimit: 4}
	b := &ledger.LineItem{ActivationID: "b", Quantity: 4}
	b.Series = ""
	r := decided([]*ledger.LineItem{a, {ActivationID: "none"}, {ActivationID: "no"}, b}, false,
		ask("1", "3"), ask("1", "100"), ask("1", "6"), ask("missing", "1"), ask("1", "4"))
	var got []string
	for _, item := range r.Items {
		line := fmt.Sprintf("%s %s:", item.Status, item.Tokens)
		for _, s := range item.Slices {
			line += fmt.Sprintf(" %s %s(%s) used %s of %d", s.ActivationID, s.Tokens, s.Overdraft, s.Used, s.Quantity)
		}
		got = append(got, line)
	}
	want := []string{
		"101 3: a 3(0) used 5 of 10",
		"306 0:",
		"101 6: a 5(0) used 10 of 10 b 1(0) used 1 of 4",
		"201 0:",
		"101 4: b 3(0) used 4 of 4 a 1(1) used 11 of 10",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if a.Used.String() != "11" || b.Used.String() != "4" {
		t.Errorf("the books have %s and %s used", a.Used, b.Used)
	}
}

func TestReceiptOfAllOrNothing(t *testing.T) {
	a := &ledger.LineItem{ActivationID: "a", Quantity: 10, Used: token.FromInt(2)}
	r := decided([]*ledger.LineItem{a}, true, ask("1", "3"), ask("1", "3"), ask("1", "3"))
	for i, item := range r.Items {
		want := ledger.NoStatus
		if i == 2 {
			want = ledger.Insufficient
		}
		if item.Status != want || len(item.Slices) != 0 || !item.Tokens.IsZero() {
			t.Errorf("item %d is %+v", i, item)
		}
	}
	for _, e := range r.Events(nil) {
		if e.Kind != Denial || !e.Tokens.IsZero() || e.ActivationID != "" {
			t.Errorf("event %+v", e)
		}
	}
	if a.Used.String() != "2" {
		t.Errorf("%s is used, want 2", a.Used)
	}
}

func exact(a token.Amount) *big.Rat {
	r, _ := new(big.Rat).SetString(a.String())
	return r
}

// The counts of an item's events add up to its count, and each is what its tokens buy.
func TestEventsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lineItems []*ledger.LineItem
		for i := range rapid.IntRange(1, 7).Draw(t, "line items") {
			l := &ledger.LineItem{ActivationID: fmt.Sprint(i), Quantity: rapid.Int64Range(1, 20).Draw(t, "quantity")}
			l.Used = token.MustParse(rapid.StringMatching(`[0-9]\.[0-9]{0,11}[1-9]`).Draw(t, "used"))
			if rapid.Bool().Draw(t, "overdraft") {
				l.Overdraft, l.OverdraftLimit = ledger.NumberOverdraft, 5
			}
			lineItems = append(lineItems, l)
		}
		var asks []ledger.Ask
		for range rapid.IntRange(1, 4).Draw(t, "items") {
			a := ask(rapid.SampledFrom([]string{"0.000003", "0.3", "1", "3", "7"}).Draw(t, "item"), rapid.StringMatching(`[0-9]\.[0-9]{0,11}[1-9]`).Draw(t, "count"))
			a.AllowPartial = rapid.Bool().Draw(t, "partial")
			asks = append(asks, a)
		}
		r := decided(lineItems, false, asks...)
		events := r.Events(nil)
		for i, e := range events {
			if e.ID != fmt.Sprintf("id.%d", i) {
				t.Fatalf("event %d has the id %s", i, e.ID)
			}
		}
		for i := range r.Items {
			item := &r.Items[i]
			of := events[:max(1, len(item.Slices))]
			events = events[len(of):]
			addUp(t, item, of)
		}
		if len(events) > 0 {
			t.Fatalf("%d events too many", len(events))
		}
	})
}

func addUp(t *rapid.T, item *Item, events []Event) {
	var count, tokens token.Amount
	for i := range events {
		e := &events[i]
		count, tokens = count.Add(e.Count), tokens.Add(e.Tokens)
		if e.Count.Sign() < 0 || e.Tokens.Less(e.Overdraft) {
			t.Fatalf("event %+v", e)
		}
		// A split's roundings are less than a millionth of a count, at rates from 0.000003 on.
		off := new(big.Rat).Sub(new(big.Rat).Mul(exact(e.Count), exact(e.Rate)), exact(e.Tokens))
		slack := new(big.Rat).Mul(exact(e.Rate), big.NewRat(1, 100_000))
		if item.Status == ledger.Granted && off.Abs(off).Cmp(slack.Add(slack, big.NewRat(1, 1_000_000_000_000))) > 0 {
			t.Fatalf("count %s at %s for %s tokens", e.Count, e.Rate, e.Tokens)
		}
	}
	if !count.Equal(item.Count) || !tokens.Equal(item.Tokens) {
		t.Fatalf("the events add up to count %s and %s tokens, the item has %s and %s", count, tokens, item.Count, item.Tokens)
	}
}

func TestEventOfEachSlice(t *testing.T) {
	a := &ledger.LineItem{ActivationID: "a", Quantity: 10, Used: token.FromInt(8)}
	b := &ledger.LineItem{
		ActivationID: "b", Quantity: 20, Overdraft: ledger.UnlimitedOverdraft, Used: token.FromInt(19),
		UnitPrice: token.MustParse("0.000000000001"), Currency: "EUR",
	}
	r := decided([]*ledger.LineItem{a, b}, false, ask("1", "5"), ask("missing", "2"))
	r.Source = &Source{Address: "203.0.113.0/24", UserAgent: "app/1"}
	base := Event{
		Source:        r.Source,
		CorrelationID: "id", UsageTimeMS: 5, WriteTimeMS: 5, AccountID: "account", InstanceID: "A", MetaData: jsontext.Value(`{"n":1}`),
		Requester: access.Requester{Type: "USER", Value: "u"},
	}
	first, second, denial := base, base, base
	first.ID, first.Kind, first.Status, first.ActivationID, first.LineItem, first.Item = "id.0", Charge, ledger.Granted, "a", 1, "1"
	first.Count, first.Rate, first.Tokens = token.FromInt(2), token.FromInt(1), token.FromInt(2)
	first.EntitledCount, first.Used, first.RateTableVersion = 10, token.FromInt(10), "v1"
	first.Balance.Used, first.Requests = first.Used, 1
	second.ID, second.Kind, second.Status, second.ActivationID, second.LineItem, second.Item = "id.1", Charge, ledger.Granted, "b", 2, "1"
	second.Count, second.Rate, second.Tokens, second.Overdraft = token.FromInt(3), token.FromInt(2), token.FromInt(6), token.FromInt(5)
	second.EntitledCount, second.Used, second.RateTableVersion, second.RateTableSeries = 20, token.FromInt(25), "v2", "s"
	second.Balance.Used = second.Used
	second.UnitPrice, second.Currency = token.MustParse("0.000000000001"), "EUR"
	denial.ID, denial.Kind, denial.Status, denial.Item, denial.Count = "id.2", Denial, ledger.NotFound, "missing", token.FromInt(2)
	denial.Requests = 1
	amounts := cmp.Comparer(func(x, y token.Amount) bool { return x.Equal(y) })
	kept := Event{ID: "before"}
	got := r.Events([]Event{kept})
	if diff := cmp.Diff([]Event{kept, first, second, denial}, got, amounts); diff != "" {
		t.Errorf("D34 (-want +got)\n%s", diff)
	}
	for i := range got {
		if row := got[i].Row(); len(row) != len(Columns) {
			t.Errorf("a row of %d columns, want %d", len(row), len(Columns))
		}
	}
	if row := strings.Join(got[3].Row(), "|"); row != "id|default|1970-01-01T00:00:00.005Z|1970-01-01T00:00:00.005Z|u|USER|account|A||||missing||2||0|0|DENIAL|201||||{\"n\":1}|||||1|203.0.113.0/24|app/1|||||||" {
		t.Errorf("the row of a denial is %s", row)
	}
}

func TestMoneyIsRoundedEventByEvent(t *testing.T) {
	for _, row := range []struct{ tokens, price, want string }{
		{"2.5", "0.000000000001", "0.000000000002"}, // half to even
		{"3.5", "0.000000000001", "0.000000000004"},
		{"-2.5", "0.000000000001", "-0.000000000002"},
		{"7", "0", "0"},
		{"1.5", "0.04", "0.06"},
	} {
		e := Event{Tokens: token.MustParse(row.tokens), UnitPrice: token.MustParse(row.price), Currency: "EUR"}
		if got := e.Money().String(); got != row.want {
			t.Errorf("%s tokens at %s are %s, want %s", row.tokens, row.price, got, row.want)
		}
	}
}

func TestFilter(t *testing.T) {
	e := &Event{InstanceID: "A", ActivationID: "a", Item: "x", Requester: access.Requester{Type: "T", Value: "V"}, Kind: Charge, UsageTimeMS: 100}
	for _, row := range []struct {
		filter Filter
		want   bool
	}{
		{Filter{}, true},
		{Filter{InstanceIDs: []string{"B", "A"}}, true},
		{Filter{InstanceIDs: []string{"B"}}, false},
		{Filter{InstanceIDs: []string{""}}, false},
		{Filter{ActivationID: "a"}, true},
		{Filter{ActivationID: "b"}, false},
		{Filter{Item: "x"}, true},
		{Filter{Item: "X"}, false},
		{Filter{RequesterType: "T"}, true},
		{Filter{RequesterType: "V"}, false},
		{Filter{RequesterValue: "V"}, true},
		{Filter{RequesterValue: "T"}, false},
		{Filter{Kind: Charge}, true},
		{Filter{Kind: Denial}, false},
		{Filter{FromMS: 100}, true},
		{Filter{FromMS: 101}, false},
		{Filter{ToMS: 101}, true},
		{Filter{ToMS: 100}, false},
		{Filter{FromMS: 100, ToMS: 100}, false},
		{Filter{InstanceIDs: []string{"A"}, ActivationID: "a", Item: "x", RequesterType: "T", RequesterValue: "V", Kind: Charge, FromMS: 100, ToMS: 101}, true},
		{Filter{InstanceIDs: []string{"A"}, ActivationID: "a", Item: "x", RequesterType: "T", RequesterValue: "V", Kind: Denial, FromMS: 100, ToMS: 101}, false},
	} {
		if got := row.filter.Match(e); got != row.want {
			t.Errorf("%+v selects %v", row.filter, got)
		}
		if row.want && !row.filter.MatchReceipt(e.InstanceID, e.UsageTimeMS) {
			t.Errorf("%+v selects an event, but not its receipt", row.filter)
		}
	}
	denial := &Event{InstanceID: "A", Kind: Denial}
	if (&Filter{ActivationID: "a"}).Match(denial) {
		t.Error("a denial, which has no line item, is selected by one")
	}
}

func TestOnceIDs(t *testing.T) {
	ids := map[OnceID]string{}
	for _, scope := range []string{"", "A", "B", "AB"} {
		for _, key := range []string{"k", "A", "Bk", "", "\x00", "\x00k"} {
			id := NewOnceID(scope, key)
			if other, taken := ids[id]; taken {
				t.Errorf("scope %q with key %q has the id of %s", scope, key, other)
			}
			ids[id] = fmt.Sprintf("scope %q with key %q", scope, key)
		}
	}
}

// The books keep receipts as JSON: what is read back must be what was decided.
func TestReceiptJSON(t *testing.T) {
	a := &ledger.LineItem{ActivationID: "a\n\"<&>", Quantity: 1 << 62, Overdraft: ledger.UnlimitedOverdraft, Used: token.MustParse("0.000000000001")}
	r := decided([]*ledger.LineItem{a}, false, ask("0.000003", "0.333333333333"), ask("missing", "9999999999999999999.999999999999"))
	r.Key, r.Fingerprint = "key \\", []byte{0, 255}
	r.Requester.Dictionary = jsontext.Value(`{"a":[1.0,1e400,"\ud83d\ude00"]}`)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	back := new(Receipt)
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("%s\nis read and written as\n%s, %v", text, again, err)
	}
	if bytes.ContainsRune(text, '\n') {
		t.Error("there is a line break in a line")
	}
}

// BenchmarkReceiptJSON is what a commit does for each of its receipts.
func BenchmarkReceiptJSON(b *testing.B) {
	a := &ledger.LineItem{ActivationID: "0192d3e4-f5a6-7b8c-9d0e-1f2a3b4c5d6e", Quantity: 1 << 40}
	r := decided([]*ledger.LineItem{a}, false, ask("0.000003", "4808"))
	r.CorrelationID, r.Key, r.Fingerprint = "01970000-0000-7000-8000-000000000000", "01970000-0000-7000-8000-000000000001", make([]byte, 16)
	r.Items[0].MetaData = jsontext.Value(`{"text":"` + strings.Repeat("metadata ", 32) + `"}`)
	var text []byte
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if text, err = r.AppendJSON(text[:0]); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(text)))
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := json.Unmarshal(text, new(Receipt)); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(text)))
	})
}
