package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/farebox/farebox/api"
)

const webhooksPath = fareboxRoot + "/webhooks"

// Webhooks are all webhooks.
func (c *Client) Webhooks(ctx context.Context) ([]api.Webhook, error) {
	all, err := read[api.Webhooks](ctx, c, get(webhooksPath, nil))
	return all.Webhooks, err
}

// Webhook returns a webhook.
func (c *Client) Webhook(ctx context.Context, id string) (*api.Webhook, error) {
	return read[*api.Webhook](ctx, c, get(path(webhooksPath, id), nil))
}

// CreateWebhook makes a webhook. Its secret is in the answer, and never again.
func (c *Client) CreateWebhook(ctx context.Context, n api.NewWebhook, with ...With) (*api.Webhook, error) {
	return read[*api.Webhook](ctx, c, send(http.MethodPost, webhooksPath, n, with))
}

// ReplaceWebhook replaces a webhook; its secret stays.
func (c *Client) ReplaceWebhook(ctx context.Context, id string, n api.NewWebhook, with ...With) (*api.Webhook, error) {
	return read[*api.Webhook](ctx, c, send(http.MethodPut, path(webhooksPath, id), n, with))
}

// DeleteWebhook removes a webhook, and what was to be sent to it.
func (c *Client) DeleteWebhook(ctx context.Context, id string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, path(webhooksPath, id), nil, with))
}

// RotateWebhook makes a new secret, which is in the answer, and never again. The old one goes on signing, too, for a time.
func (c *Client) RotateWebhook(ctx context.Context, id string, with ...With) (*api.Webhook, error) {
	return read[*api.Webhook](ctx, c, send(http.MethodPost, path(webhooksPath, id, "rotate"), nil, with))
}

// TestWebhook sends a test event and returns what came back. The server knows no key for it, so it is not tried again.
func (c *Client) TestWebhook(ctx context.Context, id string) (*api.WebhookTest, error) {
	in := send(http.MethodPost, path(webhooksPath, id, "test"), nil, nil)
	in.unsafe = true
	return read[*api.WebhookTest](ctx, c, in)
}

// Deliveries are what was or will be sent to a webhook, newest first.
func (c *Client) Deliveries(ctx context.Context, webhookID string) iter.Seq2[api.Delivery, error] {
	first := get(path(webhooksPath, webhookID, "deliveries"), nil)
	return pages(ctx, c, first, func(p *api.Deliveries) ([]api.Delivery, *call) {
		return p.Deliveries, first.turned("next", number(p.Next))
	})
}

// Delivery returns a delivery with all its attempts and its body.
func (c *Client) Delivery(ctx context.Context, webhookID, deliveryID string) (*api.DeliveryDetail, error) {
	return read[*api.DeliveryDetail](ctx, c, get(path(webhooksPath, webhookID, "deliveries", deliveryID), nil))
}

// ReplayDelivery has an event sent again.
func (c *Client) ReplayDelivery(ctx context.Context, webhookID, deliveryID string, with ...With) (*api.DeliveryDetail, error) {
	return read[*api.DeliveryDetail](ctx, c, send(http.MethodPost, path(webhooksPath, webhookID, "deliveries", deliveryID, "replay"), nil, with))
}
