package ledger

import (
	"fmt"
	"testing"

	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// BenchmarkDecideRuled is 50 line items, all but the last of which give nothing, for the reason that takes longest to find.
func BenchmarkDecideRuled(b *testing.B) {
	for _, row := range []struct {
		name   string
		change func(w *world, l *LineItem, last bool)
	}{
		{"20 actions each", func(w *world, l *LineItem, last bool) {
			for i := range 19 {
				w.rule(fmt.Sprintf("%s deny other%d", l.ActivationID, i))
			}
			if last {
				w.rule(l.ActivationID + " allow - 1000000")
			} else {
				w.rule(l.ActivationID + " deny -")
			}
		}},
		{"limits", func(w *world, l *LineItem, last bool) {
			w.rule(l.ActivationID + " limit 1000000 MONTH")
			if !last {
				l.Limit.Tokens = token.Amount{}
			}
		}},
		{"20 actions each and limits", func(w *world, l *LineItem, last bool) {
			for i := range 19 {
				w.rule(fmt.Sprintf("%s deny other%d", l.ActivationID, i))
			}
			w.rule(l.ActivationID + " allow - 1000000")
			w.rule(l.ActivationID + " limit 1000000 MONTH")
			if !last {
				l.Limit.Tokens = token.Amount{}
			}
		}},
		{"monthly allowances", func(w *world, l *LineItem, last bool) {
			l.StartMS = nowMS - 31*86_400_000
			w.rule(l.ActivationID + " recurs MONTH")
			if !last {
				l.Used = token.FromInt(l.Quantity)
			}
		}},
	} {
		b.Run(row.name, func(b *testing.B) {
			const n = 50
			var lineItems []string
			for i := range n {
				lineItems = append(lineItems, fmt.Sprintf("l%d: 0 of 1000 at 0.000003", i))
			}
			w := newWorld(b, lineItems...)
			w.Conditions = map[string]*Condition{}
			for i, l := range w.LineItems {
				row.change(w, l, i == n-1)
			}
			w.from("u", "sales")
			ask := Ask{Item: "x", Count: token.MustParse("4808")}
			buf := make([]Slice, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				w.matched = nil // as in a request of one item
				if o := Decide(&w.Book, &w.Prices, &w.Who, ask, buf); o.Status != Granted {
					b.Fatal(o.Status)
				}
			}
		})
	}
}

// BenchmarkPrice is the price of one of the items of the longest table there may be.
func BenchmarkPrice(b *testing.B) {
	table := &rate.Table{Version: "1"}
	names := make([]string, rate.ItemsMost)
	for i := range names {
		names[i] = fmt.Sprintf("item-%d", i)
		table.Items = append(table.Items, rate.Item{Name: names[i], Version: "2.0", Rate: token.FromInt(int64(i))})
	}
	catalog := rate.NewCatalog([]*rate.Table{table})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919) % len(names)
		if price, err := catalog.Effective("", nowMS).Item(names[i], "2.0").Price(nil); err != nil || price.Sign() < 0 {
			b.Fatal(err)
		}
	}
}
