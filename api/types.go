// Package api is the promise: openapi.yaml and the types that travel over the wire. Nothing in it runs.
package api

import (
	_ "embed"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/period"
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
	ResetFrequency  string        `json:"resetFrequency,omitzero"`
	Priority        int64         `json:"priority,omitzero"`
	Kind            string        `json:"kind,omitzero"`
	UnitPrice       *token.Amount `json:"unitPrice,omitempty"`
	Currency        string        `json:"currency,omitzero"`
}

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

// NewConsumptionLimit limits what every single requester may consume from a line item in a period.
type NewConsumptionLimit struct {
	Limit     *token.Amount `json:"limit"`
	Period    string        `json:"period"`
	NextReset *int64        `json:"nextReset"`
}

// ConsumptionLimit is a limit with the time of its next reset.
type ConsumptionLimit struct {
	Limit     token.Amount `json:"limit"`
	Period    string       `json:"period"`
	NextReset int64        `json:"nextReset"`
}

// ConsumptionLimitState is a limit with a page of what was consumed; Next is the cursor of the next page, and absent on the
// last.
type ConsumptionLimitState struct {
	Limit     token.Amount  `json:"limit"`
	Period    string        `json:"period"`
	NextReset int64         `json:"nextReset"`
	Consumed  []Consumption `json:"consumed"`
	Next      string        `json:"next,omitzero"`
}

// Consumption is what one requester has consumed in the period that runs.
type Consumption struct {
	Requester Requester    `json:"requester"`
	Consumed  token.Amount `json:"consumed"`
	Since     int64        `json:"since"`
}

// RateTable is one version of a series as v1.0 and v1.1 have it; they differ in items.
type RateTable[Item any] struct {
	Created       int64  `json:"created,omitzero"`
	EffectiveFrom *int64 `json:"effectiveFrom"`
	Series        string `json:"series"`
	Version       string `json:"version"`
	Items         []Item `json:"items"`
}

// RateItemV10 is an offering and its price in tokens in v1.0.
type RateItemV10 struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Rate    *token.Amount `json:"rate"`
}

// RateItemV11 is an offering and its price in tokens in v1.1: a rate or a formula. The last three are Farebox's own; Window is a
// period such as P1D, Cost what one costs the producer.
type RateItemV11 struct {
	Name        string        `json:"name"`
	Version     string        `json:"version"`
	Rate        *token.Amount `json:"rate,omitempty"`
	Formula     string        `json:"formula,omitzero"`
	FreeSeconds int64         `json:"freeSeconds,omitzero"`
	Window      string        `json:"window,omitzero"`
	Cost        *token.Amount `json:"cost,omitempty"`
}

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

// NewSession says which instance a session is to run on.
type NewSession struct {
	InstanceID string `json:"instanceId"`
}

// SessionID is the answer to a session's creation.
type SessionID struct {
	SessionID string `json:"sessionId"`
}

// SessionRequest is an access request of a session: the complete set of items to use from now on. No items is a halt.
type SessionRequest[Item any] struct {
	Requester      *Requester `json:"requester"`
	RollbackOnDeny *bool      `json:"rollbackOnDeny"`
	RequestedItems *[]Item    `json:"requestedItems"`
}

// ListedSession is a live session in a list of the reference API. Times are milliseconds since 1970, and left out of what
// never was.
type ListedSession struct {
	SessionID         string `json:"sessionId"`
	InstanceID        string `json:"instanceId"`
	State             string `json:"state"`
	ChargedUntil      int64  `json:"chargedUntil,omitzero"`
	LastHeartBeat     int64  `json:"lastHeartBeat,omitzero"`
	LastAccessRequest int64  `json:"lastAccessRequest,omitzero"`
}

// SessionWithItems is a session in the reference API.
type SessionWithItems struct {
	SessionID  string      `json:"sessionId"`
	InstanceID string      `json:"instanceId"`
	State      string      `json:"state"`
	Items      []ItemInUse `json:"items"`
}

