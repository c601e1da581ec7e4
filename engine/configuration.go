package engine

import (
	"fmt"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// TimezoneTolerant is the name of the configuration that lets line items be used half a day before they start and after
// they end: "true" or "false".
const TimezoneTolerant = "timezone.tolerant"

// configurations are the values there are, with what each is unless it was changed, and what it may be.
var configurations = []struct {
	name, otherwise string
	allowed         []string
}{
	{TimezoneTolerant, "false", []string{"true", "false"}},
}

// configured returns a configuration's value.
func configured(s *store.Settings, name string) string {
	if v, changed := s.Configuration[name]; changed {
		return v.Value
	}
	for _, c := range configurations {
		if c.name == name {
			return c.otherwise
		}
	}
	return ""
}

// Configuration returns every configuration value; ModifiedMS is 0 of those that were never changed.
func Configuration(s *store.Settings) []store.ConfigValue {
	all := make([]store.ConfigValue, len(configurations))
	for i, c := range configurations {
		if v, changed := s.Configuration[c.name]; changed {
			all[i] = v
		} else {
			all[i] = store.ConfigValue{Name: c.name, Value: c.otherwise}
		}
	}
	return all
}

// SetConfiguration changes a configuration value, in the name of a key.
func (c *Change) SetConfiguration(name, value, keyID string) error {
	for _, known := range configurations {
		if known.name != name {
			continue
		}
		for _, allowed := range known.allowed {
			if value == allowed {
				return c.tx.PutConfigValue(store.ConfigValue{Name: name, Value: value, ModifiedMS: c.nowMS, UpdatedBy: keyID})
			}
		}
		return problem.Field("value", "of %s must be one of %q", name, known.allowed)
	}
	return problem.Field("name", "%s", fmt.Sprintf("there is no configuration %q; there is %s", name, TimezoneTolerant))
}

// Configuration returns the configuration as this transaction sees it.
func (c *Change) Configuration() ([]store.ConfigValue, error) {
	settings, err := c.tx.Settings()
	if err != nil {
		return nil, err
	}
	return Configuration(settings), nil
}
