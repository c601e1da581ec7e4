package api

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Receipt is all that one request did, and what was refunded of it since. Times are milliseconds since 1970.
type Receipt struct {
	CorrelationID  string          `json:"correlationId"`
	Time           int64           `json:"time"`
	Written        int64           `json:"written"`
	AccountID      string          `json:"accountId"`
	InstanceID     string          `json:"instanceId"`
	Requester      Requester       `json:"requester,omitzero"`
	Source         *usage.Source   `json:"source,omitzero"`
	Session        *ReceiptSession `json:"session,omitzero"`
	Hold           *ReceiptHold    `json:"hold,omitzero"`
	Lease          *ReceiptHold    `json:"lease,omitzero"`
	IdempotencyKey string          `json:"idempotencyKey,omitzero"`
	Items          []ReceiptItem   `json:"items"`
	Refunds        []ReceiptItem   `json:"refunds,omitzero"`
	RefundOf       string          `json:"refundOf,omitzero"`
	By             string          `json:"by,omitzero"`
	Reason         string          `json:"reason,omitzero"`
	Tokens         token.Amount    `json:"tokens"`
	Refunded       token.Amount    `json:"refunded"`
	RefundedBy     []ReceiptRefund `json:"refundedBy,omitzero"`
}

// ReceiptSession is what a request did to a session.
type ReceiptSession struct {
	ID        string `json:"id"`
	Operation string `json:"operation"`
	State     string `json:"state"`
}

// ReceiptHold is what a request did to a hold or a lease; without an ID it was refused.
type ReceiptHold struct {
	ID        string       `json:"id,omitzero"`
	Operation string       `json:"operation"`
	Late      bool         `json:"late,omitzero"`
	Overdrawn token.Amount `json:"overdrawn,omitzero"`
}

// ReceiptItem is what became of one item.
type ReceiptItem struct {
	Item         string                  `json:"item"`
	Version      string                  `json:"version,omitzero"`
	Count        token.Amount            `json:"count"`
	Tokens       token.Amount            `json:"tokens"`
	Status       *Status                 `json:"status,omitzero"`
	Formula      string                  `json:"formula,omitzero"`
	Variables    map[string]token.Amount `json:"variables,omitzero"`
	MetaData     jsontext.Value          `json:"metaData,omitzero"`
	CoveredUntil int64                   `json:"coveredUntil,omitzero"`
	LineItems    []ReceiptLineItem       `json:"lineItems"`
	Refunded     token.Amount            `json:"refunded,omitzero"`
}

// ReceiptLineItem is what one line item paid, or got back, and how it stood after.
type ReceiptLineItem struct {
	ActivationID     string             `json:"activationId"`
	RateTableSeries  string             `json:"rateTableSeries,omitzero"`
	RateTableVersion string             `json:"rateTableVersion,omitzero"`
	Rate             token.Amount       `json:"rate"`
	Tokens           token.Amount       `json:"tokens"`
	Overdraft        token.Amount       `json:"overdraft,omitzero"`
	Quantity         int64              `json:"quantity"`
	Used             token.Amount       `json:"used"`
	Allowance        int64              `json:"allowance,omitzero"`
	UnitPrice        *token.Amount      `json:"unitPrice,omitzero"`
	Currency         string             `json:"currency,omitzero"`
	Action           *ReceiptAllocation `json:"action,omitzero"`
	Limit            *ReceiptLimit      `json:"limit,omitzero"`
}

// ReceiptAllocation is the action whose allocation tokens count against.
type ReceiptAllocation struct {
	ID   string       `json:"id"`
	Used token.Amount `json:"used"`
}

// ReceiptLimit is the consumption limit that tokens count against.
type ReceiptLimit struct {
	Since    int64        `json:"since"`
	Consumed token.Amount `json:"consumed"`
}

// ReceiptRefund is what a later refund gave back.
type ReceiptRefund struct {
	CorrelationID string            `json:"correlationId"`
	Time          int64             `json:"time"`
	By            string            `json:"by"`
	Reason        string            `json:"reason,omitzero"`
	Items         []ReceiptItemBack `json:"items"`
}

// ReceiptItemBack is what went back of one item.
type ReceiptItemBack struct {
	Place  int          `json:"place"`
	Item   string       `json:"item"`
	Tokens token.Amount `json:"tokens"`
}

// NewRefund asks for a refund of a charge.
type NewRefund struct {
	Items  []RefundPart `json:"items,omitzero"` // nil: all that is left; empty is refused
	Reason string       `json:"reason,omitzero"`
}

// RefundPart is a part of an item.
type RefundPart struct {
	Place  *int          `json:"place"`
	Tokens *token.Amount `json:"tokens,omitzero"`
	Count  *token.Amount `json:"count,omitzero"`
}

// NewAdjustment moves tokens of a line item for no item.
type NewAdjustment struct {
	Tokens *token.Amount `json:"tokens"`
	Reason string        `json:"reason,omitzero"`
}

// NewTopUp adds bought tokens to a line item.
type NewTopUp struct {
	Tokens    int64  `json:"tokens"`
	RequestID string `json:"requestId"` // of the automatic top-up that it answers; empty: none
}

// NewTransfer moves unused tokens between line items.
type NewTransfer struct {
	From   LineItemRef `json:"from"`
	To     LineItemRef `json:"to"`
	Tokens int64       `json:"tokens"`
}

// LineItemRef names a line item.
type LineItemRef struct {
	InstanceID   string `json:"instanceId"`
	ActivationID string `json:"activationId"`
}

// LineItemMoved is a line item before and after its quantity changed.
type LineItemMoved struct {
	Before LineItem[AttributesV11] `json:"before"`
	After  LineItem[AttributesV11] `json:"after"`
}

// Transfer is how two line items stood before and after tokens moved.
type Transfer struct {
	From LineItemMoved `json:"from"`
	To   LineItemMoved `json:"to"`
}
