package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// The two words of an action.
const (
	allow = "ALLOW"
	deny  = "DENY"
)

func wireActions(actions []ledger.Action) []api.Action {
	out := make([]api.Action, len(actions))
	for i := range actions {
		a := &actions[i]
		out[i] = api.Action{ID: a.ID, Name: a.Name, ConditionID: a.ConditionID, Action: deny, Allocation: a.Allocation}
		if a.Allow {
			out[i].Action = allow
		}
		if a.Allocation != nil {
			out[i].Used = &a.Used
		}
	}
	return out
}

func decodeActions(body []byte) ([]ledger.Action, error) {
	var in []api.Action
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	actions := make([]ledger.Action, len(in))
	for i, a := range in {
		if a.Action != allow && a.Action != deny {
			return nil, problem.Field(fmt.Sprintf("[%d].action", i), "must be %s or %s", allow, deny)
		}
		actions[i] = ledger.Action{ID: a.ID, Name: a.Name, ConditionID: a.ConditionID, Allow: a.Action == allow, Allocation: a.Allocation}
	}
	return actions, nil
}

func getActions(c *call) (*reply, error) {
	l, err := c.lineItem()
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, wireActions(l.Actions))
}

// listActions pages through the line items of an instance, in the order in which they were made.
func listActions(c *call) (*reply, error) {
	next, err := c.queryInt("next", 0, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	size, err := c.queryInt("size", pageUsual, 1, pageMost)
	if err != nil {
		return nil, err
	}
	if _, err := c.instance(); err != nil {
		return nil, err
	}
	var all []*ledger.LineItem
	err = c.view(func(r store.Reader) error {
		all, err = r.LineItems(c.PathValue("instanceId"))
		return err
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(l *ledger.LineItem) bool { return l.Deleted || l.Number <= next })
	slices.SortFunc(all, func(x, y *ledger.LineItem) int { return cmp.Compare(x.Number, y.Number) })
	out := api.AllActions{LineItems: []api.LineItemActions{}}
	if len(all) > int(size) {
		all = all[:size]
		out.Next = all[size-1].Number
	}
	for _, l := range all {
		out.LineItems = append(out.LineItems, api.LineItemActions{LineItemID: l.ActivationID, Actions: wireActions(l.Actions)})
	}
	return jsonReply(http.StatusOK, out)
}

func addActions(c *call) (*reply, error) { return setActions(c, (*engine.Change).AddActions) }

func putActions(c *call) (*reply, error) { return setActions(c, (*engine.Change).PutActions) }

func setActions(c *call, set func(tx *engine.Change, instanceID, activationID string, actions []ledger.Action) ([]ledger.Action, error)) (*reply, error) {
	actions, err := decodeActions(c.body)
	if err != nil {
		return nil, err
	}
	return changeTo(c, http.StatusOK, wireActions, func(tx *engine.Change) ([]ledger.Action, error) {
		return set(tx, c.PathValue("instanceId"), c.PathValue("lineItemId"), actions)
	})
}

func deleteActions(c *call) (*reply, error) {
	return c.remove(func(tx *engine.Change) error {
		return tx.DeleteActions(c.PathValue("instanceId"), c.PathValue("lineItemId"))
	})
}

func wireConditions(all []*ledger.Condition) []api.Condition {
	if all == nil {
		return nil
	}
	out := make([]api.Condition, len(all))
	for i, x := range all {
		out[i] = api.Condition{
			ID: x.ID, Name: x.Name, Type: string(x.Type), Operator: string(x.Operator), Key: x.Key, Values: x.Values, Conditions: wireConditions(x.Conditions),
		}
	}
	return out
}

// decodeConditions reads {"conditions": [...]} and a bare array alike; within is where the array is.
func decodeConditions(body []byte) (all []*ledger.Condition, within string, err error) {
	if first := jsontext.Value(body).Kind(); first == '[' {
		var in []api.Condition
		err := decode(body, &in, noNulls)
		return conditionsOf(in), "", err
	}
	var in api.Conditions
	err = decode(body, &in, noNulls)
	return conditionsOf(in.Conditions), "conditions", err
}

func conditionsOf(in []api.Condition) []*ledger.Condition {
	if in == nil {
		return nil
	}
	out := make([]*ledger.Condition, len(in))
	for i := range in {
		x := &in[i]
		out[i] = &ledger.Condition{
			ID: x.ID, Name: x.Name, Type: ledger.ConditionType(x.Type), Operator: ledger.Operator(x.Operator), Key: x.Key, Values: x.Values,
			Conditions: conditionsOf(x.Conditions),
		}
	}
	return out
}

func listConditions(c *call) (*reply, error) {
	if _, err := c.instance(); err != nil {
		return nil, err
	}
	return c.show(func(r store.Reader) (any, error) {
		all, err := r.Conditions(c.PathValue("instanceId"))
		return append([]api.Condition{}, wireConditions(all)...), err
	})
}

func addConditions(c *call) (*reply, error) { return setConditions(c, (*engine.Change).AddConditions) }

func patchConditions(c *call) (*reply, error) {
	return setConditions(c, (*engine.Change).PatchConditions)
}

func setConditions(c *call, set func(tx *engine.Change, instanceID string, conditions []*ledger.Condition) ([]*ledger.Condition, error)) (*reply, error) {
	conditions, within, err := decodeConditions(c.body)
	if err != nil {
		return nil, err
	}
	rep, err := changeTo(c, http.StatusOK, wireConditions, func(tx *engine.Change) ([]*ledger.Condition, error) {
		return set(tx, c.PathValue("instanceId"), conditions)
	})
	if p, ok := errors.AsType[*problem.Error](err); ok && strings.HasPrefix(p.Field, "[") {
		p.Field = within + p.Field
	}
	return rep, err
}

func deleteCondition(c *call) (*reply, error) {
	return c.remove(func(tx *engine.Change) error {
		return tx.DeleteCondition(c.PathValue("instanceId"), c.PathValue("conditionId"))
	})
}

func deleteConditions(c *call) (*reply, error) {
	return c.remove(func(tx *engine.Change) error { return tx.DeleteConditions(c.PathValue("instanceId")) })
}
