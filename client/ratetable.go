package client

import (
	"context"
	"net/http"

	"github.com/farebox/farebox/api"
)

// RateTable is what items cost, in v1.1.
type RateTable = api.RateTable[api.RateItemV11]

// RateTables are all rate tables, whether they are effective or not.
func (c *Client) RateTables(ctx context.Context) ([]RateTable, error) {
	return read[[]RateTable](ctx, c, get(provisioningRoot+"/rate-tables", nil))
}

// AddRateTable saves a rate table. One of the same series and version is refused (409).
func (c *Client) AddRateTable(ctx context.Context, t RateTable, with ...With) error {
	return c.done(ctx, send(http.MethodPost, provisioningRoot+"/rate-tables", t, with))
}

// DeleteRateTable removes a rate table that has never been effective; else it is refused (409).
func (c *Client) DeleteRateTable(ctx context.Context, series, version string, with ...With) error {
	in := send(http.MethodDelete, provisioningRoot+"/rate-tables", nil, with)
	in.query = query("series", series, "version", version)
	return c.done(ctx, in)
}

// SimulateRateTable says what recorded usage would have cost by a draft of a rate table; it changes nothing.
func (c *Client) SimulateRateTable(ctx context.Context, r api.SimulationRequest) (*api.Simulation, error) {
	return read[*api.Simulation](ctx, c, reading(http.MethodPost, fareboxRoot+"/rate-tables/simulate", r))
}

// Configuration is every configuration value.
func (c *Client) Configuration(ctx context.Context) ([]api.ConfigValue, error) {
	return read[[]api.ConfigValue](ctx, c, get(provisioningRoot+"/configuration", nil))
}

// SetConfiguration changes one value, for all instances, and returns all values.
func (c *Client) SetConfiguration(ctx context.Context, v api.NewConfigValue, with ...With) ([]api.ConfigValue, error) {
	return read[[]api.ConfigValue](ctx, c, send(http.MethodPatch, provisioningRoot+"/configuration", v, with))
}
