package engine_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
)

// held measures how long changes hold the writer's lock, as long as nobody else wants it.
type held struct {
	store.Store
	took []time.Duration
}

func (h *held) Change(ctx context.Context, fn func(store.Tx) error) error {
	started := time.Now()
	err := h.Store.Change(ctx, fn)
	h.took = append(h.took, time.Since(started))
	return err
}

func (h *held) String() string {
	slices.Sort(h.took)
	n := len(h.took)
	h.took = h.took[n/2:] // each that writes goes with one that only asks for the time
	n = len(h.took)
	return fmt.Sprintf("%d transactions that write, the median one of %s, p99 %s, the longest %s", n, h.took[n/2], h.took[n*99/100], h.took[n-1])
}

// What a new alert costs with very many line items: of one kind none fires, of the other every tenth, with a webhook that is told. An
// iteration is what a look costs from then on.
func BenchmarkLookAtManyLineItems(b *testing.B) {
	for _, most := range []int{20_000, 200_000, 1_000_000} {
		b.Run(fmt.Sprint(most), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "many.db")
			s, err := sqlite.Open(path, sqlite.Options{Create: true})
			if err != nil {
				b.Fatal(err)
			}
			h := &held{Store: s}
			e := engine.New(h, engine.Options{})
			b.Cleanup(func() { e.Stop(); _ = s.Close() })
			change := func(fn func(*engine.Change) error) {
				if _, _, err := e.Change(ctx, "", nil, func(c *engine.Change) (*store.Answer, error) { return nil, fn(c) }); err != nil {
					b.Fatal(err)
				}
			}
			change(func(c *engine.Change) error { return manyInstances(c, 1000) })
			manyLineItems(b, path, most)
			change(func(c *engine.Change) error { return c.CreateWebhook(&engine.Webhook{URL: "https://example.com"}) })
			look := func(name string) {
				h.took = nil
				started := time.Now()
				if err := e.LookAtAlerts(ctx); err != nil {
					b.Fatal(err)
				}
				var memory runtime.MemStats
				runtime.ReadMemStats(&memory)
				b.Logf("%s: %d line items in %s; %s; %d MiB from the system", name, most, time.Since(started), h, memory.Sys>>20)
			}
			for _, r := range []*notify.Rule{
				{Name: "none fires", Kind: notify.Ending, Within: "P14D"}, {Name: "every tenth fires", Kind: notify.BalanceBelow, Percent: token.FromInt(10)},
			} {
				if err := r.Complete(); err != nil {
					b.Fatal(err)
				}
				change(func(c *engine.Change) error { return c.CreateAlert(r) })
				look(r.Name)
			}
			for b.Loop() {
				if err := e.LookAtAlerts(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func manyInstances(c *engine.Change, n int) error {
	for i := range n {
		made, err := c.CreateInstance("i", fmt.Sprint("account ", i))
		if err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		if _, err := c.PutLineItem(ledger.LineItem{
			ActivationID: "0", InstanceID: made.ID, State: ledger.Deployed, Quantity: 100, EndMS: period.LatestMS, Elastic: true, Kind: ledger.Paid,
		}); err != nil {
			return err
		}
	}
	return nil
}

// manyLineItems makes copies of the only line item, by SQL alone, evenly over all instances. Every tenth has used nearly all.
func manyLineItems(b *testing.B, path string, most int) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	const rest = "quantity, start_ms, %s, elastic, series, overdraft_type, overdraft_limit, priority, kind, unit_price, currency, recurs, deleted"
	columns, values := fmt.Sprintf(rest, "end_ms"), fmt.Sprintf(rest, "end_ms - i")
	for _, query := range []string{
		"INSERT INTO line_item (activation_id, instance_id, state, " + columns + ") SELECT i, instance.id, state, " + values +
			" FROM n JOIN instance ON instance.number = 1 + i % 1000 CROSS JOIN line_item WHERE line_item.number = 1 ORDER BY i",
		"INSERT INTO balance (line_item, used, charged) SELECT i + 1, iif(i % 10, '0', '95'), 1 FROM n",
		"INSERT INTO line_item_change (line_item, time_ms, activation_id, instance_id, state, " + columns + ") SELECT number, start_ms, activation_id, instance_id, state, " +
			columns + " FROM line_item CROSS JOIN n WHERE i = 1 AND number > 1 ORDER BY number",
	} {
		if _, err := db.Exec("WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) "+query, most-1); err != nil {
			b.Fatal(err)
		}
	}
}

// What alerts by forecast cost: a look at instances of which all line items may run out soon and all are due, their use of the last hour
// included. Compare the processor's time; transactions say how long charges wait.
func BenchmarkForecastsForAlerts(b *testing.B) {
	for _, c := range []struct{ instances, lines int }{{1000, 1}, {100, 10}, {1, 1000}} {
		b.Run(fmt.Sprint(c.instances, "-of-", c.lines), func(b *testing.B) {
			s, err := sqlite.Open(filepath.Join(b.TempDir(), "soon.db"), sqlite.Options{Create: true})
			if err != nil {
				b.Fatal(err)
			}
			now := time.UnixMilli(dawnMS)
			h := &held{Store: s}
			e := engine.New(h, engine.Options{Now: func() time.Time { return now }})
			b.Cleanup(func() { e.Stop(); _ = s.Close() })
			change := func(fn func(*engine.Change) error) {
				if _, _, err := e.Change(ctx, "", nil, func(c *engine.Change) (*store.Answer, error) { return nil, fn(c) }); err != nil {
					b.Fatal(err)
				}
			}
			instances := soonInstances(b, change, c.instances, c.lines)
			use := func(after time.Duration) {
				now = now.Add(after)
				for _, id := range instances {
					if _, _, err := e.Charge(&engine.Charge{InstanceID: id, Request: &access.Request{
						Requester: access.Requester{Type: "USER", Value: "u"}, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(1)}}},
					}}); err != nil {
						b.Fatal(err)
					}
				}
			}
			for range 20 {
				use(24 * time.Hour)
			}
			r := &notify.Rule{Name: "soon", Kind: notify.RunningOut, Within: "P7D"}
			if err := r.Complete(); err != nil {
				b.Fatal(err)
			}
			change(func(c *engine.Change) error { return c.CreateAlert(r) })
			h.took = nil
			for b.Loop() {
				use(time.Hour)
				if err := e.LookAtAlerts(ctx); err != nil {
					b.Fatal(err)
				}
			}
			b.Log(h)
		})
	}
}

func soonInstances(b *testing.B, change func(func(*engine.Change) error), n, lines int) (ids []string) {
	change(func(c *engine.Change) error {
		return c.AddRateTable(&rate.Table{Version: "1", Items: []rate.Item{{Name: "x", Rate: token.FromInt(1)}}})
	})
	for i := range n {
		change(func(c *engine.Change) error {
			made, err := c.CreateInstance("i", fmt.Sprint("account ", i))
			if err != nil {
				return err
			}
			ids = append(ids, made.ID)
			for k := range lines {
				if _, err := c.PutLineItem(ledger.LineItem{
					ActivationID: fmt.Sprint(i, "-", k), InstanceID: made.ID, State: ledger.Deployed, Quantity: 60, EndMS: period.LatestMS, Elastic: true, Kind: ledger.Paid,
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return ids
}
