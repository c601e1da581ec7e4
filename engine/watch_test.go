package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// flaky is a store whose changes fail when they are told to: before they begin, when they end, or after they are durable, which looks the
// same to who asked.
type flaky struct {
	store.Store
	fail func() int
}

var errFlaky = errors.New("failed on purpose")

func (f *flaky) Change(ctx context.Context, fn func(store.Tx) error) error {
	switch f.fail() {
	case 1:
		return errFlaky
	case 2:
		return f.Store.Change(ctx, func(tx store.Tx) error { return errors.Join(fn(tx), errFlaky) })
	case 3:
		return errors.Join(f.Store.Change(ctx, fn), errFlaky)
	}
	return f.Store.Change(ctx, fn)
}

// fired returns what the log says of a line item or another subject, oldest first: the alert and F or R.
func fired(w *world, about func(*notify.Notice) bool) string {
	w.Helper()
	var said []string
	w.must(w.View(ctx, func(r store.Reader) error {
		all, next, err := engine.AlertsFired(r, "", "", 0, 100_000)
		if next != 0 {
			w.Error("there are more")
		}
		for i := range all {
			if n := all[len(all)-1-i]; about(n) {
				said = append(said, n.Alert+" "+string(n.State)[:1])
			}
		}
		return err
	}))
	return strings.Join(said, ", ")
}

func (w *world) alert(r notify.Rule) {
	w.Helper()
	w.must(r.Complete())
	w.must(w.change("", func(c *engine.Change) error { return c.CreateAlert(&r) }))
}

func (w *world) spend(n int64) {
	w.Helper()
	_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: &access.Request{
		Requester: access.Requester{Type: "USER", Value: "u"}, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(n)}}},
	}})
	w.must(err)
}

// twin is what must be told, by whole numbers and without a store.
type twin struct {
	quantity, used, over int64 // over: how far it may be charged past its quantity
	monthly, dead        bool
	month                int64
	fired                map[string]bool
	said                 []string
}

var twinRules = []struct {
	notify.Rule
	holds func(*twin) bool
}{
	{notify.Rule{Name: "1", Kind: notify.BalanceBelow, Tokens: token.FromInt(30)}, func(t *twin) bool { return max(t.quantity-t.used, 0) < 30 }},
	{notify.Rule{Name: "2", Kind: notify.BalanceBelow, Percent: token.FromInt(50)}, func(t *twin) bool { return 2*max(t.quantity-t.used, 0) < t.quantity }},
	{notify.Rule{Name: "3", Kind: notify.Exhausted}, func(t *twin) bool { return t.used >= t.quantity }},
	{notify.Rule{Name: "4", Kind: notify.Overdraft}, func(t *twin) bool { return t.used > t.quantity }},
}

func (t *twin) look() {
	for i := range twinRules {
		r := &twinRules[i]
		if holds := r.holds(t) && !t.dead; holds != t.fired[r.Name] {
			t.fired[r.Name] = holds
			t.said = append(t.said, r.Name+" "+map[bool]string{true: "F", false: "R"}[holds])
		}
	}
}

// at begins a new allowance if it is time.
func (t *twin) at(month int64) {
	if t.monthly && month > t.month {
		t.month, t.used = month, 0
		t.look()
	}
}

