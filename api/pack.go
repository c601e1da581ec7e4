package api

import (
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/token"
)

// Pack is what a vendor sells, as a template for line items. In a request Created and Modified are ignored.
type Pack struct {
	Name             string           `json:"name"`
	Quantity         int64            `json:"quantity"`
	Period           string           `json:"period,omitzero"`
	Series           string           `json:"series,omitzero"`
	Kind             ledger.Kind      `json:"kind,omitzero"`
	UnitPrice        token.Amount     `json:"unitPrice,omitzero"`
	Currency         string           `json:"currency,omitzero"`
	Priority         int64            `json:"priority,omitzero"`
	ResetFrequency   period.Frequency `json:"resetFrequency,omitzero"`
	OverdraftType    string           `json:"overdraftType,omitzero"`
	OverdraftLimit   int64            `json:"overdraftLimit,omitzero"`
	OverdraftPercent token.Amount     `json:"overdraftPercent,omitzero"`
	Created          int64            `json:"created,omitzero"`
	Modified         int64            `json:"modified,omitzero"`
}

// Packs are all packs.
type Packs struct {
	Packs []Pack `json:"packs"`
}

// NewSale sells packs to an instance. Quantity is how many packs, one unless told.
type NewSale struct {
	OrderNumber      string        `json:"orderNumber"`
	InstanceID       string        `json:"instanceId"`
	Quantity         *int64        `json:"quantity,omitempty"`
	Start            *int64        `json:"start,omitempty"`
	End              *int64        `json:"end,omitempty"`
	OverdraftPercent *token.Amount `json:"overdraftPercent,omitempty"`
	ActivationID     string        `json:"activationId,omitzero"`
}

// Sale is what an order made, as it is now.
type Sale struct {
	OrderNumber string                  `json:"orderNumber"`
	Pack        string                  `json:"pack"`
	InstanceID  string                  `json:"instanceId"`
	Sold        int64                   `json:"sold"`
	LineItem    LineItem[AttributesV11] `json:"lineItem"`
}
