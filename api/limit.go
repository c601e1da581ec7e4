package api

import "github.com/farebox/farebox/token"

// NewConsumptionLimit limits what every single requester may consume from a line item in a period.
type NewConsumptionLimit struct {
	Limit     *token.Amount `json:"limit"`
	Period    string        `json:"period"`
	NextReset *int64        `json:"nextReset"`
}

// ConsumptionLimit is a limit with the time of its next reset.
type ConsumptionLimit struct {
	Limit     token.Amount `json:"limit"`
	Period    string       `json:"period"`
	NextReset int64        `json:"nextReset"`
}

// ConsumptionLimitState is a limit with a page of what was consumed; Next is the cursor of the next page, and absent on the
// last.
type ConsumptionLimitState struct {
	Limit     token.Amount  `json:"limit"`
	Period    string        `json:"period"`
	NextReset int64         `json:"nextReset"`
	Consumed  []Consumption `json:"consumed"`
	Next      string        `json:"next,omitzero"`
}

// Consumption is what one requester has consumed in the period that runs.
type Consumption struct {
	Requester Requester    `json:"requester"`
	Consumed  token.Amount `json:"consumed"`
	Since     int64        `json:"since"`
}
