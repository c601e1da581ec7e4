package api

import "github.com/farebox/farebox/token"

// Quote is what an access request would come to now.
type Quote struct {
	Time           int64        `json:"time"`
	Tokens         token.Amount `json:"tokens"`
	RequestedItems []QuotedItem `json:"requestedItems"`
}

// QuotedItem is what would become of one item. Price is that of one, and absent if nothing prices it.
type QuotedItem struct {
	Item         string           `json:"item"`
	Version      string           `json:"version"`
	Count        token.Amount     `json:"count"`
	Price        *token.Amount    `json:"price,omitempty"`
	Tokens       token.Amount     `json:"tokens"`
	LineItems    []QuotedLineItem `json:"lineItems"`
	Status       Status           `json:"status"`
	CoveredUntil int64            `json:"coveredUntil,omitzero"`
}

// QuotedLineItem is what a line item would pay, and how it would stand then. The last two are absent when nothing was used
// lately.
type QuotedLineItem struct {
	ActivationID  string        `json:"activationId"`
	Rate          token.Amount  `json:"rate"`
	Tokens        token.Amount  `json:"tokens"`
	Overdraft     token.Amount  `json:"overdraft"`
	Held          token.Amount  `json:"held,omitzero"`
	Balance       token.Amount  `json:"balance"`
	OverdraftUsed token.Amount  `json:"overdraftUsed"`
	TokensPerDay  *token.Amount `json:"tokensPerDay,omitempty"`
	LastsUntil    int64         `json:"lastsUntil,omitzero"`
}
