package ledger

import (
	"testing"

	"github.com/farebox/farebox/token"
)

// A book that had no holds when it was brought to a time counts the ones that are made after.
func TestHoldIsCountedAtOnce(t *testing.T) {
	l := &LineItem{Number: 1, Quantity: 10}
	b := &Book{LineItems: []*LineItem{l}}
	b.HoldsAt(5)
	h := &Hold{ID: "h", UntilMS: 10, Shares: []Share{{Number: 1, Tokens: token.FromInt(7)}}}
	b.Keep(h)
	b.Keep(&Hold{ID: "other", UntilMS: 20, Shares: []Share{{Number: 1, Tokens: token.FromInt(1)}}})
	for _, step := range []struct {
		nowMS int64
		held  string
	}{{9, "8"}, {10, "1"}, {19, "1"}, {20, "0"}} {
		if b.HoldsAt(step.nowMS); l.Held.String() != step.held {
			t.Errorf("at %d %s are held, want %s", step.nowMS, l.Held, step.held)
		}
	}
	b.Drop("h")
	if b.HeldSinceMS != 20 || b.LiveHolds() != 0 {
		t.Errorf("the book knows its holds since %d and has %d", b.HeldSinceMS, b.LiveHolds())
	}
}
