package api

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/token"
)

// NewHold asks for tokens to be kept back for so many seconds.
type NewHold struct {
	Requester      *Requester         `json:"requester"`
	RequestedItems []RequestedItemV11 `json:"requestedItems"`
	TTL            *int64             `json:"ttl"`
}

// HoldExtension has a hold live for so many seconds from now.
type HoldExtension struct {
	TTL *int64 `json:"ttl"`
}

// HoldSettlement is what finished work came to. Without Final, it is final.
type HoldSettlement struct {
	RequestedItems *[]SettledItem `json:"requestedItems"`
	Final          *bool          `json:"final,omitempty"`
}

// SettledItem is an item of it, of which a count of 0 is allowed.
type SettledItem RequestedItemV11

// HoldAnswer says what became of a hold, and of what was asked.
type HoldAnswer struct {
	CorrelationID  string         `json:"correlationId,omitzero"` // none when nothing was done
	HoldID         string         `json:"holdId"`
	State          string         `json:"state"`
	Expires        int64          `json:"expires"` // milliseconds since 1970
	RequestedItems []AnsweredItem `json:"requestedItems"`
	TokensHeld     token.Amount   `json:"tokensHeld"`    // still
	TokensSettled  token.Amount   `json:"tokensSettled"` // in all
	Late           bool           `json:"late,omitzero"`
	Overdrawn      token.Amount   `json:"overdrawn,omitzero"` // by this settlement
}

// Hold is a hold as it stands. Times are milliseconds since 1970.
type Hold struct {
	HoldID        string       `json:"holdId"`
	InstanceID    string       `json:"instanceId"`
	State         string       `json:"state"`
	Created       int64        `json:"created"`
	Expires       int64        `json:"expires"`
	Ended         int64        `json:"ended,omitzero"`
	Requester     Requester    `json:"requester"`
	Items         []HeldItem   `json:"items"`
	TokensHeld    token.Amount `json:"tokensHeld"`
	TokensSettled token.Amount `json:"tokensSettled"`
	Overdrawn     token.Amount `json:"overdrawn,omitzero"`
}

// HeldItem is an item of a hold.
type HeldItem struct {
	Item       string         `json:"item"`
	Version    string         `json:"version"`
	Count      token.Amount   `json:"count"`
	MetaData   jsontext.Value `json:"metaData,omitzero"`
	TokensHeld token.Amount   `json:"tokensHeld"`
}

// Holds is a page of the live holds of an instance, newest first.
type Holds struct {
	Holds []Hold `json:"holds"`
	Next  string `json:"next,omitzero"`
}
