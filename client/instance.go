package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/farebox/farebox/api"
)

// CreateInstance makes an instance; the first of an account becomes its default instance.
func (c *Client) CreateInstance(ctx context.Context, n api.NewInstance, with ...With) (*api.Instance, error) {
	return read[*api.Instance](ctx, c, send(http.MethodPost, provisioningRoot+"/instances", n, with))
}

// Instance returns an instance.
func (c *Client) Instance(ctx context.Context, id string) (*api.Instance, error) {
	return read[*api.Instance](ctx, c, get(path(provisioningRoot+"/instances", id), nil))
}

// Instances are all instances, oldest first.
func (c *Client) Instances(ctx context.Context) iter.Seq2[api.Instance, error] {
	return c.instances(ctx, query())
}

// DefaultInstance returns the default instance of an account, or nil if it has none.
func (c *Client) DefaultInstance(ctx context.Context, accountID string) (*api.Instance, error) {
	for one, err := range c.instances(ctx, query("accountId", accountID, "default", "true")) {
		return &one, err
	}
	return nil, nil
}

func (c *Client) instances(ctx context.Context, q map[string][]string) iter.Seq2[api.Instance, error] {
	first := get(provisioningRoot+"/instances", q)
	return pages(ctx, c, first, func(p *api.Instances) ([]api.Instance, *call) { return p.Content, first.turned("next", number(p.Next)) })
}

// LineItem is a purchase of tokens, in v1.1.
type LineItem = api.LineItem[api.AttributesV11]

// LineItems are all line items of an instance.
func (c *Client) LineItems(ctx context.Context, instanceID string) ([]LineItem, error) {
	return read[[]LineItem](ctx, c, get(path(provisioningRoot+"/instances", instanceID, "line-items"), nil))
}

// LineItem returns a line item.
func (c *Client) LineItem(ctx context.Context, instanceID, activationID string) (*LineItem, error) {
	return read[*LineItem](ctx, c, get(path(provisioningRoot+"/instances", instanceID, "line-items", activationID), nil))
}

// PutLineItem maps a line item to an instance, or replaces it entirely but for what was used of it, its actions and its consumption limit.
func (c *Client) PutLineItem(ctx context.Context, instanceID string, l LineItem, with ...With) (*LineItem, error) {
	return read[*LineItem](ctx, c, send(http.MethodPut, path(provisioningRoot+"/instances", instanceID, "line-items"), l, with))
}

// DeleteLineItem removes a line item.
func (c *Client) DeleteLineItem(ctx context.Context, instanceID, activationID string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, path(provisioningRoot+"/instances", instanceID, "line-items", activationID), nil, with))
}

// TopUp adds bought tokens to a line item: whole ones, 1 or more.
func (c *Client) TopUp(ctx context.Context, instanceID, activationID string, n api.NewTopUp, with ...With) (*api.LineItemMoved, error) {
	where := path(fareboxRoot+"/instances", instanceID, "line-items", activationID, "top-up")
	return read[*api.LineItemMoved](ctx, c, send(http.MethodPost, where, n, with))
}

// Transfer moves unused tokens between line items of one account.
func (c *Client) Transfer(ctx context.Context, t api.NewTransfer, with ...With) (*api.Transfer, error) {
	return read[*api.Transfer](ctx, c, send(http.MethodPost, fareboxRoot+"/transfers", t, with))
}

// Adjust books tokens of a line item for no item: more than 0 are used, less are given back. The receipt of it is returned.
func (c *Client) Adjust(ctx context.Context, instanceID, activationID string, n api.NewAdjustment, with ...With) (*api.Receipt, error) {
	where := path(fareboxRoot+"/instances", instanceID, "line-items", activationID, "adjustments")
	return read[*api.Receipt](ctx, c, send(http.MethodPost, where, n, with))
}
