package audit

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// The decision alone, without engine and store, is compared with the twin's over many more books than a store would bear.
func TestDecisionsAgreeWithTwin(t *testing.T) {
	for i := range 30 {
		t.Run(fmt.Sprint(i), func(t *testing.T) { check(t, decisions) })
	}
}

func decisions(t *rapid.T) {
	w := NewTwin(dawn)
	w.Instances["A"] = true
	w.SetTolerant(rapid.Bool().Draw(t, "tolerant"))
	book := &ledger.Book{InstanceID: "A"}
	var tables []*rate.Table
	for n := range rapid.IntRange(1, 5).Draw(t, "tables") {
		table := anyTable().Draw(t, "table")
		table.Version = fmt.Sprint(n)
		w.AddTable(table)
		real := table.real()
		real.Serial = int64(n)
		tables = append(tables, real)
	}
	for range rapid.IntRange(0, 5).Draw(t, "line items") {
		l := anyLineItem([]string{"A"}).Draw(t, "line item")
		if _, twice := w.LineItem(l.ID); twice {
			continue
		}
		l.State = deployed
		w.Put(l)
		w.Used[l.ID] = smaller(R(anyCount.Draw(t, "used")), whole(l.Quantity+l.Limit))
		real := l.real()
		real.Used = amount(w.Used[l.ID])
		book.LineItems = append(book.LineItems, &real)
	}
	book.Sort()
	prices := &ledger.Prices{Catalog: rate.NewCatalog(tables), NowMS: dawn, Tolerant: w.tolerant}
	for range 4 {
		oneDecision(t, w, book, prices)
	}
}

func oneDecision(t *rapid.T, w *Twin, book *ledger.Book, prices *ledger.Prices) {
	request := anyRequest([]string{"A"}).Draw(t, "request")
	before := map[string]string{}
	for _, l := range book.LineItems {
		before[l.ActivationID] = l.Used.String()
	}
	real := request.real()
	receipt := usage.NewReceipt("id", dawn, book, real, access.Decide(book, prices, nil, real))
	got := answerOf(receipt)
	first := len(w.Events)
	want, _, _ := w.Charge(request, "", "", got)
	if answerText(got) != answerText(want) {
		t.Fatalf("%s\nwith %v used the answer to %s is\n%s\nwant\n%s", w, before, request.String(), answerText(got), answerText(want))
	}
	events := receipt.Events(nil)
	if len(events) != len(w.Events)-first {
		t.Fatalf("%d events, want %d", len(events), len(w.Events)-first)
	}
	for i := range events {
		e := eventOf(&events[i])
		if got, want := eventText(&e), eventText(&w.Events[first+i]); got != want {
			t.Fatalf("event %d is\n%s\nwant\n%s", i, got, want)
		}
	}
	for _, l := range book.LineItems {
		if !same(rat(l.Used), useOf(w.Used, l.ActivationID)) {
			t.Fatalf("%s of %s is used, want %s", l.Used, l.ActivationID, text(w.Used[l.ActivationID]))
		}
	}
}

// At the ends of the range amounts must neither overflow nor grow past what the books can keep.
func TestDecisionsAgreeWithTwinAtTheEndsOfTheRange(t *testing.T) {
	const maxInt64 = 1<<63 - 1
	anyHuge := rapid.SampledFrom([]string{"9999999999999999999", "9999999999999999999.999999999999", "5000000000000000000", "1", "0.000000000001"})
	check(t, func(t *rapid.T) {
		w := NewTwin(dawn)
		w.Instances["A"] = true
		book := &ledger.Book{InstanceID: "A"}
		var tables []*rate.Table
		for _, series := range []string{"", "s", "t"} {
			table := &Table{Series: series, Version: "1", From: dawn, Rates: map[[2]string]*big.Rat{{"x", ""}: R(anyHuge.Draw(t, "rate"))}}
			w.AddTable(table)
			tables = append(tables, table.real())
		}
		for _, id := range []string{"a", "b", "c", "d"} {
			l := anyLineItem([]string{"A"}).Draw(t, "line item")
			l.ID, l.State, l.Start, l.Elastic = id, deployed, dawn-1, true
			l.Quantity = rapid.SampledFrom([]int64{maxInt64, maxInt64 - 1, 1}).Draw(t, "quantity")
			l.Limit = rapid.SampledFrom([]int64{maxInt64, 1, 0}).Draw(t, "limit")
			w.Put(l)
			real := l.real()
			book.LineItems = append(book.LineItems, &real)
		}
		book.Sort()
		prices := &ledger.Prices{Catalog: rate.NewCatalog(tables), NowMS: dawn}
		for range 8 {
			request := Request{Instance: "A"}
			for range rapid.IntRange(1, 3).Draw(t, "items") {
				request.Items = append(request.Items, Ask{Item: "x", Count: R(anyHuge.Draw(t, "count")), Partial: rapid.Bool().Draw(t, "partial")})
			}
			real := request.real()
			receipt := usage.NewReceipt("id", dawn, book, real, access.Decide(book, prices, nil, real))
			got := answerOf(receipt)
			if want, _, _ := w.Charge(request, "", "", got); answerText(got) != answerText(want) {
				t.Fatalf("the answer to %s is\n%s\nwant\n%s", request.String(), answerText(got), answerText(want))
			}
			fits(t, receipt)
		}
	})
}

// fits fails when a receipt has an amount that the books cannot read back.
func fits(t *rapid.T, r *usage.Receipt) {
	for _, item := range r.Items {
		amounts := []token.Amount{item.Count, item.Tokens}
		for _, s := range item.Slices {
			amounts = append(amounts, s.Rate, s.Tokens, s.Overdraft, s.Used)
		}
		for _, a := range amounts {
			if _, err := token.Parse(a.String()); err != nil {
				t.Fatalf("%s is in a receipt, which %v", a, err)
			}
		}
	}
}
