package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

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

// retained is a history of which the oldest part may go.
type retained struct{ *history }

// newRetained makes a world with windows, a limit and an allocation besides. Its ids come in order, so that two are the same.
func newRetained(t *testing.T, seed uint64, wrap func(store.Store) store.Store) *retained {
	h := &retained{&history{chance: rand.New(rand.NewPCG(seed, 8)), noted: map[string]map[string]token.Amount{}}}
	var n atomic.Int64
	h.timed = newTimed(t, func(s store.Store, o *engine.Options) store.Store {
		o.NewID = func() string { return fmt.Sprintf("id-%06d", n.Add(1)) }
		if wrap != nil {
			s = wrap(s)
		}
		return s
	})
	h.must(h.change("", func(c *engine.Change) error {
		err := c.AddRateTable(&rate.Table{Version: "2", EffectiveFromMS: 1, Items: []rate.Item{
			{Name: "x", Rate: token.FromInt(1)}, {Name: "free"}, {Name: "day", Rate: token.FromInt(2), Window: 24 * time.Hour}}})
		if err != nil {
			return err
		}
		l := h.lineItem("ruled")
		l.Quantity, l.Priority, l.EndMS = 100_000, 1, dawnMS+400*dayMS
		if _, err := c.PutLineItem(l); err != nil {
			return err
		}
		most := token.FromInt(1_000)
		if _, err := c.PutActions(h.instance, "ruled", []ledger.Action{{Name: "all", Allow: true, Allocation: &most}}); err != nil {
			return err
		}
		_, err = c.PutLimit(h.instance, "ruled", ledger.Limit{Tokens: token.FromInt(20), Period: period.Weekly, NextResetMS: dawnMS})
		return err
	}))
	return h
}

func (h *retained) step() {
	switch h.chance.IntN(6) {
	case 0:
		_, _, err := h.Charge(&engine.Charge{InstanceID: h.instance, Request: &access.Request{
			Requester: access.Requester{Type: "USER", Value: string(rune('u' + h.chance.IntN(3)))},
			Items:     []access.Item{{Ask: ledger.Ask{Item: "day", Count: token.FromInt(1 + h.chance.Int64N(3))}}},
		}})
		h.must(err)
	case 1:
		h.pass(h.chance.Int64N(dayMS))
		h.must(h.Forget(ctx))
	default:
		h.history.step()
	}
}

func (h *retained) keep(value string) {
	h.Helper()
	h.must(h.change("", func(c *engine.Change) error { return c.SetConfiguration(engine.UsageRetention, value, "test") }))
}

// take has a follower take up to a number of receipts.
func (h *retained) take(name string, most int) (taken int) {
	h.Helper()
	_, err := h.FollowOnce(ctx, &engine.Follower{Name: name, Most: most, Take: func(_ context.Context, f *engine.Followed) (int, func(store.Tx) error, error) {
		taken = len(f.Receipts)
		return taken, nil, nil
	}})
	h.must(err)
	return taken
}

func (h *retained) removed() (at store.Removed) {
	h.Helper()
	h.must(h.View(ctx, func(r store.Reader) (err error) { at, err = r.Removed(); return err }))
	return at
}

// reports are all that is told of the whole history.
func (h *retained) reports() string {
	h.Helper()
	var all []any
	for at := int64(dawnMS); at <= h.Now(); {
		month, err := engine.ParseMonth(monthOf(at), "")
		h.must(err)
		s, err := h.InstanceStatement(ctx, h.instance, month)
		h.must(err)
		all, at = append(all, s), month.ToMS
	}
	for _, by := range [][]usage.Dimension{{usage.ByInstance}, {usage.ByLineItem, usage.ByItem}, {usage.ByKind, usage.ByRequester}} {
		report, err := h.Usage(ctx, &usage.Query{By: by})
		h.must(err)
		slices.SortFunc(report.Rows, func(a, b usage.Row) int { return strings.Compare(fmt.Sprint(a.By), fmt.Sprint(b.By)) }) // equal ones come in any order
		all = append(all, report.Rows, report.Total)
	}
	text, err := json.Marshal(all, json.Deterministic(true))
	h.must(err)
	return string(text)
}

