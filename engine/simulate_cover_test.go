package engine_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// windows are items, with the rates and windows that they have, and those that a draft gives them.
var windows = []struct {
	name               string
	rate, draftRate    int64
	window, draftAfter time.Duration
}{
	{"gets one", 3, 5, 0, 24 * time.Hour}, {"gets a short one", 3, 3, 0, 30 * time.Minute}, {"keeps it", 8, 9, 24 * time.Hour, 24 * time.Hour},
	{"longer", 8, 8, 6 * time.Hour, 48 * time.Hour}, {"shorter", 8, 8, 48 * time.Hour, 3 * time.Hour}, {"none", 4, 8, 0, 0},
	{"loses it", 8, 2, 12 * time.Hour, 0},
}

func windowTables() (before, draft *rate.Table) {
	before, draft = &rate.Table{Version: "before"}, &rate.Table{Version: "draft"}
	for _, w := range windows {
		before.Items = append(before.Items, rate.Item{Name: w.name, Rate: token.FromInt(w.rate), Window: w.window})
		draft.Items = append(draft.Items, rate.Item{Name: w.name, Rate: token.FromInt(w.draftRate), Window: w.draftAfter})
	}
	return before, draft
}

// windowWorld is used by random requests, the same for the same seed, one-off and in sessions. From fromMS on the draft prices, if
// it is to.
func windowWorld(t *testing.T, seed uint64, fromMS int64, drafted bool) *timed {
	w := newTimed(t, nil)
	before, draft := windowTables()
	w.must(w.change("", func(c *engine.Change) error {
		l := w.lineItem("a")
		l.Overdraft, l.EndMS = ledger.UnlimitedOverdraft, period.LatestMS
		if _, err := c.PutLineItem(l); err != nil {
			return err
		}
		if drafted {
			draft.EffectiveFromMS = fromMS
			if err := c.AddRateTable(draft); err != nil {
				return err
			}
		}
		before.EffectiveFromMS = dawnMS
		return c.AddRateTable(before)
	}))
	random := rand.New(rand.NewPCG(seed, 0))
	sessions := map[int]engine.SessionRef{} // by requester
	for at := int64(dawnMS); at < fromMS+100*hourMS; at += (1 + random.Int64N(20)) * hourMS / 4 {
		w.catchUp(at)
		who, closes := random.IntN(3), random.IntN(4) == 0
		r := &access.Request{Requester: access.Requester{Type: "user", Value: fmt.Sprint(who)}}
		inSession := random.IntN(2) == 0 && at >= fromMS // a charge of before would be given back at its own rate
		for range 1 + random.IntN(2) {
			item := windows[random.IntN(len(windows)-1)]
			if !inSession {
				item = windows[random.IntN(len(windows))]
			}
			r.Items = append(r.Items, access.Item{Ask: ledger.Ask{Item: item.name, Count: token.FromInt(1 + random.Int64N(4))}})
		}
		w.use(r, who, inSession, closes, sessions)
	}
	w.catchUp(fromMS + 100*hourMS)
	return w
}

func (w *timed) use(r *access.Request, who int, inSession, closes bool, sessions map[int]engine.SessionRef) {
	w.Helper()
	if !inSession {
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: r})
		w.must(err)
		return
	}
	ref, open := sessions[who]
	if open && w.state(ref).State == access.Terminated { // by a missed heartbeat
		open = false
	}
	if open && closes {
		_, err := w.CloseSession(ref, nil, nil)
		w.must(err)
		delete(sessions, who)
		return
	}
	if !open {
		receipt, _, err := w.CreateSession(w.instance, nil, nil)
		w.must(err)
		ref = engine.SessionRef{ID: receipt.Session.ID}
		sessions[who] = ref
	}
	_, _, err := w.Ask(&engine.SessionRequest{Session: ref, RollbackOnDeny: true, Request: r})
	w.must(err)
}

// charged returns what was charged since a time, less refunds, by item.
func (w *timed) charged(fromMS int64) string {
	w.Helper()
	by := map[string]token.Amount{}
	w.must(w.View(ctx, func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
			for _, e := range receipt.Events(nil) {
				if e.UsageTimeMS >= fromMS {
					by[e.Item] = by[e.Item].Add(e.Tokens)
				}
			}
			return true, nil
		})
		return err
	}))
	return text(by)
}

func text(by map[string]token.Amount) string {
	var lines []string
	for _, item := range slices.Sorted(maps.Keys(by)) {
		lines = append(lines, item+": "+by[item].String())
	}
	return strings.Join(lines, "\n")
}

