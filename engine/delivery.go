package engine

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/notify/webhook"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// DeliveryState is what has become of a delivery.
type DeliveryState string

// The states of a delivery.
const (
	Pending   DeliveryState = "PENDING"   // it is sent, or sent again, when it is due
	Delivered DeliveryState = "DELIVERED" // the receiver answered 2xx
	Failed    DeliveryState = "FAILED"    // it was given up
)

// Delivery is one event on its way to one webhook.
type Delivery struct {
	ID        string
	WebhookID string
	Type      string
	State     DeliveryState
	CreatedMS int64
	DueMS     int64 // 0: it is not sent any more
	SinceMS   int64 // when it was first attempted, also after it was told to be sent again: it is tried for three days from then
	Attempts  int   // since then
	Status    int   // that the last attempt was answered with; 0: none came
	Payload   jsontext.Value
}

type deliveryBody struct {
	Type     string         `json:"type"`
	State    DeliveryState  `json:"state"`
	SinceMS  int64          `json:"since,omitzero"`
	Attempts int            `json:"attempts,omitzero"`
	Status   int            `json:"status,omitzero"`
	Payload  jsontext.Value `json:"payload"`
}

// Attempt is one try to send a delivery. Its JSON is what the books keep.
type Attempt struct {
	TimeMS     int64  `json:"time"`
	Status     int    `json:"status"` // of HTTP; 0: no answer came
	DurationMS int64  `json:"duration"`
	Answer     string `json:"answer,omitzero"` // its first bytes
	Error      string `json:"error,omitzero"`  // why none came
}

// NoticesKept is how long deliveries that are over are kept, and entries of the log of alerts.
const NoticesKept = 30 * 24 * time.Hour

// MessageID is what the header webhook-id says, at every attempt.
func (d *Delivery) MessageID() string { return "msg_" + d.ID }

func (d *Delivery) kept() (*store.Delivery, error) {
	body, err := json.Marshal(deliveryBody{d.Type, d.State, d.SinceMS, d.Attempts, d.Status, d.Payload})
	return &store.Delivery{ID: d.ID, WebhookID: d.WebhookID, CreatedMS: d.CreatedMS, DueMS: d.DueMS, Body: body}, err
}

func insertDelivery(tx store.Tx, d *Delivery) error {
	kept, err := d.kept()
	if err != nil {
		return err
	}
	return tx.InsertDelivery(kept)
}

func putDelivery(tx store.Tx, d *Delivery) error {
	kept, err := d.kept()
	if err != nil {
		return err
	}
	return tx.PutDelivery(kept)
}

func deliveryOf(kept *store.Delivery) (*Delivery, error) {
	var b deliveryBody
	if err := json.Unmarshal(kept.Body, &b); err != nil {
		return nil, fmt.Errorf("delivery %q: %w", kept.ID, err)
	}
	return &Delivery{
		ID: kept.ID, WebhookID: kept.WebhookID, Type: b.Type, State: b.State, CreatedMS: kept.CreatedMS, DueMS: kept.DueMS, SinceMS: b.SinceMS,
		Attempts: b.Attempts, Status: b.Status, Payload: b.Payload,
	}, nil
}

// DeliveryOf returns a delivery to a webhook with its attempts, in order; it fails with a problem NotFound.
func DeliveryOf(r store.Reader, webhookID, id string) (*Delivery, []Attempt, error) {
	if _, err := WebhookOf(r, webhookID); err != nil {
		return nil, nil, err
	}
	kept, err := r.Delivery(id)
	if err == nil && (kept == nil || kept.WebhookID != webhookID) {
		err = problem.New(problem.NotFound, "this webhook has no delivery %q; those that are over are kept for 30 days", id)
	}
	if err != nil {
		return nil, nil, err
	}
	d, err := deliveryOf(kept)
	if err != nil {
		return nil, nil, err
	}
	rows, err := r.Attempts(id)
	if err != nil {
		return nil, nil, err
	}
	attempts := make([]Attempt, len(rows))
	for i := range rows {
		if err := json.Unmarshal(rows[i].Body, &attempts[i]); err != nil {
			return nil, nil, err
		}
	}
	return d, attempts, nil
}

// Deliveries returns those to a webhook, newest first, from before a number on (0: from the newest), and the number to go on before; 0 when
// there are no more. It fails with a problem NotFound.
func Deliveries(r store.Reader, webhookID string, beforeNumber int64, limit int) (all []*Delivery, next int64, err error) {
	if _, err := WebhookOf(r, webhookID); err != nil {
		return nil, 0, err
	}
	kept, err := r.Deliveries(webhookID, beforeNumber, limit+1)
	if err != nil {
		return nil, 0, err
	}
	if len(kept) > limit {
		kept, next = kept[:limit], kept[limit-1].Number
	}
	all = make([]*Delivery, len(kept))
	for i := range kept {
		if all[i], err = deliveryOf(&kept[i]); err != nil {
			return nil, 0, err
		}
	}
	return all, next, nil
}

// ReplayDelivery has a delivery sent again, whatever became of it, with the same webhook-id, and tried for as long as a new one.
func (c *Change) ReplayDelivery(webhookID, id string) (*Delivery, []Attempt, error) {
	d, attempts, err := DeliveryOf(c.tx, webhookID, id)
	if err != nil {
		return nil, nil, err
	}
	w, err := WebhookOf(c.tx, webhookID)
	if err != nil {
		return nil, nil, err
	}
	if w.Disabled {
		return nil, nil, problem.New(problem.Conflict, "the webhook is disabled; enable it before")
	}
	d.State, d.DueMS, d.SinceMS, d.Attempts = Pending, c.nowMS, 0, 0
	return d, attempts, putDelivery(c.tx, d)
}

// Outcomes of an attempt, for metrics.
const (
	outcomeDelivered = "delivered"
	outcomeRetried   = "retried"
	outcomeGivenUp   = "given_up"
	outcomeGone      = "gone"
)

// chance is from 0 to 1, spreads the attempts of many deliveries, and is the same when the same history is lived through again.
func (d *Delivery) chance() float64 {
	h := fnv.New64a()
	fmt.Fprint(h, d.ID, " ", d.Attempts)
	return rand.New(rand.NewPCG(h.Sum64(), 0)).Float64()
}

// attempted takes a delivery and its webhook to what an attempt makes of them. An answer 410 Gone disables the webhook, and so does an
// event that could not be delivered in three days in which no other could.
func (d *Delivery) attempted(w *Webhook, a *webhook.Answer, nowMS int64, chance float64) (outcome string) {
	if d.Attempts == 0 {
		d.SinceMS = nowMS
	}
	d.Attempts++
	d.Status = a.Status
	if a.Delivered() {
		d.State, d.DueMS, w.FailingMS = Delivered, 0, 0
		return outcomeDelivered
	}
	if w.FailingMS == 0 {
		w.FailingMS = nowMS
	}
	if a.Status == http.StatusGone {
		d.State, d.DueMS = Failed, 0
		w.Disabled, w.Reason = true, "the receiver answered 410 Gone"
		return outcomeGone
	}
	d.DueMS = nowMS + webhook.Retry(d.Attempts, a.RetryAfter, chance).Milliseconds()
	if end := d.SinceMS + webhook.RetryFor.Milliseconds(); nowMS >= end {
		d.State, d.DueMS = Failed, 0
	} else {
		d.DueMS = min(d.DueMS, end) // a last attempt
	}
	if d.State == Pending {
		return outcomeRetried
	}
	if w.FailingMS <= d.SinceMS {
		w.Disabled, w.Reason = true, "every attempt has failed for three days"
	}
	return outcomeGivenUp
}
