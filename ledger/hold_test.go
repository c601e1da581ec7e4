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

// A book that was read anew counts the holds of the one before as if it had read them, too, also those of an allowance that is over.
func TestTakeHolds(t *testing.T) {
	read := func(resetMS int64) *Book {
		return &Book{LineItems: []*LineItem{{Number: 2, Quantity: 10}, {Number: 1, Quantity: 10, ResetMS: resetMS}}}
	}
	was := read(5)
	was.HeldSinceMS = 3
	was.Keep(&Hold{ID: "a", UntilMS: 10, Shares: []Share{{Number: 1, ResetMS: 5, Tokens: token.FromInt(1)}, {Number: 2, Tokens: token.FromInt(2)}}})
	was.Keep(&Hold{ID: "b", UntilMS: 10, Shares: []Share{{Number: 1, ResetMS: 4, Tokens: token.FromInt(4)}}})
	for _, step := range []struct {
		resetMS     int64
		first, held string
	}{{5, "2", "1"}, {4, "2", "4"}, {6, "2", "0"}, {5, "2", "1"}} {
		b := read(step.resetMS)
		b.TakeHolds(was)
		if first, held := b.LineItems[0].Held.String(), b.LineItems[1].Held.String(); first != step.first || held != step.held || b.LiveHolds() != 2 || b.HeldSinceMS != 3 {
			t.Errorf("of the allowance of %d %s and %s are held by %d holds since %d, want %s and %s", step.resetMS, first, held, b.LiveHolds(), b.HeldSinceMS, step.first, step.held)
		}
		was = b
	}
	was.Drop("a")
	b := &Book{LineItems: []*LineItem{{Number: 1, ResetMS: 4}, {Number: 3}}}
	if b.TakeHolds(was); b.LineItems[0].Held.String() != "4" || b.LiveHolds() != 1 {
		t.Errorf("%s are held by %d holds of a book that has another line item, want 4 by 1", b.LineItems[0].Held, b.LiveHolds())
	}
	if b.TakeHolds(&Book{}); b.LiveHolds() != 0 {
		t.Errorf("%d holds are live of a book that takes none", b.LiveHolds())
	}
}
