package ledger

import (
	"sort"

	"github.com/farebox/farebox/token"
)

// Repeat books outcomes, all granted and booked already, again and again: as often as the same asks would come to the same
// outcomes, but for the time, and at most so often. It returns how often that was. While the line items that paid still have
// what they paid, the next decision takes the same way; one that decides on what covers later use is never repeated.
func Repeat(outcomes []Outcome, most int64) int64 {
	var drawn []Slice // of each line item, all in all
	for i := range outcomes {
		if c := outcomes[i].Coverage; c != nil && c.Changed() != nil {
			return 0
		}
		for j := range outcomes[i].Slices {
			drawn = sumUp(drawn, &outcomes[i].Slices[j])
		}
	}
	for i := range drawn {
		d := &drawn[i]
		most = fits(d.LineItem.Balance(), d.Tokens.Sub(d.Overdraft), most)
		most = fits(d.LineItem.OverdraftLeft(), d.Overdraft, most)
		if r := d.Ruled; r != nil && r.Action != nil {
			most = fits(r.Action.Allocation.Sub(r.Action.Used), d.Tokens, most)
		}
		if r := d.Ruled; r != nil && r.Consumed != nil {
			most = fits(d.LineItem.Limit.Tokens.Sub(r.Consumed.Tokens), d.Tokens, most)
		}
	}
	for i := range drawn {
		drawn[i].book(times(drawn[i].Tokens, most))
	}
	return most
}

func sumUp(drawn []Slice, s *Slice) []Slice {
	if s.Tokens.IsZero() { // it may stand for what was covered before, without what its line item's other slice counts against
		return drawn
	}
	for i := range drawn {
		if d := &drawn[i]; d.LineItem == s.LineItem {
			d.Tokens, d.Overdraft = d.Tokens.Add(s.Tokens), d.Overdraft.Add(s.Overdraft)
			return drawn
		}
	}
	return append(drawn, Slice{LineItem: s.LineItem, Tokens: s.Tokens, Overdraft: s.Overdraft, ResetMS: s.ResetMS, Ruled: s.Ruled})
}

// fits returns how often an amount is there, at most so often.
func fits(left, amount token.Amount, most int64) int64 {
	if amount.IsZero() {
		return most
	}
	return int64(sort.Search(int(most), func(i int) bool { return left.Less(times(amount, int64(i)+1)) }))
}

// times is exact: the product has no more digits after the point than the amount.
func times(amount token.Amount, n int64) token.Amount {
	return token.MulHalfEven(amount, token.FromInt(n))
}
