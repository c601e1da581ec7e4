package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// receiver is somebody's HTTP server.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer func(http.ResponseWriter, *http.Request)
}

type received struct {
	header http.Header
	body   string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, received{req.Header.Clone(), string(body)})
		answer := r.answer
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received{}, r.got...)
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, "so it is") }
}

// hooks is a world whose alert "out" fires when line item a is used up, and which may send to this machine.
func newHooks(t *testing.T) *timed {
	w := newTimed(t, func(s store.Store, o *engine.Options) store.Store { o.PrivateWebhooks = true; return s })
	w.alert(notify.Rule{Name: "out", Kind: notify.Exhausted})
	return w
}

func (w *timed) webhook(url string) *engine.Webhook {
	w.Helper()
	hook := &engine.Webhook{URL: url}
	w.must(w.change("", func(c *engine.Change) error { return c.CreateWebhook(hook) }))
	return hook
}

// exhaust has the alert fire.
func (w *timed) exhaust() {
	w.Helper()
	w.spend(1000)
	w.must(w.LookAtAlerts(ctx))
}

func (w *timed) deliver() (attempts int) {
	w.Helper()
	attempts, err := w.Deliver(ctx)
	w.must(err)
	return attempts
}

// delivery returns the newest one to a webhook.
func (w *timed) delivery(id string) (d *engine.Delivery, attempts []engine.Attempt) {
	w.Helper()
	w.must(w.View(ctx, func(r store.Reader) error {
		all, _, err := engine.Deliveries(r, id, 0, 10)
		if err != nil || len(all) == 0 {
			return err
		}
		d, attempts, err = engine.DeliveryOf(r, id, all[0].ID)
		return err
	}))
	return d, attempts
}

func (w *timed) hook(id string) (hook *engine.Webhook) {
	w.Helper()
	w.must(w.View(ctx, func(r store.Reader) (err error) { hook, err = engine.WebhookOf(r, id); return err }))
	return hook
}

// The signature is what the library's own verifier takes; with a new secret both do for a day.
func TestSignedAsTheLibraryVerifies(t *testing.T) {
	w, r := newHooks(t), newReceiver(t)
	w.nowMS.Store(time.Now().UnixMilli()) // the verifier reads the clock of the world
	w.must(w.change("", func(c *engine.Change) error {
		l := w.lineItem("a")
		l.EndMS = w.nowMS.Load() + 1000*hourMS
		_, err := c.PutLineItem(l)
		return err
	}))
	hook := w.webhook(r.URL)
	first := hook.Secrets[0].Secret
	w.exhaust()
	w.must(w.change("", func(c *engine.Change) (err error) { hook, err = c.RotateWebhook(hook.ID); return err }))
	second := hook.Secrets[0].Secret
	w.deliver()
	if len(r.all()) != 1 {
		t.Fatalf("%d requests", len(r.all()))
	}
	got := r.all()[0]
	for _, secret := range []string{first, second} {
		verifier, err := standard.NewWebhook(secret)
		w.must(err)
		if err := verifier.Verify([]byte(got.body), got.header); err != nil {
			t.Errorf("%v: %v", err, got)
		}
		if verifier.Verify([]byte(got.body+" "), got.header) == nil {
			t.Error("another body is verified")
		}
	}
	d, _ := w.delivery(hook.ID)
	if d.State != engine.Delivered || got.header.Get("webhook-id") != d.MessageID() || !strings.HasPrefix(got.body, `{"type":"alert.fired","timestamp":"20`) ||
		!strings.Contains(got.body, "Line item a of account account is used up: none of its 1000 tokens is left.") {
		t.Errorf("sent is %+v\n%+v", got, d)
	}
	w.nowMS.Add(25 * hourMS)
	w.must(w.change("", func(c *engine.Change) error { _, _, err := c.ReplayDelivery(hook.ID, d.ID); return err }))
	w.deliver()
	if got := r.all(); len(got) != 2 || strings.Contains(got[1].header.Get("webhook-signature"), " ") ||
		got[1].header.Get("webhook-id") != got[0].header.Get("webhook-id") {
		t.Errorf("replayed is %+v", got)
	}
}

