package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

const (
	minuteMS = 60 * 1000
	hourMS   = 60 * minuteMS
)

// timed is a world whose time a test tells.
type timed struct {
	between func() // what happens before the next change begins, if anything
	*world
	nowMS atomic.Int64
}

func newTimed(t *testing.T, wrap func(store.Store, *engine.Options) store.Store) *timed {
	w := &timed{}
	w.nowMS.Store(dawnMS)
	w.world = newWorld(t, func(s store.Store, o *engine.Options) store.Store {
		o.Now = w.now
		if wrap != nil {
			s = wrap(s, o)
		}
		return s
	})
	return w
}

func (w *timed) now() time.Time { return time.UnixMilli(w.nowMS.Load()) }

// session opens a session that uses an item from now on.
func (w *timed) session(item string) engine.SessionRef {
	w.Helper()
	receipt, _, err := w.CreateSession(w.instance, nil, nil)
	w.must(err)
	ref := engine.SessionRef{ID: receipt.Session.ID}
	receipt, _, err = w.Ask(&engine.SessionRequest{Session: ref, RollbackOnDeny: true, Request: &access.Request{
		Requester: access.Requester{Type: "USER", Value: "u"}, Items: []access.Item{{Ask: ledger.Ask{Item: item, Count: token.FromInt(1)}}},
	}})
	w.must(err)
	if receipt.Session.State != access.Active {
		w.Fatalf("the session is %+v", receipt.Session)
	}
	return ref
}

func (w *timed) state(ref engine.SessionRef) *access.Session {
	w.Helper()
	s, err := w.Session(ctx, ref)
	w.must(err)
	return s
}

func (w *timed) catchUp(atMS int64) int {
	w.Helper()
	w.nowMS.Store(atMS)
	made, err := w.CatchUp(atMS)
	w.must(err)
	return made
}

// A fault of ours in one session must not keep the others from being charged, nor charge anything itself.
func TestFaultInOneSession(t *testing.T) {
	var faults, ids atomic.Int64
	w := newTimed(t, func(s store.Store, o *engine.Options) store.Store {
		o.NewID = func() string {
			if faults.Load() > 0 && faults.Add(-1) == 0 {
				panic("a fault of ours")
			}
			return time.UnixMilli(ids.Add(1)).String()
		}
		return s
	})
	var refs []engine.SessionRef
	for range 3 {
		refs = append(refs, w.session("x"))
	}
	faults.Store(2) // in the second session that is charged
	w.catchUp(dawnMS + hourMS)
	if got := w.used(); got != "5" {
		t.Errorf("%s is used, want 5: of three sessions two were charged again", got)
	}
	if s := w.state(refs[1]); s.UntilMS != dawnMS+hourMS || s.RetryMS != dawnMS+2*hourMS {
		t.Errorf("the session with the fault is %+v", s)
	}
	for _, ref := range []engine.SessionRef{refs[0], refs[2]} {
		_, err := w.Heartbeat(ref, false)
		w.must(err)
	}
	w.catchUp(dawnMS + 2*hourMS) // as of an hour ago, and as of now
	if s := w.state(refs[1]); s.UntilMS != dawnMS+3*hourMS || s.RetryMS != 0 {
		t.Errorf("after the fault the session is %+v", s)
	}
	if d := w.proof().Differences; len(d) > 0 {
		t.Errorf("verify finds %q", d)
	}
}

