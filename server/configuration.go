package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

func listConfiguration(c *call) (*reply, error) {
	return jsonReply(http.StatusOK, wireConfiguration(c.family, engine.Configuration(c.server.engine.Settings())))
}

// wireConfiguration leaves out of v1.0 what only v1.1 has.
func wireConfiguration(f family, values []store.ConfigValue) []api.ConfigValue {
	out := []api.ConfigValue{}
	for _, v := range values {
		if f != v10 || v.Name == engine.TimezoneTolerant {
			out = append(out, api.ConfigValue{Name: v.Name, Value: v.Value, Modified: v.ModifiedMS, UpdatedBy: v.UpdatedBy})
		}
	}
	return out
}

func setConfiguration(c *call) (*reply, error) {
	var in api.NewConfigValue
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	value, err := configText(in)
	if err != nil {
		return nil, err
	}
	if c.family == v10 && (in.Name == engine.SessionChargePeriod || in.Name == engine.UsageRetention) {
		return nil, problem.Field("name", "%s is a configuration of v1.1 only", in.Name)
	}
	return c.change(func(tx *engine.Change) (*reply, error) {
		if err := tx.SetConfiguration(in.Name, value, c.principal.KeyID); err != nil {
			return nil, err
		}
		values, err := tx.Configuration()
		if err != nil {
			return nil, err
		}
		return jsonReply(http.StatusOK, wireConfiguration(c.family, values))
	})
}

// configText takes true as well as "true": the documentation shows the values bare.
func configText(in api.NewConfigValue) (string, error) {
	switch in.Value.Kind() {
	case '"':
		var text string
		err := decode(in.Value, &text)
		return text, err
	case 't', 'f':
		return in.Value.String(), nil
	}
	return "", problem.Field("value", "must be a string or a boolean")
}
