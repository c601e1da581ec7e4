package engine_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// of returns an item of x, which costs 1.
func of(count int64) []access.Item {
	return []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(count)}}}
}

// hold asks for a hold of a minute, and returns its receipt.
func (w *timed) hold(count int64) *usage.Receipt {
	w.Helper()
	receipt, _, err := w.Hold(&engine.NewHold{InstanceID: w.instance, TTL: time.Minute, Request: &access.Request{
		Requester: access.Requester{Type: "USER", Value: "u"}, Items: of(count), AllOrNothing: true,
	}})
	w.must(err)
	return receipt
}

func (w *timed) settle(id string, count int64, final bool) *usage.Receipt {
	w.Helper()
	receipt, _, err := w.SettleHold(&engine.HoldMove{HoldID: id}, of(count), final)
	w.must(err)
	return receipt
}

// quantity makes line item a one of so many tokens, with an overdraft.
func (w *timed) quantity(tokens, overdraft int64) {
	w.Helper()
	w.must(w.change("", func(c *engine.Change) error {
		l := w.lineItem("a")
		l.Quantity = tokens
		if overdraft > 0 {
			l.Overdraft, l.OverdraftLimit = ledger.NumberOverdraft, overdraft
		}
		_, err := c.PutLineItem(l)
		return err
	}))
}

// stands says what is used and held of line item a, and has the books proved.
func (w *timed) stands() string {
	w.Helper()
	b, err := w.Balance(ctx, w.instance)
	w.must(err)
	if proof := w.proof(); len(proof.Differences) > 0 {
		w.Errorf("verify: %q", proof.Differences)
	}
	l := b.Book.LineItems[0]
	return fmt.Sprintf("%s used, %s held, %s left, %s of the overdraft", l.Used, l.Held, l.Balance(), l.OverdraftLeft())
}

func (w *timed) want(when, want string) {
	w.Helper()
	if got := w.stands(); got != want {
		w.Errorf("%s: %s, want %s", when, got, want)
	}
}

func TestHoldsOfAllAtOnce(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(50, 0)
	var granted atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if w.hold(1).Hold.ID != "" {
				granted.Add(1)
			}
		})
	}
	all.Wait()
	if granted.Load() != 50 {
		t.Errorf("%d holds were granted, there were tokens for 50", granted.Load())
	}
	w.want("after all asked", "0 used, 50 held, 0 left, 0 of the overdraft")
}

// A client that dies between hold and settle loses nothing: to the millisecond.
func TestHoldLapses(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(10, 0)
	id := w.hold(10).Hold.ID
	w.nowMS.Store(dawnMS + minuteMS - 1)
	if r := w.hold(1); r.Hold.ID != "" || r.Items[0].Status != ledger.Insufficient {
		t.Errorf("what is held was held again: %+v", r)
	}
	w.want("a millisecond before", "0 used, 10 held, 0 left, 0 of the overdraft")
	w.nowMS.Store(dawnMS + minuteMS)
	w.want("then", "0 used, 0 held, 10 left, 0 of the overdraft")
	_, _, err := w.ExtendHold(&engine.HoldMove{HoldID: id}, time.Minute)
	w.kind(err, problem.Conflict)
	if _, _, err := w.charge("x", "", ""); err != nil {
		t.Fatal(err)
	}
	r := w.settle(id, 4, true)
	if !r.Hold.Late || r.Events(nil)[0].Kind != usage.Settlement || !r.Events(nil)[0].Late {
		t.Errorf("a late settlement is %+v", r.Hold)
	}
	w.want("after a late settlement", "5 used, 0 held, 5 left, 0 of the overdraft")
	_, _, err = w.SettleHold(&engine.HoldMove{HoldID: id}, of(1), true)
	w.kind(err, problem.Conflict)
}

