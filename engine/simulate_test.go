package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// used is a world in which things were used: x 3 times for 10 in all, of series "" and other, y that is in series other alone, a
// session of x that ran for a quarter of its period, and two denials.
func usedWorld(t *testing.T) *world {
	w := newTimed(t, nil)
	w.must(w.change("", func(c *engine.Change) error {
		items := []rate.Item{{Name: "x", Rate: token.FromInt(2)}, {Name: "y", Rate: token.FromInt(3)}}
		if err := c.AddRateTable(&rate.Table{Series: "other", Version: "1", Items: items}); err != nil {
			return err
		}
		l := w.lineItem("a")
		l.Quantity = 10
		if _, err := c.PutLineItem(l); err != nil {
			return err
		}
		l = w.lineItem("b")
		l.Series, l.Priority, l.Quantity = "other", 1, 1000
		_, err := c.PutLineItem(l)
		return err
	}))
	ask := func(item string, count int64) {
		t.Helper()
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: request(item, count)})
		w.must(err)
		w.nowMS.Add(1000)
	}
	ask("x", 4)   // 4 of a
	ask("y", 5)   // 15 of b
	ask("x", 8)   // 6 of a, the last 2 cost 4 of b
	ask("z", 1)   // denied: 201
	ask("y", 1e6) // denied: 306
	receipt, _, err := w.CreateSession(w.instance, nil, nil)
	w.must(err)
	ref := engine.SessionRef{ID: receipt.Session.ID}
	_, _, err = w.Ask(&engine.SessionRequest{Session: ref, Request: request("y", 8)}) // 24 of b
	w.must(err)
	w.nowMS.Add(hourMS / 4)
	_, err = w.CloseSession(ref, nil, nil) // 18 come back
	w.must(err)
	return w.world
}

func request(item string, count int64) *access.Request {
	return &access.Request{
		Requester: access.Requester{Type: "user", Value: "ann"}, Items: []access.Item{{Ask: ledger.Ask{Item: item, Count: token.FromInt(count)}}},
	}
}

func (w *world) simulate(series string, items ...rate.Item) string {
	w.Helper()
	s, err := w.Simulate(ctx, &engine.Replay{Draft: &rate.Table{Series: series, Version: "draft", Items: items}, FromMS: dawnMS, ToMS: dawnMS + 100*hourMS})
	w.must(err)
	var lines []string
	for _, r := range s.Rows {
		lines = append(lines, fmt.Sprintf("%s %s: %d for %s, %s -> %s, refused %d %s %s, denied %d unpriced %d", r.AccountID, r.Item, r.Charges, r.Count,
			r.OldTokens, r.NewTokens, r.Refused, r.RefusedStatus, r.RefusedTokens, r.Denied, r.Unpriced))
	}
	return strings.Join(lines, "\n")
}

