package api

import "github.com/go-json-experiment/json/jsontext"

// NewConfigValue changes a configuration value.
type NewConfigValue struct {
	Name  string         `json:"name"`
	Value jsontext.Value `json:"value"`
}

// ConfigValue is a configuration value; Modified and UpdatedBy only of one that was changed from its default.
type ConfigValue struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	Modified  int64  `json:"modified,omitzero"`
	UpdatedBy string `json:"updatedBy,omitzero"`
}
