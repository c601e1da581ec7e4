package ledger

import (
	"fmt"
	"time"

	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// Status is how one item of a request ended, as v1.0 codes it. When several reasons apply the order of precedence is
// NotFound, NotEvaluated, NegativeRate, NoLineItem, DeniedByRules, LimitReached, Insufficient (decisions.md D28).
type Status string

// The statuses there are.
const (
	Granted       Status = "101" // charged
	NoStatus      Status = "102" // not charged, because of another item of the request
	NotFound      Status = "201" // no effective rate table prices it
	NoLineItem    Status = "301" // no line item is usable now
	DeniedByRules Status = "302" // rules of access keep back what might have covered it
	LimitReached  Status = "303" // a consumption limit keeps back what might have covered it
	NotEvaluated  Status = "304" // the formula of its price has no value
	NegativeRate  Status = "305" // its formula makes a negative price
	Insufficient  Status = "306" // balances and overdrafts do not cover it
)

// Statuses are all statuses.
var Statuses = []Status{Granted, NoStatus, NotFound, NoLineItem, DeniedByRules, LimitReached, NotEvaluated, NegativeRate, Insufficient}

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
	case DeniedByRules:
		return "Denied by rules of access"
	case LimitReached:
		return "Consumption limit reached"
	case NotEvaluated:
		return "Formula cannot be evaluated"
	case NegativeRate:
		return "Negative rate"
	case Insufficient:
		return "Insufficient elastic tokens available"
	}
	return ""
}

// Ask is one item of an access request.
type Ask struct {
	Item         string
	Version      string
	Count        token.Amount   // more than 0
	AllowPartial bool           // grant the largest part that the tokens cover (decisions.md D5)
	Variables    rate.Variables // of the price's formula; nil: none
}

// Slice is what one line item pays of a charge, or gets of a refund.
type Slice struct {
	LineItem  *LineItem
	Series    string // of the table that priced it, and its version
	Version   string
	Rate      token.Amount
	Tokens    token.Amount
	Overdraft token.Amount // the part of Tokens that is overdraft
	ResetMS   int64        // when the allowance began that a recurring line item paid from
	Ruled     *Ruled       // nil: neither rules nor a limit have to do with it
	Overdrawn token.Amount // the part of Overdraft that was past all that is allowed: of a settlement

	Used        token.Amount // of the line item, after it: set by Apply
	UsedResetMS int64        // when the allowance began that Used is of
}

// Ruled is what a slice takes from an allocation and from a consumption limit, or gives back to them.
type Ruled struct {
	Action   *Action   // with an allocation; nil: none
	Consumed *Consumed // by the requester, in the limit's period; nil: there is no limit

	ActionUsed     token.Amount // after it: set by Apply
	ConsumedTokens token.Amount
}

