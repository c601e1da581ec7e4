package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/farebox/farebox/api"
)

func autoTopUpOf(instanceID, activationID string, rest ...string) string {
	return path(fareboxRoot+"/instances", append([]string{instanceID, "line-items", activationID, "auto-top-up"}, rest...)...)
}

// AutoTopUps are the automatic top-ups of all line items, in the order in which these were made.
func (c *Client) AutoTopUps(ctx context.Context) iter.Seq2[api.AutoTopUp, error] {
	first := get(fareboxRoot+"/auto-top-ups", nil)
	return pages(ctx, c, first, func(p *api.AutoTopUps) ([]api.AutoTopUp, *call) {
		return p.AutoTopUps, first.turned("next", number(p.Next))
	})
}

// AutoTopUp is the automatic top-up of a line item, as it stands.
func (c *Client) AutoTopUp(ctx context.Context, instanceID, activationID string) (*api.AutoTopUp, error) {
	return read[*api.AutoTopUp](ctx, c, get(autoTopUpOf(instanceID, activationID), nil))
}

// PutAutoTopUp sets the terms of an automatic top-up; new ones are off until they are acknowledged.
func (c *Client) PutAutoTopUp(ctx context.Context, instanceID, activationID string, n api.NewAutoTopUp, with ...With) (*api.AutoTopUp, error) {
	return read[*api.AutoTopUp](ctx, c, send(http.MethodPut, autoTopUpOf(instanceID, activationID), n, with))
}

// DeleteAutoTopUp has nothing more asked for.
func (c *Client) DeleteAutoTopUp(ctx context.Context, instanceID, activationID string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, autoTopUpOf(instanceID, activationID), nil, with))
}

// AcknowledgeAutoTopUp has the terms be in force that were set at modified, in milliseconds since 1970.
func (c *Client) AcknowledgeAutoTopUp(ctx context.Context, instanceID, activationID string, modified int64, with ...With) (*api.AutoTopUp, error) {
	n := api.AutoTopUpAcknowledgement{Modified: &modified}
	return read[*api.AutoTopUp](ctx, c, send(http.MethodPost, autoTopUpOf(instanceID, activationID, "acknowledge"), n, with))
}

// DeclineAutoTopUp says that nothing is sold on the request that is open. To sell something, TopUp with the request's id.
func (c *Client) DeclineAutoTopUp(ctx context.Context, instanceID, activationID, requestID, reason string, with ...With) (*api.AutoTopUp, error) {
	n := api.AutoTopUpDecline{RequestID: &requestID, Reason: reason}
	return read[*api.AutoTopUp](ctx, c, send(http.MethodPost, autoTopUpOf(instanceID, activationID, "decline"), n, with))
}
