package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

func readTestClock(c *call) (*reply, error) {
	if !c.server.engine.HasTestClock() {
		return nil, engine.NoTestClock()
	}
	return jsonReply(http.StatusOK, wireClock(c.server.engine.Now()))
}

func wireClock(ms int64) api.TestClock {
	return api.TestClock{Now: ms, Time: time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)}
}

// advanceTestClock answers once everything that is due by the new time has been made.
func advanceTestClock(c *call) (*reply, error) {
	var in api.ClockAdvance
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if (in.Advance == nil) == (in.Now == nil) {
		return nil, problem.Field("advance", "or now is required, and only one of them: how far to set the clock forward, such as PT1H, or to which time")
	}
	to := func(nowMS int64) int64 { return *in.Now }
	if in.Advance != nil {
		by, err := period.Parse(*in.Advance)
		if p, ok := errors.AsType[*problem.Error](err); ok {
			return nil, problem.Field("advance", "%s", p.Message)
		}
		to = func(nowMS int64) int64 { return nowMS + by.Milliseconds() }
	}
	answer, replayed, err := c.server.engine.AdvanceClock(c.Context(), c.once, to, func(nowMS int64, made int) (*store.Answer, error) {
		out := wireClock(nowMS)
		out.Made = &made
		rep, err := jsonReply(http.StatusOK, out)
		return &store.Answer{Status: rep.status, Body: rep.body}, err
	})
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Field == "now" && in.Advance != nil {
		err = problem.Field("advance", "%s", p.Message) // which is how the caller said it
	}
	if err != nil {
		return nil, err
	}
	return &reply{status: answer.Status, contentType: jsonType, body: answer.Body, replayed: replayed}, nil
}