// Whatever is removed, and whenever: balances are proved as before, and reports say the same. Nothing goes that is young, or that
// somebody has not taken.
func TestRetentionChangesNothingElse(t *testing.T) {
	for seed := range histories(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			whole, cut := newRetained(t, seed, nil), newRetained(t, seed, nil)
			cut.keep("P8D")
			chance := rand.New(rand.NewPCG(seed, 9))
			passes := 0
			for range 150 {
				whole.step()
				whole.pass(1)
				cut.step()
				cut.pass(1)
				if chance.IntN(6) > 0 {
					continue
				}
				cut.take("export", 1+chance.IntN(40))
				if chance.IntN(2) == 0 {
					cut.take("other", 1+chance.IntN(60))
				}
				done, err := cut.Retain(ctx, []string{"export", "other"})
				cut.must(err)
				if done.Receipts > 0 {
					passes++
				}
				cut.stays()
				if chance.IntN(3) == 0 {
					cut.must(cut.RebuildUsage(ctx, func(int64, int64) {}))
				}
				if proof := cut.proof(); len(proof.Differences) > 0 {
					t.Fatal(proof.Differences)
				}
			}
			if passes == 0 {
				t.Error("nothing was removed")
			}
			was, is := whole.proof(), cut.proof()
			if is.Opened == 0 || is.OpenedMS != cut.removed().EarliestMS {
				t.Errorf("%d receipts before %d by the opening state", is.Opened, is.OpenedMS)
			}
			is.Opened, is.OpenedMS = 0, 0
			if !reflect.DeepEqual(was, is) {
				t.Errorf("proved %+v, and %+v after receipts were removed", was, is)
			}
			if was, is := whole.reports(), cut.reports(); was != is {
				t.Errorf("reported %s\nand, after receipts were removed, %s", was, is)
			}
			cut.expectDifference("UPDATE balance SET used = '123456' WHERE charged", "used is")
		})
	}
}

// stays fails if something is gone that has to stay.
func (h *retained) stays() {
	h.Helper()
	at := h.removed()
	h.must(h.View(ctx, func(r store.Reader) error {
		followers, err := r.Followers()
		for _, f := range followers {
			if f.Position.Before(at.Next) {
				h.Errorf("removed up to %+v; %s has come to %+v", at.Next, f.Name, f.Position)
			}
		}
		return err
	}))
	if young := h.Now() - 8*dayMS; at.EarliestMS > young {
		h.Errorf("what was used up to %d is removed, and what was made since %d has to stay", at.EarliestMS, young)
	}
}

// month is a record of which most is past its time.
func (h *retained) month() {
	h.Helper()
	for range 30 {
		_, _, err := h.charge("x", "", "")
		h.must(err)
		h.pass(dayMS)
	}
	h.keep("P8D")
}

func TestRetentionWaitsForFollowers(t *testing.T) {
	h := newRetained(t, 1, nil)
	h.month()
	held := func(want string) {
		t.Helper()
		done, err := h.Retain(ctx, []string{"export"})
		h.must(err)
		if done.Held != want {
			t.Errorf("held up by %q, want %q", done.Held, want)
		}
		h.stays()
	}
	held("export") // it has taken nothing yet
	if at := h.removed(); at != (store.Removed{}) {
		t.Errorf("removed %+v", at)
	}
	h.take("export", 5)
	held("export")
	first := h.removed()
	h.take("export", 100)
	h.take("slow", 7)
	held("slow")
	if second := h.removed(); first.Next.Commit != 5 || second.Next.Commit != 12 { // who is new begins with the sixth
		t.Errorf("removed up to %+v and %+v, want commits 5 and 12", first, second)
	}
	since := func(name string) (sinceMS int64) {
		t.Helper()
		h.must(h.store.View(ctx, func(r store.Reader) error {
			all, err := engine.Followers(r)
			for _, f := range all {
				if f.Name == name {
					sinceMS = f.SinceMS
				}
			}
			return err
		}))
		return sinceMS
	}
	if at, all := since("slow"), since("export"); at != dawnMS+12*dayMS || all != 0 {
		t.Errorf("slow has to take what was made since %d, export %d", at, all)
	}
	h.must(engine.ForgetFollower(ctx, h.store, "slow"))
	h.kind(engine.ForgetFollower(ctx, h.store, "slow"), problem.NotFound)
	h.kind(engine.ForgetFollower(ctx, h.store, "fold"), problem.Invalid)
	h.kind(engine.ForgetFollower(ctx, h.store, "alerts"), problem.Invalid)
	held("")
	if h.removed().Next.Commit != 22 { // of 30 days, 8 stay
		t.Errorf("removed up to %+v", h.removed())
	}
	h.keep("")
	h.pass(100 * dayMS)
	h.take("export", 100)
	held("")
	if h.removed().Next.Commit != 22 {
		t.Errorf("without an age, removed up to %+v", h.removed())
	}
}

// A key that is kept finds its answer, and one that is past its time is new.
func TestRetentionSparesKeys(t *testing.T) {
	h := newRetained(t, 1, nil)
	for i := range 20 {
		_, _, err := h.charge("x", fmt.Sprint("key ", i), "the same")
		h.must(err)
		h.pass(dayMS)
	}
	h.keep("P8D")
	h.take("export", 100)
	done, err := h.Retain(ctx, []string{"export"})
	h.must(err)
	if done.Receipts != 12 {
		t.Errorf("%d receipts were removed, want 12", done.Receipts)
	}
	for i := range 20 {
		_, replayed, err := h.charge("x", fmt.Sprint("key ", i), "the same")
		h.must(err)
		if want := i >= 12; replayed != want {
			t.Errorf("key %d, of %d days ago: replayed %v, want %v", i, 20-i, replayed, want)
		}
	}
	if proof := h.proof(); len(proof.Differences) > 0 {
		t.Error(proof.Differences)
	}
}