// Three days in simulated time: what fails is sent again, later and later, with the same id; then it is given up and the webhook disabled.
func TestThreeDaysOfRetries(t *testing.T) {
	w, r := newHooks(t), newReceiver(t)
	r.answers(503)
	hook := w.webhook(r.URL)
	w.exhaust()
	attempts := 0
	for d := new(engine.Delivery); attempts < 100; attempts += w.deliver() {
		if d, _ = w.delivery(hook.ID); d.State == engine.Failed {
			break
		}
		w.nowMS.Store(max(w.nowMS.Load(), d.DueMS))
	}
	d, log := w.delivery(hook.ID)
	if took := w.nowMS.Load() - dawnMS; d.State != engine.Failed || attempts < 14 || attempts > 22 || len(log) != attempts || took < 72*hourMS || took > 73*hourMS {
		t.Errorf("%d attempts in %d hours, %d in the log: %+v", attempts, took/hourMS, len(log), d)
	}
	ids := map[string]bool{}
	for _, got := range r.all() {
		ids[got.header.Get("webhook-id")] = true
	}
	if len(ids) != 1 || log[0].Status != 503 || log[0].Answer != "so it is" {
		t.Errorf("ids %v, %+v", ids, log[0])
	}
	if hook = w.hook(hook.ID); !hook.Disabled || hook.Reason == "" {
		t.Errorf("the webhook is %+v", hook)
	}
	r.answers(200)
	w.must(w.change("", func(c *engine.Change) error { return c.ReplaceWebhook(&engine.Webhook{ID: hook.ID, URL: r.URL}) }))
	w.must(w.change("", func(c *engine.Change) error { _, _, err := c.ReplayDelivery(hook.ID, d.ID); return err }))
	w.deliver()
	if d, log = w.delivery(hook.ID); d.State != engine.Delivered || log[len(log)-1].Status != 200 {
		t.Errorf("replayed: %+v", d)
	}
}

// A success in between is a sign of life: giving one event up does not disable the webhook then.
func TestOneEventGivenUp(t *testing.T) {
	w, r := newHooks(t), newReceiver(t)
	r.answers(500)
	hook := w.webhook(r.URL)
	w.exhaust()
	w.deliver()
	r.answers(200)
	w.must(w.change("", func(c *engine.Change) error {
		l := w.lineItem("a")
		l.Quantity = 2000
		_, err := c.PutLineItem(l)
		return err
	}))
	w.must(w.LookAtAlerts(ctx))
	w.deliver()
	r.answers(500)
	w.nowMS.Add(73 * hourMS)
	w.deliver()
	if hook = w.hook(hook.ID); hook.Disabled {
		t.Errorf("the webhook is %+v", hook)
	}
}

// A receiver that has too much to do says for how long it wants to be left alone: with what it refused, and with what comes meanwhile.
func TestReceiverAsksForTime(t *testing.T) {
	w, r := newHooks(t), newReceiver(t)
	r.mu.Lock()
	r.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(429)
	}
	r.mu.Unlock()
	w.webhook(r.URL)
	w.exhaust()
	if n := w.deliver(); n != 1 {
		t.Fatalf("%d attempts", n)
	}
	r.answers(200)
	w.must(w.change("", func(c *engine.Change) error {
		l := w.lineItem("a")
		l.Quantity = 2000
		_, err := c.PutLineItem(l)
		return err
	}))
	w.must(w.LookAtAlerts(ctx)) // it is resolved, which is another event
	w.nowMS.Add(599_000)
	if n := w.deliver(); n != 0 {
		t.Errorf("%d attempts before its time", n)
	}
	w.nowMS.Add(1_000)
	if n := w.deliver(); n != 2 || len(r.all()) != 3 {
		t.Errorf("%d attempts when it is time, of %d in all", n, len(r.all()))
	}
}

func TestGone(t *testing.T) {
	w, r := newHooks(t), newReceiver(t)
	r.answers(410)
	hook := w.webhook(r.URL)
	w.exhaust()
	if n := w.deliver(); n != 1 {
		t.Errorf("%d attempts", n)
	}
	if d, _ := w.delivery(hook.ID); d.State != engine.Failed || !w.hook(hook.ID).Disabled || !strings.Contains(w.hook(hook.ID).Reason, "410") {
		t.Errorf("%+v, %+v", d, w.hook(hook.ID))
	}
}

// What an engine had claimed when it was killed, and what it had not, the next one sends.
func TestDeliveriesSurviveTheEngine(t *testing.T) {
	w, r := newHooks(t), newReceiver(t)
	hook := w.webhook(r.URL)
	w.exhaust()
	// Claimed, and killed while it was sent: nothing of it was written down.
	w.must(w.store.Change(ctx, func(tx store.Tx) error {
		all, err := tx.DueDeliveries(hook.ID, w.nowMS.Load(), 10)
		if err != nil || len(all) != 1 {
			return fmt.Errorf("%d are due, %v", len(all), err)
		}
		all[0].DueMS += minuteMS
		return tx.PutDelivery(&all[0])
	}))
	w.Stop()
	w.Engine = engine.New(w.store, engine.Options{Now: w.now, PrivateWebhooks: true})
	if n := w.deliver(); n != 0 {
		t.Errorf("%d attempts while another has claimed it", n)
	}
	w.nowMS.Add(minuteMS)
	if n := w.deliver(); n != 1 || len(r.all()) != 1 {
		t.Errorf("%d attempts", n)
	}
}

