package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// newToppedUp returns a world whose line item a has 1000 tokens for good, and an automatic top-up that is not acknowledged.
func newToppedUp(t *testing.T, terms notify.TopUp, wrap func(store.Store, *engine.Options) store.Store) *timed {
	w := newTimed(t, func(s store.Store, o *engine.Options) store.Store {
		o.PrivateWebhooks = true
		if wrap != nil {
			s = wrap(s, o)
		}
		return s
	})
	w.must(w.change("", func(c *engine.Change) error {
		l := w.lineItem("a")
		l.EndMS = period.LatestMS
		if _, err := c.PutLineItem(l); err != nil {
			return err
		}
		_, err := c.PutAutoTopUp(w.instance, "a", terms)
		return err
	}))
	return w
}

func (w *timed) topUp() (a *engine.AutoTopUp) {
	w.Helper()
	w.must(w.View(ctx, func(r store.Reader) (err error) {
		a, err = engine.AutoTopUpOf(r, w.instance, "a", w.nowMS.Load())
		return err
	}))
	return a
}

func (w *timed) acknowledge() {
	w.Helper()
	modified := w.topUp().ModifiedMS
	w.must(w.change("", func(c *engine.Change) error {
		_, err := c.AcknowledgeAutoTopUp(w.instance, "a", modified, "key")
		return err
	}))
}

// open looks, and returns the request that is open.
func (w *timed) open() *notify.TopUpRequest {
	w.Helper()
	w.must(w.LookAtTopUps(ctx))
	return w.topUp().State.Open
}

func (w *timed) grant(id string, tokens int64) error {
	return w.change("", func(c *engine.Change) error { _, err := c.TopUp(w.instance, "a", tokens, id); return err })
}

func (w *timed) decline(id string) error {
	return w.change("", func(c *engine.Change) error { _, err := c.DeclineTopUp(w.instance, "a", id, "no"); return err })
}

func (w *timed) pass(d time.Duration) { w.nowMS.Add(d.Milliseconds()) }

var plainTerms = notify.TopUp{Below: token.FromInt(100), Tokens: 50, MonthMost: 1000}

func TestTopUpIsOffUntilAcknowledged(t *testing.T) {
	w := newToppedUp(t, plainTerms, nil)
	r := newReceiver(t)
	w.webhook(r.URL)
	w.spend(990)
	if got := w.open(); got != nil || w.topUp().Standing != notify.TopUpOff {
		t.Fatalf("asked for %+v, which nobody has acknowledged", got)
	}
	err := w.change("", func(c *engine.Change) error {
		_, err := c.AcknowledgeAutoTopUp(w.instance, "a", w.topUp().ModifiedMS-1, "key")
		return err
	})
	w.kind(err, problem.Conflict)
	w.acknowledge()
	got := w.open()
	if got == nil || got.Tokens != 100 || got.Left.String() != "10" { // twice 50, since 90 are missing
		t.Fatalf("asked for %+v", got)
	}
	w.deliver()
	var told struct {
		Type string                `json:"type"`
		Data notify.TopUpRequested `json:"data"`
	}
	if all := r.all(); len(all) != 1 {
		t.Fatalf("sent %d events", len(all))
	} else if err := json.Unmarshal([]byte(all[0].body), &told); err != nil {
		t.Fatal(err)
	}
	if told.Type != "top_up.requested" || told.Data.RequestID != got.ID || told.Data.Tokens != 100 || told.Data.ActivationID != "a" || told.Data.AccountID == "" || told.Data.Message == "" {
		t.Errorf("told %+v", told)
	}
	w.must(w.change("", func(c *engine.Change) error { // other terms are off again, the same terms are not
		_, err := c.PutAutoTopUp(w.instance, "a", plainTerms)
		return err
	}))
	if w.topUp().State.AcknowledgedMS == 0 {
		t.Error("the same terms have to be acknowledged again")
	}
	other := plainTerms
	other.MonthMost = 2000
	w.must(w.change("", func(c *engine.Change) error { _, err := c.PutAutoTopUp(w.instance, "a", other); return err }))
	w.must(w.grant(got.ID, 100))
	w.pass(time.Hour)
	w.spend(100)
	if got := w.open(); got != nil {
		t.Errorf("asked for %+v by terms that nobody has acknowledged", got)
	}
}

