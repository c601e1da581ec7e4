package api

import (
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Events is a page of usage events; Next is the cursor of the next page, and absent on the last. Cursor is always there: it goes on
// behind this page, now or when more has been recorded. Earliest is there when events were removed: all since then are kept.
type Events struct {
	Events   []usage.Event `json:"events"`
	Next     string        `json:"next,omitzero"`
	Cursor   string        `json:"cursor"`
	Earliest int64         `json:"earliest,omitzero"`
}

// Usage is what was used, added up as asked. Times are milliseconds since 1970; To is absent if there was no end.
type Usage struct {
	From     int64      `json:"from"`
	To       int64      `json:"to,omitzero"`
	Interval string     `json:"interval,omitzero"`
	TimeZone string     `json:"timeZone"`
	GroupBy  []string   `json:"groupBy"`
	Rows     []UsageRow `json:"rows"`
	Total    UsageSums  `json:"total"`
}

// UsageRow is one group in one interval. By has its value in each dimension, nil where it has none; of Other, which is all groups
// that are not among the top ones, it is absent.
type UsageRow struct {
	From       int64              `json:"from"`
	To         int64              `json:"to,omitzero"`
	By         map[string]*string `json:"by,omitzero"`
	Other      bool               `json:"other,omitzero"`
	Tokens     token.Amount       `json:"tokens"`
	Overdraft  token.Amount       `json:"overdraft"`
	Count      token.Amount       `json:"count"`
	Money      []usage.Money      `json:"money"`
	Requests   int64              `json:"requests"`
	Denials    int64              `json:"denials"`
	Requesters *int64             `json:"requesters,omitzero"`
}

// UsageSums are added up from events, net of refunds; Requesters only if asked for.
type UsageSums struct {
	Tokens     token.Amount  `json:"tokens"`
	Overdraft  token.Amount  `json:"overdraft"`
	Count      token.Amount  `json:"count"`
	Money      []usage.Money `json:"money"`
	Requests   int64         `json:"requests"`
	Denials    int64         `json:"denials"`
	Requesters *int64        `json:"requesters,omitzero"`
}
