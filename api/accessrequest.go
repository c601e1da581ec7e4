package api

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/token"
)

// AccessRequest asks to use items. AllowPartial and AllOrNothing are Farebox's own (decisions.md D5).
type AccessRequest[Item any] struct {
	Requester      *Requester `json:"requester"`
	RequestedItems []Item     `json:"requestedItems"`
	AllowPartial   bool       `json:"allowPartial"`
	AllOrNothing   bool       `json:"allOrNothing"`
}

// Requester is who asks.
type Requester struct {
	Type       string         `json:"type"`
	Value      string         `json:"value"`
	Dictionary jsontext.Value `json:"dictionary,omitzero"`
}

// RequestedItemV10 is one item of an access request in v1.0.
type RequestedItemV10 struct {
	Item     string         `json:"item"`
	Version  string         `json:"version"`
	Count    *token.Amount  `json:"count"`
	MetaData jsontext.Value `json:"metaData,omitzero"`
}

// RequestedItemV11 is one item of an access request in v1.1 and in the Farebox API. Variables are what the formula of its price
// is calculated from.
type RequestedItemV11 struct {
	Item      string                  `json:"item"`
	Version   string                  `json:"version"`
	Count     *token.Amount           `json:"count"`
	MetaData  jsontext.Value          `json:"metaData,omitzero"`
	Variables map[string]token.Amount `json:"variables,omitzero"`
}

// AccessAnswer says what became of an access request.
type AccessAnswer struct {
	CorrelationID  string         `json:"correlationId"`
	Requester      Requester      `json:"requester"`
	RequestedItems []AnsweredItem `json:"requestedItems"`
}

// AnsweredItem says what became of one item. Count is the number granted; of a denial, the number asked for.
type AnsweredItem struct {
	Item               string            `json:"item"`
	Version            string            `json:"version"`
	Count              token.Amount      `json:"count"`
	TotalTokensCharged token.Amount      `json:"totalTokensCharged"`
	LineItems          []ChargedLineItem `json:"lineItems"`
	Status             Status            `json:"status"`
	CoveredUntil       int64             `json:"coveredUntil,omitzero"` // of an item with a window, from v1.1 on
}

// ChargedLineItem is what one line item paid, at its rate.
type ChargedLineItem struct {
	ActivationID  string       `json:"activationId"`
	Rate          token.Amount `json:"rate"`
	TokensCharged token.Amount `json:"tokensCharged"`
}

// Status is how an item ended: three digits in v1.0, four in v1.1.
type Status struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}
