package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// getService says how the server is, and how far those have come who follow the record.
func getService(c *call) (*reply, error) {
	about := c.server.about
	out := api.ServiceState{
		Time: c.server.engine.Now(), Started: about.StartedMS, Version: about.Version, Store: about.Store, Database: about.Database,
		Ready: true, Followers: []api.Follower{},
	}
	if c.server.stopping.Load() {
		out.Ready, out.Reason = false, "the server is stopping"
	}
	c.server.onlookers.mu.Lock()
	out.Streams = c.server.onlookers.all
	c.server.onlookers.mu.Unlock()
	return c.show(func(r store.Reader) (any, error) {
		all, err := engine.Followers(r)
		for _, f := range all {
			out.Followers = append(out.Followers, api.Follower{Name: f.Name, Since: f.SinceMS})
		}
		return out, err
	})
}

// getProof says how the check of the books stands that was asked for last.
func getProof(c *call) (*reply, error) {
	return jsonReply(http.StatusOK, wireProof(c.server.engine.Proving()))
}

// beginProof begins a check of the books, unless one is under way. It changes nothing, so that an idempotency key has no meaning.
func beginProof(c *call) (*reply, error) {
	p, err := c.server.engine.Prove()
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, wireProof(p))
}

func wireProof(p *engine.Proving) *api.Proof {
	switch {
	case p == nil:
		return &api.Proof{State: "NONE"}
	case p.EndedMS == 0:
		return &api.Proof{State: "RUNNING", Started: p.StartedMS}
	case p.Proof == nil:
		return &api.Proof{State: "BROKEN_OFF", Started: p.StartedMS, Ended: p.EndedMS, Reason: p.Failure}
	}
	out := &api.Proof{
		State: "AGREES", Started: p.StartedMS, Ended: p.EndedMS, LineItems: p.Proof.LineItems, Sessions: p.Proof.Sessions, Holds: p.Proof.Holds - p.Proof.Leases, Leases: p.Proof.Leases,
		Receipts: p.Proof.Receipts, Events: p.Proof.Events, Used: p.Proof.Used, Differences: p.Proof.Differences, More: p.Proof.More,
	}
	if len(out.Differences) > 0 {
		out.State = "DIFFERS"
	}
	return out
}

// healthz tells whether the process is there.
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
