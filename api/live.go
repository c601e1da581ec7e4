package api

import "github.com/farebox/farebox/token"

// Live is an event of the live stream: what one server decided since the event before.
type Live struct {
	Time    int64        `json:"time"`
	Seconds int64        `json:"seconds"`
	Charges int64        `json:"charges"`
	Denials int64        `json:"denials"`
	Tokens  token.Amount `json:"tokens"`
	Rows    []LiveRow    `json:"rows,omitempty"`
}

// LiveRow is a part of it: that of an instance, or without InstanceID that of an account.
type LiveRow struct {
	InstanceID string       `json:"instanceId,omitzero"`
	AccountID  string       `json:"accountId"`
	Charges    int64        `json:"charges"`
	Denials    int64        `json:"denials"`
	Tokens     token.Amount `json:"tokens"`
}
