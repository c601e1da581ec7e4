package server

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

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

var eventParameters = map[string]bool{
	"instanceId": true, "activationId": true, "item": true, "requester": true, "requesterType": true, "kind": true, "from": true, "to": true,
	"limit": true, "cursor": true,
}

// eventFilter reads the parameters that select events; also are those that a route has besides.
func (c *call) eventFilter(also ...string) (*usage.Filter, error) {
	q := c.URL.Query()
	for name := range q {
		if !eventParameters[name] && !slices.Contains(also, name) {
			return nil, problem.Field(name, "is not a parameter of this list; see /docs")
		}
	}
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
			return nil, problem.New(problem.Forbidden, "this token is not for that instance")
		}
	}
	return asked, nil
}

// parseTime reads milliseconds since 1970 or RFC 3339.
func parseTime(name, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 {
		return ms, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, problem.Field(name, "must be milliseconds since 1970, or a time such as 2026-01-31T08:00:00Z")
	}
	return t.UnixMilli(), nil
}

// A cursor is opaque to callers.
func cursor(p usage.Position) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%d", p.Commit, p.Receipt, p.Event))
}

func parseCursor(text string) (p usage.Position, err error) {
	if text == "" {
		return p, nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		_, err = fmt.Sscanf(string(plain), "%d.%d.%d", &p.Commit, &p.Receipt, &p.Event)
	}
	if err != nil || p.Commit < 0 || p.Receipt < 0 || p.Event < 0 || cursor(p) != text {
		return p, problem.Field("cursor", "is not one that this server gave; leave it out to begin anew")
	}
	return p, nil
}

func healthz(*call) (*reply, error) {
	return &reply{status: http.StatusOK, contentType: "text/plain; charset=utf-8", body: []byte("ok\n")}, nil
}

// readyz tells whether requests can be sent here now.
func readyz(c *call) (*reply, error) {
	if c.server.stopping.Load() {
		return nil, problem.New(problem.Unavailable, "the server is stopping")
	}
	if err := c.server.engine.Ready(c.Context()); err != nil {
		return nil, err
	}
	return &reply{status: http.StatusOK, contentType: "text/plain; charset=utf-8", body: []byte("ready\n")}, nil
}

// oneOf lists what there is to choose from: A, B or C.
func oneOf[T ~string](all []T) string {
	var text strings.Builder
	for i, one := range all {
		switch i {
		case 0:
		case len(all) - 1:
			text.WriteString(" or ")
		default:
			text.WriteString(", ")
		}
		text.WriteString(string(one))
	}
	return text.String()
}
