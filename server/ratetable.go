package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
)

func listRateTables(c *call) (*reply, error) {
	out := []api.RateTable{}
	for _, t := range c.server.engine.Settings().Rates.Tables() {
		out = append(out, wireRateTable(t))
	}
	return jsonReply(http.StatusOK, out)
}

func wireRateTable(t *rate.Table) api.RateTable {
	out := api.RateTable{
		Created: t.CreatedMS, EffectiveFrom: &t.EffectiveFromMS, Series: t.Series, Version: t.Version, Items: make([]api.RateItem, len(t.Items)),
	}
	for i := range t.Items {
		out.Items[i] = api.RateItem{Name: t.Items[i].Name, Version: t.Items[i].Version, Rate: &t.Items[i].Rate}
	}
	return out
}

func addRateTable(c *call) (*reply, error) {
	t, err := decodeRateTable(c.body)
	if err != nil {
		return nil, err
	}
	rep, err := c.change(func(tx *engine.Change) (*reply, error) {
		if err := tx.AddRateTable(t); err != nil {
			return nil, err
		}
		return message(http.StatusCreated, "Rate table successfully saved")
	})
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind == problem.Conflict {
		err = &shaped{p, api.Error{Error: p.Error()}}
	}
	return rep, err
}

func decodeRateTable(body []byte) (*rate.Table, error) {
	var in api.RateTable
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.EffectiveFrom == nil {
		return nil, problem.Field("effectiveFrom", "is required: milliseconds since 1970 from which the table is effective")
	}
	t := &rate.Table{Series: in.Series, Version: in.Version, EffectiveFromMS: *in.EffectiveFrom, Items: make([]rate.Item, len(in.Items))}
	for i, item := range in.Items {
		if item.Rate == nil {
			return nil, problem.Field(fmt.Sprintf("items[%d].rate", i), "is required")
		}
		t.Items[i] = rate.Item{Name: item.Name, Version: item.Version, Rate: *item.Rate}
	}
	return t, nil
}

func deleteRateTable(c *call) (*reply, error) {
	q := c.URL.Query()
	if q.Get("version") == "" {
		return nil, problem.Field("version", "is required: the version to delete")
	}
	return c.change(func(tx *engine.Change) (*reply, error) {
		return &reply{status: http.StatusNoContent}, tx.DeleteRateTable(q.Get("series"), q.Get("version"))
	})
}
