package api

import (
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Statement says what became of an account's tokens in a month. Times are milliseconds since 1970.
type Statement struct {
	AccountID   string              `json:"accountId"`
	Month       string              `json:"month"`
	TimeZone    string              `json:"timeZone"`
	From        int64               `json:"from"`
	To          int64               `json:"to"`
	AsOf        int64               `json:"asOf"`
	Preliminary bool                `json:"preliminary"`
	Total       usage.Flows         `json:"total"`
	Paid        StatementTotal      `json:"paid"`
	Free        StatementTotal      `json:"free"`
	Instances   []StatementInstance `json:"instances"`
}

// StatementTotal is what line items of one kind come to.
type StatementTotal struct {
	Tokens usage.Flows            `json:"tokens"`
	Money  []usage.StatementMoney `json:"money"`
}

// StatementInstance is one instance's part.
type StatementInstance struct {
	InstanceID string              `json:"instanceId"`
	ShortName  string              `json:"shortName"`
	Total      usage.Flows         `json:"total"`
	LineItems  []StatementLineItem `json:"lineItems"`
}

// StatementLineItem is one line item's part, with its terms as they were last told.
type StatementLineItem struct {
	ActivationID string                 `json:"activationId"`
	Kind         string                 `json:"kind"`
	Quantity     int64                  `json:"quantity"`
	Start        int64                  `json:"start"`
	End          int64                  `json:"end"`
	UnitPrice    token.Amount           `json:"unitPrice,omitzero"`
	Currency     string                 `json:"currency,omitzero"`
	Tokens       usage.Flows            `json:"tokens"`
	Money        []usage.StatementMoney `json:"money"`
	Items        []StatementItem        `json:"items"`
}

// StatementItem is what one item came to.
type StatementItem struct {
	Item     string       `json:"item"`
	Version  string       `json:"version"`
	Used     token.Amount `json:"used"`
	Refunded token.Amount `json:"refunded"`
}
