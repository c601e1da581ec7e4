package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// limited gives line item a a limit a day, which begins at dawn.
func (w *world) limited(tokens int64) {
	w.Helper()
	w.must(w.change("", func(c *engine.Change) error {
		_, err := c.PutLimit(w.instance, "a", ledger.Limit{Tokens: token.FromInt(tokens), Period: period.Daily, NextResetMS: dawnMS})
		return err
	}))
}

// consumed counts the periods in which something is known to be consumed.
func (w *world) consumed() (periods int) {
	w.Helper()
	w.must(w.View(ctx, func(r store.Reader) error {
		return r.EachConsumed(func(*ledger.Consumed) error { periods++; return nil })
	}))
	return periods
}

// What was consumed in a period that is over still bounds what is due from then, and is forgotten after.
func TestForgetSparesWhatIsDue(t *testing.T) {
	w := newTimed(t, nil)
	w.limited(21)
	session := w.session("x")
	for range 20 {
		_, _, err := w.charge("x", "", "")
		w.must(err)
	}
	w.nowMS.Store(dawnMS + 80*hourMS) // an outage
	_, _, err := w.charge("x", "", "")
	w.must(err)
	w.must(w.Forget(ctx))
	if n := w.consumed(); n != 2 {
		t.Errorf("there is consumption in %d periods while the session is late, want 2", n)
	}
	w.catchUp(dawnMS + 80*hourMS)
	if s := w.state(session); s.Reason != access.NotCovered {
		t.Errorf("the session ended for %s, want %s: the limit of its day was reached", s.Reason, access.NotCovered)
	}
	w.must(w.Forget(ctx))
	if n := w.consumed(); n != 2 {
		t.Errorf("there is consumption in %d periods eight hours after the last began, want 2", n)
	}
	w.nowMS.Store(dawnMS + 96*hourMS)
	w.must(w.Forget(ctx))
	if n := w.consumed(); n != 1 {
		t.Errorf("there is consumption in %d periods when the last has run for a day, want 1", n)
	}
	if d := w.proof().Differences; len(d) > 0 {
		t.Errorf("verify finds %q", d)
	}
}

// So does a cover that has ended, of what is due from before its end.
func TestForgetSparesCoversOfWhatIsDue(t *testing.T) {
	w := newTimed(t, nil)
	w.must(w.change("", func(c *engine.Change) error {
		return c.AddRateTable(&rate.Table{Version: "2", Items: []rate.Item{{Name: "w", Rate: token.FromInt(1), Window: 90 * time.Minute}}})
	}))
	w.session("w")
	w.nowMS.Store(dawnMS + 240*hourMS) // an outage
	w.must(w.Forget(ctx))
	w.catchUp(dawnMS + 240*hourMS)
	if got := w.used(); got != "1" {
		t.Errorf("%s is used, want 1: the charge of an hour later was covered", got)
	}
}

// A store that cannot say what is due must not be told to forget.
func TestForgetNeedsToKnowWhatIsDue(t *testing.T) {
	down := errors.New("no view")
	w := newTimed(t, func(s store.Store, _ *engine.Options) store.Store { return blind{s, down} })
	if err := w.Forget(ctx); !errors.Is(err, down) {
		t.Errorf("forgetting comes to %v, want %v", err, down)
	}
}

type blind struct {
	store.Store
	err error
}

func (b blind) View(context.Context, func(store.Reader) error) error { return b.err }

// Verify sees what is wrong with consumption: of the present period, and of one before.
func TestVerifySeesConsumption(t *testing.T) {
	for _, row := range []struct{ what, statement, want string }{
		{"nothing", "SELECT 1", ""},
		{"more", "UPDATE consumed SET tokens = '2.000000000001'", "consumed 2.000000000001 from a line item with a limit since 2026-01-01T00:00:00Z, its events add up to 2"},
		{"less", "UPDATE consumed SET tokens = '1' WHERE tokens = '2'", "its events add up to 2"},
		{"another period", "UPDATE consumed SET since_ms = since_ms + 1", "its events add up to 0"},
		{"a charge", "DELETE FROM journal WHERE number = 4", "requester u had consumed 3 since 2026-01-02T00:00:00Z after it, the events up to it add up to"},
	} {
		t.Run(row.what, func(t *testing.T) {
			w := newTimed(t, nil)
			w.limited(9)
			for _, atMS := range []int64{dawnMS, dawnMS, dawnMS + 24*hourMS, dawnMS + 24*hourMS, dawnMS + 24*hourMS} {
				w.nowMS.Store(atMS)
				_, _, err := w.charge("x", "", "")
				w.must(err)
			}
			w.expectDifference(row.statement, row.want)
		})
	}
}

// What counting under a limit has forgotten is not missed.
func TestVerifyKnowsOfForgottenConsumption(t *testing.T) {
	w := newTimed(t, nil)
	charge := func(count int64) {
		w.Helper()
		receipt, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: &access.Request{
			Requester: access.Requester{Type: "USER", Value: "u"}, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(count)}}},
		}})
		w.must(err)
		if receipt.Items[0].Status != ledger.Granted {
			w.Fatalf("%d is answered with %s", count, receipt.Items[0].Status)
		}
	}
	for range 2 { // at one time, so that the periods are one
		w.limited(9)
		charge(5)
		w.must(w.change("", func(c *engine.Change) error { return c.DeleteLimit(w.instance, "a") }))
	}
	w.limited(9)
	charge(2)
	charge(3)
	if d := w.proof().Differences; len(d) > 0 {
		t.Errorf("verify finds %q", d)
	}
}