// The books forget a hold a week after its end, when receipts of it may still be there: those are followed nevertheless.
func TestRetentionFollowsHoldsThatAreForgotten(t *testing.T) {
	h := newRetained(t, 1, nil)
	h.keep("P8D")
	made := h.hold(1)
	h.pass(dayMS)
	h.settle(made.Hold.ID, 1, true)
	for range 6 { // the hold's receipt goes, then that of its settlement, then what is remembered of it
		h.pass(7*dayMS + hourMS)
		h.spend(1)
		h.must(h.Forget(ctx))
		h.take("archive", 1000)
		_, err := h.Retain(ctx, []string{"archive"})
		h.must(err)
		if proof := h.proof(); len(proof.Differences) > 0 {
			t.Fatal(proof.Differences)
		}
	}
	h.must(h.View(ctx, func(r store.Reader) error {
		text, err := r.Opening()
		if strings.Contains(string(text), made.Hold.ID) {
			t.Errorf("the hold is remembered for ever: %s", text)
		}
		return err
	}))
}

// What does not add up is not removed: it is what the difference can be found by.
func TestRetentionKeepsWhatDoesNotAddUp(t *testing.T) {
	h := newRetained(t, 1, nil)
	h.month()
	h.take("export", 100)
	h.must(h.store.Change(ctx, func(tx store.Tx) error { // as if two receipts had been lost
		return tx.RemoveReceipts(store.Removed{Next: usage.Position{Commit: 2, Receipt: 1}, EarliestMS: dawnMS}, []byte(`{}`))
	}))
	before := h.removed()
	_, err := h.Retain(ctx, []string{"export"})
	h.kind(err, problem.Conflict)
	if at := h.removed(); at != before {
		t.Errorf("removed %+v", at)
	}
}

// What is gone is told.
func TestRetentionIsTold(t *testing.T) {
	h := newRetained(t, 1, nil)
	var old *engine.Page
	h.month()
	ask := &usage.Query{By: []usage.Dimension{usage.ByItem}}
	old, err := h.PageOf(ctx, usage.Position{}, &usage.Filter{}, 3)
	h.must(err)
	if old.EarliestMS != 0 {
		t.Errorf("earliest is %d before anything was removed", old.EarliestMS)
	}
	h.take("export", 100)
	_, err = h.Retain(ctx, []string{"export"})
	h.must(err)
	at := h.removed()
	page, err := h.PageOf(ctx, usage.Position{}, &usage.Filter{}, 3)
	h.must(err)
	if page.EarliestMS != at.EarliestMS || page.Events[0].UsageTimeMS < at.EarliestMS {
		t.Errorf("events begin at %d, earliest is %d, want %d", page.Events[0].UsageTimeMS, page.EarliestMS, at.EarliestMS)
	}
	_, err = h.PageOf(ctx, old.Next, &usage.Filter{}, 3)
	h.refused(err, "cursor")
	if _, err = h.PageOf(ctx, at.Next, &usage.Filter{}, 3); err != nil { // who had come just so far has missed nothing
		t.Error(err)
	}
	draft := &rate.Table{Version: "3", Items: []rate.Item{{Name: "x", Rate: token.FromInt(2)}}}
	_, err = h.Simulate(ctx, &engine.Replay{Draft: draft, FromMS: at.EarliestMS - 1, ToMS: h.Now()})
	h.refused(err, "from")
	for _, replay := range []engine.Replay{{FromMS: at.EarliestMS}, {FromMS: 0, FromAny: true}} {
		replay.Draft, replay.ToMS = draft, h.Now()
		s, err := h.Simulate(ctx, &replay)
		h.must(err)
		if s.FromMS != at.EarliestMS || s.Requests != 8 {
			t.Errorf("simulated %d requests from %d", s.Requests, s.FromMS)
		}
	}
	report, err := h.Usage(ctx, ask)
	h.must(err)
	if got := report.Total.Tokens.String(); got != "30" {
		t.Errorf("usage is %s, want 30", got)
	}
}

