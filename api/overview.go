package api

import "github.com/farebox/farebox/token"

// InstanceOverviews is a page of how instances stand. Total is how many there are on all pages.
type InstanceOverviews struct {
	Time      int64              `json:"time"`
	Instances []InstanceOverview `json:"instances"`
	Total     int                `json:"total"`
}

// InstanceOverview is how an instance stands, in short. Amounts are of line items that are usable now.
type InstanceOverview struct {
	InstanceID         string        `json:"instanceId"`
	ShortName          string        `json:"shortName"`
	AccountID          string        `json:"accountId"`
	UsableLineItems    int           `json:"usableLineItems"`
	Balance            token.Amount  `json:"balance"`
	Held               token.Amount  `json:"held"`
	OverdraftUsed      token.Amount  `json:"overdraftUsed"`
	OverdraftLeft      *token.Amount `json:"overdraftLeft,omitempty"`
	UnlimitedOverdraft bool          `json:"unlimitedOverdraft,omitzero"`
	NextEnd            int64         `json:"nextEnd,omitzero"`
	TokensPerDay       token.Amount  `json:"tokensPerDay"`
	UsedToday          token.Amount  `json:"usedToday"`
	DaysLeft           *token.Amount `json:"daysLeft,omitempty"`
	RunsOut            *ForecastDay  `json:"runsOut,omitempty"`
	Denied             *ForecastDay  `json:"denied,omitempty"`
	TooLittle          string        `json:"tooLittle,omitzero"`
}

// EndingLineItems is a page of line items, those first that end first. Next is where to go on; it is left out on the last page.
type EndingLineItems struct {
	Time      int64            `json:"time"`
	LineItems []EndingLineItem `json:"lineItems"`
	Next      string           `json:"next,omitzero"`
}

// EndingLineItem is a line item that ends soon, and what is left of it.
type EndingLineItem struct {
	AccountID    string       `json:"accountId"`
	InstanceID   string       `json:"instanceId"`
	ActivationID string       `json:"activationId"`
	Kind         string       `json:"kind"`
	Start        int64        `json:"start"`
	End          int64        `json:"end"`
	Quantity     int64        `json:"quantity"`
	Used         token.Amount `json:"used"`
	Balance      token.Amount `json:"balance"`
}

// Receipts is a page of receipts, newest first. Next is where to go on; it is left out on the last page.
type Receipts struct {
	Receipts []*Receipt `json:"receipts"`
	Next     string     `json:"next,omitzero"`
}
