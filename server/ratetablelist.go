package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// listVersions lists rate tables without their items, which may be a hundred thousand.
func listVersions(c *call) (*reply, error) {
	if err := c.knows("series"); err != nil {
		return nil, err
	}
	q, nowMS, rates := c.URL.Query(), c.server.engine.Now(), c.server.engine.Settings().Rates
	out := api.RateTableVersions{Time: nowMS, Tables: []api.RateTableVersion{}}
	for _, t := range rates.Tables() {
		if q.Has("series") && t.Series != q.Get("series") {
			continue
		}
		state := "PAST"
		switch {
		case t.EffectiveFromMS > nowMS:
			state = "PLANNED"
		case rates.Effective(t.Series, nowMS) == t:
			state = "EFFECTIVE"
		}
		out.Tables = append(out.Tables, api.RateTableVersion{
			Series: t.Series, Version: t.Version, Created: t.CreatedMS, EffectiveFrom: t.EffectiveFromMS, State: state, Items: len(t.Items),
		})
	}
	return jsonReply(http.StatusOK, out)
}

// version returns the table of a series that a parameter names.
func (c *call) version(parameter string) (*rate.Table, error) {
	q := c.URL.Query()
	if q.Get(parameter) == "" {
		return nil, problem.Field(parameter, "is required: a version of the series")
	}
	t := c.server.engine.Settings().Rates.Find(q.Get("series"), q.Get(parameter))
	if t == nil {
		return nil, problem.New(problem.NotFound, "there is no version %q of the series %q", q.Get(parameter), q.Get("series"))
	}
	return t, nil
}

// listRateItems pages through the items of a rate table, or those that a search finds.
func listRateItems(c *call) (*reply, error) {
	if err := c.knows("series", "version", "search", "limit", "offset"); err != nil {
		return nil, err
	}
	limit, offset, err := c.pageAt(pageUsual, pageMost)
	if err != nil {
		return nil, err
	}
	t, err := c.version("version")
	if err != nil {
		return nil, err
	}
	out := api.RateTableItems{Series: t.Series, Version: t.Version, Items: []api.RateItemV11{}}
	search := strings.ToLower(c.URL.Query().Get("search"))
	for i := range t.Items {
		item := &t.Items[i]
		if search != "" && !strings.Contains(strings.ToLower(item.Name), search) && !strings.Contains(strings.ToLower(item.Version), search) {
			continue
		}
		if out.Total >= offset && out.Total < offset+limit {
			out.Items = append(out.Items, wireRateItem(item))
		}
		out.Total++
	}
	return jsonReply(http.StatusOK, out)
}

func wireRateItem(item *rate.Item) api.RateItemV11 {
	wire := api.RateItemV11{
		Name: item.Name, Version: item.Version, FreeSeconds: item.FreeSeconds, Window: period.Format(item.Window), Cost: item.Cost,
	}
	if item.Formula != nil {
		wire.Formula = item.Formula.String()
	} else {
		wire.Rate = &item.Rate
	}
	return wire
}

// rateChanges are the groups of changes, in the order in which they are listed.
var rateChanges = []string{"ADDED", "REMOVED", "DEARER", "CHEAPER", "OTHER_TERMS"}

// diffRateTables says what a version changes in another one of its series.
func diffRateTables(c *call) (*reply, error) {
	if err := c.knows("series", "older", "newer", "change", "limit", "offset"); err != nil {
		return nil, err
	}
	only := c.URL.Query().Get("change")
	if only != "" && !slices.Contains(rateChanges, only) {
		return nil, problem.Field("change", "must be %s", oneOf(rateChanges))
	}
	limit, offset, err := c.pageAt(pageUsual, pageMost)
	if err != nil {
		return nil, err
	}
	older, err := c.version("older")
	if err != nil {
		return nil, err
	}
	newer, err := c.version("newer")
	if err != nil {
		return nil, err
	}
	d := rate.Compare(older, newer)
	out := api.RateTableDiff{
		Series: newer.Series, Older: older.Version, Newer: newer.Version, Added: len(d.Added), Removed: len(d.Removed), Dearer: len(d.Dearer),
		Cheaper: len(d.Cheaper), OtherTerms: len(d.OtherTerms), Unchanged: d.Unchanged, Changes: []api.RateItemChange{},
	}
	for i, group := range [][]rate.Change{d.Added, d.Removed, d.Dearer, d.Cheaper, d.OtherTerms} {
		if only != "" && rateChanges[i] != only {
			continue
		}
		for j := range group {
			if out.Total >= offset && out.Total < offset+limit {
				out.Changes = append(out.Changes, wireRateChange(rateChanges[i], &group[j]))
			}
			out.Total++
		}
	}
	return jsonReply(http.StatusOK, out)
}

func wireRateChange(change string, c *rate.Change) api.RateItemChange {
	out := api.RateItemChange{Change: change}
	if change != "ADDED" {
		was := wireRateItem(&c.Old)
		out.Older = &was
	}
	if change != "REMOVED" {
		is := wireRateItem(&c.New)
		out.Newer = &is
	}
	if change == "DEARER" || change == "CHEAPER" {
		out.Percent = c.Percent()
	}
	return out
}

// evaluateFormula says what a formula comes to. That one has no value is an answer: somebody is writing it.
func evaluateFormula(c *call) (*reply, error) {
	var in api.FormulaRequest
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.Formula == nil {
		return nil, problem.Field("formula", "is required")
	}
	if len(*in.Formula) > formula.TextBytes {
		return nil, problem.Field("formula", "must have at most %d bytes", formula.TextBytes)
	}
	variables, wrong := wireVariables(in.Variables)
	if wrong != nil {
		return nil, wrong
	}
	out := api.FormulaValue{Variables: []string{}}
	f, err := formula.Parse(*in.Formula)
	if err != nil {
		out.Error = wireFormulaError("SYNTAX", err)
		return jsonReply(http.StatusOK, out)
	}
	out.Variables = append(out.Variables, f.Variables()...)
	value, err := f.Eval(func(name string) (token.Amount, bool) { v, is := variables[name]; return v, is })
	if err != nil {
		out.Error = wireFormulaError("VALUE", err)
	} else {
		out.Value = &value
	}
	return jsonReply(http.StatusOK, out)
}

func wireFormulaError(kind string, err error) *api.FormulaError {
	out := &api.FormulaError{Kind: kind, Message: err.Error()}
	if e, ok := errors.AsType[*formula.Error](err); ok {
		out.At = e.At
	}
	return out
}