// D20: an application that could not reach us is not to blame for it.
func TestDeadlineAfterAnOutage(t *testing.T) {
	t.Run("the server was down", func(t *testing.T) {
		w := newTimed(t, nil)
		ref := w.session("x")
		w.catchUp(dawnMS + hourMS)
		w.nowMS.Store(dawnMS + 5*hourMS + 10*minuteMS)
		again := engine.New(w.store, engine.Options{Now: w.now})
		defer again.Stop()
		_, err := again.CatchUp(w.nowMS.Load())
		w.must(err)
		if s := w.state(ref); s.State != access.Active || s.UntilMS != dawnMS+6*hourMS || s.HeartbeatDueMS != dawnMS+5*hourMS+40*minuteMS {
			t.Errorf("the session is %+v", s)
		}
		w.nowMS.Store(dawnMS + 5*hourMS + 40*minuteMS)
		_, err = again.CatchUp(w.nowMS.Load())
		w.must(err)
		if s := w.state(ref); s.Reason != access.HeartbeatMissed || s.Net.String() != "5" {
			t.Errorf("the session is %+v, want it ended and the last charge back", s)
		}
	})
	t.Run("the store failed", func(t *testing.T) {
		var fail atomic.Bool
		w := newTimed(t, func(s store.Store, _ *engine.Options) store.Store {
			return &hooked{s, func(want store.Want, decide func(*store.Loaded) store.Decided) error {
				if fail.Load() {
					return problem.New(problem.Unavailable, "a failure of the disk")
				}
				return s.Commit(ctx, want, decide)
			}}
		})
		ref := w.session("x")
		w.catchUp(dawnMS + hourMS)
		fail.Store(true)
		w.nowMS.Store(dawnMS + hourMS + 29*minuteMS)
		_, err := w.Heartbeat(ref, false)
		w.kind(err, problem.Unavailable)
		fail.Store(false)
		w.catchUp(dawnMS + hourMS + 31*minuteMS)
		if s := w.state(ref); s.State != access.Active || s.HeartbeatDueMS != dawnMS+hourMS+61*minuteMS {
			t.Errorf("the session is %+v", s)
		}
	})
	t.Run("the machine stood still, or its clock was set forward", func(t *testing.T) {
		w := newTimed(t, func(s store.Store, o *engine.Options) store.Store { o.Serve = true; return s })
		ref := w.session("x")
		w.catchUp(dawnMS + hourMS)
		w.nowMS.Store(dawnMS + 2*hourMS - 1)
		_, err := w.Heartbeat(ref, false) // an hour after the last sign of life
		w.must(err)
		if s := w.state(ref); s.State != access.Active || s.HeartbeatDueMS != 0 {
			t.Errorf("the session is %+v", s)
		}
	})
}

// The timer makes what is due by itself.
func TestTimer(t *testing.T) {
	w := newTimed(t, func(s store.Store, o *engine.Options) store.Store { o.Serve = true; return s })
	ref := w.session("x")
	w.nowMS.Store(dawnMS + hourMS)
	for deadline := time.Now().Add(time.Minute); w.state(ref).UntilMS != dawnMS+2*hourMS; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the session is %+v", w.state(ref))
		}
	}
	if got := w.used(); got != "2" {
		t.Errorf("%s is used, want 2", got)
	}
}

// What is due is made in its order over all sessions, however many batches and late charges that takes: here sessions that
// were opened minutes apart have a day's charges to make up for, and tokens for a part of them.
func TestCatchUpInOrder(t *testing.T) {
	w := newTimed(t, nil)
	for i := range 40 {
		w.nowMS.Store(dawnMS + int64(i)*minuteMS)
		w.session("x")
	}
	w.nowMS.Store(dawnMS + 24*hourMS)
	again := engine.New(w.store, engine.Options{Now: w.now}) // it was down for a day
	defer again.Stop()
	_, err := again.CatchUp(w.nowMS.Load())
	w.must(err)
	var last int64
	charges := 0
	w.must(w.View(ctx, func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
			if receipt.TimeMS < last {
				t.Errorf("what was due at %d comes after what was due at %d", receipt.TimeMS, last)
			}
			last = receipt.TimeMS
			if receipt.Session.Operation == access.AutomaticCharge {
				charges++
				if receipt.WrittenMS != dawnMS+24*hourMS && receipt.TimeMS != dawnMS+24*hourMS {
					t.Errorf("a charge as of %d was written at %d", receipt.TimeMS, receipt.WrittenMS)
				}
			}
			return true, nil
		})
		return err
	}))
	if want := 40*23 + 1; charges != want {
		t.Errorf("%d automatic charges, want %d", charges, want)
	}
	if d := w.proof().Differences; len(d) > 0 {
		t.Errorf("verify finds %q", d)
	}
}