// Outcome is the decision on one ask, or a refund. Slices are in the order of drawing, one a line item (of a refund, and price);
// none unless Granted.
type Outcome struct {
	Status Status
	Detail string       // of a denial, for people: more than the status says; may be empty
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

// Decide says who pays for an ask and changes nothing, but that recurring allowances that are over begin anew. Slices are
// appended to buf. docs/CHARGING.md has the order of its checks.
//
// First every usable line item gives of its balance, then, in the same order, of its overdraft (D3). A line item prices
// the ask by its own series (D2) and is skipped when that does not price it, or when it has nothing to give to this requester:
// at most what its rules of access (D22) and its consumption limit (D23) leave. An item is granted whole or not at all,
// unless AllowPartial (D5), and never for more than token.Max.
func Decide(book *Book, prices *Prices, who *Who, ask Ask, buf []Slice) Outcome {
	book.At(prices.NowMS)
	d := draw{book: book, who: who, nowMS: prices.NowMS, slices: buf, first: len(buf), count: ask.Count}
	usable := false
	for _, overdraft := range [...]bool{false, true} {
		for _, l := range book.LineItems {
			if !l.Usable(prices.NowMS, prices.Tolerant) {
				continue
			}
			usable = true
			table := prices.Catalog.Effective(l.Series, prices.NowMS)
			if item := table.Item(ask.Item, ask.Version); item != nil && d.price(item, ask.Variables) {
				if d.from(l, table, item, overdraft) {
					return d.granted(ask.Count)
				}
			}
		}
	}
	if !usable {
		charges := false // in any series: there is none that it would be bought from
		prices.Catalog.EachPrice(ask.Item, ask.Version, prices.NowMS, func(item *rate.Item) { charges = d.price(item, ask.Variables) || charges })
		if charges {
			d.unpriced = ""
		}
	}
	switch {
	case !prices.Catalog.Prices(ask.Item, ask.Version, prices.NowMS):
		return denied(ask, NotFound, "")
	case d.unpriced != "":
		return denied(ask, d.unpriced, d.why)
	case !usable:
		return denied(ask, NoLineItem, "")
	case !d.priced:
		return denied(ask, NotFound, "")
	case ask.AllowPartial:
		if o := part(book, prices, who, ask, d.covered(), buf); o.Status == Granted {
			return o
		}
	}
	return d.denied(ask)
}

// denied says which of the reasons that line items gave nothing comes first.
func (d *draw) denied(ask Ask) Outcome {
	switch {
	case d.ruled:
		return denied(ask, DeniedByRules, "")
	case d.limited != nil:
		_, nextMS := d.limited.limitAround(d.nowMS)
		return denied(ask, LimitReached, fmt.Sprintf("%s tokens per %s and requester from line item %s, until %s", d.limited.Limit.Tokens,
			d.limited.Limit.Period, d.limited.ActivationID, time.UnixMilli(nextMS).UTC().Format(time.RFC3339)))
	}
	return denied(ask, Insufficient, "")
}

// part grants the largest count that the tokens cover. The roundings of a split over several rates can make that count
// cost a last digit too much; then it gives way by as little as it must.
func part(book *Book, prices *Prices, who *Who, ask Ask, count token.Amount, buf []Slice) Outcome {
	whole := ask
	whole.AllowPartial = false
	for step := token.Smallest; count.Sign() > 0; step = step.Add(step) {
		whole.Count = token.Min(count, ask.Count)
		if o := Decide(book, prices, who, whole, buf); o.Status == Granted {
			return o
		}
		count = count.Sub(step)
	}
	return Outcome{}
}

func denied(ask Ask, why Status, detail string) Outcome {
	return Outcome{Status: why, Detail: detail, Count: ask.Count}
}

// draw is a charge in the making: what is still uncovered, in tokens at the rate of the line item asked last.
type draw struct {
	book   *Book
	who    *Who
	nowMS  int64
	slices []Slice
	first  int
	last   int        // the slice that was added to last
	terms  *rate.Item // of the first slice

	item     *rate.Item   // whose price was asked for last
	itemRate token.Amount // and what it was
	charges  bool         // and whether that can be charged
	unpriced Status       // why a price could not be, the worst reason; empty: none was so
	why      string

	priced    bool         // by any line item
	ruled     bool         // rules of access have kept something back
	limited   *LineItem    // the first whose limit has
	begun     bool         // there is a rate
	rate      token.Amount // at which count and asked are
	count     token.Amount // uncovered when this rate was first asked
	asked     token.Amount // count x rate
	uncovered token.Amount // of asked
	run       token.Amount // tokens found at this rate
	found     token.Amount // count that the tokens of the rates before would cover
	total     token.Amount // tokens found
}

// price finds what one of an item costs and reports whether that can be charged.
func (d *draw) price(item *rate.Item, variables rate.Variables) bool {
	if item == d.item {
		return d.charges
	}
	price, err := item.PriceWithin(&d.who.Work, variables)
	d.item, d.itemRate, d.charges = item, price, false
	switch {
	case err != nil:
		if d.unpriced != NotEvaluated {
			d.unpriced, d.why = NotEvaluated, err.Error()
		}
	case price.Sign() < 0:
		if d.unpriced == "" {
			d.unpriced, d.why = NegativeRate, price.String()
		}
	default:
		d.charges = true
	}
	return d.charges
}

// from takes from one line item and reports whether nothing is left to cover.
func (d *draw) from(l *LineItem, table *rate.Table, item *rate.Item, overdraft bool) bool {
	d.priced = true
	price := d.itemRate
	left := l.Balance()
	if overdraft {
		left = l.OverdraftLeft()
	}
	left = token.Min(left, token.Max.Sub(d.total))
	var against claim
	if d.book.ruled {
		var gives bool
		if left, against, gives = d.allowed(l, left, price); !gives {
			return false
		}
	}
	if left.IsZero() && !d.free(price) {
		return false // its rate must play no part, or the roundings of changing to it would be paid for
	}
	if d.terms == nil {
		d.terms = item
	}
	d.reprice(price)
	d.take(l, table, token.Min(d.uncovered, left), overdraft, against)
	return d.uncovered.IsZero()
}

// claim is what tokens of a line item count against besides it. What most line items looked at have is never needed, so that it
// becomes a Ruled only in a slice.
type claim struct {
	action  *Action // with an allocation
	limited bool
	sinceMS int64
}

// allowed returns how much of what a line item has left it gives to this requester, and what that counts against; false if it
// gives nothing to it, not even for nothing. A bound is a reason for a denial only where it keeps back what was needed.
func (d *draw) allowed(l *LineItem, left, price token.Amount) (_ token.Amount, against claim, gives bool) {
	needed := d.needed(price)
	bound := func(most token.Amount) bool {
		most = most.Sub(d.drawn(l))
		if most.Sign() < 0 {
			most = token.Amount{}
		}
		if !most.Less(left) {
			return false
		}
		left = most
		return most.Less(needed)
	}
	if len(l.Actions) > 0 {
		a := d.who.action(d.book, l)
		if a == nil || !a.Allow {
			d.ruled = true
			return left, against, false
		}
		if a.Allocation != nil {
			against.action = a
			d.ruled = bound(a.Allocation.Sub(a.Used).Sub(d.book.heldOfAction(l, a))) || d.ruled
		}
	}
	if l.Limit != nil {
		sinceMS, _ := l.limitAround(d.nowMS)
		against.limited, against.sinceMS = true, sinceMS
		most := l.Limit.Tokens
		if c := d.who.Standing.Consumed[PeriodKey{l.Number, sinceMS}]; c != nil {
			most = most.Sub(c.Tokens)
		}
		most = most.Sub(d.book.heldOfLimit(d.who.Standing.RequesterKey, PeriodKey{l.Number, sinceMS}))
		if bound(most) && d.limited == nil {
			d.limited = l
		}
	}
	return left, against, true
}

// ruled returns what a slice of a line item counts against; nil: nothing.
func (w *Who) ruled(l *LineItem, against claim) *Ruled {
	if against == (claim{}) {
		return nil
	}
	r := &Ruled{Action: against.action}
	if against.limited {
		r.Consumed = w.Standing.consumed(PeriodKey{l.Number, against.sinceMS})
	}
	return r
}

// drawn returns what this charge takes from a line item so far.
func (d *draw) drawn(l *LineItem) token.Amount {
	for i := d.first; i < len(d.slices); i++ {
		if d.slices[i].LineItem == l {
			return d.slices[i].Tokens
		}
	}
	return token.Amount{}
}

// free reports whether what is uncovered costs nothing at a rate.
func (d *draw) free(price token.Amount) bool {
	if d.begun && price.Equal(d.rate) {
		return false // or it would be covered
	}
	return d.needed(price).IsZero()
}

// needed returns what is uncovered, at a rate.
func (d *draw) needed(price token.Amount) token.Amount {
	at := *d
	at.reprice(price)
	return at.uncovered
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

func (d *draw) take(l *LineItem, table *rate.Table, tokens token.Amount, overdraft bool, against claim) {
	d.uncovered = d.uncovered.Sub(tokens)
	d.run, d.total = d.run.Add(tokens), d.total.Add(tokens)
	var over token.Amount
	if overdraft {
		over = tokens
	}
	for i := d.first; i < len(d.slices); i++ {
		if s := &d.slices[i]; s.LineItem == l {
			d.last = i
			s.Tokens, s.Overdraft = s.Tokens.Add(tokens), s.Overdraft.Add(over)
			return
		}
	}
	d.last = len(d.slices)
	d.slices = append(d.slices, Slice{
		LineItem: l, Series: table.Series, Version: table.Version, Rate: d.rate, Tokens: tokens, Overdraft: over, ResetMS: l.ResetMS,
		Ruled: d.who.ruled(l, against),
	})
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
	for i := range o.Slices {
		o.Slices[i].book(o.sign(o.Slices[i].Tokens))
	}
	if o.Coverage != nil {
		o.Coverage.apply()
	}
}

// Revert undoes Apply, for a request that is granted whole or not at all: of several outcomes, the last first.
func (o *Outcome) Revert() {
	for i := len(o.Slices) - 1; i >= 0; i-- {
		o.Slices[i].unbook(o.sign(o.Slices[i].Tokens))
	}
	if o.Coverage != nil {
		o.Coverage.revert()
	}
}

func (o *Outcome) sign(tokens token.Amount) token.Amount {
	if o.Refund {
		return tokens.Neg()
	}
	return tokens
}

// book moves tokens of a line item, and of the allocation and the limit that they count against. A refund of what was paid from
// an allowance that is over comes too late: nothing of it is left to be given back to.
func (s *Slice) book(tokens token.Amount) {
	if s.ResetMS == s.LineItem.ResetMS {
		s.LineItem.Used = s.LineItem.Used.Add(tokens)
	}
	s.LineItem.ahead.booked++
	if r := s.Ruled; r != nil && r.Action != nil {
		r.Action.Used = r.Action.Used.Add(tokens)
	}
	if r := s.Ruled; r != nil && r.Consumed != nil {
		r.Consumed.Tokens = r.Consumed.Tokens.Add(tokens)
	}
	s.stand()
}

// stand has a slice tell how its line item, and what else it counts against, stand.
func (s *Slice) stand() {
	s.Used, s.UsedResetMS = s.LineItem.Used, s.LineItem.ResetMS
	if r := s.Ruled; r != nil && r.Action != nil {
		r.ActionUsed = r.Action.Used
	}
	if r := s.Ruled; r != nil && r.Consumed != nil {
		r.ConsumedTokens = r.Consumed.Tokens
	}
}

// unbook undoes book of the same tokens.
func (s *Slice) unbook(tokens token.Amount) {
	if s.ResetMS == s.LineItem.ResetMS {
		s.LineItem.Used = s.LineItem.Used.Sub(tokens)
	}
	s.LineItem.ahead.booked--
	if r := s.Ruled; r != nil && r.Action != nil {
		r.Action.Used = r.Action.Used.Sub(tokens)
	}
	if r := s.Ruled; r != nil && r.Consumed != nil {
		r.Consumed.Tokens = r.Consumed.Tokens.Sub(tokens)
	}
}