func TestOneShortfallOneRequest(t *testing.T) {
	w := newToppedUp(t, plainTerms, nil)
	w.acknowledge()
	w.spend(901)
	first := w.open()
	for range 20 { // whatever is charged meanwhile, and however late the answer is
		w.pass(24 * time.Hour)
		w.spend(1)
		if got := w.open(); got == nil || got.ID != first.ID {
			t.Fatalf("asked for %+v while %+v was open", got, first)
		}
	}
	w.kind(w.grant("another", 50), problem.Conflict)
	w.must(w.grant(first.ID, 50))
	w.kind(w.grant(first.ID, 50), problem.Conflict)
	w.kind(w.decline(first.ID), problem.Conflict)
	var quantity int64
	w.must(w.View(ctx, func(r store.Reader) error {
		l, err := r.LineItem("a")
		quantity = l.Quantity
		return err
	}))
	if quantity != 1050 {
		t.Errorf("a purchase that was told three times made %d of 1000", quantity)
	}
	if got := w.open(); got != nil || w.topUp().Standing != notify.TopUpReady {
		t.Errorf("asked for %+v with %s", got, w.stands())
	}
	w.spend(30) // a shortfall of its own
	if got := w.open(); got == nil || got.ID == first.ID {
		t.Errorf("asked for %+v", got)
	}
}

// The receiver takes every event and never answers: in a year there is one request.
func TestRequestsThatNobodyAnswers(t *testing.T) {
	w := newToppedUp(t, plainTerms, nil)
	r := newReceiver(t)
	w.webhook(r.URL)
	w.acknowledge()
	w.spend(1000)
	for range 365 {
		w.pass(24 * time.Hour)
		w.open()
		w.deliver()
	}
	if sent := len(r.all()); sent != 1 {
		t.Errorf("%d requests were sent in a year", sent)
	}
}

// A card that is declined is not tried every few seconds for days: an hour later, two, four, up to once a day.
func TestDeclinesBackOff(t *testing.T) {
	w := newToppedUp(t, plainTerms, nil)
	w.acknowledge()
	w.spend(1000)
	var hours []int64
	const half = 30 * time.Minute
	for at := time.Duration(0); at < 10*24*time.Hour; at += half {
		if got := w.open(); got != nil {
			hours = append(hours, int64(at/time.Hour))
			w.must(w.decline(got.ID))
		}
		w.pass(half)
	}
	if want := []int64{0, 1, 3, 7, 15, 31, 55, 79, 103, 127, 151, 175, 199, 223}; !slices.Equal(hours, want) {
		t.Errorf("asked at the hours %v, want %v", hours, want)
	}
	if a := w.topUp(); a.AskedThisMonth != 0 || a.Standing != notify.TopUpWaiting || a.State.Last.Outcome != notify.TopUpDeclined {
		t.Errorf("after declines it stands as %+v", a)
	}
	w.acknowledge() // somebody has put in another card
	got := w.open()
	if got == nil {
		t.Fatal("an acknowledgement does not end the waiting")
	}
	w.must(w.grant(got.ID, 100))
	if a := w.topUp(); a.State.Declines != 0 {
		t.Errorf("%d declines count after a purchase", a.State.Declines)
	}
}

