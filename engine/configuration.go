package engine

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// TimezoneTolerant is the name of the configuration that lets line items be used half a day before they start and after
// they end: "true" or "false".
const TimezoneTolerant = "timezone.tolerant"

// SessionChargePeriod is the name of the configuration that says how long a session's charge lasts: PTnH, PTnM or PTnHnM, from
// ten minutes to a day. A change holds for a session from its next charge on (decisions.md D14).
const SessionChargePeriod = "session.charge.period"

// UsageRetention is the name of the configuration that says how long usage events are kept: days as in P400D, at least RetentionLeast;
// empty: for ever. It needs a server that exports them (Retain).
const UsageRetention = "usage.retention"

// RetentionLeast is the least that usage.retention can be: idempotency keys find their answers among the events.
const RetentionLeast = store.OnceRetention + 24*time.Hour

// configuration is a value that there is.
type configuration struct {
	name, otherwise string
	refuse          func(value string) string // says what is wrong with a value; empty: nothing
}

var configurations = []configuration{
	{TimezoneTolerant, "false", func(value string) string {
		if value != "true" && value != "false" {
			return "must be true or false"
		}
		return ""
	}},
	{SessionChargePeriod, "PT1H", func(value string) string {
		d, err := period.Parse(value)
		if err != nil || !chargePeriod.MatchString(value) {
			return "must be hours and minutes as in PT1H, PT30M or PT1H30M"
		}
		if d < 10*time.Minute || d > 24*time.Hour {
			return "must be from PT10M to PT24H"
		}
		return ""
	}},
	{UsageRetention, "", func(value string) string {
		if value == "" {
			return ""
		}
		d, err := period.Parse(value)
		if err != nil || !retentionDays.MatchString(value) {
			return "must be days as in P400D, or empty to keep usage for ever"
		}
		if d < RetentionLeast {
			return "must be at least P8D, or empty to keep usage for ever"
		}
		return ""
	}},
}

var retentionDays = regexp.MustCompile(`^P\d+D$`)

var chargePeriod = regexp.MustCompile(`^PT(\d+H)?(\d+M)?$`)

// configured returns a configuration's value.
func configured(s *store.Settings, name string) string {
	if v, changed := s.Configuration[name]; changed {
		return v.Value
	}
	for i := range configurations {
		if configurations[i].name == name {
			return configurations[i].otherwise
		}
	}
	return ""
}

// Configuration returns every configuration value; ModifiedMS is 0 of those that were never changed.
func Configuration(s *store.Settings) []store.ConfigValue {
	all := make([]store.ConfigValue, len(configurations))
	for i := range configurations {
		c := &configurations[i]
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
	at := slices.IndexFunc(configurations, func(c configuration) bool { return c.name == name })
	if at < 0 {
		var names []string
		for i := range configurations {
			names = append(names, configurations[i].name)
		}
		last := len(names) - 1
		return problem.Field("name", "there is no configuration %q; there are %s and %s", name, strings.Join(names[:last], ", "), names[last])
	}
	if why := configurations[at].refuse(value); why != "" {
		return problem.Field("value", "of %s %s, and is %.40q", name, why, value)
	}
	return c.tx.PutConfigValue(store.ConfigValue{Name: name, Value: value, ModifiedMS: c.nowMS, UpdatedBy: keyID})
}

// Configuration returns the configuration as this transaction sees it.
func (c *Change) Configuration() ([]store.ConfigValue, error) {
	settings, err := c.tx.Settings()
	if err != nil {
		return nil, err
	}
	return Configuration(settings), nil
}
