package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/notify/webhook"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// Webhook is where events are sent to.
type Webhook struct {
	ID          string
	URL         string
	Description string
	Types       []string // of the events that are wanted; none: all
	Disabled    bool
	Reason      string // why it was disabled, if nobody told it to be
	FailingMS   int64  // since when every attempt has failed; 0: the last one has not
	CreatedMS   int64
	ModifiedMS  int64

	Secrets []WebhookSecret // the newest first; they sign, and are shown when they are made and never again
}

// WebhookSecret signs events until a time; 0: for good.
type WebhookSecret struct {
	Secret  string `json:"secret"`
	UntilMS int64  `json:"until,omitzero"`
}

// webhookBody is what the books keep of a webhook.
type webhookBody struct {
	URL         string          `json:"url"`
	Description string          `json:"description,omitzero"`
	Types       []string        `json:"types,omitempty"`
	Disabled    bool            `json:"disabled,omitzero"`
	Reason      string          `json:"reason,omitzero"`
	FailingMS   int64           `json:"failing,omitzero"`
	Secrets     []WebhookSecret `json:"secrets"`
}

const (
	webhooksMost    = 100
	descriptionMost = 1000           // bytes
	secretOverlap   = 24 * time.Hour // in which a secret signs beside the one that takes its place
)

func (w *Webhook) validate(private bool) error {
	if err := webhook.CheckURL(w.URL, private); err != nil {
		return err
	}
	if len(w.Description) > descriptionMost {
		return problem.Field("description", "is longer than %d bytes", descriptionMost)
	}
	for i, t := range w.Types {
		if !slices.Contains(notify.Types, t) {
			return problem.Field(fmt.Sprintf("types[%d]", i), "must be alert.fired, alert.resolved or top_up.requested; without types all events come")
		}
	}
	return nil
}

// CreateWebhook adds a webhook, and gives it an id and a secret.
func (c *Change) CreateWebhook(w *Webhook) error {
	if err := w.validate(c.private); err != nil {
		return err
	}
	all, err := c.tx.Webhooks()
	if err != nil {
		return err
	}
	if len(all) >= webhooksMost {
		return problem.New(problem.Conflict, "there are %d webhooks already, which is the most; delete one before", webhooksMost)
	}
	w.ID, w.CreatedMS, w.ModifiedMS = c.newID(), c.nowMS, c.nowMS
	w.Secrets = []WebhookSecret{{Secret: webhook.NewSecret()}}
	return putWebhook(c.tx, w)
}

// ReplaceWebhook changes where events go, which, and whether. What waits for a webhook that was disabled is sent once it is enabled.
func (c *Change) ReplaceWebhook(w *Webhook) error {
	if err := w.validate(c.private); err != nil {
		return err
	}
	old, err := WebhookOf(c.tx, w.ID)
	if err != nil {
		return err
	}
	w.Secrets, w.CreatedMS, w.ModifiedMS = old.Secrets, old.CreatedMS, c.nowMS
	if w.Disabled { // and why, if it was before
		w.Reason, w.FailingMS = old.Reason, old.FailingMS
	}
	return putWebhook(c.tx, w)
}

// RotateWebhook gives a webhook a new secret. For a day the one before signs beside it.
func (c *Change) RotateWebhook(id string) (*Webhook, error) {
	w, err := WebhookOf(c.tx, id)
	if err != nil {
		return nil, err
	}
	before := w.Secrets[0]
	before.UntilMS = c.nowMS + secretOverlap.Milliseconds()
	w.Secrets = []WebhookSecret{{Secret: webhook.NewSecret()}, before}
	w.ModifiedMS = c.nowMS
	return w, putWebhook(c.tx, w)
}

// DeleteWebhook deletes a webhook with all that was, or is to be, sent to it.
func (c *Change) DeleteWebhook(id string) error {
	if _, err := WebhookOf(c.tx, id); err != nil {
		return err
	}
	return c.tx.DeleteWebhook(id)
}

func putWebhook(tx store.Tx, w *Webhook) error {
	body, err := json.Marshal(webhookBody{w.URL, w.Description, w.Types, w.Disabled, w.Reason, w.FailingMS, w.Secrets})
	return orErr(err, tx.PutWebhook(store.Webhook{ID: w.ID, CreatedMS: w.CreatedMS, ModifiedMS: w.ModifiedMS, Body: body}))
}

func webhookOf(kept *store.Webhook) (*Webhook, error) {
	var b webhookBody
	if err := json.Unmarshal(kept.Body, &b); err != nil {
		return nil, fmt.Errorf("webhook %q: %w", kept.ID, err)
	}
	return &Webhook{
		ID: kept.ID, URL: b.URL, Description: b.Description, Types: b.Types, Disabled: b.Disabled, Reason: b.Reason, FailingMS: b.FailingMS,
		CreatedMS: kept.CreatedMS, ModifiedMS: kept.ModifiedMS, Secrets: b.Secrets,
	}, nil
}

// WebhookOf returns a webhook; it fails with a problem NotFound.
func WebhookOf(r store.Reader, id string) (*Webhook, error) {
	kept, err := r.Webhook(id)
	if err == nil && kept == nil {
		err = problem.New(problem.NotFound, "there is no webhook %q", id)
	}
	if err != nil {
		return nil, err
	}
	return webhookOf(kept)
}

// Webhooks returns all webhooks, in the order in which they were made.
func Webhooks(r store.Reader) ([]*Webhook, error) {
	kept, err := r.Webhooks()
	if err != nil {
		return nil, err
	}
	all := make([]*Webhook, len(kept))
	for i := range kept {
		if all[i], err = webhookOf(&kept[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// wants reports whether events of a type go to a webhook.
func (w *Webhook) wants(eventType string) bool {
	return !w.Disabled && (len(w.Types) == 0 || slices.Contains(w.Types, eventType))
}

// secrets returns what signs at a time.
func (w *Webhook) secrets(nowMS int64) (all []string) {
	for _, s := range w.Secrets {
		if s.UntilMS == 0 || nowMS < s.UntilMS {
			all = append(all, s.Secret)
		}
	}
	return all
}

// event is what a webhook is sent, as the specification recommends.
type event struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      any    `json:"data"`
}

func newEvent(eventType string, timeMS int64, data any) (jsontext.Value, error) {
	return json.Marshal(event{eventType, time.UnixMilli(timeMS).UTC().Format(time.RFC3339Nano), data})
}

// publish has notices sent to all who want them, in the transaction that writes them.
func (e *Engine) publish(tx store.Tx, notices []*notify.Notice) error {
	if len(notices) == 0 {
		return nil
	}
	hooks, err := Webhooks(tx)
	if err != nil {
		return err
	}
	for _, n := range notices {
		if err := e.publishTo(tx, hooks, n.Type(), n.TimeMS, n); err != nil {
			return err
		}
	}
	return nil
}

// publishTo has an event sent to those of webhooks who want it, in a transaction.
func (e *Engine) publishTo(tx store.Tx, hooks []*Webhook, eventType string, timeMS int64, data any) error {
	payload, err := newEvent(eventType, timeMS, data)
	if err != nil {
		return err
	}
	nowMS := e.Now()
	for _, w := range hooks {
		if !w.wants(eventType) {
			continue
		}
		d := &Delivery{ID: e.newID(), WebhookID: w.ID, Type: eventType, State: Pending, CreatedMS: nowMS, DueMS: nowMS, Payload: payload}
		if err := insertDelivery(tx, d); err != nil {
			return err
		}
	}
	return nil
}