// What is charged late is paid from the allowance of its time, whoever was refused something of a newer one meanwhile, or keeps something of it.
func TestLateChargesHeedNobodyWhoBookedNothing(t *testing.T) {
	requester := access.Requester{Type: "USER", Value: "v"}
	ask := func(count int64) *access.Request {
		return &access.Request{Requester: requester, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(count)}}}}
	}
	first := ""
	for _, row := range []struct {
		rule string
		ask  func(*timed) (*usage.Receipt, error)
	}{
		{"nobody came", nil},
		{"refused", func(w *timed) (*usage.Receipt, error) {
			receipt, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: ask(1000)})
			return receipt, err
		}},
		{"held", func(w *timed) (*usage.Receipt, error) {
			receipt, _, err := w.Hold(&engine.NewHold{InstanceID: w.instance, Request: ask(1), TTL: time.Hour})
			return receipt, err
		}},
		{"leased", func(w *timed) (*usage.Receipt, error) {
			lease := &access.NewLease{Client: "c", Requester: requester, Tokens: token.FromInt(1), Items: []access.Item{{Ask: ledger.Ask{Item: "x"}}}}
			receipt, _, err := w.Lease(ctx, &engine.NewLease{InstanceID: w.instance, Lease: lease, TTL: time.Hour})
			return receipt, err
		}},
	} {
		w := newTimed(t, nil)
		w.must(w.change(w.instance, func(c *engine.Change) error {
			l := w.lineItem("a")
			l.Quantity, l.Recurs = 24, period.Daily
			_, err := c.PutLineItem(l)
			return err
		}))
		w.nowMS.Store(dawnMS + 20*hourMS)
		w.session("x")
		w.nowMS.Store(dawnMS + 26*hourMS) // two charges and a missed heartbeat later
		if row.ask != nil {
			receipt, err := row.ask(w)
			w.must(err)
			if (receipt.Hold == nil) != (row.rule == "refused") || receipt.Hold != nil && receipt.Hold.ID == "" || receipt.Hold == nil && receipt.Items[0].Status == ledger.Granted {
				t.Fatalf("%s: the answer is %+v", row.rule, receipt)
			}
		}
		w.catchUp(w.nowMS.Load())
		told := w.paidFrom()
		if first == "" {
			first = told
		}
		if told != first || strings.Count(told, "since 0") != 3 {
			t.Errorf("%s: charged are\n%s, and if nobody came\n%s", row.rule, told, first)
		}
		if d := w.proof().Differences; len(d) > 0 {
			t.Errorf("%s: verify finds %q", row.rule, d)
		}
	}
}

// What was held of an allowance is used of it, also if it is settled after the clock was set back to before it began.
func TestSettledBeforeItsAllowanceBegan(t *testing.T) {
	w := newTimed(t, nil)
	w.must(w.change(w.instance, func(c *engine.Change) error {
		l := w.lineItem("a")
		l.Quantity, l.Recurs = 24, period.Daily
		_, err := c.PutLineItem(l)
		return err
	}))
	used := func() string {
		b, err := w.Balance(ctx, w.instance)
		w.must(err)
		l := b.Book.LineItems[0]
		return fmt.Sprintf("%s used since %d, %s held", l.Used, l.ResetMS-dawnMS, l.Held)
	}
	items := []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(3)}}}
	w.nowMS.Store(dawnMS + 26*hourMS)
	hold, _, err := w.Hold(&engine.NewHold{InstanceID: w.instance, Request: &access.Request{Requester: access.Requester{Type: "USER", Value: "v"}, Items: items}, TTL: 24 * time.Hour})
	w.must(err)
	w.nowMS.Store(dawnMS + 20*hourMS)
	for _, step := range []struct {
		count, nowMS int64
		final        bool
		want         string
	}{
		{2, dawnMS + 20*hourMS, false, "2 used since 86400000, 1 held"},
		{1, dawnMS + 21*hourMS, true, "3 used since 86400000, 0 held"},
	} {
		w.nowMS.Store(step.nowMS)
		items[0].Count = token.FromInt(step.count)
		_, _, err := w.SettleHold(&engine.HoldMove{HoldID: hold.Hold.ID}, items, step.final)
		w.must(err)
		if got := used(); got != step.want {
			t.Errorf("settled by %d: %s, want %s", step.count, got, step.want)
		}
	}
	w.nowMS.Store(dawnMS + 27*hourMS)
	receipt, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: &access.Request{
		Requester: access.Requester{Type: "USER", Value: "v"}, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(22)}}},
	}})
	w.must(err)
	if receipt.Items[0].Status != ledger.Insufficient {
		t.Errorf("22 of the 21 that are left are answered %s", receipt.Items[0].Status)
	}
	if d := w.proof().Differences; len(d) > 0 {
		t.Errorf("verify finds %q", d)
	}
}

