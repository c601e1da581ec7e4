package api

import "github.com/farebox/farebox/token"

// Condition holds for requesters, by their dictionary. A nested one may be the ID of another alone (decisions.md D21).
type Condition struct {
	ID         string      `json:"id,omitzero"`
	Name       string      `json:"name,omitzero"`
	Type       string      `json:"type,omitzero"`
	Operator   string      `json:"operator,omitzero"`
	Key        string      `json:"key,omitzero"`
	Values     []string    `json:"values,omitzero"`
	Conditions []Condition `json:"conditions,omitzero"`
}

// Conditions is a list of conditions in a request; a bare array does as well.
type Conditions struct {
	Conditions []Condition `json:"conditions"`
}

// Action says what a line item gives to the requesters for whom its condition holds. In a request Used is ignored.
type Action struct {
	ID          string        `json:"id,omitzero"`
	Name        string        `json:"name,omitzero"`
	ConditionID string        `json:"conditionId,omitzero"`
	Action      string        `json:"action"`
	Allocation  *token.Amount `json:"allocation,omitempty"`
	Used        *token.Amount `json:"used,omitempty"`
}

// LineItemActions are the actions of one line item.
type LineItemActions struct {
	LineItemID string   `json:"lineItemId"`
	Actions    []Action `json:"actions"`
}

// AllActions is a page of line items with their actions; Next is 0 on the last.
type AllActions struct {
	LineItems []LineItemActions `json:"lineItems"`
	Next      int64             `json:"next"`
}
