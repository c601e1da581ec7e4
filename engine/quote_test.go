package engine_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Whatever a quote says, the charge that follows does: the same tokens, slices, refusals and effects.
func TestQuoteIsWhatAChargeWouldBe(t *testing.T) {
	folder, run := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		var now atomic.Int64 // which the engine looks at beside
		now.Store(dawnMS)
		run++
		s, err := sqlite.Open(filepath.Join(folder, fmt.Sprint(run, ".db")), sqlite.Options{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		e := engine.New(s, engine.Options{Now: func() time.Time { return time.UnixMilli(now.Load()) }})
		defer func() {
			e.Stop()
			_ = s.Close()
		}()
		instance := furnishForQuotes(t, e, s)
		for range rapid.IntRange(1, 12).Draw(t, "requests") {
			now.Add(rapid.SampledFrom([]int64{0, 1, 3_600_000, 20 * 3_600_000, 40 * 86_400_000}).Draw(t, "later"))
			request := drawRequest(t)
			quoted, err := e.Quote(ctx, instance, request)
			if err != nil {
				t.Fatal(err)
			}
			again, err := e.Quote(ctx, instance, request)
			if err != nil {
				t.Fatal(err)
			}
			receipt, _, err := e.Charge(&engine.Charge{InstanceID: instance, Request: request})
			if err != nil {
				t.Fatal(err)
			}
			ignoring := cmpopts.IgnoreFields(usage.Receipt{}, "CorrelationID")
			if diff := cmp.Diff(quoted.Receipt, again.Receipt); diff != "" {
				t.Fatalf("a quote took something: %s", diff)
			}
			if diff := cmp.Diff(quoted.Receipt, receipt, ignoring); diff != "" {
				t.Fatalf("quoted (-) and charged (+) differ: %s", diff)
			}
		}
	})
}

