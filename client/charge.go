package client

import (
	"context"
	"net/http"

	"github.com/farebox/farebox/api"
)

// Charge asks to use items once, all or none: they are priced, checked and charged in one durable step. When they are not granted, nothing was
// charged and the error is a *Denied.
func (c *Client) Charge(ctx context.Context, instanceID string, by Requester, items []Item, with ...With) (*api.AccessAnswer, error) {
	requester, wired, err := wire(&by, items)
	if err != nil {
		return nil, err
	}
	answer, err := c.RequestAccess(ctx, instanceID, &api.AccessRequest[api.RequestedItemV11]{
		Requester: requester, RequestedItems: wired, AllOrNothing: true,
	}, with...)
	if err != nil {
		return nil, err
	}
	if err := deniedBy(answer.CorrelationID, answer.RequestedItems); err != nil {
		return nil, err
	}
	return answer, nil
}

// RequestAccess is Charge as the reference API has it: unless the request says allOrNothing, each item is granted or denied by itself, and the answer
// says of each what became of it. A denial is no error here.
func (c *Client) RequestAccess(
	ctx context.Context, instanceID string, request *api.AccessRequest[api.RequestedItemV11], with ...With,
) (*api.AccessAnswer, error) {
	return read[*api.AccessAnswer](ctx, c, send(http.MethodPost, path(elasticRoot+"/instances", instanceID, "access-request"), request, with))
}

// Quote says what a charge would come to now, and charges nothing. What would be denied is told in the items' statuses, and is no error.
func (c *Client) Quote(ctx context.Context, instanceID string, by Requester, items []Item) (*api.Quote, error) {
	requester, wired, err := wire(&by, items)
	if err != nil {
		return nil, err
	}
	return c.QuoteAccess(ctx, instanceID, &api.AccessRequest[api.RequestedItemV11]{Requester: requester, RequestedItems: wired, AllOrNothing: true})
}

// QuoteAccess says what an access request would come to now, and charges nothing.
func (c *Client) QuoteAccess(ctx context.Context, instanceID string, request *api.AccessRequest[api.RequestedItemV11]) (*api.Quote, error) {
	return read[*api.Quote](ctx, c, reading(http.MethodPost, path(fareboxRoot+"/instances", instanceID, "quote"), request))
}

// Balance says how an instance stands.
func (c *Client) Balance(ctx context.Context, instanceID string) (*api.Balance, error) {
	return read[*api.Balance](ctx, c, get(path(fareboxRoot+"/instances", instanceID, "balance"), nil))
}

// Forecast says how long an instance's balances are likely to last.
func (c *Client) Forecast(ctx context.Context, instanceID string) (*api.Forecast, error) {
	return read[*api.Forecast](ctx, c, get(path(fareboxRoot+"/instances", instanceID, "forecast"), nil))
}