func TestExtendedHoldLives(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(10, 0)
	id := w.hold(10).Hold.ID
	w.nowMS.Store(dawnMS + minuteMS/2)
	_, _, err := w.ExtendHold(&engine.HoldMove{HoldID: id}, time.Minute)
	w.must(err)
	w.nowMS.Store(dawnMS + minuteMS + minuteMS/2 - 1)
	w.want("before the new end", "0 used, 10 held, 0 left, 0 of the overdraft")
	w.nowMS.Store(dawnMS + minuteMS + minuteMS/2)
	w.want("at the new end", "0 used, 0 held, 10 left, 0 of the overdraft")
}

func TestSettle(t *testing.T) {
	for _, row := range []struct {
		what      string
		counts    []int64 // the last is final
		want      string
		overdrawn string
	}{
		{"nothing", []int64{0}, "0 used, 0 held, 100 left, 20 of the overdraft", "0"},
		{"less", []int64{4}, "4 used, 0 held, 96 left, 20 of the overdraft", "0"},
		{"all", []int64{10}, "10 used, 0 held, 90 left, 20 of the overdraft", "0"},
		{"more, which the balance has", []int64{30}, "30 used, 0 held, 70 left, 20 of the overdraft", "0"},
		{"more, which the overdraft has", []int64{115}, "115 used, 0 held, 0 left, 5 of the overdraft", "0"},
		{"more than there is", []int64{130}, "130 used, 0 held, 0 left, 0 of the overdraft", "10"},
		{"in parts", []int64{4, 4, 1}, "9 used, 0 held, 91 left, 20 of the overdraft", "0"},
		{"in parts, of more", []int64{8, 8}, "16 used, 0 held, 84 left, 20 of the overdraft", "0"},
	} {
		t.Run(row.what, func(t *testing.T) {
			w := newTimed(t, nil)
			w.quantity(100, 20)
			id := w.hold(10).Hold.ID
			var last *usage.Receipt
			for i, count := range row.counts {
				last = w.settle(id, count, i == len(row.counts)-1)
				w.stands()
			}
			w.want("after it", row.want)
			if got := last.Hold.OverdrawnBy.String(); got != row.overdrawn {
				t.Errorf("%s tokens are overdrawn, want %s", got, row.overdrawn)
			}
			if row.overdrawn != "0" {
				if r := w.hold(1); r.Hold.ID != "" {
					t.Error("the next request is granted")
				}
			}
			_, _, err := w.ReleaseHold(&engine.HoldMove{HoldID: id})
			w.kind(err, problem.Conflict)
		})
	}
}

func TestReleaseHold(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(10, 0)
	id := w.hold(10).Hold.ID
	for range 2 { // the second time does nothing
		_, _, err := w.ReleaseHold(&engine.HoldMove{HoldID: id})
		w.must(err)
		w.want("after it", "0 used, 0 held, 10 left, 0 of the overdraft")
	}
	_, _, err := w.SettleHold(&engine.HoldMove{HoldID: id}, of(1), true)
	w.kind(err, problem.Conflict)
	_, _, err = w.ReleaseHold(&engine.HoldMove{HoldID: "nobody"})
	w.kind(err, problem.NotFound)
}

func TestSettleCountsOnce(t *testing.T) {
	w := newTimed(t, nil)
	id := w.hold(10).Hold.ID
	for i := range 2 {
		_, replayed, err := w.SettleHold(&engine.HoldMove{HoldID: id, Once: once("k", "the same")}, of(3), true)
		w.must(err)
		if replayed != (i > 0) {
			t.Errorf("time %d: replayed %v", i, replayed)
		}
	}
	w.want("after both", "3 used, 0 held, 997 left, 0 of the overdraft")
}

// What was promised stays the price, whatever comes after.
func TestSettleAtThePriceOfTheHold(t *testing.T) {
	w := newTimed(t, nil)
	id := w.hold(10).Hold.ID
	w.nowMS.Add(1)
	w.must(w.change("", func(c *engine.Change) error { return c.AddRateTable(priced("2", dawnMS+1, 7)) }))
	w.settle(id, 15, true)
	w.want("after it", "15 used, 0 held, 985 left, 0 of the overdraft")
}

