package api

import (
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/token"
)

// NewAutoTopUp is when more tokens of a line item are asked for, and how many.
type NewAutoTopUp struct {
	Below     *token.Amount `json:"below"`
	Tokens    *int64        `json:"tokens"`
	MonthMost *int64        `json:"monthMost"`
}

// AutoTopUp is the automatic top-up of a line item, as it stands. Times are milliseconds since 1970.
type AutoTopUp struct {
	InstanceID     string               `json:"instanceId"`
	ActivationID   string               `json:"activationId"`
	Below          token.Amount         `json:"below"`
	Tokens         int64                `json:"tokens"`
	MonthMost      int64                `json:"monthMost"`
	State          string               `json:"state"`
	Again          int64                `json:"again,omitzero"` // when time alone changes the state
	AskedThisMonth int64                `json:"askedThisMonth"`
	Open           *notify.TopUpRequest `json:"open,omitempty"`
	Last           *notify.TopUpRequest `json:"last,omitempty"`
	Declines       int64                `json:"declines,omitzero"` // in a row
	Acknowledged   int64                `json:"acknowledged,omitzero"`
	AcknowledgedBy string               `json:"acknowledgedBy,omitzero"`
	Created        int64                `json:"created"`
	Modified       int64                `json:"modified"`
}

// AutoTopUps is a page of automatic top-ups.
type AutoTopUps struct {
	AutoTopUps []AutoTopUp `json:"autoTopUps"`
	Next       int64       `json:"next,omitzero"`
}

// AutoTopUpAcknowledgement says which terms are acknowledged: those that were set then.
type AutoTopUpAcknowledgement struct {
	Modified *int64 `json:"modified"`
}

// AutoTopUpDecline says that nothing is sold on a request.
type AutoTopUpDecline struct {
	RequestID *string `json:"requestId"`
	Reason    string  `json:"reason"`
}
