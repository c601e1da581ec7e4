package ledger

import (
	"slices"

	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// Leasing is what a lease on a book takes, or why there is none.
type Leasing struct {
	Outcome
	Prices []token.Amount // of one of each item that is asked for
	Why    []Outcome      // of each item, when there is none; else nil
}

// Lease finds tokens that are to be spent for items, in whatever mix, and changes nothing. It decides as a charge would (Decide), but in tokens: the
// first line item that gives any, of those that price all of the items, sets the prices, and others give only if their prices are the same. It is
// whole or not at all. The count of an ask plays no part.
func Lease(book *Book, prices *Prices, who *Who, tokens token.Amount, asks []Ask) *Leasing {
	book.At(prices.NowMS)
	d := draw{book: book, who: who, nowMS: prices.NowMS, count: tokens}
	var l Leasing
	usable := false
	for _, overdraft := range [...]bool{false, true} {
		for _, item := range book.LineItems {
			if !item.Usable(prices.NowMS, prices.Tolerant) {
				continue
			}
			usable = true
			table := prices.Catalog.Effective(item.Series, prices.NowMS)
			all := d.pricesOf(table, asks)
			if all == nil || len(d.slices) > 0 && !slices.EqualFunc(all, l.Prices, token.Amount.Equal) {
				continue
			}
			d.itemRate = one // tokens cost what they are
			whole := d.from(item, table, nil, overdraft)
			if len(d.slices) > 0 {
				l.Prices = all
			}
			if whole {
				l.Outcome = d.granted(tokens)
				return &l
			}
		}
	}
	l.Why = make([]Outcome, len(asks))
	alone := d.refuseUnpriced(prices, asks, usable, l.Why)
	for i := range asks {
		switch {
		case l.Why[i].Status != "":
		case alone:
			l.Why[i] = denied(asks[i], NoStatus, "")
		case !d.priced && usable:
			l.Why[i] = denied(asks[i], NotFound, "no usable line item prices all of the items")
		case !usable:
			l.Why[i] = denied(asks[i], NoLineItem, "")
		default:
			l.Why[i] = d.denied(asks[i])
		}
	}
	return &l
}

var one = token.FromInt(1)

// refuseUnpriced refuses items that have no price by themselves, and reports whether there are any.
func (d *draw) refuseUnpriced(prices *Prices, asks []Ask, usable bool, why []Outcome) (any bool) {
	for i := range asks {
		ask := &asks[i]
		if !prices.Catalog.Prices(ask.Item, ask.Version, prices.NowMS) {
			why[i], any = denied(*ask, NotFound, ""), true
			continue
		}
		alone := draw{who: d.who}
		charges := false
		for _, l := range d.book.LineItems {
			if item := prices.Catalog.Effective(l.Series, prices.NowMS).Item(ask.Item, ask.Version); item != nil && l.Usable(prices.NowMS, prices.Tolerant) {
				charges = alone.price(item, ask.Variables) || charges
			}
		}
		if !charges && alone.unpriced != "" {
			why[i], any = denied(*ask, alone.unpriced, alone.why), true
		}
	}
	return any
}

// pricesOf returns what one of each item costs by a table; nil if it does not price all of them.
func (d *draw) pricesOf(table *rate.Table, asks []Ask) []token.Amount {
	all := make([]token.Amount, len(asks))
	for i := range asks {
		item := table.Item(asks[i].Item, asks[i].Version)
		if item == nil {
			return nil
		}
		alone := draw{who: d.who} // items of other variables are others
		if !alone.price(item, asks[i].Variables) {
			return nil
		}
		all[i] = alone.itemRate
	}
	return all
}

// Spent returns what so many of an item come to at the price of a lease. Of counts that grow, what is charged is the difference, so that
// it does not hang on how often they are told.
func Spent(count, price token.Amount) token.Amount { return token.MulHalfEven(count, price) }
