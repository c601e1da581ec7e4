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

// Lease finds tokens that are to be spent for items, in whatever mix, and changes nothing. It decides as a charge would (Decide), but in tokens, and at
// one price an item: of the prices that line items have for all of the items, in their order, it takes the first at which all tokens can be had. The
// count of an ask plays no part.
func Lease(book *Book, prices *Prices, who *Who, tokens token.Amount, asks []Ask) *Leasing {
	book.At(prices.NowMS)
	givers := make([]giver, 0, len(book.LineItems))
	usable := false
	for _, l := range book.LineItems {
		if !l.Usable(prices.NowMS, prices.Tolerant) {
			continue
		}
		usable = true
		table := prices.Catalog.Effective(l.Series, prices.NowMS)
		if all := pricesOf(table, who, asks); all != nil {
			givers = append(givers, giver{l, table, all})
		}
	}
	var first *draw // which tells why there is none
	for i := range givers {
		if slices.ContainsFunc(givers[:i], givers[i].asCheap) {
			continue
		}
		d := &draw{book: book, who: who, nowMS: prices.NowMS, count: tokens, itemRate: one} // tokens cost what they are
		if d.lease(givers, &givers[i]) {
			return &Leasing{Outcome: d.granted(tokens), Prices: givers[i].prices}
		}
		if first == nil {
			first = d
		}
	}
	return &Leasing{Why: refuseLease(book, prices, who, asks, usable, first)}
}

// giver is a line item that prices all items of a lease.
type giver struct {
	*LineItem
	table  *rate.Table
	prices []token.Amount
}

func (g *giver) asCheap(other giver) bool {
	return slices.EqualFunc(g.prices, other.prices, token.Amount.Equal)
}

// lease takes from all line items with the prices of one, and reports whether nothing is left to cover.
func (d *draw) lease(givers []giver, like *giver) bool {
	for _, overdraft := range [...]bool{false, true} {
		for _, g := range givers {
			if like.asCheap(g) && d.from(g.LineItem, g.table, nil, overdraft) {
				return true
			}
		}
	}
	return false
}

// refuseLease says of each item why there is no lease: that it has no price by itself; else, where another has none, nothing; else the same of all.
func refuseLease(book *Book, prices *Prices, who *Who, asks []Ask, usable bool, first *draw) []Outcome {
	why := make([]Outcome, len(asks))
	unpriced := refuseUnpriced(book, prices, who, asks, why)
	for i := range asks {
		switch {
		case why[i].Status != "":
		case unpriced:
			why[i] = denied(asks[i], NoStatus, "")
		case !usable:
			why[i] = denied(asks[i], NoLineItem, "")
		case first == nil:
			why[i] = denied(asks[i], NotFound, "no usable line item prices all of the items")
		default:
			why[i] = first.denied(asks[i])
		}
	}
	return why
}

var one = token.FromInt(1)

// refuseUnpriced refuses items that have no price by themselves, and reports whether there are any.
func refuseUnpriced(book *Book, prices *Prices, who *Who, asks []Ask, why []Outcome) (any bool) {
	for i := range asks {
		ask := &asks[i]
		if !prices.Catalog.Prices(ask.Item, ask.Version, prices.NowMS) {
			why[i], any = denied(*ask, NotFound, ""), true
			continue
		}
		alone, charges := draw{who: who}, false
		for _, l := range book.LineItems {
			item := prices.Catalog.Effective(l.Series, prices.NowMS).Item(ask.Item, ask.Version)
			charges = charges || item != nil && l.Usable(prices.NowMS, prices.Tolerant) && alone.price(item, ask.Variables)
		}
		if !charges && alone.unpriced != "" {
			why[i], any = denied(*ask, alone.unpriced, alone.why), true
		}
	}
	return any
}

// pricesOf returns what one of each item costs by a table; nil if it does not price all of them.
func pricesOf(table *rate.Table, who *Who, asks []Ask) []token.Amount {
	all := make([]token.Amount, len(asks))
	for i := range asks {
		item := table.Item(asks[i].Item, asks[i].Version)
		alone := draw{who: who} // items of other variables are others
		if item == nil || !alone.price(item, asks[i].Variables) {
			return nil
		}
		all[i] = alone.itemRate
	}
	return all
}

// Spent returns what so many of an item come to at the price of a lease. Of counts that grow, what is charged is the difference, so that
// it does not hang on how often they are told.
func Spent(count, price token.Amount) token.Amount { return token.MulHalfEven(count, price) }
