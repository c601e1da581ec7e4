package server

import (
	"net/http"
	"slices"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/usage"
)

// listEvents pages through the usage events, oldest first. Client tokens see their own instances.
func listEvents(c *call) (*reply, error) {
	filter, err := c.eventFilter()
	if err != nil {
		return nil, err
	}
	limit, err := c.queryInt("limit", pageUsual, 1, pageMost)
	if err != nil {
		return nil, err
	}
	from, err := parseCursor(c.URL.Query().Get("cursor"))
	if err != nil {
		return nil, err
	}
	page, err := c.server.engine.PageOf(c.Context(), from, filter, int(limit))
	if err != nil {
		return nil, err
	}
	out := api.Events{Events: page.Events, Cursor: cursor(page.Next), Earliest: page.EarliestMS}
	if page.More {
		out.Next = out.Cursor
	}
	return jsonReply(http.StatusOK, out)
}

var eventParameters = []string{"instanceId", "activationId", "item", "requester", "requesterType", "kind", "from", "to", "limit", "cursor"}

// eventFilter reads the parameters that select events; also are those that a route has besides.
func (c *call) eventFilter(also ...string) (*usage.Filter, error) {
	if err := c.knows(append(also, eventParameters...)...); err != nil {
		return nil, err
	}
	q := c.URL.Query()
	f := &usage.Filter{
		ActivationID: q.Get("activationId"), Item: q.Get("item"), RequesterValue: q.Get("requester"), RequesterType: q.Get("requesterType"),
		Kind: usage.Kind(q.Get("kind")),
	}
	if f.Kind != "" && !slices.Contains(usage.Kinds, f.Kind) {
		return nil, problem.Field("kind", "must be %s", oneOf(usage.Kinds))
	}
	var err error
	if f.FromMS, err = parseTime("from", q.Get("from")); err != nil {
		return nil, err
	}
	if f.ToMS, err = parseTime("to", q.Get("to")); err != nil {
		return nil, err
	}
	if f.ToMS != 0 && f.ToMS <= f.FromMS {
		return nil, problem.Field("to", "must be after from")
	}
	f.InstanceIDs, err = c.eventInstances(q["instanceId"])
	return f, err
}

// eventInstances keeps a client to the instances its token is for.
func (c *call) eventInstances(asked []string) ([]string, error) {
	if c.principal.Role == auth.Admin {
		return asked, nil
	}
	if len(asked) == 0 {
		return c.principal.Instances, nil
	}
	for _, id := range asked {
		if !c.principal.MayReach(id) {
			return nil, errNotForInstance
		}
	}
	return asked, nil
}