// A customer that burns all it gets, with a vendor's system that sells at once: no more than the cap in a month, and never sooner than ten
// minutes.
func TestTopUpsStopAtTheCap(t *testing.T) {
	w := newToppedUp(t, plainTerms, nil) // dawn is the first of January
	w.acknowledge()
	w.spend(1000)
	sold := map[time.Month]int64{}
	var last int64
	for w.nowMS.Load() < time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli() {
		if got := w.open(); got != nil {
			if got.TimeMS-last < notify.TopUpApart.Milliseconds() {
				t.Fatalf("asked again after %d ms", got.TimeMS-last)
			}
			last = got.TimeMS
			sold[time.UnixMilli(got.TimeMS).UTC().Month()] += got.Tokens
			w.must(w.grant(got.ID, got.Tokens))
			w.spend(got.Tokens)
			w.pass(time.Minute)
			continue
		}
		if a := w.topUp(); a.Standing == notify.TopUpCapped {
			if a.DueMS != time.Date(2026, time.UnixMilli(w.nowMS.Load()).UTC().Month()+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() {
				t.Fatalf("capped until %s", time.UnixMilli(a.DueMS).UTC())
			}
			w.pass(23 * time.Hour)
		}
		w.pass(time.Minute)
	}
	if sold[time.January] != 1000 || sold[time.February] != 1000 || len(sold) != 2 {
		t.Errorf("sold %v, at most 1000 a month", sold)
	}
}

func TestTopUpsOfWhatIsOver(t *testing.T) {
	w := newToppedUp(t, plainTerms, nil)
	w.acknowledge()
	w.must(w.change("", func(c *engine.Change) error {
		l := w.lineItem("a")
		l.EndMS = dawnMS + hourMS
		_, err := c.PutLineItem(l)
		return err
	}))
	w.spend(950)
	w.pass(time.Hour)
	if got := w.open(); got != nil || w.topUp().Standing != notify.TopUpOver {
		t.Errorf("asked for %+v of a line item that has ended", got)
	}
	w.must(w.change("", func(c *engine.Change) error { return c.DeleteLineItem(w.instance, "a") }))
	w.must(w.View(ctx, func(r store.Reader) error {
		all, next, err := engine.AutoTopUps(r, 0, 10, w.nowMS.Load())
		f, wrong := r.Follower("top-ups")
		if len(all) != 0 || next != 0 || f != nil || wrong != nil {
			t.Errorf("left of a line item that was deleted: %+v, %+v", all, f)
		}
		return err
	}))
	err := w.change("", func(c *engine.Change) error { _, err := c.PutAutoTopUp(w.instance, "a", plainTerms); return err })
	w.kind(err, problem.NotFound)
}

// Whatever fails, and however many look, each request is written down and sent once, and none while another is open.
func TestEveryTopUpIsAskedOnce(t *testing.T) {
	for seed := range histories(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { topUpOnce(t, rand.New(rand.NewPCG(seed, 9))) })
	}
}

func topUpOnce(t *testing.T, random *rand.Rand) {
	var failing atomic.Bool
	w := newToppedUp(t, notify.TopUp{Below: token.FromInt(100), Tokens: 50, MonthMost: 100_000}, func(s store.Store, _ *engine.Options) store.Store {
		return &flaky{s, func() int {
			if failing.Load() {
				return random.IntN(6)
			}
			return 0
		}}
	})
	hook := w.webhook("http://127.0.0.1:1")
	w.acknowledge()
	w.spend(880)
	answered := map[string]bool{}
	for range 120 {
		failing.Store(random.IntN(2) == 0)
		switch random.IntN(5) {
		case 0:
			failing.Store(false)
			w.spend(int64(random.IntN(40)) + 1)
		case 1:
			w.pass(time.Duration(random.IntN(20)) * time.Minute)
		case 2:
			if open := w.topUp().State.Open; open != nil {
				failing.Store(false)
				if answered[open.ID] {
					t.Fatalf("%s is open again", open.ID)
				}
				answered[open.ID] = true
				if random.IntN(4) == 0 {
					w.must(w.decline(open.ID))
				} else {
					w.must(w.grant(open.ID, open.Tokens))
				}
			}
		default:
			_ = w.LookAtTopUps(ctx)
		}
	}
	failing.Store(false)
	if open := w.open(); open != nil {
		answered[open.ID] = true
	}
	sent := map[string]int{}
	w.must(w.View(ctx, func(r store.Reader) error {
		all, _, err := engine.Deliveries(r, hook.ID, 0, 1000)
		for _, d := range all {
			var told struct {
				Data notify.TopUpRequested `json:"data"`
			}
			if err := json.Unmarshal(d.Payload, &told); err != nil {
				return err
			}
			sent[told.Data.RequestID]++
		}
		return err
	}))
	for id := range answered {
		if sent[id] != 1 {
			t.Errorf("request %s was sent %d times", id, sent[id])
		}
	}
	if len(sent) != len(answered) {
		t.Errorf("%d requests were sent, and %d were seen open", len(sent), len(answered))
	}
}