// Keys of metadata that seldom repeat have no columns: who asks for one is told when the requests are gone.
func TestRetentionRefusesKeysWithoutColumns(t *testing.T) {
	h := newRetained(t, 1, nil)
	for day := range 20 {
		for i := range 30 {
			_, _, err := h.Charge(&engine.Charge{InstanceID: h.instance, Request: &access.Request{
				Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(1)}, MetaData: jsontext.Value(fmt.Sprintf(`{"job":"%d of %d"}`, i, day))}},
			}})
			h.must(err)
		}
		h.pass(dayMS)
	}
	h.keep("P8D")
	h.must(h.RebuildUsage(ctx, func(int64, int64) {}))
	ask := &usage.Query{By: []usage.Dimension{"metadata.job"}}
	before, err := h.Usage(ctx, ask)
	h.must(err)
	if len(before.Rows) < 600 {
		t.Fatalf("%d jobs", len(before.Rows))
	}
	h.take("export", 1000)
	done, err := h.Retain(ctx, []string{"export"})
	h.must(err)
	if done.Receipts != 360 {
		t.Errorf("%d receipts were removed", done.Receipts)
	}
	_, err = h.Usage(ctx, ask)
	h.refused(err, "groupBy")
	ask.FromMS = h.removed().EarliestMS
	since, err := h.Usage(ctx, ask)
	h.must(err)
	if len(since.Rows) != 240 {
		t.Errorf("%d jobs since the earliest", len(since.Rows))
	}
	all, err := h.Usage(ctx, &usage.Query{By: []usage.Dimension{usage.ByItem}})
	h.must(err)
	if got := all.Total.Tokens.String(); got != "600" {
		t.Errorf("usage is %s, want 600", got)
	}
}

func (h *retained) refused(err error, field string) {
	h.Helper()
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Kind != problem.Invalid || p.Field != field {
		h.Errorf("got %v, want a problem of %s", err, field)
	}
}

// A pass that fails anywhere has removed nothing; the next one goes on.
func TestRetentionFailsWhole(t *testing.T) {
	var s *fragile
	h := newRetained(t, 1, func(real store.Store) store.Store {
		s = &fragile{Store: real, left: -1}
		return s
	})
	h.month()
	h.take("export", 100)
	failures := 0
	for n := 0; ; n++ {
		before := h.removed()
		s.left = n
		done, err := h.Retain(ctx, []string{"export"})
		s.left = -1
		if err == nil {
			break
		}
		failures++
		h.kind(err, problem.Unavailable)
		if at := h.removed(); done.Receipts == 0 && at != before {
			t.Errorf("a pass that failed at call %d removed %+v", n, at)
		}
		if proof := h.proof(); len(proof.Differences) > 0 || proof.Receipts != 30 {
			t.Fatalf("after a pass failed at call %d: %d receipts, %v", n, proof.Receipts, proof.Differences)
		}
	}
	if h.removed().Next.Commit != 22 || failures < 20 {
		t.Errorf("removed up to %+v after %d failures", h.removed(), failures)
	}
}

// fragile fails every call after a number of them; negative: none.
type fragile struct {
	store.Store
	left int
}

func (s *fragile) fail() error {
	if s.left == 0 {
		return problem.New(problem.Unavailable, "on purpose")
	}
	if s.left > 0 {
		s.left--
	}
	return nil
}

func (s *fragile) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.View(ctx, func(r store.Reader) error { return fn(&fragileReader{r, s}) })
}

func (s *fragile) Change(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.Change(ctx, func(tx store.Tx) error {
		if err := fn(&fragileTx{tx, s}); err != nil {
			return err
		}
		return s.fail()
	})
}

type fragileReader struct {
	store.Reader
	s *fragile
}

func (r *fragileReader) Removed() (store.Removed, error) {
	if err := r.s.fail(); err != nil {
		return store.Removed{}, err
	}
	return r.Reader.Removed()
}

func (r *fragileReader) Opening() ([]byte, error) {
	if err := r.s.fail(); err != nil {
		return nil, err
	}
	return r.Reader.Opening()
}

func (r *fragileReader) EachCover(fn func(*ledger.Cover) error) error {
	return errors.Join(r.Reader.EachCover(fn), r.s.fail())
}

func (r *fragileReader) EachConsumed(fn func(*ledger.Consumed) error) error {
	if err := r.s.fail(); err != nil {
		return err
	}
	return r.Reader.EachConsumed(fn)
}

func (r *fragileReader) Receipts(from usage.Position, filter *usage.Filter, bound int, fn func(usage.Position, *usage.Receipt) (bool, error)) (usage.Position, error) {
	return r.Reader.Receipts(from, filter, bound, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
		if err := r.s.fail(); err != nil {
			return false, err
		}
		return fn(at, receipt)
	})
}

type fragileTx struct {
	store.Tx
	s *fragile
}

func (t *fragileTx) Followers() ([]store.Follower, error) {
	if err := t.s.fail(); err != nil {
		return nil, err
	}
	return t.Tx.Followers()
}

func (t *fragileTx) RemoveReceipts(at store.Removed, opening []byte) error {
	return errors.Join(t.Tx.RemoveReceipts(at, opening), t.s.fail())
}
