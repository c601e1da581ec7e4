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
				all = append(all, Share{s.LineItem.Number, s.Series, s.Version, s.Rate, tokens, overdraft})
			}
		}
	}
	return all
}

// of reports whether a slice gives back to a share's line item at its price.
func (s *Share) of(back *Slice) bool {
	return s.Number == back.LineItem.Number && s.Series == back.Series && s.Version == back.Version && s.Rate.Equal(back.Rate)
}

// Join adds up the shares of one line item at one price, balance and overdraft apart.
func Join(all, more []Share) []Share {
	all = slices.Clone(all)
	for _, s := range more {
		at := slices.IndexFunc(all, func(t Share) bool {
			return t.Number == s.Number && t.Series == s.Series && t.Version == s.Version && t.Rate.Equal(s.Rate) && t.Overdraft == s.Overdraft
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
// D12): the share drawn last first. Every line item takes refunds, whatever its state. Tokens are not more than were paid.
// The slices are one a line item and price.
func Refund(book *Book, paid []Share, tokens token.Amount) Outcome {
	o := Outcome{Refund: true, Tokens: tokens}
	for i := len(paid) - 1; i >= 0 && tokens.Sign() > 0; i-- {
		p := &paid[i]
		back := token.Min(tokens, p.Tokens)
		tokens = tokens.Sub(back)
		at := slices.IndexFunc(o.Slices, func(s Slice) bool { return p.of(&s) })
		if at < 0 {
			at = len(o.Slices)
			o.Slices = append(o.Slices, Slice{LineItem: book.byNumber(p.Number), Series: p.Series, Version: p.Version, Rate: p.Rate})
		}
		s := &o.Slices[at]
		s.Tokens = s.Tokens.Add(back)
		if p.Overdraft {
			s.Overdraft = s.Overdraft.Add(back)
		}
	}
	return o
}

// Rest returns what of paid shares is left after a refund of them.
func Rest(paid []Share, refund *Outcome) []Share {
	rest := slices.Clone(paid)
	for i := range rest {
		for j := range refund.Slices {
			back := &refund.Slices[j]
			switch s := &rest[i]; {
			case !s.of(back):
			case s.Overdraft:
				s.Tokens = s.Tokens.Sub(back.Overdraft)
			default:
				s.Tokens = s.Tokens.Sub(back.Tokens.Sub(back.Overdraft))
			}
		}
	}
	return slices.DeleteFunc(rest, func(s Share) bool { return s.Tokens.IsZero() })
}

// byNumber returns a line item that has paid: it is in its book for good.
func (b *Book) byNumber(number int64) *LineItem {
	for _, l := range b.LineItems {
		if l.Number == number {
			return l
		}
	}
	panic("a line item that has paid is not in its book")
}
