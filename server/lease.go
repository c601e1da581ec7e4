package server

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// makeLease leases tokens to a client. A refusal is answered as that of a session's request is.
func makeLease(c *call) (*reply, error) {
	var in api.NewLease
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	ask, ttl, err := wireNewLease(&in)
	if err != nil {
		return nil, err
	}
	receipt, replayed, err := c.server.engine.Lease(c.Context(), &engine.NewLease{
		InstanceID: c.PathValue("instanceId"), Lease: ask, TTL: ttl, Once: c.once, Source: c.source(), Size: len(c.body),
	})
	if err != nil {
		return nil, err
	}
	if receipt.Hold.ID == "" {
		return replying(replayed)(jsonReply(http.StatusForbidden, wireAccessAnswer(c.family, receipt)))
	}
	out := wireLeaseMove(c.family, receipt, receipt.Hold.Lease)
	claims, err := json.Marshal(leaseClaims(receipt))
	if err == nil {
		out.Lease, err = c.server.engine.SignLease(c.Context(), receipt.Hold.Lease.KeyID, claims)
	}
	if err != nil {
		return nil, err
	}
	return replying(replayed)(jsonReply(http.StatusCreated, out))
}

func wireNewLease(in *api.NewLease) (*access.NewLease, time.Duration, error) {
	least, most := int64(access.LeaseLeast/time.Second), int64(access.LeaseMost/time.Second)
	switch {
	case in.Client == nil:
		return nil, 0, problem.Field("client", "is required: who is to spend the tokens")
	case in.Requester == nil:
		return nil, 0, problem.Field("requester", "is required: who asks, with type and value")
	case in.Tokens == nil:
		return nil, 0, problem.Field("tokens", "is required: how many are leased")
	case in.TTL == nil || *in.TTL < least || *in.TTL > most:
		return nil, 0, problem.Field("ttl", "must be from %d to %d seconds", least, most)
	}
	ask := &access.NewLease{Client: *in.Client, Requester: access.Requester(*in.Requester), Tokens: *in.Tokens, Items: make([]access.Item, len(in.Items))}
	ask.Requester.Dictionary = present(in.Requester.Dictionary)
	for i := range in.Items {
		item := &in.Items[i]
		variables, err := wireVariables(item.Variables)
		if err != nil {
			err.Field = fmt.Sprintf("items[%d].%s", i, err.Field)
			return nil, 0, err
		}
		ask.Items[i] = access.Item{Ask: ledger.Ask{Item: item.Item, Version: item.Version, Variables: variables}, MetaData: present(item.MetaData)}
	}
	return ask, time.Duration(*in.TTL) * time.Second, ask.Validate()
}

// leaseClaims renders the receipt of a new lease as the claims that are signed. It depends on nothing else, so that they are the same whenever they are
// asked for again.
func leaseClaims(r *usage.Receipt) *api.LeaseClaims {
	h := r.Hold
	out := &api.LeaseClaims{
		Issuer: "farebox", Client: h.Lease.Client, Instance: r.InstanceID, LeaseID: h.ID, IssuedAt: r.TimeMS / 1000, Expires: h.UntilMS / 1000, ExpiresMS: h.UntilMS,
		Requester: api.RequesterClaim{Type: r.Requester.Type, Value: r.Requester.Value}, Tokens: h.Lease.Tokens, Items: make([]api.LeasedItemOfClaim, len(h.Lease.Items)),
	}
	for i := range h.Lease.Items {
		item := &h.Lease.Items[i]
		out.Items[i] = api.LeasedItemOfClaim{Item: item.Item, Version: item.Version, Price: item.Price}
	}
	return out
}

// leaseState words the state of a hold for leases.
func leaseState(s access.HoldState) string {
	return map[access.HoldState]string{access.Held: "LIVE", access.LapsedHold: "OVER", access.Settled: "CLOSED"}[s]
}

func wireLeaseMove(f family, r *usage.Receipt, lease *access.Lease) *api.LeaseAnswer {
	h := r.Hold
	return &api.LeaseAnswer{
		CorrelationID: r.CorrelationID, LeaseID: h.ID, State: leaseState(h.At(r.TimeMS)), Expires: h.UntilMS, Tokens: lease.Tokens, TokensUsed: h.Settled,
		Items: wireLeasedItems(lease, h.Reported), Charged: wireAccessAnswer(f, r).RequestedItems, Late: h.Late, Overdrawn: h.OverdrawnBy,
	}
}

func wireLeasedItems(lease *access.Lease, reported []token.Amount) []api.LeasedItem {
	out := make([]api.LeasedItem, len(lease.Items))
	for i := range lease.Items {
		item := &lease.Items[i]
		out[i] = api.LeasedItem{Item: item.Item, Version: item.Version, Price: item.Price, Count: reported[i]}
	}
	return out
}

