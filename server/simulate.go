package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
)

// What one call may ask of a server that has other things to do. The command line has no such bounds.
const (
	simulationPatience = 10 * time.Second
	simulationRows     = 10_000
	simulationCovers   = 100_000
)

// SimulationSpan is how far back recorded usage is replayed unless told otherwise.
const SimulationSpan = 30 * 24 * time.Hour

// simulateRates says what recorded usage would have cost by a draft. It changes nothing, so that an idempotency key has no
// meaning.
func simulateRates(c *call) (*reply, error) {
	replay, err := decodeSimulation(c.body, c.server.engine.Now())
	if err != nil {
		return nil, err
	}
	replay.Patience, replay.RowsMost, replay.CoversMost = simulationPatience, simulationRows, simulationCovers
	s, err := c.server.engine.Simulate(c.Context(), replay)
	if err != nil {
		return nil, ofTable(err)
	}
	return jsonReply(http.StatusOK, Simulation(s))
}

func decodeSimulation(body []byte, nowMS int64) (*engine.Replay, error) {
	var in api.SimulationRequest
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if present(in.Table) == nil {
		return nil, problem.Field("table", "is required: the draft, as it would be posted")
	}
	draft, err := decodeRateTable(v11, in.Table)
	if err != nil {
		return nil, ofTable(err)
	}
	replay := &engine.Replay{Draft: draft, ToMS: nowMS, FromAny: in.From == nil}
	if in.To != nil {
		replay.ToMS = *in.To
	}
	replay.FromMS = max(replay.ToMS-SimulationSpan.Milliseconds(), 0)
	if in.From != nil {
		replay.FromMS = *in.From
	}
	return replay, nil
}

// ofTable names the fields of a draft as the body has them.
func ofTable(err error) error {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Kind != problem.Invalid || p.Field == "from" || p.Field == "to" {
		return err
	}
	if p.Field == "" {
		return problem.Field("table", "%s", p.Message)
	}
	return problem.Field("table."+p.Field, "%s", p.Message)
}

// Simulation renders what a simulation found, as the API and the command line print it.
func Simulation(s *engine.Simulation) *api.Simulation {
	total := s.Total()
	out := &api.Simulation{
		From: s.FromMS, To: s.ToMS, Requests: s.Requests, Charges: total.Charges, OldTokens: total.OldTokens, NewTokens: total.NewTokens,
		Difference: total.Difference(), Refused: total.Refused, RefusedTokens: total.RefusedTokens,
		Items: make([]api.SimulatedItem, len(s.Rows)), NotPriced: []api.UnpricedItem{}, Notes: s.Notes,
	}
	for i := range s.Rows {
		r := &s.Rows[i]
		out.Items[i] = api.SimulatedItem{
			AccountID: r.AccountID, Item: r.Item, Version: r.Version, Charges: r.Charges, Count: r.Count, OldTokens: r.OldTokens,
			NewTokens: r.NewTokens, Difference: r.Difference(), Refused: r.Refused, RefusedTokens: r.RefusedTokens,
			Denied: r.Denied, DeniedUnpriced: r.Unpriced,
		}
		if r.RefusedStatus != "" {
			status := wireStatus(farebox, r.RefusedStatus, "")
			out.Items[i].RefusedStatus = &status
		}
	}
	for _, r := range s.NotPriced() {
		out.NotPriced = append(out.NotPriced, api.UnpricedItem{Item: r.Item, Version: r.Version, Charges: r.Charges, OldTokens: r.OldTokens})
	}
	return out
}
