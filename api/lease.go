package api

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/token"
)

// NewLease asks for tokens that a named client may spend by itself for so many seconds.
type NewLease struct {
	Client    *string       `json:"client"`
	Requester *Requester    `json:"requester"`
	Tokens    *token.Amount `json:"tokens"`
	Items     []LeaseItem   `json:"items"`
	TTL       *int64        `json:"ttl"`
}

// LeaseItem is an item that leased tokens may be spent for.
type LeaseItem struct {
	Item      string                  `json:"item"`
	Version   string                  `json:"version"`
	MetaData  jsontext.Value          `json:"metaData,omitzero"`
	Variables map[string]token.Amount `json:"variables,omitzero"`
}

// LeaseReport is what a client has used of a lease since that was made. Without Final, there may be more.
type LeaseReport struct {
	Lease *string          `json:"lease"`
	Items *[]LeaseItemUsed `json:"items"`
	Final bool             `json:"final"`
}

// LeaseItemUsed is how much of an item was used, in all.
type LeaseItemUsed struct {
	Item     string         `json:"item"`
	Version  string         `json:"version"`
	Count    *token.Amount  `json:"count"`
	MetaData jsontext.Value `json:"metaData,omitzero"`
}

// LeaseAnswer says how a lease stands after what was asked of it. Times are milliseconds since 1970.
type LeaseAnswer struct {
	CorrelationID string         `json:"correlationId,omitzero"` // none when nothing was done
	LeaseID       string         `json:"leaseId"`
	Lease         string         `json:"lease,omitzero"` // of a new one: signed
	State         string         `json:"state"`
	Expires       int64          `json:"expires"`
	Tokens        token.Amount   `json:"tokens"`
	TokensUsed    token.Amount   `json:"tokensUsed"` // as reported
	Items         []LeasedItem   `json:"items"`
	Charged       []AnsweredItem `json:"charged"` // by this report
	Late          bool           `json:"late,omitzero"`
	Overdrawn     token.Amount   `json:"overdrawn,omitzero"` // by this report
}

// LeasedItem is an item of a lease. Count is how much of it was reported.
type LeasedItem struct {
	Item    string       `json:"item"`
	Version string       `json:"version"`
	Price   token.Amount `json:"price"`
	Count   token.Amount `json:"count"`
}

// Lease is a lease as it stands. Times are milliseconds since 1970.
type Lease struct {
	LeaseID    string       `json:"leaseId"`
	InstanceID string       `json:"instanceId"`
	Client     string       `json:"client"`
	State      string       `json:"state"`
	Created    int64        `json:"created"`
	Expires    int64        `json:"expires"`
	Ended      int64        `json:"ended,omitzero"`
	Requester  Requester    `json:"requester"`
	Tokens     token.Amount `json:"tokens"`
	TokensHeld token.Amount `json:"tokensHeld"`
	TokensUsed token.Amount `json:"tokensUsed"`
	Overdrawn  token.Amount `json:"overdrawn,omitzero"`
	Items      []LeasedItem `json:"items"`
}

// Leases is a page of the live leases of an instance, newest first.
type Leases struct {
	Leases []Lease `json:"leases"`
	Next   string  `json:"next,omitzero"`
}

// LeaseClaims are the claims of the JSON Web Token that a lease is.
type LeaseClaims struct {
	Issuer    string              `json:"iss"`
	Client    string              `json:"sub"`
	Instance  string              `json:"aud"`
	LeaseID   string              `json:"jti"`
	IssuedAt  int64               `json:"iat"` // seconds since 1970
	Expires   int64               `json:"exp"`
	ExpiresMS int64               `json:"expires"` // the same to the millisecond
	Requester RequesterClaim      `json:"requester"`
	Tokens    token.Amount        `json:"tokens"`
	Items     []LeasedItemOfClaim `json:"items"`
}

// RequesterClaim is on whose behalf leased tokens are spent.
type RequesterClaim struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// LeasedItemOfClaim is what leased tokens may be spent for, and what one of it costs.
type LeasedItemOfClaim struct {
	Item    string       `json:"item"`
	Version string       `json:"version"`
	Price   token.Amount `json:"price"`
}

// LeaseKeys is a JSON Web Key Set (RFC 7517): the public halves of what leases are signed with, the oldest first.
type LeaseKeys struct {
	Keys []LeaseKey `json:"keys"`
}

// LeaseKey is an Ed25519 public key as RFC 8037 has it.
type LeaseKey struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
}