func TestItemThatHadNoPriceIsNotSettled(t *testing.T) {
	w := newTimed(t, nil)
	id := w.hold(10).Hold.ID
	items := append(of(3), access.Item{Ask: ledger.Ask{Item: "nothing", Count: token.FromInt(1)}})
	_, _, err := w.SettleHold(&engine.HoldMove{HoldID: id}, items, true)
	w.kind(err, problem.Invalid)
	w.want("after it", "0 used, 10 held, 990 left, 0 of the overdraft")
}

func TestVerifySeesHolds(t *testing.T) {
	for _, row := range []struct{ what, statement, want string }{
		{"nothing", "SELECT 1", ""},
		{"what is kept", `UPDATE hold SET holding = CAST(replace(CAST(holding AS TEXT), '"tokens":10', '"tokens":9') AS BLOB)`, "keeps 9"},
		{"when it lapses", `UPDATE hold SET holding = CAST(replace(CAST(holding AS TEXT), '"until":17', '"until":18') AS BLOB)`, "its receipts say"},
		{"the later of two", "DELETE FROM hold WHERE number = 2", "is not in the books"},
		{"its receipt", "DELETE FROM journal WHERE number = 1", "has no receipts"},
	} {
		t.Run(row.what, func(t *testing.T) {
			w := newTimed(t, nil)
			w.hold(10)
			w.nowMS.Add(5)
			w.hold(10)
			w.expectDifference(row.statement, row.want)
		})
	}
}

func priced(version string, fromMS, price int64) *rate.Table {
	return &rate.Table{Version: version, EffectiveFromMS: fromMS, Items: []rate.Item{{Name: "x", Rate: token.FromInt(price)}}}
}

// What holds keep may come back, so that alerts are about what is used; also once a forecast was made, which is about what is left besides.
func TestAlertsAreNotOfWhatIsHeld(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(100, 0)
	w.alert(notify.Rule{Name: "low", Kind: notify.BalanceBelow, Tokens: token.FromInt(20)})
	w.alert(notify.Rule{Name: "half", Kind: notify.BalanceBelow, Tokens: token.FromInt(60)})
	w.alert(notify.Rule{Name: "soon", Kind: notify.RunningOut, Within: "P7D"})
	w.hold(50)
	w.spend(1)
	w.must(w.LookAtAlerts(ctx)) // has a forecast made
	w.spend(44)
	w.must(w.LookAtAlerts(ctx))
	if got := fired(w.world, func(*notify.Notice) bool { return true }); got != "half F" {
		t.Errorf("told: %s", got)
	}
}

// What is charged late is paid from the allowance of when it was due, also when a hold has lapsed since.
func TestLateChargeAfterALapse(t *testing.T) {
	w := newTimed(t, nil)
	l := w.lineItem("a")
	l.Recurs, l.EndMS = period.Daily, dawnMS+1000*hourMS
	w.must(w.change("", func(c *engine.Change) error { return c.SetConfiguration(engine.SessionChargePeriod, "PT24H", "key") }))
	w.must(w.change("", func(c *engine.Change) error { _, err := c.PutLineItem(l); return err }))
	w.nowMS.Store(dawnMS + hourMS)
	ref := w.session("free")
	w.nowMS.Store(dawnMS + 24*hourMS + hourMS/2)
	w.hold(1)
	_, err := w.Heartbeat(ref, false)
	w.must(err)
	if made := w.catchUp(dawnMS + 48*hourMS + hourMS/2); made == 0 {
		t.Fatal("nothing was charged late")
	}
	events, _, err := w.Events(ctx, usage.Position{}, &usage.Filter{}, 100)
	w.must(err)
	if last := events[len(events)-1]; last.Kind != usage.AutomaticCharge || last.ResetMS != dawnMS+24*hourMS {
		t.Errorf("%s is paid from the allowance of %d, want that of %d", last.Kind, last.ResetMS, dawnMS+24*hourMS)
	}
}