func furnishForQuotes(t *rapid.T, e *engine.Engine, s store.Store) (instance string) {
	amount := func(name string) token.Amount { return token.FromInt(rapid.Int64Range(0, 30).Draw(t, name)) }
	series := []string{"", "s"}
	err := s.Change(ctx, func(tx store.Tx) error {
		i := &store.Instance{ID: "019aaaaa-0000-7000-8000-000000000001", ShortName: "i", AccountID: "a", Default: true}
		instance = i.ID
		if err := tx.InsertInstance(i); err != nil {
			return err
		}
		if err := tx.PutConditions(instance, []*ledger.Condition{{ID: "c", Name: "c", Type: ledger.Simple, Operator: ledger.In, Key: "team", Values: []string{"x"}}}); err != nil {
			return err
		}
		for _, name := range series {
			table := &rate.Table{Series: name, Version: "1", Items: []rate.Item{
				{Name: "x", Rate: amount("rate")}, {Name: "day", Rate: amount("rate of day"), Window: 24 * time.Hour},
			}}
			byFormula, err := formula.Parse("n - 5")
			if err != nil {
				return err
			}
			table.Items = append(table.Items, rate.Item{Name: "formula", Formula: byFormula})
			if rapid.Bool().Draw(t, "prices y") {
				table.Items = append(table.Items, rate.Item{Name: "y", Rate: token.MustParse("0.37")})
			}
			if err := tx.InsertRateTable(table); err != nil {
				return err
			}
		}
		for n := range rapid.IntRange(0, 4).Draw(t, "line items") {
			l := ledger.LineItem{
				ActivationID: fmt.Sprint("L", n), InstanceID: instance, State: ledger.Deployed, Elastic: true, Kind: ledger.Paid,
				Quantity: rapid.Int64Range(1, 100).Draw(t, "quantity"), StartMS: dawnMS - 1000, EndMS: dawnMS + rapid.SampledFrom([]int64{86_400_000, 400 * 86_400_000}).Draw(t, "end"),
				Series: rapid.SampledFrom(series).Draw(t, "series"), Priority: rapid.Int64Range(0, 2).Draw(t, "priority"),
				Overdraft: rapid.SampledFrom([]ledger.OverdraftType{"", ledger.NumberOverdraft, ledger.UnlimitedOverdraft}).Draw(t, "overdraft"),
				Recurs:    rapid.SampledFrom([]period.Frequency{"", period.Daily, period.Monthly}).Draw(t, "recurs"),
			}
			if l.Overdraft == ledger.NumberOverdraft {
				l.OverdraftLimit = 20
			}
			if rapid.Bool().Draw(t, "ruled") {
				most := token.FromInt(25)
				l.Actions = []ledger.Action{{ID: "t", ConditionID: "c", Allow: true, Allocation: &most}, {ID: "d", Allow: rapid.Bool().Draw(t, "allows others")}}
			}
			if rapid.Bool().Draw(t, "limited") {
				l.Limit = &ledger.Limit{Tokens: token.FromInt(30), Period: period.Daily, NextResetMS: dawnMS}
			}
			if err := tx.PutLineItem(&l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

func drawRequest(t *rapid.T) *access.Request {
	r := &access.Request{Requester: access.Requester{
		Type: "user", Value: rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "who"),
		Dictionary: rapid.SampledFrom([]jsontext.Value{nil, jsontext.Value(`{"team":"x"}`)}).Draw(t, "dictionary"),
	}}
	partial := rapid.Bool().Draw(t, "partial")
	r.AllOrNothing = !partial && rapid.Bool().Draw(t, "all or nothing")
	for range rapid.IntRange(1, 3).Draw(t, "items") {
		r.Items = append(r.Items, access.Item{Ask: ledger.Ask{
			Item: rapid.SampledFrom([]string{"x", "y", "day", "formula", "unknown"}).Draw(t, "item"), AllowPartial: partial,
			Count:     token.MustParse(rapid.SampledFrom([]string{"1", "2.5", "7", "0.000000000001"}).Draw(t, "count")),
			Variables: rapid.SampledFrom([]rate.Variables{nil, {"n": token.FromInt(1)}, {"n": token.FromInt(8)}}).Draw(t, "variables"),
		}})
	}
	return r
}

// The pace is that of the last week, or of the time since the line item began if that is shorter.
func TestPaceOfAQuote(t *testing.T) {
	var now atomic.Int64
	now.Store(dawnMS)
	w := newWorld(t, func(s store.Store, o *engine.Options) store.Store {
		o.Now = func() time.Time { return time.UnixMilli(now.Load()) }
		return s
	})
	const day = 86_400_000
	l := w.lineItem("a")
	l.StartMS, l.EndMS = dawnMS, period.LatestMS
	w.must(w.change("", func(c *engine.Change) error {
		_, err := c.PutLineItem(l)
		return err
	}))
	one := &access.Request{Requester: access.Requester{Type: "user", Value: "ann"}, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(1)}}}}
	pace := func() *engine.Pace {
		q, err := w.Quote(ctx, w.instance, one)
		w.must(err)
		return q.Paces[q.Receipt.Items[0].Slices[0].Number]
	}
	charge := func(count int64) {
		request := &access.Request{Requester: one.Requester, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(count)}}}}
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: request})
		w.must(err)
	}
	expect := func(perDay string, lastsMS int64) {
		t.Helper()
		if p := pace(); p == nil || p.TokensPerDay.String() != perDay || p.LastsUntilMS != now.Load()+lastsMS {
			t.Errorf("the pace is %+v, want %s a day for %d ms", p, perDay, lastsMS)
		}
	}
	if p := pace(); p != nil {
		t.Errorf("nothing was used, and the pace is %+v", p)
	}
	now.Add(2 * day)
	charge(200)
	expect("100", 799*day/100) // 1000 - 200 - 1 tokens would be left
	now.Add(10 * day)
	if p := pace(); p != nil {
		t.Errorf("nothing was used this week, and the pace is %+v", p)
	}
	charge(70)
	expect("10", 729*day/10)
	_, err := w.Quote(ctx, "nobody", one)
	w.kind(err, problem.NotFound)
}
