package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/farebox/farebox/api"
)

// SaveAdministrationKeys registers public keys, or replaces those of the same ids; all or, if one is refused, none.
func (c *Client) SaveAdministrationKeys(ctx context.Context, keys []api.NewKey, with ...With) error {
	return c.done(ctx, send(http.MethodPut, floatingRoot+"/administration-keys", keys, with))
}

// DeleteAdministrationKey removes a key; other servers know it within 10 seconds.
func (c *Client) DeleteAdministrationKey(ctx context.Context, id string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, path(floatingRoot+"/administration-keys", id), nil, with))
}

// SaveClientKeys registers public keys, or replaces those of the same ids; all or, if one is refused, none.
func (c *Client) SaveClientKeys(ctx context.Context, keys []api.NewKey, with ...With) error {
	return c.done(ctx, send(http.MethodPut, floatingRoot+"/client-keys", keys, with))
}

// DeleteClientKey removes a key; other servers know it within 10 seconds.
func (c *Client) DeleteClientKey(ctx context.Context, id string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, path(floatingRoot+"/client-keys", id), nil, with))
}

// Keys are all public keys.
func (c *Client) Keys(ctx context.Context) iter.Seq2[api.Key, error] {
	first := get(floatingRoot+"/public-keys", nil)
	return pages(ctx, c, first, func(p *api.Keys) ([]api.Key, *call) { return p.Keys, first.turned("next", number(p.Next)) })
}
