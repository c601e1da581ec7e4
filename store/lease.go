package store

import "time"

// LeaseKey signs leases. Its private half stays with the books, so that all servers on them sign alike.
type LeaseKey struct {
	ID         string // RFC 7638 thumbprint of the public half
	CreatedMS  int64
	PrivatePEM string // PKCS #8
}

// LeaseRetention is for how long after its end a lease is remembered, at least, for reports that come late: whoever had no network may have none
// for long. Other holds are remembered for as long as idempotency keys.
const LeaseRetention = 90 * 24 * time.Hour

// LeaseLonger is by how much longer that is.
const LeaseLonger = LeaseRetention - OnceRetention
