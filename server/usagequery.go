package server

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/usage"
)

// queryUsage adds usage up. Client tokens are answered from the events of their own instances.
func queryUsage(c *call) (*reply, error) {
	q, err := c.usageQuery()
	if err != nil {
		return nil, err
	}
	report, err := c.server.engine.Usage(c.Context(), q)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(Usage(q, report), json.Deterministic(true))
	return &reply{status: http.StatusOK, contentType: jsonType, body: body}, err
}

// usageParameters are those that are not filters; every dimension is one.
var usageParameters = []string{"from", "to", "interval", "timeZone", "groupBy", "top", "distinctRequesters"}

func (c *call) usageQuery() (*usage.Query, error) {
	asked := c.URL.Query()
	q := &usage.Query{Interval: usage.Interval(asked.Get("interval"))}
	for _, name := range usageParameters {
		if name != "groupBy" && len(asked[name]) > 1 {
			return nil, problem.Field(name, "is there %d times; once is possible", len(asked[name]))
		}
	}
	var err error
	if q.FromMS, err = parseTime("from", asked.Get("from")); err != nil {
		return nil, err
	}
	if q.ToMS, err = parseTime("to", asked.Get("to")); err != nil {
		return nil, err
	}
	if err := q.ReadZone(asked.Get("timeZone")); err != nil {
		return nil, err
	}
	if err := q.ReadBy(asked["groupBy"]); err != nil {
		return nil, err
	}
	top, err := c.queryInt("top", 0, 1, usage.RowsMost)
	if err != nil {
		return nil, err
	}
	q.Top = int(top)
	if q.Distinct, err = c.flag("distinctRequesters"); err != nil {
		return nil, err
	}
	if err := c.usageFilters(q, asked); err != nil {
		return nil, err
	}
	return q, q.Validate()
}

func (c *call) usageFilters(q *usage.Query, asked url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		if slices.Contains(usageParameters, name) {
			continue
		}
		if _, err := usage.ParseDimension(name); err != nil {
			return problem.Field(name, "is not a parameter of this query; see /docs")
		}
		if err := q.ReadWhere(name, asked[name]); err != nil {
			return err
		}
	}
	return c.ownUsage(q)
}

// ownUsage keeps a client to the instances its token is for.
func (c *call) ownUsage(q *usage.Query) error {
	if c.principal.Role == auth.Admin {
		return nil
	}
	for i := range q.Where {
		if q.Where[i].Dimension != usage.ByInstance {
			continue
		}
		for _, v := range q.Where[i].Values {
			if !c.principal.MayReach(v.Text) {
				return errNotForInstance
			}
		}
		return nil
	}
	own := usage.Match{Dimension: usage.ByInstance}
	for _, id := range c.principal.Instances {
		own.Values = append(own.Values, usage.Value{Text: id})
	}
	q.Where = append(q.Where, own)
	return nil
}

// Usage renders a report as the API and the command line print it.
func Usage(q *usage.Query, r *usage.Report) *api.Usage {
	out := &api.Usage{
		From: q.FromMS, To: q.ToMS, Interval: string(q.Interval), TimeZone: "UTC", GroupBy: []string{}, Rows: make([]api.UsageRow, len(r.Rows)),
		Total: usageSums(q, &r.Total),
	}
	if q.Zone != nil {
		out.TimeZone = q.Zone.String()
	}
	for _, d := range q.By {
		out.GroupBy = append(out.GroupBy, string(d))
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		s := usageSums(q, &row.Sums)
		out.Rows[i] = api.UsageRow{
			From: row.FromMS, To: row.ToMS, Other: row.Other, Tokens: s.Tokens, Overdraft: s.Overdraft, Count: s.Count, Money: s.Money,
			Requests: s.Requests, Denials: s.Denials, Requesters: s.Requesters,
		}
		if !row.Other {
			out.Rows[i].By = byName(q, row.By)
		}
	}
	return out
}

// byName names the values of a group by its dimensions; one that has nothing there is null.
func byName(q *usage.Query, values []usage.Value) map[string]*string {
	by := make(map[string]*string, len(values))
	for i, v := range values {
		by[string(q.By[i])] = nil
		if !v.None {
			text := strings.ToValidUTF8(v.Text, "\ufffd")
			by[string(q.By[i])] = &text
		}
	}
	return by
}

func usageSums(q *usage.Query, s *usage.Sums) api.UsageSums {
	out := api.UsageSums{Tokens: s.Tokens, Overdraft: s.Overdraft, Count: s.Count, Money: s.Money, Requests: s.Requests, Denials: s.Denials}
	if out.Money == nil {
		out.Money = []usage.Money{}
	}
	if q.Distinct {
		out.Requesters = &s.Requesters
	}
	return out
}
