package server

import (
	"encoding/base64"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
)

// limitPath is in v1.1 only.
const limitPath = "/dynamicmonetization/api/v1.1/instances/{instanceId}/line-items/{lineItemId}/consumption-limit"

func putLimit(c *call) (*reply, error) {
	var in api.NewConsumptionLimit
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	switch {
	case in.Limit == nil:
		return nil, problem.Field("limit", "is required: the tokens that a requester may consume in a period")
	case in.NextReset == nil:
		return nil, problem.Field("nextReset", "is required: milliseconds since 1970 at which a period begins")
	}
	next := ledger.Limit{Tokens: *in.Limit, Period: period.Frequency(in.Period), NextResetMS: *in.NextReset}
	return c.change(func(tx *engine.Change) (*reply, error) {
		l, err := tx.PutLimit(c.PathValue("instanceId"), c.PathValue("lineItemId"), next)
		if err != nil {
			return nil, err
		}
		return jsonReply(http.StatusOK, api.ConsumptionLimit{Limit: l.Tokens, Period: string(l.Period), NextReset: l.NextResetMS})
	})
}

func getLimit(c *call) (*reply, error) {
	size, err := c.queryInt("size", pageUsual, 1, pageMost)
	if err != nil {
		return nil, err
	}
	after, err := parseRequester(c.URL.Query().Get("next"))
	if err != nil {
		return nil, err
	}
	l, err := c.server.engine.Limit(c.Context(), c.PathValue("instanceId"), c.PathValue("lineItemId"), after, int(size))
	if err != nil {
		return nil, err
	}
	out := api.ConsumptionLimitState{
		Limit: l.Tokens, Period: string(l.Period), NextReset: l.NextResetMS, Consumed: make([]api.Consumption, len(l.Consumed)),
	}
	for i := range l.Consumed {
		one := &l.Consumed[i]
		out.Consumed[i] = api.Consumption{Requester: api.Requester{Type: one.Type, Value: one.Value}, Consumed: one.Tokens, Since: one.SinceMS}
	}
	if l.Next != nil {
		out.Next = requesterCursor(l.Next)
	}
	return jsonReply(http.StatusOK, out)
}

func deleteLimit(c *call) (*reply, error) {
	return c.remove(func(tx *engine.Change) error {
		return tx.DeleteLimit(c.PathValue("instanceId"), c.PathValue("lineItemId"))
	})
}

// A cursor is opaque to callers.
func requesterCursor(key *ledger.RequesterKey) string {
	text, _ := json.Marshal([2]string{key.Type, key.Value})
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseRequester(text string) (*ledger.RequesterKey, error) {
	if text == "" {
		return nil, nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	var of [2]string
	if err == nil {
		err = json.Unmarshal(plain, &of)
	}
	key := &ledger.RequesterKey{Type: of[0], Value: of[1]}
	if err != nil || requesterCursor(key) != text {
		return nil, problem.Field("next", "is not one that this server gave; leave it out to begin anew")
	}
	return key, nil
}
