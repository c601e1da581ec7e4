package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

func TestPacksAreChecked(t *testing.T) {
	for field, spoil := range map[string]func(*engine.Pack){
		"":                 func(*engine.Pack) {},
		"name":             func(p *engine.Pack) { p.Name = "" },
		"quantity":         func(p *engine.Pack) { p.Quantity = 0 },
		"period":           func(p *engine.Pack) { p.Period = "P1Y" },
		"series":           func(p *engine.Pack) { p.Series = "a\x00" },
		"kind":             func(p *engine.Pack) { p.Kind = "GIFT" },
		"unitPrice":        func(p *engine.Pack) { p.UnitPrice = token.FromInt(-1) },
		"currency":         func(p *engine.Pack) { p.UnitPrice = token.FromInt(1) },
		"resetFrequency":   func(p *engine.Pack) { p.ResetFrequency = "HOUR" },
		"overdraftType":    func(p *engine.Pack) { p.OverdraftType = "Number" },
		"overdraftLimit":   func(p *engine.Pack) { p.OverdraftType = engine.OverdraftNumber },
		"overdraftPercent": func(p *engine.Pack) { p.OverdraftType = engine.OverdraftPercent },
	} {
		p := engine.Pack{Name: "starter", Quantity: 100}
		spoil(&p)
		err := p.Complete()
		got := ""
		if wrong, is := errors.AsType[*problem.Error](err); is {
			got = wrong.Field
		}
		if got != field || (err == nil) != (field == "") {
			t.Errorf("refused for %q (%v), want %q", got, err, field)
		}
	}
	for _, p := range []engine.Pack{
		{Name: "a", Quantity: 1, OverdraftType: engine.OverdraftPercentAtSale, OverdraftPercent: token.FromInt(1)},
		{Name: "b", Quantity: 1, OverdraftType: engine.OverdraftUnlimited, OverdraftLimit: 1},
		{Name: "c", Quantity: 1 << 62, OverdraftType: engine.OverdraftPercent, OverdraftPercent: token.FromInt(300)},
		{Name: "d", Quantity: 1, OverdraftType: engine.OverdraftPercent, OverdraftPercent: token.FromInt(-1)},
	} {
		if err := p.Complete(); problem.KindOf(err) != problem.Invalid {
			t.Errorf("pack %s: %v", p.Name, err)
		}
	}
}

func (w *world) sell(o engine.Order) (l *ledger.LineItem, sold bool, err error) {
	err = w.change("", func(c *engine.Change) error {
		_, l, sold, err = c.Sell(&o)
		return err
	})
	return l, sold, err
}

func (w *world) putPack(p engine.Pack) {
	w.Helper()
	w.must(p.Complete())
	w.must(w.change("", func(c *engine.Change) error { return c.PutPack(&p) }))
}

