package ledger

import (
	"slices"

	"github.com/farebox/farebox/token"
)

// Share is what one line item paid of a charge from its balance, or from its overdraft, as it is remembered to be refunded.
// Its JSON is the one in the books.
type Share struct {
	Number    int64        `json:"lineItem"` // the store's name for the line item
	Series    string       `json:"series,omitzero"`
	Version   string       `json:"tableVersion,omitzero"`
	Rate      token.Amount `json:"rate"`
	Tokens    token.Amount `json:"tokens"`
	Overdraft bool         `json:"overdraft,omitzero"` // from its overdraft

	ResetMS  int64  `json:"reset,omitzero"`  // of a recurring line item: when the allowance began that paid
	ActionID string `json:"action,omitzero"` // whose allocation it counts against
	Limited  bool   `json:"limited,omitzero"`
	SinceMS  int64  `json:"since,omitzero"` // when the limit's period began that it counts in
}

// price is what tells shares of one line item apart, besides balance and overdraft.
func (s *Share) price() Share {
	p := *s
	p.Tokens, p.Overdraft, p.Rate = token.Amount{}, false, token.Amount{}
	return p
}

// Shares remembers a charge in the order in which it was drawn: the balances of its line items, then their overdrafts (D3).
// Of what cost nothing there is nothing to remember.
func Shares(paid []Slice) []Share {
	paid = slices.Clone(paid)
	slices.SortFunc(paid, func(x, y Slice) int { return order(x.LineItem, y.LineItem) })
	all := make([]Share, 0, len(paid))
	for _, overdraft := range [...]bool{false, true} {
		for i := range paid {
			s := &paid[i]
			tokens := s.Overdraft
			if !overdraft {
				tokens = s.Tokens.Sub(s.Overdraft)
			}
			if !tokens.IsZero() {
				all = append(all, s.share(tokens, overdraft))
			}
		}
	}
	return all
}

func (s *Slice) share(tokens token.Amount, overdraft bool) Share {
	share := Share{
		Number: s.LineItem.Number, Series: s.Series, Version: s.Version, Rate: s.Rate, Tokens: tokens, Overdraft: overdraft, ResetMS: s.ResetMS,
	}
	if r := s.Ruled; r != nil {
		if r.Action != nil {
			share.ActionID = r.Action.ID
		}
		if r.Consumed != nil {
			share.Limited, share.SinceMS = true, r.Consumed.SinceMS
		}
	}
	return share
}

// like reports whether two shares differ in their tokens alone, and in whether these were overdraft.
func (s *Share) like(t *Share) bool { return s.price() == t.price() && s.Rate.Equal(t.Rate) }

// Join adds up the shares of one line item at one price, balance and overdraft apart.
func Join(all, more []Share) []Share {
	all = slices.Clone(all)
	for _, s := range more {
		at := slices.IndexFunc(all, func(t Share) bool {
			return t.like(&s) && t.Overdraft == s.Overdraft
		})
		if at < 0 {
			all = append(all, s)
			continue
		}
		all[at].Tokens = all[at].Tokens.Add(s.Tokens)
	}
	return all
}

// Sum returns what shares add up to.
func Sum(shares []Share) (total token.Amount) {
	for i := range shares {
		total = total.Add(shares[i].Tokens)
	}
	return total
}

// Refund says who gets back how much of a charge, and changes nothing. It replays the charge backwards (decisions.md
// D12): the share drawn last first. Every line item takes refunds, whatever its state; allocations and limits that are still
// there get theirs back too. The standing is that of the requester who was charged. Tokens are not more than were paid.
// The slices are one a line item and price.
func Refund(book *Book, standing *Standing, paid []Share, tokens token.Amount) Outcome {
	o := Outcome{Refund: true, Tokens: tokens}
	var of []*Share // of each slice
	for i := len(paid) - 1; i >= 0 && tokens.Sign() > 0; i-- {
		p := &paid[i]
		back := token.Min(tokens, p.Tokens)
		tokens = tokens.Sub(back)
		at := slices.IndexFunc(of, p.like)
		if at < 0 {
			at = len(o.Slices)
			of = append(of, p)
			o.Slices = append(o.Slices, book.giveBack(standing, p))
		}
		s := &o.Slices[at]
		s.Tokens = s.Tokens.Add(back)
		if p.Overdraft {
			s.Overdraft = s.Overdraft.Add(back)
		}
	}
	return o
}

// giveBack returns a slice of nothing yet that gives back to where a share came from.
func (b *Book) giveBack(standing *Standing, p *Share) Slice {
	l := b.mustHave(p.Number)
	s := Slice{LineItem: l, Series: p.Series, Version: p.Version, Rate: p.Rate, ResetMS: p.ResetMS}
	var r Ruled
	if at := slices.IndexFunc(l.Actions, func(a Action) bool { return a.ID == p.ActionID }); p.ActionID != "" && at >= 0 {
		r.Action = &l.Actions[at]
	}
	if p.Limited && l.Limit != nil {
		r.Consumed = standing.Consumed[PeriodKey{p.Number, p.SinceMS}]
	}
	if r.Action != nil || r.Consumed != nil {
		s.Ruled = &r
	}
	return s
}

// Rest returns what of paid shares is left after a refund of them: those that were drawn first.
func Rest(paid []Share, refund *Outcome) []Share {
	rest, tokens := slices.Clone(paid), refund.Tokens
	for i := len(rest) - 1; i >= 0 && tokens.Sign() > 0; i-- {
		back := token.Min(tokens, rest[i].Tokens)
		rest[i].Tokens, tokens = rest[i].Tokens.Sub(back), tokens.Sub(back)
	}
	return slices.DeleteFunc(rest, func(s Share) bool { return s.Tokens.IsZero() })
}

// mustHave returns a line item that is in its book for good, as one that has paid is.
func (b *Book) mustHave(number int64) *LineItem {
	l := b.ByNumber(number)
	if l == nil {
		panic("a line item that has paid is not in its book")
	}
	return l
}
