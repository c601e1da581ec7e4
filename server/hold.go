package server

import (
	"net/http"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/usage"
)

// makeHold keeps tokens back. A refusal is answered as that of a session's request is.
func makeHold(c *call) (*reply, error) {
	var in api.NewHold
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	ttl, err := wireTTL(in.TTL)
	if err != nil {
		return nil, err
	}
	request, err := wireRequest(in.Requester, in.RequestedItems, itemAsItIs)
	if err != nil {
		return nil, err
	}
	request.AllOrNothing = true
	if err := request.Validate(); err != nil {
		return nil, err
	}
	receipt, replayed, err := c.server.engine.Hold(&engine.NewHold{
		InstanceID: c.PathValue("instanceId"), Request: request, TTL: ttl, Once: c.once, Source: c.source(), Size: len(c.body),
	})
	if err != nil {
		return nil, err
	}
	if receipt.Hold.ID == "" {
		answer := wireAccessAnswer(c.family, receipt)
		return replying(replayed)(jsonReply(http.StatusForbidden, answer))
	}
	out := wireHoldMove(c.family, receipt)
	out.RequestedItems = wireAccessAnswer(c.family, &usage.Receipt{Items: receipt.Hold.Items}).RequestedItems
	for i := range out.RequestedItems { // which are held, and not charged
		out.RequestedItems[i].Status.Description = "Held"
	}
	return replying(replayed)(jsonReply(http.StatusCreated, out))
}

// wireTTL reads for how many seconds a hold is to live.
func wireTTL(seconds *int64) (time.Duration, error) {
	least, most := int64(access.HoldLeast/time.Second), int64(access.HoldMost/time.Second)
	switch {
	case seconds == nil:
		return 0, problem.Field("ttl", "is required: for how many seconds the tokens are held, from %d to %d", least, most)
	case *seconds < least || *seconds > most:
		return 0, problem.Field("ttl", "must be from %d to %d seconds", least, most)
	}
	return time.Duration(*seconds) * time.Second, nil
}

// wireHoldMove says what a move did, by its receipt alone.
func wireHoldMove(f family, r *usage.Receipt) *api.HoldAnswer {
	h := r.Hold
	return &api.HoldAnswer{
		CorrelationID: r.CorrelationID, HoldID: h.ID, State: string(h.At(r.TimeMS)), Expires: h.UntilMS, RequestedItems: wireAccessAnswer(f, r).RequestedItems,
		TokensHeld: h.Left(r.TimeMS), TokensSettled: h.Settled, Late: h.Late, Overdrawn: h.OverdrawnBy,
	}
}

// holdMove asks something of a hold; its body was read.
type holdMove func(*engine.HoldMove) (*usage.Receipt, bool, error)

// ofKept is for the handlers that ask something of one hold or lease, which find returns: its instance must be one that the caller may reach. done says
// what a move did, and stands how it is after one that had nothing to do.
func ofKept(
	find func(*call) (*access.Hold, error), read func(*call) (holdMove, error), done func(*call, *access.Hold, *usage.Receipt) any,
	stands func(*call) (any, error),
) func(*call) (*reply, error) {
	return func(c *call) (*reply, error) {
		h, missing := find(c)
		if problem.KindOf(missing) == problem.Forbidden { // a stranger is told nothing else
			return nil, missing
		}
		move, err := read(c)
		if err == nil {
			err = missing
		}
		if err != nil {
			return nil, err
		}
		receipt, replayed, err := move(&engine.HoldMove{HoldID: h.ID, Known: h, Once: c.once, Source: c.source(), Size: len(c.body)})
		if err != nil {
			return nil, err
		}
		if receipt != nil {
			return replying(replayed)(jsonReply(http.StatusOK, done(c, h, receipt)))
		}
		answer, err := stands(c)
		if err != nil {
			return nil, err
		}
		return jsonReply(http.StatusOK, answer)
	}
}

func ofHold(read func(*call) (holdMove, error)) func(*call) (*reply, error) {
	return ofKept((*call).hold, read,
		func(c *call, _ *access.Hold, r *usage.Receipt) any { return wireHoldMove(c.family, r) },
		func(c *call) (any, error) { // it was released before, maybe a moment ago
			h, err := c.hold()
			if err != nil {
				return nil, err
			}
			return &api.HoldAnswer{HoldID: h.ID, State: string(h.State), Expires: h.UntilMS, RequestedItems: []api.AnsweredItem{}, TokensSettled: h.Settled}, nil
		})
}

// hold returns the hold of the path. A client learns nothing of one on another instance, existing or not.
func (c *call) hold() (*access.Hold, error) {
	h, err := c.server.engine.HoldByID(c.Context(), c.PathValue("holdId"))
	if c.hides(err, func() string { return h.InstanceID }) {
		return nil, problem.New(problem.Forbidden, "there is no such hold on an instance that this token is for")
	}
	return h, err
}

func extendHold(c *call) (holdMove, error) {
	var in api.HoldExtension
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	ttl, err := wireTTL(in.TTL)
	return func(m *engine.HoldMove) (*usage.Receipt, bool, error) { return c.server.engine.ExtendHold(m, ttl) }, err
}

func settleHold(c *call) (holdMove, error) {
	var in api.HoldSettlement
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.RequestedItems == nil {
		return nil, problem.Field("requestedItems", "is required: what the work came to; an empty list if it came to nothing")
	}
	request, err := wireRequest(&api.Requester{}, *in.RequestedItems, func(in *api.SettledItem) *api.RequestedItemV11 { return (*api.RequestedItemV11)(in) })
	if err != nil {
		return nil, err
	}
	return func(m *engine.HoldMove) (*usage.Receipt, bool, error) {
		return c.server.engine.SettleHold(m, request.Items, in.Final == nil || *in.Final)
	}, access.ValidateSettlement(request.Items)
}

func releaseHold(c *call) (holdMove, error) { return c.server.engine.ReleaseHold, nil }

func getHold(c *call) (*reply, error) {
	h, err := c.hold()
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, wireHold(h, c.server.engine.Now()))
}

// pageHolds lists the live holds of an instance, page by page.
func pageHolds(c *call) (*reply, error) {
	out := api.Holds{Holds: []api.Hold{}}
	next, err := c.pageLive(false, func(h *access.Hold, nowMS int64) { out.Holds = append(out.Holds, wireHold(h, nowMS)) })
	if err != nil {
		return nil, err
	}
	out.Next = next
	return jsonReply(http.StatusOK, out)
}

func wireHold(h *access.Hold, nowMS int64) api.Hold {
	out := api.Hold{
		HoldID: h.ID, InstanceID: h.InstanceID, State: string(h.At(nowMS)), Created: h.CreatedMS, Expires: h.UntilMS, Ended: h.EndedMS,
		Requester: api.Requester(h.Requester), Items: make([]api.HeldItem, len(h.Items)), TokensHeld: h.Left(nowMS), TokensSettled: h.Settled, Overdrawn: h.Overdrawn,
	}
	for i := range h.Items {
		item := &h.Items[i]
		out.Items[i] = api.HeldItem{Item: item.Item, Version: item.Version, Count: item.Count, MetaData: item.MetaData}
		if h.At(nowMS) == access.Held {
			for j := range h.Shares[i] {
				out.Items[i].TokensHeld = out.Items[i].TokensHeld.Add(h.Shares[i][j].Tokens)
			}
		}
	}
	return out
}
