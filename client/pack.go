package client

import (
	"context"
	"net/http"

	"github.com/farebox/farebox/api"
)

const packsPath = fareboxRoot + "/packs"

// Packs are all packs.
func (c *Client) Packs(ctx context.Context) ([]api.Pack, error) {
	all, err := read[api.Packs](ctx, c, get(packsPath, nil))
	return all.Packs, err
}

// Pack returns a pack.
func (c *Client) Pack(ctx context.Context, name string) (*api.Pack, error) {
	return read[*api.Pack](ctx, c, get(path(packsPath, name), nil))
}

// CreatePack saves a new pack.
func (c *Client) CreatePack(ctx context.Context, p api.Pack, with ...With) (*api.Pack, error) {
	return read[*api.Pack](ctx, c, send(http.MethodPost, packsPath, p, with))
}

// ReplacePack replaces the pack of that name; what was sold of it stays as it is.
func (c *Client) ReplacePack(ctx context.Context, p api.Pack, with ...With) (*api.Pack, error) {
	return read[*api.Pack](ctx, c, send(http.MethodPut, path(packsPath, p.Name), p, with))
}

// DeletePack removes a pack; what was sold of it stays as it is.
func (c *Client) DeletePack(ctx context.Context, name string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, path(packsPath, name), nil, with))
}

// Sell makes a line item of a pack. An order number counts once, whatever the idempotency key.
func (c *Client) Sell(ctx context.Context, pack string, n api.NewSale, with ...With) (*api.Sale, error) {
	return read[*api.Sale](ctx, c, send(http.MethodPost, path(packsPath, pack, "sales"), n, with))
}
