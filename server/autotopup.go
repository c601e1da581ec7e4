package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

func putAutoTopUp(c *call) (*reply, error) {
	var in api.NewAutoTopUp
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	switch {
	case in.Below == nil:
		return nil, problem.Field("below", "is required: how much is to be left at least")
	case in.Tokens == nil:
		return nil, problem.Field("tokens", "is required: how many are asked for")
	case in.MonthMost == nil:
		return nil, problem.Field("monthMost", "is required: how many may be asked for in a month at most")
	}
	terms := notify.TopUp{Below: *in.Below, Tokens: *in.Tokens, MonthMost: *in.MonthMost}
	return c.changeAutoTopUp(func(tx *engine.Change, instanceID, activationID string) (*engine.AutoTopUp, error) {
		return tx.PutAutoTopUp(instanceID, activationID, terms)
	})
}

func acknowledgeAutoTopUp(c *call) (*reply, error) {
	var in api.AutoTopUpAcknowledgement
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.Modified == nil {
		return nil, problem.Field("modified", "is required: that of the terms that are acknowledged")
	}
	return c.changeAutoTopUp(func(tx *engine.Change, instanceID, activationID string) (*engine.AutoTopUp, error) {
		return tx.AcknowledgeAutoTopUp(instanceID, activationID, *in.Modified, c.principal.KeyID)
	})
}

func declineAutoTopUp(c *call) (*reply, error) {
	var in api.AutoTopUpDecline
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.RequestID == nil || *in.RequestID == "" {
		return nil, problem.Field("requestId", "is required: that of the request that is declined")
	}
	return c.changeAutoTopUp(func(tx *engine.Change, instanceID, activationID string) (*engine.AutoTopUp, error) {
		return tx.DeclineTopUp(instanceID, activationID, *in.RequestID, in.Reason)
	})
}

// changeAutoTopUp changes the automatic top-up of the path's line item, and answers how it stands then.
func (c *call) changeAutoTopUp(change func(tx *engine.Change, instanceID, activationID string) (*engine.AutoTopUp, error)) (*reply, error) {
	return changeTo(c, http.StatusOK, wireAutoTopUp, func(tx *engine.Change) (*engine.AutoTopUp, error) {
		return change(tx, c.PathValue("instanceId"), c.PathValue("lineItemId"))
	})
}

func getAutoTopUp(c *call) (*reply, error) {
	return c.show(func(r store.Reader) (any, error) {
		a, err := engine.AutoTopUpOf(r, c.PathValue("instanceId"), c.PathValue("lineItemId"), c.server.engine.Now())
		if err != nil {
			return nil, err
		}
		return wireAutoTopUp(a), nil
	})
}

func deleteAutoTopUp(c *call) (*reply, error) {
	return c.remove(func(tx *engine.Change) error {
		return tx.DeleteAutoTopUp(c.PathValue("instanceId"), c.PathValue("lineItemId"))
	})
}

func listAutoTopUps(c *call) (*reply, error) {
	after, limit, err := c.pageOf()
	if err != nil {
		return nil, err
	}
	return c.show(func(r store.Reader) (any, error) {
		all, next, err := engine.AutoTopUps(r, after, limit, c.server.engine.Now())
		out := api.AutoTopUps{AutoTopUps: make([]api.AutoTopUp, len(all)), Next: next}
		for i, a := range all {
			out.AutoTopUps[i] = wireAutoTopUp(a)
		}
		return out, err
	})
}

func wireAutoTopUp(a *engine.AutoTopUp) api.AutoTopUp {
	s := &a.State
	return api.AutoTopUp{
		InstanceID: a.InstanceID, ActivationID: a.ActivationID, Below: a.Below, Tokens: a.Tokens, MonthMost: a.MonthMost, State: string(a.Standing), Again: a.DueMS,
		AskedThisMonth: a.AskedThisMonth, Open: s.Open, Last: s.Last, Declines: int64(s.Declines), Acknowledged: s.AcknowledgedMS, AcknowledgedBy: s.By,
		Created: a.CreatedMS, Modified: a.ModifiedMS,
	}
}
