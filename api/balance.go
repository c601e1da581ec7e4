package api

import "github.com/farebox/farebox/token"

// Balance is how an instance stands. Times are milliseconds since 1970.
type Balance struct {
	Time       int64             `json:"time"`
	InstanceID string            `json:"instanceId"`
	Total      BalanceTotal      `json:"total"` // of the line items that are usable now
	LineItems  []LineItemBalance `json:"lineItems"`
}

// BalanceTotal is what line items have left together.
type BalanceTotal struct {
	Held               token.Amount  `json:"held,omitzero"`
	Balance            token.Amount  `json:"balance"`
	OverdraftUsed      token.Amount  `json:"overdraftUsed"`
	OverdraftLeft      *token.Amount `json:"overdraftLeft,omitempty"` // nil: without end
	UnlimitedOverdraft bool          `json:"unlimitedOverdraft"`
}

// LineItemBalance is what one line item has left.
type LineItemBalance struct {
	ActivationID       string        `json:"activationId"`
	State              string        `json:"state"`
	Kind               string        `json:"kind"`
	Start              int64         `json:"start"`
	End                int64         `json:"end"`
	Usable             bool          `json:"usable"`
	Quantity           int64         `json:"quantity"`
	Used               token.Amount  `json:"used"`
	Held               token.Amount  `json:"held,omitzero"`
	Balance            token.Amount  `json:"balance"`
	OverdraftUsed      token.Amount  `json:"overdraftUsed"`
	OverdraftLeft      *token.Amount `json:"overdraftLeft,omitempty"`
	UnlimitedOverdraft bool          `json:"unlimitedOverdraft"`
	ResetFrequency     string        `json:"resetFrequency,omitzero"`
	NextReset          int64         `json:"nextReset,omitzero"`
}

// Forecast is how long an instance's balances are likely to last.
type Forecast struct {
	Time          int64              `json:"time"`
	InstanceID    string             `json:"instanceId"`
	Pace          Pace               `json:"pace"`
	TooLittle     string             `json:"tooLittleHistory,omitzero"`
	RunsOut       *ForecastDay       `json:"runsOut,omitempty"`
	Denied        *ForecastDay       `json:"denied,omitempty"`
	ExpiresUnused *ForecastTokens    `json:"expiresUnused,omitempty"`
	LineItems     []LineItemForecast `json:"lineItems"`
}

// Pace is tokens per day, net of refunds, over whole days in UTC.
type Pace struct {
	Last1  token.Amount `json:"last1Day"`
	Last7  token.Amount `json:"last7Days"`
	Last30 token.Amount `json:"last30Days"`
}

// ForecastDay is a day in UTC such as 2026-03-14, with the range of 8 of 10 futures; empty: later than is forecast.
type ForecastDay struct {
	Likely   string `json:"likely,omitzero"`
	Earliest string `json:"earliest"`
	Latest   string `json:"latest,omitzero"`
}

// ForecastTokens is a number of whole tokens, with the range of 8 of 10 futures.
type ForecastTokens struct {
	Likely int64 `json:"likely"`
	Least  int64 `json:"least"`
	Most   int64 `json:"most"`
}

// LineItemForecast is what is likely to become of one line item; of a recurring one, of the allowance that runs or comes next.
type LineItemForecast struct {
	ActivationID  string          `json:"activationId"`
	Balance       token.Amount    `json:"balance"`
	Pace          Pace            `json:"pace"`
	RunsOut       *ForecastDay    `json:"runsOut,omitempty"`
	Ends          int64           `json:"ends,omitzero"`
	ExpiresUnused *ForecastTokens `json:"expiresUnused,omitempty"`
}
