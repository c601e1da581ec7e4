package ledger

import (
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// Status is how one item of a request ended, as v1.0 codes it. When several reasons apply the order of precedence is
// NotFound, NoLineItem, Insufficient (decisions.md D28).
type Status string

// The statuses there are so far; the codes left out are those of rules that do not exist yet.
const (
	Granted      Status = "101" // charged
	NoStatus     Status = "102" // not charged, because of another item of the request
	NotFound     Status = "201" // no effective rate table prices it
	NoLineItem   Status = "301" // no line item is usable now
	Insufficient Status = "306" // balances and overdrafts do not cover it
)

// Description returns the documented text of a status.
func (s Status) Description() string {
	switch s {
	case Granted:
		return "Successfully checked out"
	case NoStatus:
		return "No Status"
	case NotFound:
		return "Item not found in any effective rate table"
	case NoLineItem:
		return "No valid active line items"
	case Insufficient:
		return "Insufficient elastic tokens available"
	}
	return ""
}

// Ask is one item of an access request.
type Ask struct {
	Item         string
	Version      string
	Count        token.Amount // more than 0
	AllowPartial bool         // grant the largest part that the tokens cover (decisions.md D5)
}

// Slice is what one line item pays of a charge, or gets of a refund.
type Slice struct {
	LineItem  *LineItem
	Series    string // of the table that priced it, and its version
	Version   string
	Rate      token.Amount
	Tokens    token.Amount
	Overdraft token.Amount // the part of Tokens that is overdraft
}

// Outcome is the decision on one ask, or a refund. Slices are in the order of drawing, one a line item (of a refund, and price);
// none unless Granted.
type Outcome struct {
	Status Status
	Count  token.Amount // granted; of a denial, as asked
	Tokens token.Amount // the sum of the slices
	Slices []Slice
	Terms  *rate.Item // of the line item that pays first; nil unless Granted, and if all was covered before
	Refund bool       // the tokens go back

	Coverage *Coverage // of an item whose charge covers later use; else nil
}

// Prices is what a decision knows of the world besides the book: the rate tables, the time and the configuration.
type Prices struct {
	Catalog  *rate.Catalog
	NowMS    int64
	Tolerant bool // timezone.tolerant
}

// Decide says who pays for an ask and changes nothing. Slices are appended to buf.
//
// First every usable line item gives of its balance, then, in the same order, of its overdraft (D3). A line item prices
// the ask by its own series (D2) and is skipped when that does not price it, or when it has nothing to give. An item is
// granted whole or not at all, unless AllowPartial (D5), and never for more than token.Max.
func Decide(book *Book, prices *Prices, ask Ask, buf []Slice) Outcome {
	d := draw{slices: buf, first: len(buf), count: ask.Count}
	usable := false
	for _, overdraft := range [...]bool{false, true} {
		for _, l := range book.LineItems {
			if !l.Usable(prices.NowMS, prices.Tolerant) {
				continue
			}
			usable = true
			table := prices.Catalog.Effective(l.Series, prices.NowMS)
			if item := table.Item(ask.Item, ask.Version); item != nil {
				if d.from(l, table, item, overdraft) {
					return d.granted(ask.Count)
				}
			}
		}
	}
	switch {
	case !prices.Catalog.Prices(ask.Item, ask.Version, prices.NowMS):
		return denied(ask, NotFound)
	case !usable:
		return denied(ask, NoLineItem)
	case !d.priced:
		return denied(ask, NotFound)
	case ask.AllowPartial:
		return part(book, prices, ask, d.covered(), buf)
	}
	return denied(ask, Insufficient)
}

// part grants the largest count that the tokens cover. The roundings of a split over several rates can make that count
// cost a last digit too much; then it gives way by as little as it must.
func part(book *Book, prices *Prices, ask Ask, count token.Amount, buf []Slice) Outcome {
	whole := ask
	whole.AllowPartial = false
	for step := ulp; count.Sign() > 0; step = step.Add(step) {
		whole.Count = token.Min(count, ask.Count)
		if o := Decide(book, prices, whole, buf); o.Status == Granted {
			return o
		}
		count = count.Sub(step)
	}
	return denied(ask, Insufficient)
}

// ulp is the smallest amount above 0.
var ulp = token.MustParse("0.000000000001")

func denied(ask Ask, why Status) Outcome { return Outcome{Status: why, Count: ask.Count} }

// draw is a charge in the making: what is still uncovered, in tokens at the rate of the line item asked last.
type draw struct {
	slices []Slice
	first  int
	terms  *rate.Item // of the first slice

	priced    bool         // by any line item
	begun     bool         // there is a rate
	rate      token.Amount // at which count and asked are
	count     token.Amount // uncovered when this rate was first asked
	asked     token.Amount // count x rate
	uncovered token.Amount // of asked
	run       token.Amount // tokens found at this rate
	found     token.Amount // count that the tokens of the rates before would cover
	total     token.Amount // tokens found
}

// from takes from one line item and reports whether nothing is left to cover.
func (d *draw) from(l *LineItem, table *rate.Table, item *rate.Item, overdraft bool) bool {
	d.priced = true
	left := l.Balance()
	if overdraft {
		left = l.overdraftLeft()
	}
	left = token.Min(left, token.Max.Sub(d.total))
	if left.IsZero() && !d.free(item.Rate) {
		return false // its rate must play no part, or the roundings of changing to it would be paid for
	}
	if d.terms == nil {
		d.terms = item
	}
	d.reprice(item.Rate)
	d.take(l, table, token.Min(d.uncovered, left), overdraft)
	return d.uncovered.IsZero()
}

// free reports whether what is uncovered costs nothing at a rate.
func (d *draw) free(price token.Amount) bool {
	if d.begun && price.Equal(d.rate) {
		return false // or it would be covered
	}
	at := *d
	at.reprice(price)
	return at.uncovered.IsZero()
}

// reprice expresses what is uncovered at another line item's rate (decisions.md D2).
func (d *draw) reprice(price token.Amount) {
	switch {
	case !d.begun:
		d.begun = true
	case price.Equal(d.rate):
		return
	default:
		d.found, d.run = d.covered(), token.Amount{}
		d.count = token.MulDivUp(d.count, d.uncovered, d.asked)
	}
	d.rate = price
	d.asked = token.MulHalfEven(d.count, price)
	d.uncovered = d.asked
}

func (d *draw) take(l *LineItem, table *rate.Table, tokens token.Amount, overdraft bool) {
	d.uncovered = d.uncovered.Sub(tokens)
	d.run, d.total = d.run.Add(tokens), d.total.Add(tokens)
	var over token.Amount
	if overdraft {
		over = tokens
	}
	for i := d.first; i < len(d.slices); i++ {
		if s := &d.slices[i]; s.LineItem == l {
			s.Tokens, s.Overdraft = s.Tokens.Add(tokens), s.Overdraft.Add(over)
			return
		}
	}
	d.slices = append(d.slices, Slice{LineItem: l, Series: table.Series, Version: table.Version, Rate: d.rate, Tokens: tokens, Overdraft: over})
}

func (d *draw) granted(count token.Amount) Outcome {
	return Outcome{Status: Granted, Count: count, Tokens: d.total, Slices: d.slices[d.first:], Terms: d.terms}
}

// covered returns the count that all tokens found so far would buy.
func (d *draw) covered() token.Amount {
	if d.run.IsZero() {
		return d.found
	}
	return d.found.Add(token.DivDown(d.run, d.rate))
}

// Apply books an outcome. The caller has decided it on the same book, with nothing booked since.
func (o *Outcome) Apply() {
	o.book(o.Refund)
	if o.Coverage != nil {
		o.Coverage.apply()
	}
}

// Revert undoes Apply, for a request that is granted whole or not at all.
func (o *Outcome) Revert() {
	o.book(!o.Refund)
	if o.Coverage != nil {
		o.Coverage.revert()
	}
}

func (o *Outcome) book(back bool) {
	for i := range o.Slices {
		s := &o.Slices[i]
		if back {
			s.LineItem.Used = s.LineItem.Used.Sub(s.Tokens)
		} else {
			s.LineItem.Used = s.LineItem.Used.Add(s.Tokens)
		}
	}
}
