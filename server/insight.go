package server

import (
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/usage"
)

func listInsights(*call) (*reply, error) {
	out := api.Insights{Insights: make([]api.InsightName, len(engine.Insights))}
	for i, one := range engine.Insights {
		out.Insights[i] = api.InsightName{Name: one.Name, Question: one.Question, Parameters: one.Parameters}
	}
	return jsonReply(http.StatusOK, out)
}

// offsetMost bounds how far one can turn the pages of an insight.
const offsetMost = 1_000_000

func getInsight(c *call) (*reply, error) {
	insight, err := engine.FindInsight(c.PathValue("name"))
	if err != nil {
		return nil, err
	}
	p, err := c.insightParameters()
	if err != nil {
		return nil, err
	}
	t, total, err := c.server.engine.Insight(c.Context(), insight, p)
	if err != nil {
		return nil, err
	}
	if t.Rows == nil {
		t.Rows = [][]any{}
	}
	rows, err := json.Marshal(t.Rows)
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, api.Insight{Name: insight.Name, Time: c.server.engine.Now(), Columns: t.Columns, Rows: rows, Total: total})
}

var insightParameters = []string{"from", "to", "interval", "order", "days", "limit", "offset"}

func (c *call) insightParameters() (p engine.InsightParameters, err error) {
	q := c.URL.Query()
	for name := range q {
		if !slices.Contains(insightParameters, name) {
			return p, problem.Field(name, "is not a parameter of insights; see /docs")
		}
	}
	if p.FromMS, err = parseTime("from", q.Get("from")); err != nil {
		return p, err
	}
	if p.ToMS, err = parseTime("to", q.Get("to")); err != nil {
		return p, err
	}
	p.Interval, p.Order = usage.Interval(q.Get("interval")), q.Get("order")
	if q.Has("days") {
		if p.Days, err = c.queryInt("days", 0, 1, engine.InsightDaysMost); err != nil {
			return p, err
		}
	}
	limit, err := c.queryInt("limit", pageUsual, 1, pageMost)
	if err != nil {
		return p, err
	}
	offset, err := c.queryInt("offset", 0, 0, offsetMost)
	p.Limit, p.Offset = int(limit), int(offset)
	return p, err
}
