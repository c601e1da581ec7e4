package server

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
)

// What alerts cost the path of charges: BenchmarkOneItem's traffic on 1,000 line items with and without 100 rules, whose thresholds
// lie so that each line item crosses one about every 25 tokens.
func BenchmarkAlerts(b *testing.B) {
	for _, rules := range []int{0, 100} {
		b.Run(fmt.Sprint(rules, "-rules"), func(b *testing.B) {
			w := newAlertWorld(b, rules, engine.Options{Serve: true})
			l := loader{connections: 64, addr: w.addr, bearer: w.token, instances: w.instances, key: orderedKey}
			l.run(b)
			b.StopTimer()
			if err := w.engine.LookAtAlerts(b.Context()); err != nil {
				b.Fatal(err)
			}
			fired := 0
			err := w.engine.View(b.Context(), func(r store.Reader) error {
				all, _, err := engine.AlertsFired(r, "", "", 0, 1_000_000)
				fired = len(all)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(fired), "fired")
		})
	}
}

const benchQuantity = 20_000

func newAlertWorld(b *testing.B, rules int, options engine.Options) *world {
	s, err := sqlite.Open(filepath.Join(b.TempDir(), "farebox.db"), sqlite.Options{Create: true, Serve: true})
	if err != nil {
		b.Fatal(err)
	}
	w := &world{engine: engine.New(s, options)}
	pair, err := auth.NewPair()
	if err != nil {
		b.Fatal(err)
	}
	_, _, err = w.engine.Change(b.Context(), "", nil, func(tx *engine.Change) (*store.Answer, error) {
		if err := tx.SaveKeys([]auth.Key{{Role: auth.Admin, ID: pair.ID, PublicPEM: pair.PublicPEM}}); err != nil {
			return nil, err
		}
		if err := tx.AddRateTable(&rate.Table{Version: "1", Items: []rate.Item{{Name: "render", Rate: token.MustParse("0.25")}}}); err != nil {
			return nil, err
		}
		for i := range 1000 {
			instance, err := tx.CreateInstance("main", fmt.Sprint("account-", i))
			if err != nil {
				return nil, err
			}
			w.instances = append(w.instances, instance.ID)
			if _, err := tx.PutLineItem(ledger.LineItem{
				ActivationID: fmt.Sprint("A-", i), InstanceID: instance.ID, State: ledger.Deployed, Quantity: benchQuantity, EndMS: period.LatestMS,
				Elastic: true, Kind: ledger.Paid, Overdraft: ledger.UnlimitedOverdraft,
			}); err != nil {
				return nil, err
			}
		}
		for i := range rules {
			r := &notify.Rule{Name: fmt.Sprint("rule-", i), Kind: notify.BalanceBelow, Tokens: token.FromInt(int64(benchQuantity - 25*i - 10))}
			if err := r.Complete(); err != nil {
				return nil, err
			}
			if err := tx.CreateAlert(r); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if w.token, err = auth.Sign(pair, auth.Admin, pair.ID, nil, time.Now(), time.Hour); err != nil {
		b.Fatal(err)
	}
	w.addr = listen(b, func(ctx context.Context, l net.Listener) error { return New(w.engine, Options{}).Serve(ctx, l) }, func() {
		w.engine.Stop()
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return w
}
