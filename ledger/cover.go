package ledger

import "github.com/farebox/farebox/token"

// CoverKey says whose use of what a charge covers.
type CoverKey struct {
	RequesterKey
	ItemKey
}

// Cover is a charge that covers its requester's use of an item until a time: the window of the rate table's item. Within
// it, only a larger count than the covered one is charged, for what it is larger by.
type Cover struct {
	CoverKey
	Count   token.Amount // covered
	UntilMS int64        // covered before then
	Number  int64        // of the line item that paid first
}

// Coverage is what one decision has to do with a cover.
type Coverage struct {
	cover  *Cover // changed by Apply
	was    Cover
	is     Cover
	before token.Amount // of the count, covered already
}

// Covered returns the part of the count that was covered before, and so cost nothing.
func (c *Coverage) Covered() token.Amount { return c.before }

// UntilMS returns until when Count is covered.
func (c *Coverage) UntilMS() int64 { return c.is.UntilMS }

// Count returns the count that is covered now: less than what was granted, if the rest was charged without a window.
func (c *Coverage) Count() token.Amount { return c.is.Count }

// Changed returns the cover if the decision made or enlarged it, else nil.
func (c *Coverage) Changed() *Cover {
	if c.is == c.was {
		return nil
	}
	return c.cover
}

func (c *Coverage) apply()  { *c.cover = c.is }
func (c *Coverage) revert() { *c.cover = c.was }

// DecideCovered is Decide for an item that a charge before may cover, as its requester's standing says; Apply changes that.
func DecideCovered(book *Book, prices *Prices, who *Who, ask Ask, buf []Slice) Outcome {
	book.At(prices.NowMS)
	cover := who.Standing.cover(ItemKey{ask.Item, ask.Version})
	if cover.UntilMS <= prices.NowMS || cover.Count.IsZero() {
		o := Decide(book, prices, who, ask, buf)
		if o.Status == Granted && o.Terms.Window != 0 {
			is := Cover{cover.CoverKey, o.Count, prices.NowMS + o.Terms.Window.Milliseconds(), o.Slices[0].LineItem.Number}
			o.Coverage = &Coverage{cover: cover, was: *cover, is: is}
		}
		return o
	}
	payer := Slice{LineItem: book.mustHave(cover.Number)} // pays nothing, and is named for having paid
	whole := func(count token.Amount) Outcome {
		coverage := &Coverage{cover: cover, was: *cover, is: *cover, before: count}
		return Outcome{Status: Granted, Count: count, Slices: append(buf, payer)[len(buf):], Coverage: coverage}
	}
	if ask.Count.Cmp(cover.Count) <= 0 {
		return whole(ask.Count)
	}
	more := ask
	more.Count = ask.Count.Sub(cover.Count)
	o := Decide(book, prices, who, more, append(buf, payer))
	switch {
	case o.Status != Granted && ask.AllowPartial:
		return whole(cover.Count)
	case o.Status != Granted:
		o.Count = ask.Count
		return o
	}
	is := *cover
	if o.Terms.Window != 0 { // what is asked for on top is covered until the window that runs ends
		is.Count = is.Count.Add(o.Count)
	}
	o.Count = o.Count.Add(cover.Count)
	o.Slices = append([]Slice{payer}, o.Slices...)
	o.Coverage = &Coverage{cover: cover, was: *cover, is: is, before: cover.Count}
	return o
}
