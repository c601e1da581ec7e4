package usage

import (
	"testing"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// D12: a refund replays the charge as it was, also when line items have changed places since: what the slices tell of the order in which balances
// were drawn counts, not the order now.
func TestSharesAreInTheOrderOfDrawing(t *testing.T) {
	item := Item{Slices: []Slice{
		{Number: 1, Tokens: token.FromInt(5)},
		{Number: 2, Tokens: token.FromInt(4), Overdraft: token.FromInt(1)},
	}}
	book := &ledger.Book{LineItems: []*ledger.LineItem{{Number: 2}, {Number: 1}}} // a priority was changed
	shares := item.Shares(book)
	want := []ledger.Share{{Number: 1, Tokens: token.FromInt(5)}, {Number: 2, Tokens: token.FromInt(3)}, {Number: 2, Tokens: token.FromInt(1), Overdraft: true}}
	if len(shares) != len(want) {
		t.Fatalf("%d shares, want %d", len(shares), len(want))
	}
	for i, s := range shares {
		if s.Number != want[i].Number || !s.Tokens.Equal(want[i].Tokens) || s.Overdraft != want[i].Overdraft {
			t.Errorf("share %d is %s of %d, want %s of %d", i, s.Tokens, s.Number, want[i].Tokens, want[i].Number)
		}
	}
}
