package ledger

import (
	"maps"
	"slices"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// Settling is finished work that is paid for, first from what a hold keeps.
type Settling struct {
	Hold     *Hold // without shares
	MadeMS   int64 // when the hold was made: the rate tables in force then price all of it
	Kept     [][]Share
	Promised []rate.Variables // by which Kept was priced
	Work     []Finished
	Final    bool // what is not used returns
	Late     bool // the hold has lapsed: nothing is kept any more
}

// Finished is one item of finished work. Its count may be 0, and is never granted in part.
type Finished struct {
	Ask
	Of int // which of Kept is for it; less than 0: none

	Leased *Leased // nil: the hold is no lease
}

// Leased is what one of an item costs by a lease, and what it comes to this time (Spent).
type Leased struct{ Price, Tokens token.Amount }

// Settle pays for finished work and books it, item by item, in full. Each takes from what is kept for it, first what was drawn first. If
// that is all, what is kept and not used returns. What is uncovered then is decided on the book as a charge would be, now, at the prices of
// when the hold was made; what even that does not cover is booked on the line item that paid last, past quantity, overdraft and
// rules, and is told in Slice.Overdrawn. Kept is then what is still kept, and the book's hold with it.
//
// It fails with a problem, and then nothing was booked: an item that nothing prices, or that comes to more than can be booked. At is which.
func (s *Settling) Settle(book *Book, prices *Prices, who *Who) (outcomes []Outcome, at int, err *problem.Error) {
	book.At(prices.NowMS)
	if !s.Late {
		book.reach(s.Kept)
	}
	was, kept := book.hold(s.Hold.ID), s.Kept
	s.Kept = make([][]Share, len(kept))
	for i := range kept {
		s.Kept[i] = slices.Clone(kept[i])
	}
	items := make([]settling, len(s.Work))
	undo := func() {
		for i := len(items) - 1; i >= 0; i-- {
			items[i].rest.Revert()
		}
		for i := len(items) - 1; i >= 0; i-- {
			items[i].kept.Revert()
		}
	}
	for i := range items {
		items[i] = settling{s: s, prices: prices, work: &s.Work[i], draw: draw{book: book, who: who, nowMS: prices.NowMS, count: s.Work[i].Count}}
		if of := s.Work[i].Leased; of != nil {
			d := &items[i].draw
			d.begun, d.rate, d.asked, d.uncovered = true, of.Price, of.Tokens, of.Tokens
		}
	}
	for i := range items {
		if at, err = i, items[i].fromKept(); err != nil {
			break
		}
	}
	if err == nil {
		s.keep(book, was)
	}
	for i := range items {
		if err == nil {
			at, err = i, items[i].onBook()
		}
	}
	undo()
	if err == nil {
		outcomes, at, err = book.settled(items)
	}
	if err != nil {
		s.Kept = kept
		if was != nil {
			book.Keep(was)
		}
		return nil, at, err
	}
	return outcomes, 0, nil
}

// keep has the book hold what is still kept.
func (s *Settling) keep(book *Book, was *Hold) {
	if was == nil {
		return
	}
	book.Drop(was.ID)
	if s.Final {
		return
	}
	still := *s.Hold
	still.Shares = slices.Concat(s.Kept...)
	book.Keep(&still)
}

// settled books what was decided, in the order in which it is told. It cannot be booked if a sum could not be read back.
func (b *Book) settled(items []settling) (outcomes []Outcome, at int, err *problem.Error) {
	for i := range items {
		d := &items[i].draw
		o := Outcome{Status: Granted, Count: items[i].work.Count, Tokens: d.total, Slices: append(items[i].kept.Slices, items[i].rest.Slices...)}
		o.Apply()
		outcomes = append(outcomes, o)
		for j := range o.Slices {
			s := &o.Slices[j]
			if token.Max.Less(s.Used) || token.Max.Less(o.Tokens) || s.Ruled != nil && (token.Max.Less(s.Ruled.ActionUsed) || token.Max.Less(s.Ruled.ConsumedTokens)) {
				for j := len(outcomes) - 1; j >= 0; j-- {
					outcomes[j].Revert()
				}
				return nil, i, problem.Field("count", "comes to more tokens than can be booked")
			}
		}
	}
	return outcomes, 0, nil
}

// settling is one item in the making.
type settling struct {
	s      *Settling
	prices *Prices
	work   *Finished
	draw
	kept, rest Outcome // what was taken from what was kept, and from the book; booked
	keptLast   int     // the slice of kept that was added to last
}

// fromKept takes from what is kept for an item.
func (w *settling) fromKept() *problem.Error {
	if w.s.Late || w.work.Of < 0 || w.work.Count.IsZero() {
		return nil
	}
	var of []*Share // of each slice
	var taken Outcome
	kept := w.s.Kept[w.work.Of]
	for i := range kept {
		s := &kept[i]
		price, err := w.promised(s)
		if err != nil {
			return err
		}
		if s.Tokens.IsZero() && !w.free(price) && !w.costsNothing() {
			continue
		}
		w.reprice(price)
		tokens := token.Min(w.uncovered, s.Tokens)
		at := slices.IndexFunc(of, s.like)
		if at < 0 {
			at = len(of)
			of = append(of, s)
			taken.Slices = append(taken.Slices, w.book.fromShare(w.who.Standing, s, price))
		}
		w.keptLast = at
		slice := &taken.Slices[at]
		slice.Tokens = slice.Tokens.Add(tokens)
		if s.Overdraft {
			slice.Overdraft = slice.Overdraft.Add(tokens)
		}
		s.Tokens = s.Tokens.Sub(tokens)
		w.uncovered, w.run, w.total = w.uncovered.Sub(tokens), w.run.Add(tokens), w.total.Add(tokens)
		if w.uncovered.IsZero() {
			break
		}
	}
	taken.Apply()
	w.kept = taken
	return nil
}

// promised returns what one of an item costs where a share was drawn: the rate that was promised, if the variables are the same.
func (w *settling) promised(s *Share) (token.Amount, *problem.Error) {
	switch {
	case w.work.Leased != nil:
		return w.work.Leased.Price, nil
	case w.sameVariables():
		return s.Rate, nil
	}
	item := w.prices.Catalog.Find(s.Series, s.Version).Item(w.work.Item, w.work.Version)
	if item == nil {
		return s.Rate, nil
	}
	if !w.price(item, w.work.Variables) {
		return token.Amount{}, w.noPrice()
	}
	return w.itemRate, nil
}

func (w *settling) sameVariables() bool {
	return maps.EqualFunc(w.work.Variables, w.s.Promised[w.work.Of], token.Amount.Equal)
}

// noPrice is the problem of an item for which a price was looked for in vain.
func (w *settling) noPrice() *problem.Error {
	switch w.unpriced {
	case NotEvaluated:
		return problem.Field("variables", "make no price: %s", w.why)
	case NegativeRate:
		return problem.Field("variables", "make a negative price, %s", w.why)
	}
	return problem.Field("item", "had no price when the hold was made, so this cannot be settled with it; charge it on its own")
}

// paid reports whether nothing is left to cover. What costs nothing is still somebody's to pay, so that it is recorded.
func (w *settling) paid() bool {
	if w.costsNothing() && len(w.kept.Slices)+len(w.slices) == 0 {
		return false
	}
	return w.work.Count.IsZero() || w.begun && w.uncovered.IsZero()
}

// costsNothing reports whether so many of an item come to no tokens by a lease.
func (w *settling) costsNothing() bool { return w.work.Leased != nil && w.work.Leased.Tokens.IsZero() }

// onBook pays for the rest of an item as a charge would, and then in any case.
func (w *settling) onBook() *problem.Error {
	for _, overdraft := range [...]bool{false, true} {
		for _, l := range w.book.LineItems {
			if w.paid() {
				break
			}
			if table := w.table(l, true); table != nil {
				w.from(l, table, table.Item(w.work.Item, w.work.Version), overdraft)
			}
		}
	}
	if !w.paid() {
		if err := w.beyond(); err != nil {
			return err
		}
	}
	w.rest.Slices = w.slices
	w.rest.Apply()
	return nil
}

// table returns the table by which a line item prices the item, and has found that price; nil: none does, or it is not usable and has to
// be.
func (w *settling) table(l *LineItem, usable bool) *rate.Table {
	if usable && !l.Usable(w.nowMS, w.prices.Tolerant) {
		return nil
	}
	table := w.prices.Catalog.Effective(l.Series, w.s.MadeMS)
	if item := table.Item(w.work.Item, w.work.Version); item == nil || !w.price(item, w.work.Variables) {
		return nil
	}
	if w.work.Leased != nil {
		w.itemRate = w.work.Leased.Price
	}
	return table
}

// beyond has the rest of an item paid by a line item that may not be charged so much: the one that paid last for it, else the first that could have,
// else the one that was to by the hold, else the first that prices it.
func (w *settling) beyond() *problem.Error {
	s, err := w.payer()
	if err != nil {
		return err
	}
	w.reprice(s.Rate)
	l := s.LineItem
	s.ResetMS, s.Tokens, s.Overdrawn = l.ResetMS, w.uncovered, w.uncovered
	left := l.Balance().Sub(w.drawn(l))
	if left.Sign() < 0 {
		left = token.Amount{}
	}
	s.Overdraft = w.uncovered.Sub(token.Min(w.uncovered, left))
	s.Ruled = w.who.ruled(l, w.against(l))
	w.total, w.uncovered = w.total.Add(s.Tokens), token.Amount{}
	w.slices = append(w.slices, s)
	return nil
}

// payer returns a slice of nothing yet.
func (w *settling) payer() (Slice, *problem.Error) {
	of := func(s *Slice) (Slice, *problem.Error) {
		return Slice{LineItem: s.LineItem, Series: s.Series, Version: s.Version, Rate: s.Rate}, nil
	}
	if len(w.slices) > 0 {
		return of(&w.slices[w.last])
	}
	if len(w.kept.Slices) > 0 {
		return of(&w.kept.Slices[w.keptLast])
	}
	for _, usable := range [...]bool{true, false} {
		for _, l := range w.book.LineItems {
			if table := w.table(l, usable); table != nil {
				return of(&Slice{LineItem: l, Series: table.Series, Version: table.Version, Rate: w.itemRate})
			}
		}
		if usable && w.work.Of >= 0 {
			s := &w.s.Kept[w.work.Of][0]
			price, err := w.promised(s)
			if err != nil {
				return Slice{}, err
			}
			return of(&Slice{LineItem: w.book.mustHave(s.Number), Series: s.Series, Version: s.Version, Rate: price})
		}
	}
	return Slice{}, w.noPrice()
}

// against returns what a line item's tokens count against, whether or not that allows them.
func (w *settling) against(l *LineItem) (c claim) {
	if len(l.Actions) > 0 {
		if a := w.who.action(w.book, l); a != nil && a.Allocation != nil {
			c.action = a
		}
	}
	if l.Limit != nil {
		c.limited = true
		c.sinceMS, _ = l.limitAround(w.nowMS)
	}
	return c
}

// fromShare returns a slice of nothing yet that takes from where a share was drawn.
func (b *Book) fromShare(standing *Standing, s *Share, price token.Amount) Slice {
	slice := b.giveBack(standing, s)
	slice.Rate = price
	if slice.LineItem.Limit != nil && s.Limited && (slice.Ruled == nil || slice.Ruled.Consumed == nil) {
		if slice.Ruled == nil {
			slice.Ruled = new(Ruled)
		}
		slice.Ruled.Consumed = standing.consumed(PeriodKey{s.Number, s.SinceMS})
	}
	return slice
}
