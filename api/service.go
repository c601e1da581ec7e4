package api

import "github.com/farebox/farebox/token"

// ServiceState is how a server and what follows the record are. Store is sqlite or postgres; Database is what it is called, without a password.
type ServiceState struct {
	Time      int64      `json:"time"`
	Ready     bool       `json:"ready"`
	Reason    string     `json:"reason,omitzero"`
	Followers []Follower `json:"followers"`
	Streams   int        `json:"streams"`
	Started   int64      `json:"started,omitzero"`
	Version   string     `json:"version,omitzero"`
	Store     string     `json:"store,omitzero"`
	Database  string     `json:"database,omitzero"`
}

// Follower is somebody who follows the record. Since is when the first request was made that they have not taken; left out if they have taken all.
type Follower struct {
	Name  string `json:"name"`
	Since int64  `json:"since,omitzero"`
}

// Proof is a check of the books. State is NONE, RUNNING, AGREES, DIFFERS or BROKEN_OFF.
type Proof struct {
	State       string       `json:"state"`
	Started     int64        `json:"started,omitzero"`
	Ended       int64        `json:"ended,omitzero"`
	Reason      string       `json:"reason,omitzero"`
	LineItems   int          `json:"lineItems,omitzero"`
	Sessions    int          `json:"sessions,omitzero"`
	Holds       int          `json:"holds,omitzero"`
	Leases      int          `json:"leases,omitzero"`
	Receipts    int64        `json:"receipts,omitzero"`
	Events      int64        `json:"events,omitzero"`
	Used        token.Amount `json:"used,omitzero"`
	Differences []string     `json:"differences,omitempty"`
	More        int          `json:"more,omitzero"`
}