// paidFrom tells of each slice of the record as of when it is, and of which allowance.
func (w *timed) paidFrom() (told string) {
	w.must(w.View(ctx, func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
			for _, j := range append(receipt.Refunds, receipt.Items...) {
				if len(j.Slices) == 0 {
					continue
				}
				s := j.Slices[0]
				told += fmt.Sprintf("at %d: %s used since %d\n", receipt.TimeMS-dawnMS, s.Used, max(s.ResetMS, s.UsedResetMS)-dawnMS)
			}
			return true, nil
		})
		return err
	}))
	return told
}

// Verify is worth nothing unless it sees what is wrong with sessions, too.
func TestVerifySeesSessions(t *testing.T) {
	for _, row := range []struct{ what, statement, want string }{
		{"a state", `UPDATE session SET body = CAST(replace(CAST(body AS TEXT), 'ACTIVE', 'IDLE') AS BLOB)`, "its receipts say ACTIVE"},
		{"a period", `UPDATE session SET body = CAST(replace(CAST(body AS TEXT), '"until":1767', '"until":1768') AS BLOB)`, "its receipts say"},
		{"what it cost", `UPDATE session SET body = CAST(replace(CAST(body AS TEXT), '"net":2', '"net":3') AS BLOB)`, "charges less refunds are 3, its events add up to 2"},
		{"a session", `DELETE FROM session`, "is not in the books"},
		{"its creation", `DELETE FROM journal WHERE number = 1`, "which nobody created"},
	} {
		t.Run(row.what, func(t *testing.T) {
			w := newTimed(t, nil)
			w.session("x")
			w.catchUp(dawnMS + hourMS)
			w.expectDifference(row.statement, row.want)
		})
	}
}

// A crowd is more sessions than a batch makes charges for, all due at the same time.
const portion, crowd = 256, 300

// A fault in a request fails the batch, and with it what was made for sessions beside it: whoever waits for that must not be told
// that it was made, or a test clock would go on without it.
func TestFaultBesideWhatIsDue(t *testing.T) {
	var calls, faultAt atomic.Int64
	var beside sync.Once
	var w *timed
	w = newTimed(t, func(s store.Store, o *engine.Options) store.Store {
		o.NewID = func() string {
			if n := calls.Add(1); n == faultAt.Load() {
				panic("a fault of ours")
			}
			return fmt.Sprint(calls.Load())
		}
		return &hooked{s, func(want store.Want, decide func(*store.Loaded) store.Decided) error {
			if want.Due != nil && w.nowMS.Load() > dawnMS {
				beside.Do(func() {
					go func() { _, _, _ = w.charge("x", "", "") }()
					for w.Waiting() == 0 {
						time.Sleep(time.Millisecond)
					}
				})
				if len(want.Instances) > 0 {
					faultAt.Store(calls.Load() + crowd - portion + 1) // after the rest of the crowd, in the request
				}
			}
			return s.Commit(ctx, want, decide)
		}}
	})
	for range crowd {
		w.session("free")
	}
	w.nowMS.Store(dawnMS + hourMS)
	if made, err := w.CatchUp(dawnMS + hourMS); err == nil || made != portion {
		t.Errorf("%d were made, %v; want the first portion, and the fault beside the second", made, err)
	}
	if made, err := w.CatchUp(dawnMS + hourMS); err != nil || made != crowd-portion {
		t.Errorf("%d were made afterwards, %v; want the rest", made, err)
	}
}

// A server that is told to stop does not first make up for hours: whoever serves next does.
func TestStopDoesNotWaitForABacklog(t *testing.T) {
	var portions atomic.Int64
	var stop sync.Once
	stopped := make(chan struct{})
	var w *timed
	w = newTimed(t, func(s store.Store, _ *engine.Options) store.Store {
		return &hooked{s, func(want store.Want, decide func(*store.Loaded) store.Decided) error {
			if want.Due != nil && w.nowMS.Load() > dawnMS {
				portions.Add(1)
				stop.Do(func() {
					go func() { w.Stop(); close(stopped) }()
					_, _ = w.CatchUp(0) // which nobody takes on here, so that it returns when the engine is stopping
				})
			}
			return s.Commit(ctx, want, decide)
		}}
	})
	for range crowd {
		w.session("free")
	}
	w.nowMS.Store(dawnMS + hourMS)
	_, err := w.CatchUp(dawnMS + hourMS)
	w.kind(err, problem.Unavailable)
	<-stopped
	if n := portions.Load(); n != 1 {
		t.Errorf("%d portions were made, want the one that was begun", n)
	}
}