// Whatever is charged, given back, topped up, set back, deleted and renewed, every crossing is told of exactly once, although what tells of
// it fails, and is started anew, at any moment.
func TestEveryCrossingIsToldOnce(t *testing.T) {
	for seed := range histories(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { tellOnce(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func tellOnce(t *testing.T, random *rand.Rand) {
	var failing atomic.Bool
	var w *timed
	w = newTimed(t, func(s store.Store, _ *engine.Options) store.Store {
		return &flaky{s, func() int {
			w.meanwhile()
			if failing.Load() {
				return random.IntN(6)
			}
			return 0
		}}
	})
	of := &twin{quantity: 1000, monthly: random.IntN(2) == 0, fired: map[string]bool{}}
	w.must(w.change("", func(c *engine.Change) error { return c.DeleteLineItem(w.instance, "a") }))
	put := func() {
		l := w.lineItem("a")
		l.EndMS = period.LatestMS
		if of.monthly {
			l.Recurs = period.Monthly
		}
		l.Quantity, l.Overdraft = of.quantity, ledger.NumberOverdraft
		l.OverdraftLimit = of.over
		if of.over < 0 {
			l.Overdraft, l.OverdraftLimit = ledger.UnlimitedOverdraft, 0
		}
		w.must(w.change("", func(c *engine.Change) error { _, err := c.PutLineItem(l); return err }))
		of.dead = false
		of.look()
	}
	for i := range twinRules {
		w.alert(twinRules[i].Rule)
	}
	put()
	month := int64(0)
	for range 120 {
		switch random.IntN(11) {
		case 0, 1, 2, 3:
			n := random.Int64N(of.quantity/2 + 1)
			if of.dead || n == 0 || of.over >= 0 && of.used+n > of.quantity+of.over {
				break
			}
			w.spend(n)
			of.used += n
			of.look()
		case 4: // at once given back
			if of.dead || of.over >= 0 && of.used+1 > of.quantity+of.over {
				break
			}
			ref := w.session("x")
			of.used++
			of.look()
			_, err := w.CloseSession(ref, nil, nil)
			w.must(err)
			of.used--
			of.look()
		case 5:
			of.quantity, of.over = 1+random.Int64N(300), random.Int64N(60)-20
			put()
		case 6:
			if of.dead || random.IntN(3) > 0 {
				break
			}
			w.must(w.change("", func(c *engine.Change) error { return c.DeleteLineItem(w.instance, "a") }))
			of.dead = true
			of.look()
			if of.used == 0 { // it may be gone, and its activationId free
				of.quantity, of.over = 1+random.Int64N(300), 0
				put()
			}
		case 7:
			if random.IntN(3) == 0 {
				month++
				w.nowMS.Add(31 * 24 * hourMS)
				of.at(month)
			}
		case 8:
			failing.Store(true)
			for range 3 {
				_ = w.LookAtAlerts(ctx)
			}
			failing.Store(false)
		case 9:
			w.restart(&failing, random)
		case 10: // used up and topped up while a look goes on, between what it reads and what it writes
			if of.dead || of.used >= of.quantity {
				break
			}
			w.must(w.LookAtAlerts(ctx))
			of.quantity++ // something to look at
			put()
			w.between = func() {
				w.between = func() { // the first change only asks for the time
					w.between = nil
					w.spend(of.quantity - of.used)
					of.used = of.quantity
					of.look()
					of.quantity += 100
					put()
				}
			}
			w.must(w.LookAtAlerts(ctx))
			if w.between != nil {
				t.Fatal("there was no look")
			}
		}
	}
	w.must(w.LookAtAlerts(ctx))
	got := fired(w.world, func(n *notify.Notice) bool { return n.ActivationID == "a" })
	if want := strings.Join(of.said, ", "); got != want {
		t.Errorf("told is\n%s, want\n%s", got, want)
	}
}

// meanwhile has happen what is to happen before a change begins.
func (w *timed) meanwhile() {
	if w != nil && w.between != nil {
		w.between()
	}
}

// restart starts another engine on the same books, at a moment when the one before may have looked at anything or nothing.
func (w *timed) restart(failing *atomic.Bool, random *rand.Rand) {
	if random.IntN(2) == 0 {
		failing.Store(true)
		_ = w.LookAtAlerts(ctx)
		failing.Store(false)
	}
	w.Stop()
	w.Engine = engine.New(&flaky{w.store, func() int {
		w.meanwhile()
		if failing.Load() {
			return random.IntN(6)
		}
		return 0
	}}, engine.Options{Now: w.now})
}

func TestWhatTimeTellsOf(t *testing.T) {
	now := time.UnixMilli(dawnMS)
	w := newTimed(t, nil)
	day := func(n int64) {
		w.nowMS.Store(dawnMS + n*24*hourMS)
		w.must(w.LookAtAlerts(ctx))
	}
	put := func(id string, start, end int64) {
		l := w.lineItem(id)
		l.StartMS, l.EndMS = dawnMS+start*24*hourMS, dawnMS+end*24*hourMS
		w.must(w.change("", func(c *engine.Change) error { _, err := c.PutLineItem(l); return err }))
	}
	is := func(id, want string) {
		t.Helper()
		if got := fired(w.world, func(n *notify.Notice) bool { return n.ActivationID == id }); got != want {
			t.Errorf("%s after %s: told is %q, want %q", id, w.now().Sub(now), got, want)
		}
	}
	w.alert(notify.Rule{Name: "soon", Kind: notify.Ending, Within: "P14D"})
	put("a", 0, 30)
	put("long", 0, 300)
	put("renewed", 0, 20)
	put("over", -9, -1)
	day(5)
	is("renewed", "")
	day(6)
	is("renewed", "soon F")
	is("a", "")
	put("renewed", 0, 100)
	day(17)
	is("a", "soon F")
	is("renewed", "soon F, soon R")
	w.alert(notify.Rule{Name: "late", Kind: notify.Ending, Within: "P20D"}) // looks at what is beyond already
	day(18)
	is("a", "soon F, late F")
	day(31)
	is("a", "soon F, late F, late R, soon R")
	put("long", 0, 40)
	day(32)
	is("long", "late F, soon F")
	w.must(w.change("", func(c *engine.Change) error { return c.DeleteLineItem(w.instance, "long") }))
	day(33)
	is("long", "late F, soon F, late R, soon R")
	is("over", "")
}

func TestPacesAndDenials(t *testing.T) {
	w := newTimed(t, nil)
	w.alert(notify.Rule{Name: "pace", Kind: notify.Pace, Window: "PT1H", Factor: token.FromInt(5), Tokens: token.FromInt(100)})
	w.alert(notify.Rule{Name: "denied", Kind: notify.Denials, Window: "PT1H", Percent: token.FromInt(50), Requests: 4})
	hour := func(n int64) { w.nowMS.Store(dawnMS + n*hourMS) }
	is := func(want string) {
		t.Helper()
		w.must(w.LookAtAlerts(ctx))
		if got := fired(w.world, func(*notify.Notice) bool { return true }); got != want {
			t.Errorf("in hour %d told is %q, want %q", (w.nowMS.Load()-dawnMS)/hourMS, got, want)
		}
	}
	for n := range int64(48) {
		hour(n)
		w.spend(1)
	}
	is("")
	hour(48)
	w.spend(99)
	is("")
	w.restart(new(atomic.Bool), rand.New(rand.NewPCG(1, 1))) // what was seen is kept
	w.spend(300)
	is("pace F")
	for range 2 {
		w.spend(10_000) // more than there is
	}
	is("pace F, denied F") // of four, two
	hour(50)
	is("pace F, denied F, denied R, pace R")
}

// The alert and the forecast say the same of the same books: after every look, what has fired is what the forecast says runs out within the
// time, and what is told is the forecast's own moment.
func TestAlertsSayWhatTheForecastSays(t *testing.T) {
	for seed := range histories(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { sayTheSame(t, rand.New(rand.NewPCG(seed, 3))) })
	}
}

func sayTheSame(t *testing.T, random *rand.Rand) {
	w := newTimed(t, nil)
	put := func(id string, quantity, endDay int64, recurs period.Frequency) {
		l := w.lineItem(id)
		l.StartMS, l.EndMS, l.Quantity, l.Recurs = dawnMS, dawnMS+endDay*dayMS, quantity, recurs
		w.must(w.change("", func(c *engine.Change) error { _, err := c.PutLineItem(l); return err }))
	}
	put("a", 800, 45, "")
	put("b", 1500+random.Int64N(500), 200, "")
	put("c", 300, 300, period.Monthly)
	w.alert(notify.Rule{Name: "week", Kind: notify.RunningOut, Within: "P7D"})
	w.alert(notify.Rule{Name: "b in a month", Kind: notify.RunningOut, Within: "P30D", ActivationID: "b"})
	within := map[string]int64{"week": 7 * dayMS, "b in a month": 30 * dayMS}
	standing := map[string]bool{}
	var told int64
	compared, crossed := 0, 0
	for day := range int64(100) {
		for range random.IntN(4) {
			w.nowMS.Store(max(w.nowMS.Load()+hourMS, dawnMS+day*dayMS+random.Int64N(6*hourMS)))
			w.spend(1 + random.Int64N(30))
		}
		if day == 60 {
			put("b", 3000, 200, "")
		}
		w.nowMS.Store(max(w.nowMS.Load()+hourMS, dawnMS+day*dayMS+12*hourMS)) // whoever moved is due
		if random.IntN(5) == 0 {
			w.restart(new(atomic.Bool), random)
		}
		w.must(w.LookAtAlerts(ctx))
		o, err := w.Outlook(ctx, w.instance)
		w.must(err)
		w.must(w.View(ctx, func(r store.Reader) error {
			all, _, err := engine.AlertsFired(r, "", "", 0, 1000)
			for i := range all {
				n := all[len(all)-1-i]
				if int64(i) < told {
					continue
				}
				told++
				standing[n.Alert+" "+n.ActivationID] = n.State == notify.Fired
				if n.State == notify.Fired {
					crossed++
				}
				for _, l := range o.Book.LineItems {
					if lasts, _ := o.Forecast.LastsMS(l.Number, o.NowMS); l.ActivationID == n.ActivationID && n.Reason != notify.Ended && n.After.Cmp(token.FromInt(lasts)) != 0 {
						t.Errorf("on day %d told is %+v, where the forecast says %d", day, n, lasts)
					}
				}
			}
			return err
		}))
		for _, l := range o.Book.LineItems {
			lasts, known := o.Forecast.LastsMS(l.Number, o.NowMS)
			for rule, ms := range within {
				if !known || rule != "week" && l.ActivationID != "b" {
					continue
				}
				compared++
				is := standing[rule+" "+l.ActivationID]
				if lasts <= ms && !is || lasts > ms*11/10 && is {
					t.Errorf("on day %d %s of %s has fired: %t, and it lasts %.2f days", day, rule, l.ActivationID, is, float64(lasts)/float64(dayMS))
				}
			}
		}
	}
	if compared < 200 || crossed < 3 {
		t.Errorf("%d were compared, %d crossed", compared, crossed)
	}
}

// A new allowance ends an alert although the line item is told to be smaller before anybody looks, which fires it again.
func TestRenewedAndThenChanged(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		w := newTimed(t, nil)
		put := func(quantity int64) {
			l := w.lineItem("a")
			l.Quantity, l.EndMS, l.Recurs = quantity, period.LatestMS, period.Monthly
			w.must(w.change("", func(c *engine.Change) error { _, err := c.PutLineItem(l); return err }))
		}
		put(100)
		w.alert(notify.Rule{Name: "low", Kind: notify.BalanceBelow, Tokens: token.FromInt(30)})
		w.spend(80)
		w.must(w.LookAtAlerts(ctx))
		w.nowMS.Add(31 * 24 * hourMS)
		put(20)
		if restarted {
			w.restart(new(atomic.Bool), rand.New(rand.NewPCG(1, 1)))
		}
		w.must(w.LookAtAlerts(ctx))
		if got := fired(w.world, func(*notify.Notice) bool { return true }); got != "low F, low R, low F" {
			t.Errorf("restarted %t: told is %q", restarted, got)
		}
	}
}

// With a test clock, setting it forward has alerts fire before it is answered.
func TestTestClockTells(t *testing.T) {
	w := newWorld(t, func(s store.Store, o *engine.Options) store.Store {
		o.Clock = &store.Clock{Test: true, NowMS: dawnMS}
		return s
	})
	w.alert(notify.Rule{Name: "soon", Kind: notify.Ending, Within: "P1D"})
	_, _, err := w.AdvanceClock(ctx, nil, func(nowMS int64) int64 { return nowMS + 980*hourMS }, func(int64, int) (*store.Answer, error) { return new(store.Answer), nil })
	w.must(err)
	if got := fired(w, func(*notify.Notice) bool { return true }); got != "soon F" {
		t.Errorf("told is %q", got)
	}
}

// What is charged late counts against the allowance that it is of, which may be over: the one that has begun since is not used up by it.
func TestLateChargeOfAnAllowanceThatIsOver(t *testing.T) {
	w := newTimed(t, nil)
	l := w.lineItem("a")
	l.Recurs, l.EndMS = period.Daily, dawnMS+1000*hourMS
	w.must(w.change("", func(c *engine.Change) error { return c.SetConfiguration(engine.SessionChargePeriod, "PT24H", "key") }))
	w.must(w.change("", func(c *engine.Change) error { _, err := c.PutLineItem(l); return err }))
	w.alert(notify.Rule{Name: "out", Kind: notify.Exhausted})
	w.nowMS.Store(dawnMS + hourMS)
	ref := w.session("free")
	w.nowMS.Store(dawnMS + 24*hourMS + hourMS/2)
	_, err := w.Heartbeat(ref, false)
	w.must(err)
	w.spend(1000)
	w.must(w.LookAtAlerts(ctx))
	if made := w.catchUp(dawnMS + 48*hourMS + hourMS/2); made == 0 {
		t.Fatal("nothing was charged late")
	}
	w.must(w.LookAtAlerts(ctx))
	if got := fired(w.world, func(*notify.Notice) bool { return true }); got != "out F, out R" {
		t.Errorf("told: %s", got)
	}
}

// Two servers look in turn. What one has told because time went by, which nothing in the record says, the other does not tell again.
func TestServersTellOfTimeOnce(t *testing.T) {
	w := newTimed(t, nil)
	l := w.lineItem("a")
	l.Recurs, l.EndMS = period.Daily, dawnMS+1000*hourMS
	w.must(w.change("", func(c *engine.Change) error { _, err := c.PutLineItem(l); return err }))
	w.alert(notify.Rule{Name: "out", Kind: notify.Exhausted})
	other := engine.New(w.store, engine.Options{Now: w.now})
	defer other.Stop()
	w.spend(1000)
	w.must(w.LookAtAlerts(ctx)) // and remembers it
	w.nowMS.Add(24 * hourMS)
	w.must(other.LookAtAlerts(ctx)) // a new allowance has begun
	w.spend(1)
	w.must(w.LookAtAlerts(ctx))
	if got := fired(w.world, func(*notify.Notice) bool { return true }); got != "out F, out R" {
		t.Errorf("told: %s", got)
	}
}
