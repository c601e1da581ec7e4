// Package api is the promise: openapi.yaml and the types that travel over the wire. Nothing in it runs.
package api

import (
	_ "embed"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Document is openapi.yaml.
//
//go:embed openapi.yaml
var Document []byte

// Message is the body of most answers that carry no object, and of errors of the reference API.
type Message struct {
	Message string `json:"message"`
}

// Errors is the body of a refused line item in v1.0.
type Errors struct {
	Errors []string `json:"errors"`
}

// Messages is the body of a refused line item in v1.1.
type Messages struct {
	Message []string `json:"message"`
}

// Error is the body of a refused rate table that is there already.
type Error struct {
	Error string `json:"error"`
}

// Problem is an error of the Farebox API: problem details as RFC 9457 defines them. Field names the offending part of the
// request.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitzero"`
}

// NewInstance is what an instance is made of.
type NewInstance struct {
	ShortName string `json:"shortName"`
	AccountID string `json:"accountId"`
}

// Instance is where an account's line items live. Times are milliseconds since 1970.
type Instance struct {
	ID              string `json:"id"`
	ShortName       string `json:"shortName"`
	AccountID       string `json:"accountId"`
	DefaultInstance bool   `json:"defaultInstance"`
	Created         int64  `json:"created"`
	Modified        int64  `json:"modified"`
}

// Instances is a page of instances; Next is 0 on the last.
type Instances struct {
	Content []Instance `json:"content"`
	Next    int64      `json:"next"`
}

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
	Priority        int64         `json:"priority,omitzero"`
	Kind            string        `json:"kind,omitzero"`
	UnitPrice       *token.Amount `json:"unitPrice,omitempty"`
	Currency        string        `json:"currency,omitzero"`
}

// RateTable is one version of a series.
type RateTable struct {
	Created       int64      `json:"created,omitzero"`
	EffectiveFrom *int64     `json:"effectiveFrom"`
	Series        string     `json:"series"`
	Version       string     `json:"version"`
	Items         []RateItem `json:"items"`
}

// RateItem is an offering and its price in tokens.
type RateItem struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Rate    *token.Amount `json:"rate"`
}

// AccessRequest asks to use items. AllowPartial and AllOrNothing are Farebox's own (decisions.md D5).
type AccessRequest struct {
	Requester      *Requester      `json:"requester"`
	RequestedItems []RequestedItem `json:"requestedItems"`
	AllowPartial   bool            `json:"allowPartial"`
	AllOrNothing   bool            `json:"allOrNothing"`
}

// Requester is who asks.
type Requester struct {
	Type       string         `json:"type"`
	Value      string         `json:"value"`
	Dictionary jsontext.Value `json:"dictionary,omitzero"`
}

// RequestedItem is one item of an access request.
type RequestedItem struct {
	Item     string         `json:"item"`
	Version  string         `json:"version"`
	Count    *token.Amount  `json:"count"`
	MetaData jsontext.Value `json:"metaData,omitzero"`
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

// NewKey is a public key to save.
type NewKey struct {
	ID        string `json:"id"`
	PublicKey string `json:"publicKey"`
}

// Key is a saved public key; Type is administration-key or client-key.
type Key struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	PublicKey string `json:"publicKey"`
	Created   int64  `json:"created"`
	Modified  int64  `json:"modified"`
}

// Keys is a page of keys; Next is 0 on the last.
type Keys struct {
	Keys []Key `json:"keys"`
	Next int64 `json:"next"`
}

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

// Events is a page of usage events; Next is the cursor of the next page, and absent on the last.
type Events struct {
	Events []usage.Event `json:"events"`
	Next   string        `json:"next,omitzero"`
}
