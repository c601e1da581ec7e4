package api

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/token"
)

// SimulationRequest asks what recorded usage would have cost by a draft of a rate table.
type SimulationRequest struct {
	Table jsontext.Value `json:"table"` // a rate table of v1.1
	From  *int64         `json:"from,omitempty"`
	To    *int64         `json:"to,omitempty"`
}

// Simulation says what recorded usage would have cost.
type Simulation struct {
	From          int64           `json:"from"`
	To            int64           `json:"to"`
	Requests      int64           `json:"requests"`
	Charges       int64           `json:"charges"`
	OldTokens     token.Amount    `json:"oldTokens"`
	NewTokens     token.Amount    `json:"newTokens"`
	Difference    token.Amount    `json:"difference"`
	Refused       int64           `json:"refused"`
	RefusedTokens token.Amount    `json:"refusedTokens"`
	Items         []SimulatedItem `json:"items"`
	NotPriced     []UnpricedItem  `json:"notPriced"`
	Notes         []string        `json:"notes"`
}

// SimulatedItem is an item as one account used it.
type SimulatedItem struct {
	AccountID      string       `json:"accountId"`
	Item           string       `json:"item"`
	Version        string       `json:"version"`
	Charges        int64        `json:"charges"`
	Count          token.Amount `json:"count"`
	OldTokens      token.Amount `json:"oldTokens"`
	NewTokens      token.Amount `json:"newTokens"`
	Difference     token.Amount `json:"difference"`
	Refused        int64        `json:"refused"`
	RefusedTokens  token.Amount `json:"refusedTokens"`
	RefusedStatus  *Status      `json:"refusedStatus,omitempty"`
	Denied         int64        `json:"denied"`
	DeniedUnpriced int64        `json:"deniedUnpriced"`
}

// UnpricedItem is an item that was used and that a draft does not price.
type UnpricedItem struct {
	Item      string       `json:"item"`
	Version   string       `json:"version"`
	Charges   int64        `json:"charges"`
	OldTokens token.Amount `json:"oldTokens"`
}
