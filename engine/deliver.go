package engine

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/notify/webhook"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

const (
	sendMost   = 4                               // at a time to one webhook: a slow receiver waits for itself alone
	claimFor   = webhook.Timeout + 5*time.Second // longer than an attempt takes; when a server dies, what it was sending is held up by no more
	forgetMost = 100                             // deliveries or alerts at a time: charges wait meanwhile
	abandon    = 10 * time.Second                // until what is being sent is cut off when the engine stops
)

// deliverer sends what is due.
type deliverer struct {
	engine *Engine
	sender *webhook.Sender
	wake   chan struct{}
	ctx    context.Context // of attempts
	cancel context.CancelFunc

	mu      sync.Mutex
	sending map[string]int   // by webhook
	waits   map[string]int64 // until when webhooks that asked for time are sent nothing; a new engine asks again
	running sync.WaitGroup
}

func newDeliverer(e *Engine, sender *webhook.Sender) *deliverer {
	d := &deliverer{engine: e, sender: sender, wake: make(chan struct{}, 1), sending: map[string]int{}, waits: map[string]int64{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// hint has what is due looked for at once.
func (e *Engine) hint() {
	select {
	case e.deliverer.wake <- struct{}{}:
	default:
	}
}

// deliver sends what is due until the engine stops.
func (e *Engine) deliver() {
	d := e.deliverer
	for {
		select {
		case <-e.quit:
			stop := time.AfterFunc(abandon, d.cancel)
			d.running.Wait()
			stop.Stop()
			d.cancel()
			d.sender.Close()
			return
		case <-d.wake:
		case <-time.After(refreshEvery):
		}
		if err := d.send(context.Background()); err != nil && problem.KindOf(err) != problem.Unavailable {
			slog.Warn("webhooks are held up; trying again", logged(err))
		}
	}
}

// Deliver sends what is due by now and waits for the answers. It returns how many attempts there were.
func (e *Engine) Deliver(ctx context.Context) (attempts int, err error) {
	for {
		before := attempts
		err := e.deliverer.claim(ctx, func(*Webhook, *Delivery) { attempts++ })
		e.deliverer.running.Wait() // one webhook's error is no other's
		if err != nil || attempts == before {
			return attempts, err
		}
	}
}

func (d *deliverer) send(ctx context.Context) error { return d.claim(ctx, nil) }

// claim begins an attempt for everything that is due, as far as its webhook has a place free.
func (d *deliverer) claim(ctx context.Context, begun func(*Webhook, *Delivery)) error {
	oldest, due, err := d.due(ctx)
	if err != nil {
		return err
	}
	d.engine.metrics.oldestDue(oldest)
	var errs []error
	for _, w := range slices.Sorted(maps.Keys(due)) { // in an order that can be repeated
		errs = append(errs, d.begin(ctx, w, due[w], begun))
	}
	return errors.Join(errs...)
}

// due returns the deliveries that can begin, by webhook, and how old the oldest is that is due.
func (d *deliverer) due(ctx context.Context) (oldestMS int64, due map[string][]string, err error) {
	nowMS := d.engine.Now()
	due = map[string][]string{}
	err = d.engine.View(ctx, func(r store.Reader) error {
		hooks, err := Webhooks(r)
		if err != nil {
			return err
		}
		for _, w := range hooks {
			if w.Disabled {
				continue
			}
			free := d.free(w.ID, nowMS)
			kept, err := r.DueDeliveries(w.ID, nowMS, max(free, 1))
			if err != nil {
				return err
			}
			for i := range kept {
				oldestMS = max(oldestMS, nowMS-kept[i].DueMS)
				if i < free {
					due[w.ID] = append(due[w.ID], kept[i].ID)
				}
			}
		}
		return nil
	})
	return oldestMS, due, err
}

func (d *deliverer) free(webhookID string, nowMS int64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if nowMS < d.waits[webhookID] {
		return 0
	}
	return sendMost - d.sending[webhookID]
}

// begin claims deliveries, which then nobody else sends, and sends them.
func (d *deliverer) begin(ctx context.Context, webhookID string, ids []string, begun func(*Webhook, *Delivery)) error {
	var w *Webhook
	var claimed []*Delivery
	nowMS := d.engine.Now()
	err := d.engine.store.Change(ctx, func(tx store.Tx) (err error) {
		claimed = nil
		if w, err = WebhookOf(tx, webhookID); err != nil || w.Disabled {
			return err
		}
		for _, id := range ids {
			kept, err := tx.Delivery(id)
			if err != nil {
				return err
			}
			if kept == nil || kept.DueMS == 0 || kept.DueMS > nowMS {
				continue // another was faster
			}
			one, err := deliveryOf(kept)
			if err != nil {
				return err
			}
			one.DueMS = nowMS + claimFor.Milliseconds()
			if err := putDelivery(tx, one); err != nil {
				return err
			}
			claimed = append(claimed, one)
		}
		return nil
	})
	if err != nil {
		if problem.KindOf(err) == problem.NotFound { // it was deleted meanwhile
			return nil
		}
		return err
	}
	for _, one := range claimed {
		d.mu.Lock()
		d.sending[webhookID]++
		d.mu.Unlock()
		if begun != nil {
			begun(w, one)
		}
		d.running.Go(func() { d.attempt(w, one) })
	}
	return nil
}

func (d *deliverer) attempt(w *Webhook, one *Delivery) {
	defer func() {
		d.mu.Lock()
		d.sending[w.ID]--
		d.mu.Unlock()
		d.engine.hint() // its place is free
	}()
	startedMS := d.engine.Now()
	answer := d.sender.Send(d.ctx, d.message(w, one.MessageID(), one.Payload))
	d.heed(w.ID, answer)
	if err := d.record(one, startedMS, answer); err != nil {
		slog.Warn("an attempt to deliver an event was not recorded; it is sent again", "webhook", w.ID, "delivery", one.ID, logged(err))
	}
}

// heed leaves a receiver alone for as long as it asks to be: also with all other events, of which it may have too many.
func (d *deliverer) heed(webhookID string, a *webhook.Answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.RetryAfter > 0 {
		d.waits[webhookID] = d.engine.Now() + webhook.Patience(a.RetryAfter).Milliseconds()
	} else if a.Delivered() {
		delete(d.waits, webhookID)
	}
}

// message is what is sent. Receivers compare its time with theirs, so it is the time of the world.
func (d *deliverer) message(w *Webhook, id string, payload []byte) *webhook.Message {
	return &webhook.Message{URL: w.URL, ID: id, Time: d.engine.now(), Body: payload, Secrets: w.secrets(d.engine.Now())}
}

// record writes down what came of an attempt.
func (d *deliverer) record(one *Delivery, startedMS int64, answer *webhook.Answer) error {
	if d.ctx.Err() != nil && !answer.Delivered() {
		return nil // we cut it off ourselves: it is due again when the claim is over
	}
	outcome := ""
	var w *Webhook
	wasDisabled := false
	err := d.engine.store.Change(context.Background(), func(tx store.Tx) error {
		kept, err := tx.Delivery(one.ID)
		if err != nil || kept == nil {
			return err
		}
		if w, err = WebhookOf(tx, kept.WebhookID); err != nil {
			return err
		}
		is, err := deliveryOf(kept)
		if err != nil {
			return err
		}
		if err := putAttempt(tx, is.ID, newAttempt(startedMS, answer)); err != nil {
			return err
		}
		if is.DueMS != one.DueMS {
			return nil // it was told to be sent again meanwhile
		}
		wasDisabled = w.Disabled
		failing := w.FailingMS
		outcome = is.attempted(w, answer, d.engine.Now(), is.chance())
		if w.FailingMS != failing || w.Disabled != wasDisabled {
			if err := putWebhook(tx, w); err != nil {
				return err
			}
		}
		return putDelivery(tx, is)
	})
	if err != nil || outcome == "" {
		return err
	}
	d.engine.metrics.attempted(outcome)
	if w.Disabled && !wasDisabled {
		slog.Warn("a webhook was disabled", "webhook", w.ID, "reason", w.Reason)
	}
	return nil
}

func newAttempt(startedMS int64, a *webhook.Answer) Attempt {
	one := Attempt{TimeMS: startedMS, Status: a.Status, DurationMS: a.Took.Milliseconds(), Answer: a.Body}
	if a.Err != nil {
		one.Error = a.Err.Error()
	}
	return one
}

func putAttempt(tx store.Tx, deliveryID string, a Attempt) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return tx.InsertAttempt(store.Attempt{DeliveryID: deliveryID, TimeMS: a.TimeMS, Body: body})
}

// TestWebhook sends a test event, once, and returns what came back. It is not kept. It fails with a problem NotFound.
func (e *Engine) TestWebhook(ctx context.Context, id string) (*Attempt, error) {
	var w *Webhook
	err := e.View(ctx, func(r store.Reader) (err error) {
		w, err = WebhookOf(r, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	nowMS := e.Now()
	payload, err := newEvent(notify.WebhookTest, nowMS, map[string]string{"webhookId": id, "message": "This is a test."})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, webhook.Timeout, errors.New("no answer came in time"))
	defer cancel()
	a := newAttempt(nowMS, e.deliverer.sender.Send(ctx, e.deliverer.message(w, "msg_"+e.newID(), payload)))
	return &a, nil
}

// forgetNotices drops deliveries that have been over for long, and alerts from the log.
func (e *Engine) forgetNotices(ctx context.Context) error {
	for _, forget := range [...]func(store.Tx, int64, int) (int, error){store.Tx.ForgetDeliveries, store.Tx.ForgetAlertsFired} {
		for n := forgetMost; n == forgetMost && !e.stopped.Load(); {
			err := e.store.Change(ctx, func(tx store.Tx) (err error) {
				n, err = forget(tx, e.Now()-NoticesKept.Milliseconds(), forgetMost)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