func ofLease(read func(*call) (holdMove, error)) func(*call) (*reply, error) {
	return ofKept((*call).lease, read,
		func(c *call, h *access.Hold, r *usage.Receipt) any { return wireLeaseMove(c.family, r, h.Lease) },
		func(c *call) (any, error) { // it tells nothing new, but another report may have come meanwhile
			h, err := c.lease()
			if err != nil {
				return nil, err
			}
			return &api.LeaseAnswer{
				LeaseID: h.ID, State: leaseState(h.At(c.server.engine.Now())), Expires: h.UntilMS, Tokens: h.Lease.Tokens, TokensUsed: h.Settled,
				Items: wireLeasedItems(h.Lease, h.Reported), Charged: []api.AnsweredItem{},
			}, nil
		})
}

// lease returns the lease of the path. A client learns nothing of one on another instance, existing or not.
func (c *call) lease() (*access.Hold, error) {
	h, err := c.server.engine.LeaseByID(c.Context(), c.PathValue("leaseId"))
	if c.hides(err, func() string { return h.InstanceID }) {
		return nil, problem.New(problem.Forbidden, "there is no such lease on an instance that this token is for")
	}
	return h, err
}

// reportLease takes what a client says it has used. The lease itself comes with it, so that only who has it can report.
func reportLease(c *call) (holdMove, error) {
	var in api.LeaseReport
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	switch {
	case in.Lease == nil || *in.Lease == "":
		return nil, problem.Field("lease", "is required: the lease, as it came")
	case in.Items == nil:
		return nil, problem.Field("items", "is required: what was used since the lease was made; an empty list if nothing was")
	}
	report := &access.Report{Final: in.Final, Items: make([]access.Reported, len(*in.Items))}
	for i, of := range *in.Items {
		if of.Count == nil {
			return nil, problem.Field(fmt.Sprintf("items[%d].count", i), "is required: how much was used in all since the lease was made")
		}
		report.Items[i] = access.Reported{Item: of.Item, Version: of.Version, Count: *of.Count, MetaData: present(of.MetaData)}
	}
	if err := report.Validate(); err != nil {
		return nil, err
	}
	id, err := c.server.engine.VerifyLease(c.Context(), *in.Lease)
	if err != nil {
		return nil, err
	}
	return func(m *engine.HoldMove) (*usage.Receipt, bool, error) {
		if id != m.HoldID {
			return nil, false, &problem.Error{Kind: problem.Forbidden, Field: "lease", Message: "is another one than that of the path"}
		}
		return c.server.engine.ReportLease(m, report)
	}, nil
}

func endLease(c *call) (holdMove, error) { return c.server.engine.EndLease, nil }

func getLease(c *call) (*reply, error) {
	h, err := c.lease()
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, wireLease(h, c.server.engine.Now()))
}

func wireLease(h *access.Hold, nowMS int64) api.Lease {
	return api.Lease{
		LeaseID: h.ID, InstanceID: h.InstanceID, Client: h.Lease.Client, State: leaseState(h.At(nowMS)), Created: h.CreatedMS, Expires: h.UntilMS, Ended: h.EndedMS,
		Requester: api.Requester(h.Requester), Tokens: h.Lease.Tokens, TokensHeld: h.Left(nowMS), TokensUsed: h.Settled, Overdrawn: h.Overdrawn,
		Items: wireLeasedItems(h.Lease, h.Reported),
	}
}

// pageLeases lists the live leases of an instance, page by page.
func pageLeases(c *call) (*reply, error) {
	out := api.Leases{Leases: []api.Lease{}}
	next, err := c.pageLive(true, func(h *access.Hold, nowMS int64) { out.Leases = append(out.Leases, wireLease(h, nowMS)) })
	if err != nil {
		return nil, err
	}
	out.Next = next
	return jsonReply(http.StatusOK, out)
}

// pageLive calls fn with a page of an instance's live holds, leases or others, and returns the cursor of the next.
func (c *call) pageLive(leases bool, fn func(h *access.Hold, nowMS int64)) (next string, err error) {
	if err := c.knows("instanceId", "limit", "cursor"); err != nil {
		return "", err
	}
	things := "holds"
	if leases {
		things = "leases"
	}
	id, err := c.listedInstance(things)
	if err != nil {
		return "", err
	}
	before, limit, err := c.pageBefore()
	if err != nil {
		return "", err
	}
	all, nowMS, err := c.server.engine.LiveHolds(c.Context(), id, leases, before, limit+1)
	if err != nil {
		return "", err
	}
	if len(all) > limit {
		all = all[:limit]
		next = strconv.FormatInt(all[limit-1].Number, 10)
	}
	for _, h := range all {
		fn(h, nowMS)
	}
	return next, nil
}

// leaseKeys shows the public halves of the keys that sign leases.
func leaseKeys(c *call) (*reply, error) {
	keys, err := c.server.engine.LeaseKeys(c.Context())
	if err != nil {
		return nil, err
	}
	out := api.LeaseKeys{Keys: make([]api.LeaseKey, len(keys))}
	for i, k := range keys {
		public := k.Private.Public().(ed25519.PublicKey)
		out.Keys[i] = api.LeaseKey{Type: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(public), ID: k.ID, Use: "sig", Algorithm: "EdDSA"}
	}
	return jsonReply(http.StatusOK, out)
}
