package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
)

func listRateTables(c *call) (*reply, error) {
	out := []any{}
	for _, t := range c.server.engine.Settings().Rates.Tables() {
		out = append(out, wireRateTable(c.family, t))
	}
	return jsonReply(http.StatusOK, out)
}

func wireRateTable(f family, t *rate.Table) any {
	if f == v10 {
		return wireItems(t, func(item *rate.Item) (_ api.RateItemV10, shown bool) {
			// An item with a formula is left out: v1.0 has no formulas, and any rate would be a wrong price.
			return api.RateItemV10{Name: item.Name, Version: item.Version, Rate: &item.Rate}, item.Formula == nil
		})
	}
	return wireItems(t, func(item *rate.Item) (_ api.RateItemV11, shown bool) { return wireRateItem(item), true })
}

func wireItems[I any](t *rate.Table, wireItem func(*rate.Item) (_ I, shown bool)) api.RateTable[I] {
	items := make([]I, 0, len(t.Items))
	for i := range t.Items {
		if item, shown := wireItem(&t.Items[i]); shown {
			items = append(items, item)
		}
	}
	return api.RateTable[I]{Created: t.CreatedMS, EffectiveFrom: &t.EffectiveFromMS, Series: t.Series, Version: t.Version, Items: items}
}

func addRateTable(c *call) (*reply, error) {
	t, err := decodeRateTable(c.family, c.body)
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

// decodeRateTable reads a rate table in the items of its API version.
func decodeRateTable(f family, body []byte) (*rate.Table, error) {
	if f == v10 {
		return decodeItems(f, body, func(in api.RateItemV10) api.RateItemV11 {
			return api.RateItemV11{Name: in.Name, Version: in.Version, Rate: in.Rate}
		})
	}
	return decodeItems(f, body, func(in api.RateItemV11) api.RateItemV11 { return in })
}

func decodeItems[I any](f family, body []byte, latest func(I) api.RateItemV11) (*rate.Table, error) {
	var in api.RateTable[I]
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.EffectiveFrom == nil {
		return nil, problem.Field("effectiveFrom", "is required: milliseconds since 1970 from which the table is effective")
	}
	t := &rate.Table{Series: in.Series, Version: in.Version, EffectiveFromMS: *in.EffectiveFrom, Items: make([]rate.Item, len(in.Items))}
	for i := range in.Items {
		item := latest(in.Items[i])
		if f == v10 && item.Rate == nil {
			return nil, problem.Field(fmt.Sprintf("items[%d].rate", i), "is required")
		}
		var err *problem.Error
		if t.Items[i], err = decodeItem(&item); err != nil {
			err.Field = fmt.Sprintf("items[%d].%s", i, err.Field)
			return nil, err
		}
	}
	return t, nil
}

func decodeItem(in *api.RateItemV11) (rate.Item, *problem.Error) {
	item := rate.Item{Name: in.Name, Version: in.Version, FreeSeconds: in.FreeSeconds, Cost: in.Cost}
	var err error
	if why := rate.OnePrice(in.Rate != nil, in.Formula != ""); why != nil {
		return item, why
	}
	if in.Rate != nil {
		item.Rate = *in.Rate
	} else if item.Formula, err = formula.Parse(in.Formula); err != nil {
		return item, problem.Field("formula", "%v", err)
	}
	if in.Window != "" {
		if item.Window, err = period.Parse(in.Window); err != nil {
			return item, problem.Field("window", "%v", err)
		}
	}
	return item, nil
}

func deleteRateTable(c *call) (*reply, error) {
	q := c.URL.Query()
	if q.Get("version") == "" {
		return nil, problem.Field("version", "is required: the version to delete")
	}
	return c.remove(func(tx *engine.Change) error { return tx.DeleteRateTable(q.Get("series"), q.Get("version")) })
}
