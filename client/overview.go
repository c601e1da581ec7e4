package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
)

// OverviewQuery says which instances are asked about; what is empty is left out.
type OverviewQuery struct {
	InstanceIDs []string
	AccountID   string
	Search      string // in the id, the short name or the account
	Sort        string // daysLeft (the usual), left, pace or name
	Forecast    bool   // of each; a page has 50 at most then
	Limit       int64  // on a page
	Offset      int64
}

// Overview is a page of how instances stand.
func (c *Client) Overview(ctx context.Context, o OverviewQuery) (*api.InstanceOverviews, error) {
	forecast := ""
	if o.Forecast {
		forecast = "true"
	}
	q := of(query("accountId", o.AccountID, "search", o.Search, "sort", o.Sort, "forecast", forecast, "limit", number(o.Limit), "offset", number(o.Offset)), o.InstanceIDs)
	return read[*api.InstanceOverviews](ctx, c, get(fareboxRoot+"/instances", q))
}

// Ending are the line items of all instances that end within so many days (0: 30), those first that end first.
func (c *Client) Ending(ctx context.Context, days int64) iter.Seq2[api.EndingLineItem, error] {
	first := get(fareboxRoot+"/line-items/ending", query("days", number(days)))
	return pages(ctx, c, first, func(p *api.EndingLineItems) ([]api.EndingLineItem, *call) {
		return p.LineItems, first.turned("cursor", p.Next)
	})
}

// Receipts are the receipts of some instances, or of all that the token may see, newest first.
func (c *Client) Receipts(ctx context.Context, instanceIDs ...string) iter.Seq2[*api.Receipt, error] {
	first := get(fareboxRoot+"/receipts", of(query(), instanceIDs))
	return pages(ctx, c, first, func(p *api.Receipts) ([]*api.Receipt, *call) { return p.Receipts, first.turned("cursor", p.Next) })
}

// of adds instances to a query.
func of(q url.Values, instanceIDs []string) url.Values {
	for _, id := range instanceIDs {
		q.Add("instanceId", id)
	}
	return q
}

// RateTableVersions are all rate tables, or those of a series, without their items.
func (c *Client) RateTableVersions(ctx context.Context, series string) (*api.RateTableVersions, error) {
	return read[*api.RateTableVersions](ctx, c, get(fareboxRoot+"/rate-tables", query("series", series)))
}

// RateTableItems are a page of a rate table's items: those with a text in their name, and how many there are.
func (c *Client) RateTableItems(ctx context.Context, series, version, search string, limit, offset int64) (*api.RateTableItems, error) {
	q := query("series", series, "version", version, "search", search, "limit", number(limit), "offset", number(offset))
	return read[*api.RateTableItems](ctx, c, get(fareboxRoot+"/rate-tables/items", q))
}

// RateTableDiff is a page of what a version of a series changes in another.
func (c *Client) RateTableDiff(ctx context.Context, series, older, newer string, limit, offset int64) (*api.RateTableDiff, error) {
	q := query("series", series, "older", older, "newer", newer, "limit", number(limit), "offset", number(offset))
	return read[*api.RateTableDiff](ctx, c, get(fareboxRoot+"/rate-tables/diff", q))
}

// EvaluateFormula says what a formula comes to, or why it does not and where. It charges nothing.
func (c *Client) EvaluateFormula(ctx context.Context, formula string, variables map[string]token.Amount) (*api.FormulaValue, error) {
	return read[*api.FormulaValue](ctx, c, reading(http.MethodPost, fareboxRoot+"/formulas/evaluate", api.FormulaRequest{Formula: &formula, Variables: variables}))
}

// Service says how the server that answers is.
func (c *Client) Service(ctx context.Context) (*api.ServiceState, error) {
	return read[*api.ServiceState](ctx, c, get(fareboxRoot+"/service", nil))
}

// BeginProof has the server that answers check all balances against the record, and says how that stands: there is one check at a time.
func (c *Client) BeginProof(ctx context.Context) (*api.Proof, error) {
	return read[*api.Proof](ctx, c, reading(http.MethodPost, fareboxRoot+"/verify", nil))
}

// Proof says how the last check on the server that answers stands.
func (c *Client) Proof(ctx context.Context) (*api.Proof, error) {
	return read[*api.Proof](ctx, c, get(fareboxRoot+"/verify", nil))
}