func TestSimulation(t *testing.T) {
	w := usedWorld(t)
	before := w.used()
	parsed := func(text string) *formula.Formula {
		f, err := formula.Parse(text)
		w.must(err)
		return f
	}
	x := func(rate_ int64) rate.Item { return rate.Item{Name: "x", Rate: token.FromInt(rate_)} }
	y := func(rate_ int64) rate.Item { return rate.Item{Name: "y", Rate: token.FromInt(rate_)} }
	for _, c := range []struct {
		name, series string
		items        []rate.Item
		want         string
	}{
		{"as it was", "other", []rate.Item{x(2), y(3)}, "account x: 1 for 2, 4 -> 4, refused 0  0, denied 0 unpriced 0\n" +
			"account y: 2 for 7, 21 -> 21, refused 0  0, denied 1 unpriced 0"},
		{"another series", "", []rate.Item{x(3)}, "account x: 2 for 10, 10 -> 30, refused 0  0, denied 0 unpriced 0"},
		{"a session pro rata", "other", []rate.Item{x(2), y(10)}, "account x: 1 for 2, 4 -> 4, refused 0  0, denied 0 unpriced 0\n" +
			"account y: 2 for 7, 21 -> 70, refused 0  0, denied 1 unpriced 0"},
		{"what is not priced", "other", []rate.Item{x(2)}, "account x: 1 for 2, 4 -> 4, refused 0  0, denied 0 unpriced 0\n" +
			"account y: 2 for 7, 21 -> 0, refused 2 201 39, denied 0 unpriced 0"},
		{"what is priced now", "other", []rate.Item{x(2), y(3), {Name: "z", Rate: token.FromInt(1)}},
			"account x: 1 for 2, 4 -> 4, refused 0  0, denied 0 unpriced 0\n" +
				"account y: 2 for 7, 21 -> 21, refused 0  0, denied 1 unpriced 0\naccount z: 0 for 0, 0 -> 0, refused 0  0, denied 1 unpriced 1"},
		{"formulas", "other", []rate.Item{{Name: "x", Formula: parsed("1 - 3")}, {Name: "y", Formula: parsed("pages * 2")}},
			"account x: 1 for 2, 4 -> 0, refused 1 305 4, denied 0 unpriced 0\naccount y: 2 for 7, 21 -> 0, refused 2 304 39, denied 0 unpriced 0"},
		{"a formula without variables", "other", []rate.Item{x(2), {Name: "y", Formula: parsed("2 * 5")}},
			"account x: 1 for 2, 4 -> 4, refused 0  0, denied 0 unpriced 0\naccount y: 2 for 7, 21 -> 70, refused 0  0, denied 1 unpriced 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := w.simulate(c.series, c.items...); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	if w.used() != before || len(w.proof().Differences) > 0 {
		t.Error("a simulation wrote something")
	}
}

func TestSimulationIsBounded(t *testing.T) {
	w := usedWorld(t)
	draft := func() *rate.Table {
		return &rate.Table{Series: "other", Version: "1", Items: []rate.Item{{Name: "x"}, {Name: "y"}}}
	}
	_, err := w.Simulate(ctx, &engine.Replay{Draft: draft(), ToMS: dawnMS + 100*hourMS, RowsMost: 1})
	w.kind(err, problem.TooLarge)
	_, err = w.Simulate(ctx, &engine.Replay{Draft: draft(), FromMS: 1, ToMS: 1})
	w.kind(err, problem.Invalid)
	_, err = w.Simulate(ctx, &engine.Replay{Draft: &rate.Table{}, ToMS: 1})
	w.kind(err, problem.Invalid)
	s, err := w.Simulate(ctx, &engine.Replay{Draft: draft(), FromMS: dawnMS + 1000, ToMS: dawnMS + 2000})
	w.must(err)
	if total := s.Total(); s.Requests != 1 || total.Charges != 1 || total.OldTokens.String() != "15" || len(s.NotPriced()) != 0 {
		t.Errorf("of one second: %+v", s)
	}
}

// What a charge covered stays covered by a draft with a window, and is charged by one without.
func TestSimulationOfWindows(t *testing.T) {
	w := newWorld(t, nil)
	w.must(w.change("", func(c *engine.Change) error {
		return c.AddRateTable(&rate.Table{Version: "2", Items: []rate.Item{{Name: "day", Rate: token.FromInt(5), Window: 24 * time.Hour}}})
	}))
	for _, count := range []int64{1, 1, 3} {
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: request("day", count)})
		w.must(err)
	}
	for _, c := range []struct {
		window time.Duration
		want   string
	}{
		{24 * time.Hour, "account day: 3 for 5, 15 -> 30, refused 0  0, denied 0 unpriced 0"},
		{0, "account day: 3 for 5, 15 -> 50, refused 0  0, denied 0 unpriced 0"},
	} {
		if got := w.simulate("", rate.Item{Name: "day", Rate: token.FromInt(10), Window: c.window}); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// hasty is a store that looks at few receipts at a time.
type hasty struct{ store.Store }

type hastyReader struct{ store.Reader }

func (h hasty) View(ctx context.Context, fn func(store.Reader) error) error {
	return h.Store.View(ctx, func(r store.Reader) error { return fn(hastyReader{r}) })
}

func (h hastyReader) Receipts(from usage.Position, f *usage.Filter, _ int, fn func(usage.Position, *usage.Receipt) (bool, error)) (usage.Position, error) {
	return h.Reader.Receipts(from, f, 1, fn)
}

func TestSimulationGoesPageByPage(t *testing.T) {
	w := newWorld(t, nil)
	const charges = 150 // more than a store looks at in one go
	for range charges {
		_, _, err := w.charge("x", "", "")
		w.must(err)
	}
	replay := &engine.Replay{
		Draft: &rate.Table{Version: "2", Items: []rate.Item{{Name: "x", Rate: token.FromInt(3)}}}, FromMS: 1, ToMS: dawnMS + 1, Patience: time.Hour,
	}
	s, err := engine.Simulate(ctx, hasty{w.store}, replay)
	w.must(err)
	if total := s.Total(); s.Requests != charges || total.OldTokens.String() != "150" || total.NewTokens.String() != "450" {
		t.Errorf("%+v", s)
	}
	replay.Patience = 1
	_, err = engine.Simulate(ctx, hasty{w.store}, replay)
	w.kind(err, problem.TooLarge)
}