// ItemInUse is an item that a session uses. FreeUntil is until when its use may end and cost nothing.
type ItemInUse struct {
	Item      string       `json:"item"`
	Version   string       `json:"version"`
	Count     token.Amount `json:"count"`
	FreeUntil int64        `json:"freeUntil,omitzero"`
}

// Session is a session in the Farebox API. Times are milliseconds since 1970, and left out of what never was.
type Session struct {
	SessionID         string       `json:"sessionId"`
	InstanceID        string       `json:"instanceId"`
	State             string       `json:"state"`
	Reason            string       `json:"reason,omitzero"` // why it ended
	Created           int64        `json:"created"`
	Ended             int64        `json:"ended,omitzero"`
	Requester         *Requester   `json:"requester,omitempty"`
	Items             []ItemInUse  `json:"items"`
	ChargedFrom       int64        `json:"chargedFrom,omitzero"`
	ChargedUntil      int64        `json:"chargedUntil,omitzero"` // when the next automatic charge is due
	HeartbeatDue      int64        `json:"heartbeatDue,omitzero"` // of the heartbeat that is owed
	LastHeartbeat     int64        `json:"lastHeartbeat,omitzero"`
	LastAccessRequest int64        `json:"lastAccessRequest,omitzero"`
	TokensCharged     token.Amount `json:"tokensCharged"` // so far, less refunds
}

// Sessions is a page of live sessions; Next is the cursor of the next page, and absent on the last.
type Sessions struct {
	Sessions []Session `json:"sessions"`
	Next     string    `json:"next,omitzero"`
}

// SessionAhead is a session's state after a request or a heartbeat, and what lies ahead of it: of an ACTIVE one.
type SessionAhead struct {
	SessionID      string      `json:"sessionId"`
	State          string      `json:"state"`
	Reason         string      `json:"reason,omitzero"` // why it ended
	NextCharge     *NextCharge `json:"nextCharge,omitempty"`
	HeartbeatDue   int64       `json:"heartbeatDue,omitzero"` // the deadline of the next heartbeat that is needed
	HeartbeatOwed  bool        `json:"heartbeatOwed"`         // whether it is needed now already
	PeriodsCovered *int64      `json:"periodsCovered,omitempty"`
}

// NextCharge is a session's next automatic charge. Tokens is what it will cost, and absent if no rate table will price it.
type NextCharge struct {
	Due    int64         `json:"due"`
	Tokens *token.Amount `json:"tokens,omitempty"`
}

// SessionAnswer says what became of a session's access request.
type SessionAnswer struct {
	CorrelationID  string         `json:"correlationId"`
	Requester      Requester      `json:"requester"`
	RequestedItems []AnsweredItem `json:"requestedItems"`
	Session        SessionAhead   `json:"session"`
}

// TestClock is the time of a server with a test clock: in milliseconds since 1970, and for people. Made is how many
// automatic charges, deadlines and lapses an advance made.
type TestClock struct {
	Now  int64  `json:"now"`
	Time string `json:"time"`
	Made *int   `json:"made,omitempty"`
}

// ClockAdvance sets a test clock forward: by an ISO 8601 duration, or to a time in milliseconds.
type ClockAdvance struct {
	Advance *string `json:"advance,omitempty"`
	Now     *int64  `json:"now,omitempty"`
}

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

// Alerts are all alert rules.
type Alerts struct {
	Alerts []*notify.Rule `json:"alerts"`
}

// AlertsFired is a page of the log of alerts that fired or were resolved, newest first. Next is where to go on; it is left out on the last
// page.
type AlertsFired struct {
	Fired []*notify.Notice `json:"fired"`
	Next  int64            `json:"next,omitzero"`
}

// NewWebhook is where events are to be sent to. No types are all types.
type NewWebhook struct {
	URL         string   `json:"url"`
	Description string   `json:"description,omitzero"`
	Types       []string `json:"types,omitempty"`
	Disabled    bool     `json:"disabled,omitzero"`
}