// A simulation says what the same requests cost where the draft did take effect when the period began, with all that was covered
// then.
func TestSimulationOfWindowsAgreesWithAServer(t *testing.T) {
	const fromMS = dawnMS + 60*hourMS
	changed := 0
	for seed := range histories(4) {
		was, twin := windowWorld(t, seed, fromMS, false), windowWorld(t, seed, fromMS, true)
		_, draft := windowTables()
		s, err := was.Simulate(ctx, &engine.Replay{Draft: draft, FromMS: fromMS, ToMS: fromMS + 200*hourMS})
		was.must(err)
		oldTokens, newTokens := map[string]token.Amount{}, map[string]token.Amount{}
		for _, r := range s.Rows {
			oldTokens[r.Item], newTokens[r.Item] = r.OldTokens, r.NewTokens
		}
		if got, want := text(oldTokens), was.charged(fromMS); got != want {
			t.Errorf("seed %d: charged were\n%s\nwant\n%s", seed, got, want)
		}
		if got, want := text(newTokens), twin.charged(fromMS); got != want {
			t.Errorf("seed %d: the draft charges\n%s\na server does\n%s\nnotes %q", seed, got, want, s.Notes)
		}
		if was.charged(fromMS) != twin.charged(fromMS) {
			changed++
		}
		if len(s.Notes) > 0 {
			t.Errorf("seed %d: there is nothing to note: %q", seed, s.Notes)
		}
	}
	if changed == 0 {
		t.Error("the draft changes nothing")
	}
}

func TestSimulatedCoversAreBounded(t *testing.T) {
	w := newTimed(t, nil)
	for i := range 20 { // of which 10 are covered at any time
		w.nowMS.Store(dawnMS + int64(i)*hourMS)
		r := request("x", 1)
		r.Requester.Value = fmt.Sprint(i)
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: r})
		w.must(err)
	}
	simulate := func(window time.Duration, most int) error {
		draft := &rate.Table{Version: "draft", Items: []rate.Item{{Name: "x", Rate: token.FromInt(1), Window: window}}}
		_, err := w.Simulate(ctx, &engine.Replay{Draft: draft, ToMS: dawnMS + 100*hourMS, CoversMost: most})
		return err
	}
	w.must(simulate(time.Hour, 20))
	w.must(simulate(0, 1))
	err := simulate(10*time.Hour, 9)
	w.kind(err, problem.TooLarge)
	if err == nil || !strings.Contains(err.Error(), "more than 9 charges would cover later use at the same time") {
		t.Error(err)
	}
}

// Covers that have ended for long are forgotten, so that a long period needs no more than a short one.
func TestSimulatedCoversEnd(t *testing.T) {
	w := newTimed(t, nil)
	for i := range 60 {
		w.nowMS.Store(dawnMS + int64(i)*24*hourMS/2)
		r := request("x", 1)
		r.Requester.Value = fmt.Sprint(i)
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: r})
		w.must(err)
	}
	draft := &rate.Table{Version: "draft", Items: []rate.Item{{Name: "x", Rate: token.FromInt(1), Window: time.Hour}}}
	_, err := w.Simulate(ctx, &engine.Replay{Draft: draft, ToMS: dawnMS + 1000*hourMS, CoversMost: 4})
	w.must(err)
}

// What the record does not tell is said in words, with how often and an example.
func TestSimulationSaysWhatItDoesNotKnow(t *testing.T) {
	w := newTimed(t, nil)
	w.must(w.change("", func(c *engine.Change) error {
		l := w.lineItem("b")
		l.Series, l.Priority, l.Quantity = "other", -1, 1
		if _, err := c.PutLineItem(l); err != nil {
			return err
		}
		for _, series := range []string{"", "other"} {
			err := c.AddRateTable(&rate.Table{Series: series, Version: "2", Items: []rate.Item{
				{Name: "tool", Rate: token.FromInt(1)}, {Name: "day", Rate: token.FromInt(5), Window: 24 * time.Hour}, {Name: "x", Rate: token.FromInt(1)},
			}})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: request("x", 3)}) // one of series other
	w.must(err)
	w.session("tool")
	w.session("day")
	draft := &rate.Table{Version: "draft", Items: []rate.Item{
		{Name: "x", Rate: token.FromInt(1), Window: time.Hour}, {Name: "tool", Rate: token.FromInt(1), FreeSeconds: 60}, {Name: "day", Rate: token.FromInt(5)},
	}}
	s, err := w.Simulate(ctx, &engine.Replay{Draft: draft, ToMS: dawnMS + 100*hourMS})
	w.must(err)
	want := []string{
		`uses of items with a window that were paid at rates of several series: 1, such as of "x"; what was paid at rates of this one is simulated as if it had been ` +
			`asked for alone`,
		`charges in sessions of items whose freeSeconds the draft changes: 1, such as of "tool"; what sessions get back is taken to be the same part of the ` +
			`charge as it was`,
		`charges in sessions of items that had a window and have none in the draft: 1, such as of "day"; what sessions would get back of them is not ` +
			`recorded, and taken to be nothing`,
	}
	if !slices.Equal(s.Notes, want) {
		t.Errorf("got %q", s.Notes)
	}
}
