package api

import "github.com/farebox/farebox/token"

// LineItem is a purchase of tokens as v1.0 and v1.1 have it; they differ in attributes. In a request Used is ignored.
type LineItem[Attributes any] struct {
	ActivationID string        `json:"activationId"`
	State        string        `json:"state"`
	Quantity     *int64        `json:"quantity"`
	Start        *int64        `json:"start"`
	End          *int64        `json:"end"`
	Used         *token.Amount `json:"used,omitempty"`
	Attributes   *Attributes   `json:"attributes"`
	InstanceID   string        `json:"instanceId,omitzero"`
}

// AttributesV10 are a line item's attributes in v1.0.
type AttributesV10 struct {
	Elastic         *bool  `json:"elastic,omitempty"`
	RateTableSeries string `json:"rateTableSeries"`
	OverdraftType   string `json:"overdraftType,omitzero"`
	OverdraftLimit  *int64 `json:"overdraftLimit,omitempty"`
}

// AttributesV11 are a line item's attributes in v1.1. The last four are Farebox's own (decisions.md D27).
type AttributesV11 struct {
	Elastic         *bool         `json:"elastic,omitempty"`
	RateTableSeries string        `json:"rateTableSeries"`
	OverdraftType   string        `json:"overdraftType,omitzero"`
	OverdraftLimit  *int64        `json:"overdraftLimit,omitempty"`
	ResetFrequency  string        `json:"resetFrequency,omitzero"`
	Priority        int64         `json:"priority,omitzero"`
	Kind            string        `json:"kind,omitzero"`
	UnitPrice       *token.Amount `json:"unitPrice,omitempty"`
	Currency        string        `json:"currency,omitzero"`
}
