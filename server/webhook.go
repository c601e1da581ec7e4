package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
)

func listWebhooks(c *call) (*reply, error) {
	return c.show(func(r store.Reader) (any, error) {
		out := api.Webhooks{Webhooks: []api.Webhook{}}
		all, err := engine.Webhooks(r)
		for _, w := range all {
			out.Webhooks = append(out.Webhooks, wireWebhook(w, c.server.engine.Now()))
		}
		return out, err
	})
}

// wireWebhook leaves the secret out.
func wireWebhook(w *engine.Webhook, nowMS int64) api.Webhook {
	out := api.Webhook{
		ID: w.ID, URL: w.URL, Description: w.Description, Types: append([]string{}, w.Types...), Disabled: w.Disabled, Reason: w.Reason,
		Failing: w.FailingMS, Created: w.CreatedMS, Modified: w.ModifiedMS,
	}
	for _, s := range w.Secrets {
		if s.UntilMS > nowMS {
			out.OldSecret = s.UntilMS
		}
	}
	return out
}

func getWebhook(c *call) (*reply, error) {
	return c.show(func(r store.Reader) (any, error) {
		w, err := engine.WebhookOf(r, c.PathValue("webhookId"))
		if err != nil {
			return nil, err
		}
		return wireWebhook(w, c.server.engine.Now()), nil
	})
}

func createWebhook(c *call) (*reply, error) {
	w, err := c.decodeWebhook()
	if err != nil {
		return nil, err
	}
	return c.change(func(tx *engine.Change) (*reply, error) {
		if err := tx.CreateWebhook(w); err != nil {
			return nil, err
		}
		return c.withSecret(http.StatusCreated, w)
	})
}

func (c *call) decodeWebhook() (*engine.Webhook, error) {
	var in api.NewWebhook
	err := decode(c.body, &in, noNulls)
	return &engine.Webhook{URL: in.URL, Description: in.Description, Types: in.Types, Disabled: in.Disabled}, err
}

// withSecret shows the secret that was made just now.
func (c *call) withSecret(status int, w *engine.Webhook) (*reply, error) {
	out := wireWebhook(w, c.server.engine.Now())
	out.Secret = w.Secrets[0].Secret
	return jsonReply(status, out)
}

func replaceWebhook(c *call) (*reply, error) {
	w, err := c.decodeWebhook()
	if err != nil {
		return nil, err
	}
	w.ID = c.PathValue("webhookId")
	return c.change(func(tx *engine.Change) (*reply, error) {
		if err := tx.ReplaceWebhook(w); err != nil {
			return nil, err
		}
		return jsonReply(http.StatusOK, wireWebhook(w, c.server.engine.Now()))
	})
}

func rotateWebhook(c *call) (*reply, error) {
	return c.change(func(tx *engine.Change) (*reply, error) {
		w, err := tx.RotateWebhook(c.PathValue("webhookId"))
		if err != nil {
			return nil, err
		}
		return c.withSecret(http.StatusOK, w)
	})
}

func deleteWebhook(c *call) (*reply, error) {
	return c.remove(func(tx *engine.Change) error { return tx.DeleteWebhook(c.PathValue("webhookId")) })
}

func testWebhook(c *call) (*reply, error) {
	a, err := c.server.engine.TestWebhook(c.Context(), c.PathValue("webhookId"))
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, api.WebhookTest{Delivered: a.Status/100 == 2, Attempt: wireAttempt(*a)})
}

func wireAttempt(a engine.Attempt) api.Attempt {
	return api.Attempt{Time: a.TimeMS, Status: a.Status, Duration: a.DurationMS, Answer: a.Answer, Error: a.Error}
}

func listDeliveries(c *call) (*reply, error) {
	before, limit, err := c.pageOf()
	if err != nil {
		return nil, err
	}
	return c.show(func(r store.Reader) (any, error) {
		out := api.Deliveries{Deliveries: []api.Delivery{}}
		all, next, err := engine.Deliveries(r, c.PathValue("webhookId"), before, limit)
		for _, d := range all {
			out.Deliveries = append(out.Deliveries, wireDelivery(d))
		}
		out.Next = next
		return out, err
	})
}

func wireDelivery(d *engine.Delivery) api.Delivery {
	return api.Delivery{
		ID: d.ID, MessageID: d.MessageID(), Type: d.Type, State: string(d.State), Created: d.CreatedMS, Due: d.DueMS, Attempts: d.Attempts, Status: d.Status,
	}
}

func getDelivery(c *call) (*reply, error) {
	return c.show(func(r store.Reader) (any, error) {
		d, attempts, err := engine.DeliveryOf(r, c.PathValue("webhookId"), c.PathValue("deliveryId"))
		if err != nil {
			return nil, err
		}
		return detail(d, attempts), nil
	})
}

func detail(d *engine.Delivery, attempts []engine.Attempt) api.DeliveryDetail {
	out := api.DeliveryDetail{Delivery: wireDelivery(d), Attempts: []api.Attempt{}, Body: d.Payload}
	for _, a := range attempts {
		out.Attempts = append(out.Attempts, wireAttempt(a))
	}
	return out
}

func replayDelivery(c *call) (*reply, error) {
	return c.change(func(tx *engine.Change) (*reply, error) {
		d, attempts, err := tx.ReplayDelivery(c.PathValue("webhookId"), c.PathValue("deliveryId"))
		if err != nil {
			return nil, err
		}
		return jsonReply(http.StatusOK, detail(d, attempts))
	})
}
