package server

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/usage"
)

// sessionsMost is how many sessions the reference API lists.
const sessionsMost = 100

const instanceHeader = "x-instance-id"

// headerInstance returns the instance that a session call is about. A client must name it, and its token must be for it.
func (c *call) headerInstance() (string, error) {
	id := c.Header.Get(instanceHeader)
	switch {
	case c.principal.Role == auth.Admin:
		return id, nil
	case id == "":
		return "", problem.Field(instanceHeader, "is required with a client token: the id of the session's instance")
	case !c.principal.MayReach(id):
		return "", errNotForInstance
	}
	return id, nil
}

func (c *call) session() (engine.SessionRef, error) {
	id, err := c.headerInstance()
	return engine.SessionRef{ID: c.PathValue("sessionId"), InstanceID: id}, err
}

// ofSession is for the handlers of one session. Of v1.0, a session that has ended is forbidden (decisions.md D16).
func ofSession(handle func(*call, engine.SessionRef) (*reply, error)) func(*call) (*reply, error) {
	return func(c *call) (*reply, error) {
		ref, err := c.session()
		if err != nil {
			return nil, err
		}
		rep, err := handle(c, ref)
		if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind == problem.Ended && c.family == v10 {
			err = problem.Wrap(problem.Forbidden, err, "%s", p.Message)
		}
		return rep, err
	}
}

func createSession(c *call) (*reply, error) {
	header, err := c.headerInstance()
	if err != nil {
		return nil, err
	}
	var in api.NewSession
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	switch {
	case in.InstanceID == "":
		return nil, problem.Field("instanceId", "is required: the instance that the session runs on")
	case header != "" && header != in.InstanceID:
		return nil, problem.Field("instanceId", "must be that of the header "+instanceHeader)
	}
	receipt, replayed, err := c.server.engine.CreateSession(in.InstanceID, c.once, c.source())
	if err != nil {
		return nil, err
	}
	return replying(replayed)(jsonReply(http.StatusOK, api.SessionID{SessionID: receipt.Session.ID}))
}

func replying(replayed bool) func(*reply, error) (*reply, error) {
	return func(rep *reply, err error) (*reply, error) {
		if err == nil {
			rep.replayed = replayed
		}
		return rep, err
	}
}

// listedInstance returns the instance whose sessions, or other things, are asked for.
func (c *call) listedInstance(things string) (string, error) {
	id := c.URL.Query().Get("instanceId")
	if id == "" {
		return "", problem.Field("instanceId", "is required: the instance whose %s are listed", things)
	}
	if !c.principal.MayReach(id) {
		return "", errNotForInstance
	}
	return id, nil
}

func listSessions(c *call) (*reply, error) {
	id, err := c.listedInstance("sessions")
	if err != nil {
		return nil, err
	}
	all, err := c.server.engine.LiveSessions(c.Context(), id, 0, sessionsMost)
	if err != nil {
		return nil, err
	}
	out := make([]api.ListedSession, len(all))
	for i, s := range all {
		out[i] = api.ListedSession{
			SessionID: s.ID, InstanceID: s.InstanceID, State: string(s.State), ChargedUntil: s.UntilMS,
			LastHeartBeat: s.HeartbeatMS, LastAccessRequest: s.RequestMS,
		}
	}
	return jsonReply(http.StatusOK, out)
}

func getSession(c *call, ref engine.SessionRef) (*reply, error) {
	s, err := c.server.engine.Session(c.Context(), ref)
	if err != nil {
		return nil, err
	}
	if c.family == farebox {
		return jsonReply(http.StatusOK, wireSession(s))
	}
	return jsonReply(http.StatusOK, api.SessionWithItems{
		SessionID: s.ID, InstanceID: s.InstanceID, State: string(s.State), Items: wireItemsInUse(s, c.family),
	})
}

func wireItemsInUse(s *access.Session, f family) []api.ItemInUse {
	out := make([]api.ItemInUse, len(s.Items))
	for i := range s.Items {
		u := &s.Items[i]
		out[i] = api.ItemInUse{Item: u.Item, Version: u.Version, Count: u.Count}
		if f != v10 {
			out[i].FreeUntil = u.FreeMS
		}
	}
	return out
}

