package server

import (
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/usage"
)

func listInsights(*call) (*reply, error) {
	out := api.Insights{Insights: make([]api.InsightName, len(engine.Insights))}
	for i, one := range engine.Insights {
		out.Insights[i] = api.InsightName{Name: one.Name, Question: one.Question, Parameters: one.Parameters}
	}
	return jsonReply(http.StatusOK, out)
}

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

func (c *call) insightParameters() (p engine.InsightParameters, err error) {
	if err := c.knows("from", "to", "interval", "order", "days", "limit", "offset"); err != nil {
		return p, err
	}
	q := c.URL.Query()
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
	p.Limit, p.Offset, err = c.pageAt(pageUsual, pageMost)
	return p, err
}