// Webhook is where events are sent to. Secret is there when it was made just now, and never again. Reason says why it was disabled, if
// nobody told it to be; Failing since when every attempt has failed.
type Webhook struct {
	ID          string   `json:"id"`
	URL         string   `json:"url"`
	Description string   `json:"description"`
	Types       []string `json:"types"`
	Disabled    bool     `json:"disabled"`
	Reason      string   `json:"reason,omitzero"`
	Failing     int64    `json:"failing,omitzero"`
	Secret      string   `json:"secret,omitzero"`
	OldSecret   int64    `json:"oldSecretUntil,omitzero"`
	Created     int64    `json:"created"`
	Modified    int64    `json:"modified"`
}

// Webhooks are all webhooks.
type Webhooks struct {
	Webhooks []Webhook `json:"webhooks"`
}

// Attempt is one try to send an event. Status 0: no answer came, and Error says why. Answer is its first bytes.
type Attempt struct {
	Time     int64  `json:"time"`
	Status   int    `json:"status"`
	Duration int64  `json:"duration"`
	Answer   string `json:"answer,omitzero"`
	Error    string `json:"error,omitzero"`
}

// WebhookTest is what came back from a test event.
type WebhookTest struct {
	Delivered bool    `json:"delivered"`
	Attempt   Attempt `json:"attempt"`
}

// Delivery is one event on its way to one webhook. Attempts counts those since it was made or told to be sent again; Status is what the last
// one was answered with. Due is left out once it is over.
type Delivery struct {
	ID        string `json:"id"`
	MessageID string `json:"messageId"`
	Type      string `json:"type"`
	State     string `json:"state"`
	Created   int64  `json:"created"`
	Due       int64  `json:"due,omitzero"`
	Attempts  int    `json:"attempts"`
	Status    int    `json:"status,omitzero"`
}

// Deliveries is a page of deliveries, newest first. Next is where to go on; it is left out on the last page.
type Deliveries struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       int64      `json:"next,omitzero"`
}

// DeliveryDetail is a delivery with all its attempts, and the body that is sent.
type DeliveryDetail struct {
	Delivery Delivery       `json:"delivery"`
	Attempts []Attempt      `json:"attempts"`
	Body     jsontext.Value `json:"body"`
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

// SimulationRequest asks what recorded usage would have cost by a draft of a rate table.
type SimulationRequest struct {
	Table jsontext.Value `json:"table"` // a rate table of v1.1
	From  *int64         `json:"from,omitempty"`
	To    *int64         `json:"to,omitempty"`
}

// Simulation says what recorded usage would have cost.
type Simulation struct {
	From          int64           `json:"from"`
	To            int64           `json:"to"`
	Requests      int64           `json:"requests"`
	Charges       int64           `json:"charges"`
	OldTokens     token.Amount    `json:"oldTokens"`
	NewTokens     token.Amount    `json:"newTokens"`
	Difference    token.Amount    `json:"difference"`
	Refused       int64           `json:"refused"`
	RefusedTokens token.Amount    `json:"refusedTokens"`
	Items         []SimulatedItem `json:"items"`
	NotPriced     []UnpricedItem  `json:"notPriced"`
	Notes         []string        `json:"notes"`
}

// SimulatedItem is an item as one account used it.
type SimulatedItem struct {
	AccountID      string       `json:"accountId"`
	Item           string       `json:"item"`
	Version        string       `json:"version"`
	Charges        int64        `json:"charges"`
	Count          token.Amount `json:"count"`
	OldTokens      token.Amount `json:"oldTokens"`
	NewTokens      token.Amount `json:"newTokens"`
	Difference     token.Amount `json:"difference"`
	Refused        int64        `json:"refused"`
	RefusedTokens  token.Amount `json:"refusedTokens"`
	RefusedStatus  *Status      `json:"refusedStatus,omitempty"`
	Denied         int64        `json:"denied"`
	DeniedUnpriced int64        `json:"deniedUnpriced"`
}

// UnpricedItem is an item that was used and that a draft does not price.
type UnpricedItem struct {
	Item      string       `json:"item"`
	Version   string       `json:"version"`
	Charges   int64        `json:"charges"`
	OldTokens token.Amount `json:"oldTokens"`
}