func wireSession(s *access.Session) api.Session {
	out := api.Session{
		SessionID: s.ID, InstanceID: s.InstanceID, State: string(s.State), Reason: string(s.Reason), Created: s.CreatedMS, Ended: s.EndedMS,
		Items: wireItemsInUse(s, farebox), ChargedFrom: s.FromMS, ChargedUntil: s.UntilMS, HeartbeatDue: s.HeartbeatDueMS,
		LastHeartbeat: s.HeartbeatMS, LastAccessRequest: s.RequestMS, TokensCharged: s.Net,
	}
	if s.Requester.Type != "" {
		requester := api.Requester(s.Requester)
		out.Requester = &requester
	}
	return out
}

// pageSessions lists the sessions of the Farebox API, page by page.
func pageSessions(c *call) (*reply, error) {
	if err := c.knows("instanceId", "limit", "cursor"); err != nil {
		return nil, err
	}
	id, err := c.listedInstance("sessions")
	if err != nil {
		return nil, err
	}
	before, limit, err := c.pageBefore()
	if err != nil {
		return nil, err
	}
	all, err := c.server.engine.LiveSessions(c.Context(), id, before, limit+1)
	if err != nil {
		return nil, err
	}
	out := api.Sessions{Sessions: []api.Session{}}
	if len(all) > limit {
		all = all[:limit]
		out.Next = strconv.FormatInt(all[limit-1].Number, 10)
	}
	for _, s := range all {
		out.Sessions = append(out.Sessions, wireSession(s))
	}
	return jsonReply(http.StatusOK, out)
}

func askInSession(c *call, ref engine.SessionRef) (*reply, error) {
	request, rollback, err := decodeSessionRequest(c.family, c.body)
	if err != nil {
		return nil, err
	}
	receipt, replayed, err := c.server.engine.Ask(&engine.SessionRequest{
		Session: ref, Request: request, RollbackOnDeny: rollback, Forecast: c.family == farebox, Once: c.once, Source: c.source(), Size: len(c.body),
	})
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	for i := range receipt.Items {
		if receipt.Items[i].Status != ledger.Granted {
			status = http.StatusForbidden // decisions.md D16
		}
	}
	if c.family != farebox {
		body, err := accessAnswer(c.family, receipt)
		return &reply{status: status, contentType: jsonType, body: body, replayed: replayed}, err
	}
	answer := wireAccessAnswer(c.family, receipt)
	return replying(replayed)(jsonReply(status, api.SessionAnswer{
		CorrelationID: answer.CorrelationID, Requester: answer.Requester, RequestedItems: answer.RequestedItems,
		Session: wireAhead(receipt.Session),
	}))
}

func wireAhead(s *usage.Session) api.SessionAhead {
	out := api.SessionAhead{SessionID: s.ID, State: string(s.State), Reason: string(s.Reason), HeartbeatDue: s.HeartbeatDueMS, HeartbeatOwed: s.HeartbeatDueMS != 0}
	if f := s.Forecast; f != nil {
		out.NextCharge = &api.NextCharge{Due: f.NextChargeMS, Tokens: f.Tokens}
		out.HeartbeatDue, out.PeriodsCovered = f.HeartbeatMS, &f.Periods
	}
	return out
}

func decodeSessionRequest(f family, body []byte) (request *access.Request, rollback bool, err error) {
	if f == v10 {
		return decodeInSession(body, latestItem)
	}
	return decodeInSession(body, itemAsItIs)
}

func decodeInSession[I any](body []byte, latest func(*I) *api.RequestedItemV11) (request *access.Request, rollback bool, err error) {
	var in api.SessionRequest[I]
	if err := decode(body, &in); err != nil {
		return nil, false, err
	}
	switch {
	case in.RollbackOnDeny == nil:
		return nil, false, problem.Field("rollbackOnDeny", "is required: true keeps the session as it is when this request is denied, false ends it")
	case in.RequestedItems == nil:
		return nil, false, problem.Field("requestedItems", "is required: all items to use from now on; an empty list is a halt")
	}
	request, err = wireRequest(in.Requester, *in.RequestedItems, latest)
	if err != nil {
		return nil, false, err
	}
	return request, *in.RollbackOnDeny, request.ValidateInSession()
}

func heartbeat(c *call, ref engine.SessionRef) (*reply, error) {
	s, err := c.server.engine.Heartbeat(ref, c.family == farebox)
	if err != nil {
		return nil, err
	}
	if c.family == farebox {
		return jsonReply(http.StatusOK, wireAhead(s))
	}
	return &reply{status: http.StatusNoContent}, nil
}

func closeSession(c *call, ref engine.SessionRef) (*reply, error) {
	replayed, err := c.server.engine.CloseSession(ref, c.once, c.source())
	if err != nil {
		return nil, err
	}
	return replying(replayed)(message(http.StatusOK, "Session closed"))
}