func TestWhatASaleMakes(t *testing.T) {
	w := newWorld(t, nil)
	ms := func(n int64) *int64 { return &n }
	percent := func(text string) *token.Amount { p := token.MustParse(text); return &p }
	for i, c := range []struct {
		pack  engine.Pack
		order engine.Order
		want  string // quantity start end overdraft limit; or the field of the refusal
	}{
		{engine.Pack{Quantity: 100, Period: "P30D"}, engine.Order{Quantity: 1}, fmt.Sprint("100 ", dawnMS, " ", dawnMS+30*24*hourMS, "  0")},
		{engine.Pack{Quantity: 100, Period: "P30D"}, engine.Order{Quantity: 3, Start: ms(5)}, fmt.Sprint("300 5 ", 5+30*24*hourMS, "  0")},
		{engine.Pack{Quantity: 100}, engine.Order{Quantity: 1, Start: ms(5), End: ms(9)}, "100 5 9  0"},
		{engine.Pack{Quantity: 100}, engine.Order{Quantity: 1}, "end"},
		{engine.Pack{Quantity: 100}, engine.Order{Quantity: 1, Start: ms(9), End: ms(9)}, "end"},
		{engine.Pack{Quantity: 100, Period: "P1D"}, engine.Order{Quantity: 1, End: ms(9)}, "end"},
		{engine.Pack{Quantity: 100, Period: "P1D"}, engine.Order{Quantity: 1, Start: ms(-1)}, "start"},
		{engine.Pack{Quantity: 100, Period: "P1D"}, engine.Order{Quantity: 1, Start: ms(period.LatestMS)}, "start"},
		{engine.Pack{Quantity: 100, Period: "P1D"}, engine.Order{}, "quantity"},
		{engine.Pack{Quantity: 1 << 62, Period: "P1D"}, engine.Order{Quantity: 2}, "quantity"},
		{engine.Pack{Quantity: 7, OverdraftType: "UNLIMITED"}, engine.Order{Quantity: 1, Start: ms(5), End: ms(9)}, "7 5 9 Unlimited 0"},
		{engine.Pack{Quantity: 7, OverdraftType: "NUMBER", OverdraftLimit: 3}, engine.Order{Quantity: 2, Start: ms(5), End: ms(9)}, "14 5 9 Number 6"},
		{engine.Pack{Quantity: 1, OverdraftType: "NUMBER", OverdraftLimit: 1 << 62}, engine.Order{Quantity: 2, Start: ms(5), End: ms(9)}, "quantity"},
		{engine.Pack{Quantity: 999, OverdraftType: "PERCENT", OverdraftPercent: *percent("12.5")}, engine.Order{Quantity: 1, Start: ms(5), End: ms(9)}, "999 5 9 Number 124"},
		{engine.Pack{Quantity: 1, OverdraftType: "PERCENT", OverdraftPercent: *percent("50")}, engine.Order{Quantity: 1, Start: ms(5), End: ms(9)}, "1 5 9 Number 0"},
		{engine.Pack{Quantity: 10, OverdraftType: "PERCENT_AT_SALE"}, engine.Order{Quantity: 1, Start: ms(5), End: ms(9), OverdraftPercent: percent("33.4")}, "10 5 9 Number 3"},
		{engine.Pack{Quantity: 10, OverdraftType: "PERCENT_AT_SALE"}, engine.Order{Quantity: 1, Start: ms(5), End: ms(9), OverdraftPercent: percent("0")}, "10 5 9 Number 0"},
		{engine.Pack{Quantity: 10, OverdraftType: "PERCENT_AT_SALE"}, engine.Order{Quantity: 1, Start: ms(5), End: ms(9), OverdraftPercent: percent("-1")}, "overdraftPercent"},
		{engine.Pack{Quantity: 10, OverdraftType: "PERCENT_AT_SALE"}, engine.Order{Quantity: 1, Start: ms(5), End: ms(9)}, "overdraftPercent"},
		{engine.Pack{Quantity: 10}, engine.Order{Quantity: 1, Start: ms(5), End: ms(9), OverdraftPercent: percent("1")}, "overdraftPercent"},
	} {
		c.pack.Name = "pack"
		w.putPack(c.pack)
		c.order.OrderNumber, c.order.Pack, c.order.InstanceID = fmt.Sprint("order ", i), "pack", w.instance
		l, _, err := w.sell(c.order)
		got := ""
		if wrong, is := errors.AsType[*problem.Error](err); is {
			got = wrong.Field
		} else if w.must(err); l != nil {
			got = fmt.Sprint(l.Quantity, l.StartMS, l.EndMS, " ", l.Overdraft, " ", l.OverdraftLimit)
		}
		if got != c.want {
			t.Errorf("%d: %q (%v), want %q", i, got, err, c.want)
		}
	}
}

func TestAnOrderSellsOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.putPack(engine.Pack{Name: "team", Quantity: 100, Period: "P30D", Series: "s", Kind: ledger.Free, Currency: "EUR", Priority: 4, ResetFrequency: period.Monthly})
	order := engine.Order{OrderNumber: "PO-1", Pack: "team", InstanceID: w.instance, Quantity: 1}
	l, sold, err := w.sell(order)
	w.must(err)
	if !sold || l.ActivationID != "PO-1" || l.Series != "s" || l.Kind != ledger.Free || l.Priority != 4 || l.Recurs != period.Monthly || !l.Elastic {
		t.Errorf("sold %t: %+v", sold, l)
	}

	w.putPack(engine.Pack{Name: "team", Quantity: 7, Period: "P1D"}) // changes nothing that was sold
	again, sold, err := w.sell(order)
	w.must(err)
	if sold || again.Number != l.Number || again.Quantity != 100 || again.Series != "s" {
		t.Errorf("sold again (%t): %+v", sold, again)
	}
	same := order
	same.ActivationID = "PO-1" // which it has anyhow
	if _, sold, err = w.sell(same); err != nil || sold {
		t.Error(sold, err)
	}
	w.must(w.change("", func(c *engine.Change) error { return c.DeletePack("team") }))
	if _, sold, err = w.sell(order); err != nil || sold {
		t.Errorf("the order of a pack that is gone: %t, %v", sold, err)
	}

	other := order
	other.Quantity = 2
	_, _, err = w.sell(other)
	w.kind(err, problem.Conflict)
	other = engine.Order{OrderNumber: "PO-2", Pack: "team", InstanceID: w.instance, Quantity: 1}
	_, _, err = w.sell(other)
	w.kind(err, problem.NotFound) // the pack
	w.putPack(engine.Pack{Name: "team", Quantity: 7, Period: "P1D"})
	other.ActivationID = "a"
	_, _, err = w.sell(other)
	w.kind(err, problem.Conflict) // there is such a line item
	other.ActivationID, other.InstanceID = "", "nowhere"
	_, _, err = w.sell(other)
	w.kind(err, problem.NotFound)
	other.InstanceID = w.instance
	if _, sold, err = w.sell(other); err != nil || !sold {
		t.Errorf("what was refused left the order number used: %t, %v", sold, err)
	}
	w.must(w.change("", func(c *engine.Change) error { return c.DeleteLineItem(w.instance, "PO-2") }))
	_, _, err = w.sell(other)
	w.kind(err, problem.Ended)
}

func TestPacksAreKept(t *testing.T) {
	w := newWorld(t, nil)
	p := engine.Pack{
		Name: "team", Quantity: 100, Period: "P30D", UnitPrice: token.MustParse("0.015"), Currency: "EUR", OverdraftType: engine.OverdraftPercent,
		OverdraftPercent: token.MustParse("12.5"),
	}
	w.must(p.Complete())
	w.kind(w.change("", func(c *engine.Change) error { return c.ReplacePack(&p) }), problem.NotFound)
	w.must(w.change("", func(c *engine.Change) error { return c.CreatePack(&p) }))
	w.kind(w.change("", func(c *engine.Change) error { return c.CreatePack(&p) }), problem.Conflict)
	w.must(w.View(ctx, func(r store.Reader) error {
		got, err := engine.PackOf(r, "team")
		w.must(err)
		if *got != p || got.Created != dawnMS || got.Modified != dawnMS {
			t.Errorf("%+v was kept as %+v", p, *got)
		}
		_, err = engine.PackOf(r, "nothing")
		w.kind(err, problem.NotFound)
		all, err := engine.Packs(r)
		w.must(err)
		if len(all) != 1 || len(all[0].Changes(&p)) != 0 {
			t.Errorf("%+v", all)
		}
		return nil
	}))
	q := p
	q.Quantity, q.OverdraftType = 200, engine.OverdraftNone
	if got := fmt.Sprint(q.Changes(&p)); got != "[quantity 100 -> 200 overdraft 12.5% -> none]" {
		t.Error(got)
	}
	w.must(w.change("", func(c *engine.Change) error { return c.DeletePack("team") }))
	w.kind(w.change("", func(c *engine.Change) error { return c.DeletePack("team") }), problem.NotFound)
}
