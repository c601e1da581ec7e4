package usage

import (
	"cmp"
	"crypto/sha256"
)

// OnceID names a request that must count once: an idempotency key within its scope. Keys of two instances never meet.
type OnceID [16]byte

// NewOnceID returns the id of an idempotency key. The scope is an instance's id, or empty for requests that address none.
func NewOnceID(scope, key string) OnceID {
	var room [512]byte // which they mostly fit, so that nothing is allocated
	sum := sha256.Sum256(append(append(append(room[:0], scope...), 0), key...))
	return OnceID(sum[:16])
}

// Position is a place in the record: a commit, a receipt in it, an event of that. Positions order the record in time.
type Position struct {
	Commit  int64
	Receipt int
	Event   int
}

// Before reports whether a position comes before another.
func (p Position) Before(other Position) bool { return p.Compare(other) < 0 }

// Compare returns less than 0 when a position comes before another, and more when it comes after.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Commit, other.Commit), cmp.Compare(p.Receipt, other.Receipt), cmp.Compare(p.Event, other.Event))
}
