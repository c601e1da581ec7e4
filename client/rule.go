package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/farebox/farebox/api"
)

func rulesOf(instanceID string, rest ...string) string {
	return path(referenceRoot+"/instances", append([]string{instanceID}, rest...)...)
}

// Conditions are the conditions of an instance.
func (c *Client) Conditions(ctx context.Context, instanceID string) ([]api.Condition, error) {
	return read[[]api.Condition](ctx, c, get(rulesOf(instanceID, "conditions"), nil))
}

// AddConditions adds conditions, and returns them with their ids.
func (c *Client) AddConditions(ctx context.Context, instanceID string, all []api.Condition, with ...With) ([]api.Condition, error) {
	return read[[]api.Condition](ctx, c, send(http.MethodPost, rulesOf(instanceID, "conditions"), api.Conditions{Conditions: all}, with))
}

// PatchConditions replaces the conditions whose ids are told and adds those without an id.
func (c *Client) PatchConditions(ctx context.Context, instanceID string, all []api.Condition, with ...With) ([]api.Condition, error) {
	return read[[]api.Condition](ctx, c, send(http.MethodPatch, rulesOf(instanceID, "conditions"), api.Conditions{Conditions: all}, with))
}

// DeleteConditions removes all conditions of an instance; while an action refers to one it is refused.
func (c *Client) DeleteConditions(ctx context.Context, instanceID string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, rulesOf(instanceID, "conditions"), nil, with))
}

// DeleteCondition removes a condition; while an action refers to it it is refused.
func (c *Client) DeleteCondition(ctx context.Context, instanceID, conditionID string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, rulesOf(instanceID, "conditions", conditionID), nil, with))
}

// AllActions are the actions of all line items of an instance.
func (c *Client) AllActions(ctx context.Context, instanceID string) iter.Seq2[api.LineItemActions, error] {
	first := get(rulesOf(instanceID, "line-items", "actions"), nil)
	return pages(ctx, c, first, func(p *api.AllActions) ([]api.LineItemActions, *call) {
		return p.LineItems, first.turned("next", number(p.Next))
	})
}

func actionsOf(instanceID, activationID string) string {
	return rulesOf(instanceID, "line-items", activationID, "actions")
}

// Actions are the actions of a line item, in their order.
func (c *Client) Actions(ctx context.Context, instanceID, activationID string) ([]api.Action, error) {
	return read[[]api.Action](ctx, c, get(actionsOf(instanceID, activationID), nil))
}

// AddActions adds actions to a line item.
func (c *Client) AddActions(ctx context.Context, instanceID, activationID string, all []api.Action, with ...With) ([]api.Action, error) {
	return read[[]api.Action](ctx, c, send(http.MethodPost, actionsOf(instanceID, activationID), all, with))
}

// PutActions replaces all actions of a line item.
func (c *Client) PutActions(ctx context.Context, instanceID, activationID string, all []api.Action, with ...With) ([]api.Action, error) {
	return read[[]api.Action](ctx, c, send(http.MethodPut, actionsOf(instanceID, activationID), all, with))
}

// DeleteActions removes all actions of a line item, which is then for all requesters.
func (c *Client) DeleteActions(ctx context.Context, instanceID, activationID string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, actionsOf(instanceID, activationID), nil, with))
}

func limitOf(instanceID, activationID string) string {
	return rulesOf(instanceID, "line-items", activationID, "consumption-limit")
}

// Limit is the consumption limit of a line item, without what was consumed.
func (c *Client) Limit(ctx context.Context, instanceID, activationID string) (*api.ConsumptionLimit, error) {
	s, err := read[*api.ConsumptionLimitState](ctx, c, get(limitOf(instanceID, activationID), query("size", "1")))
	if err != nil {
		return nil, err
	}
	return &api.ConsumptionLimit{Limit: s.Limit, Period: s.Period, NextReset: s.NextReset}, nil
}

// Consumed is what each requester has consumed of a line item with a consumption limit in the period that runs.
func (c *Client) Consumed(ctx context.Context, instanceID, activationID string) iter.Seq2[api.Consumption, error] {
	first := get(limitOf(instanceID, activationID), nil)
	return pages(ctx, c, first, func(p *api.ConsumptionLimitState) ([]api.Consumption, *call) {
		return p.Consumed, first.turned("next", p.Next)
	})
}

// PutLimit sets or replaces the consumption limit of a line item.
func (c *Client) PutLimit(ctx context.Context, instanceID, activationID string, n api.NewConsumptionLimit, with ...With) (*api.ConsumptionLimit, error) {
	return read[*api.ConsumptionLimit](ctx, c, send(http.MethodPut, limitOf(instanceID, activationID), n, with))
}

// DeleteLimit removes the consumption limit of a line item.
func (c *Client) DeleteLimit(ctx context.Context, instanceID, activationID string, with ...With) error {
	return c.done(ctx, send(http.MethodDelete, limitOf(instanceID, activationID), nil, with))
}
