package api

import "github.com/farebox/farebox/token"

// RateTable is one version of a series as v1.0 and v1.1 have it; they differ in items.
type RateTable[Item any] struct {
	Created       int64  `json:"created,omitzero"`
	EffectiveFrom *int64 `json:"effectiveFrom"`
	Series        string `json:"series"`
	Version       string `json:"version"`
	Items         []Item `json:"items"`
}

// RateItemV10 is an offering and its price in tokens in v1.0.
type RateItemV10 struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Rate    *token.Amount `json:"rate"`
}

// RateItemV11 is an offering and its price in tokens in v1.1: a rate or a formula. The last three are Farebox's own; Window is a
// period such as P1D, Cost what one costs the producer.
type RateItemV11 struct {
	Name        string        `json:"name"`
	Version     string        `json:"version"`
	Rate        *token.Amount `json:"rate,omitempty"`
	Formula     string        `json:"formula,omitzero"`
	FreeSeconds int64         `json:"freeSeconds,omitzero"`
	Window      string        `json:"window,omitzero"`
	Cost        *token.Amount `json:"cost,omitempty"`
}

// RateTableVersions are rate tables without their items.
type RateTableVersions struct {
	Time   int64              `json:"time"`
	Tables []RateTableVersion `json:"tables"`
}

// RateTableVersion is a rate table without its items. State is PLANNED, EFFECTIVE or PAST.
type RateTableVersion struct {
	Series        string `json:"series"`
	Version       string `json:"version"`
	Created       int64  `json:"created"`
	EffectiveFrom int64  `json:"effectiveFrom"`
	State         string `json:"state"`
	Items         int    `json:"items"`
}

// RateTableItems is a page of the items of a rate table. Total is how many there are on all pages.
type RateTableItems struct {
	Series  string        `json:"series"`
	Version string        `json:"version"`
	Items   []RateItemV11 `json:"items"`
	Total   int           `json:"total"`
}

// RateTableDiff is a page of what a rate table changes in another. Total is how many changes there are on all pages.
type RateTableDiff struct {
	Series     string           `json:"series"`
	Older      string           `json:"older"`
	Newer      string           `json:"newer"`
	Added      int              `json:"added"`
	Removed    int              `json:"removed"`
	Dearer     int              `json:"dearer"`
	Cheaper    int              `json:"cheaper"`
	OtherTerms int              `json:"otherTerms"`
	Unchanged  int              `json:"unchanged"`
	Changes    []RateItemChange `json:"changes"`
	Total      int              `json:"total"`
}

// RateItemChange is an item in which two tables differ. What one of them does not have is left out.
type RateItemChange struct {
	Change  string       `json:"change"`
	Older   *RateItemV11 `json:"older,omitempty"`
	Newer   *RateItemV11 `json:"newer,omitempty"`
	Percent string       `json:"percent,omitzero"`
}

// FormulaRequest asks what a formula comes to.
type FormulaRequest struct {
	Formula   *string                 `json:"formula"`
	Variables map[string]token.Amount `json:"variables,omitempty"`
}

// FormulaValue is what a formula comes to, or why it does not.
type FormulaValue struct {
	Value     *token.Amount `json:"value,omitempty"`
	Variables []string      `json:"variables"`
	Error     *FormulaError `json:"error,omitempty"`
}

// FormulaError says why a formula cannot be read (SYNTAX) or has no value (VALUE), and at which character, from 1.
type FormulaError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	At      int    `json:"at,omitzero"`
}