// Receivers that hang hold up neither charges nor another receiver.
func TestSlowReceiverWaitsForItselfAlone(t *testing.T) {
	slow, quick := newReceiver(t), newReceiver(t)
	release := make(chan struct{})
	var once atomic.Bool
	free := func() {
		if !once.Swap(true) {
			close(release)
		}
	}
	t.Cleanup(free)
	slow.answer = func(http.ResponseWriter, *http.Request) { <-release }
	w := newTimed(t, func(s store.Store, o *engine.Options) store.Store { o.PrivateWebhooks, o.Serve = true, true; return s })
	w.alert(notify.Rule{Name: "out", Kind: notify.Exhausted})
	w.webhook(slow.URL)
	w.webhook(quick.URL)
	w.exhaust()
	for deadline := time.Now().Add(time.Minute); len(quick.all()) == 0 || len(slow.all()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the quick one got %d, the slow one %d", len(quick.all()), len(slow.all()))
		}
	}
	_, _, err := w.charge("free", "", "") // while the slow one is still being waited for
	w.must(err)
	free()
}

// failing is a store of which one change fails.
type failing struct {
	store.Store
	left   atomic.Int64 // it fails when this comes to 0
	failed chan struct{}
}

func (s *failing) Change(ctx context.Context, fn func(store.Tx) error) error {
	if s.left.Add(-1) == 0 {
		close(s.failed)
		return problem.New(problem.Unavailable, "the disk is away")
	}
	return s.Store.Change(ctx, fn)
}

// Deliver waits for what it has begun, also when the store fails over another webhook.
func TestDeliverWaitsForWhatItBegan(t *testing.T) {
	s := &failing{failed: make(chan struct{})}
	r := newReceiver(t)
	r.answer = func(rw http.ResponseWriter, _ *http.Request) { <-s.failed; rw.WriteHeader(204) }
	w := newTimed(t, func(real store.Store, o *engine.Options) store.Store {
		o.PrivateWebhooks, s.Store = true, real
		return s
	})
	w.alert(notify.Rule{Name: "out", Kind: notify.Exhausted})
	hooks := []*engine.Webhook{w.webhook(r.URL), w.webhook(r.URL)}
	w.exhaust()
	s.left.Store(2) // one is claimed, the other is not
	if _, err := w.Deliver(ctx); problem.KindOf(err) != problem.Unavailable {
		t.Fatalf("the store failed, and Deliver says %v", err)
	}
	tried := 0
	for _, hook := range hooks {
		_, attempts := w.delivery(hook.ID)
		tried += len(attempts)
	}
	if tried != 1 {
		t.Errorf("%d attempts are recorded, not the one that was begun", tried)
	}
}

// Whatever a receiver does, an attempt ends, and the log says how.
func TestReceiversThatMisbehave(t *testing.T) {
	reset := func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, _ := rw.(http.Hijacker).Hijack()
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
	elsewhere := newReceiver(t)
	for _, row := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		status int
		says   string
	}{
		{"reset", reset, 0, ""},
		{"a redirect is not followed", func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, http.StatusTemporaryRedirect, ""},
		{"a huge body", func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(500)
			for range 1 << 10 {
				if _, err := rw.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
					return
				}
			}
		}, 500, strings.Repeat("x", 1024)},
		{"bytes that are no text", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(400); fmt.Fprint(rw, "\xff\x00!") }, 400, "\ufffd\ufffd!"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, r := newHooks(t), newReceiver(t)
			r.answer = row.answer
			hook := w.webhook(r.URL)
			w.exhaust()
			w.deliver()
			d, log := w.delivery(hook.ID)
			if len(log) != 1 || log[0].Status != row.status || log[0].Answer != row.says || (row.status == 0) != (log[0].Error != "") || d.State != engine.Pending {
				t.Errorf("%.300v, %+v", log, d)
			}
			if len(elsewhere.all()) > 0 {
				t.Error("it was followed")
			}
			test, err := w.TestWebhook(ctx, hook.ID)
			if err != nil || test.Status != row.status {
				t.Errorf("%+v, %v", test, err)
			}
		})
	}
}

// Without leave nothing goes to this machine, whatever name it has.
func TestPrivateAddressesAreRefused(t *testing.T) {
	w, r := newTimed(t, nil), newReceiver(t)
	_, port, _ := net.SplitHostPort(r.Listener.Addr().String())
	for _, url := range []string{r.URL, "https://127.0.0.1/", "https://localhost:" + port, "http://example.com"} {
		err := w.change("", func(c *engine.Change) error { return c.CreateWebhook(&engine.Webhook{URL: url}) })
		if err == nil || !strings.HasPrefix(err.Error(), "url: ") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
