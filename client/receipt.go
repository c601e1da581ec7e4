package client

import (
	"context"
	"net/http"

	"github.com/farebox/farebox/api"
)

// Receipt is all that a request did, and what was refunded of it since.
func (c *Client) Receipt(ctx context.Context, correlationID string) (*api.Receipt, error) {
	return read[*api.Receipt](ctx, c, get(path(fareboxRoot+"/receipts", correlationID), nil))
}

// Refund gives back what a request was charged: all of it, or the parts that are named. The receipt of the refund is returned.
func (c *Client) Refund(ctx context.Context, correlationID string, r api.NewRefund, with ...With) (*api.Receipt, error) {
	return read[*api.Receipt](ctx, c, send(http.MethodPost, path(fareboxRoot+"/receipts", correlationID, "refund"), r, with))
}
