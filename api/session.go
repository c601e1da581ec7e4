package api

import "github.com/farebox/farebox/token"

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
