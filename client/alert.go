package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/notify"
)

const alertsPath = fareboxRoot + "/alerts"

// Alerts are all alert rules.
func (c *Client) Alerts(ctx context.Context) ([]*notify.Rule, error) {
	all, err := read[api.Alerts](ctx, c, get(alertsPath, nil))
	return all.Alerts, err
}

// Alert returns an alert rule.
func (c *Client) Alert(ctx context.Context, name string) (*notify.Rule, error) {
	return read[*notify.Rule](ctx, c, get(path(alertsPath, name), nil))
}

// CreateAlert saves a new alert rule.
func (c *Client) CreateAlert(ctx context.Context, r *notify.Rule, with ...With) (*notify.Rule, error) {
	return read[*notify.Rule](ctx, c, send(http.MethodPost, alertsPath, r, with))
}

// ReplaceAlert replaces the alert rule of that name.
func (c *Client) ReplaceAlert(ctx context.Context, r *notify.Rule, with ...With) (*notify.Rule, error) {
	return read[*notify.Rule](ctx, c, send(http.MethodPut, path(alertsPath, r.Name), r, with))
}

// DeleteAlert removes an alert rule.
func (c *Client) DeleteAlert(ctx context.Context, name string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, path(alertsPath, name), nil, with))
}

// AlertsFired are the alerts that fired or were resolved, newest first: of all, or of one account or instance that is not empty.
func (c *Client) AlertsFired(ctx context.Context, accountID, instanceID string) iter.Seq2[*notify.Notice, error] {
	first := get(alertsPath+"/fired", query("accountId", accountID, "instanceId", instanceID))
	return pages(ctx, c, first, func(p *api.AlertsFired) ([]*notify.Notice, *call) {
		return p.Fired, first.turned("next", number(p.Next))
	})
}
