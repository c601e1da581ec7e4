package audit

import (
	"math/big"
	"slices"
	"strings"
)

// state is what requests are judged by. Values in it never change; a change puts others in their place.
type state struct {
	tolerant  bool
	lineItems map[string]LineItem // without deleted ones
	tables    []*Table            // in the order of creation
}

// usable says whether a line item may be charged (D6).
func (s *state) usable(l LineItem, now int64) bool {
	margin := int64(0)
	if s.tolerant {
		margin = halfDay
	}
	return l.State == deployed && l.Elastic && l.Start-margin <= now && now < l.End+margin
}

// rate returns what an item costs by the newest effective table of a series, and that table; nil when it does not price it (D8).
func (s *state) rate(series, item, version string, now int64) (*big.Rat, *Table) {
	var newest *Table
	for _, t := range s.tables {
		if t.Series == series && t.From <= now && (newest == nil || t.From >= newest.From) {
			newest = t
		}
	}
	if newest == nil {
		return nil, nil
	}
	return newest.Rates[[2]string{item, version}], newest
}

// candidate is a usable line item whose series prices an ask.
type candidate struct {
	LineItem
	rate  *big.Rat
	table *Table
}

// candidates returns who may pay for an ask, in the order of drawing (D4), and how many line items are usable at all.
func (s *state) candidates(instance string, ask Ask, now int64) (all []candidate, usable int) {
	for _, l := range s.lineItems {
		if l.Instance == instance && s.usable(l, now) {
			usable++
		}
	}
	return s.pricing(instance, ask, now, func(l LineItem) bool { return s.usable(l, now) }), usable
}

// pricing returns the line items of an instance that price an ask, by the tables of a time, in the order of drawing.
func (s *state) pricing(instance string, ask Ask, at int64, counts func(LineItem) bool) (all []candidate) {
	for _, l := range s.lineItems {
		if l.Instance != instance || !counts(l) {
			continue
		}
		if rate, table := s.rate(l.Series, ask.Item, ask.Version, at); rate != nil {
			all = append(all, candidate{l, rate, table})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return drawn(a.LineItem, b.LineItem) })
	return all
}

// drawn compares line items by the order of drawing (D4).
func drawn(a, b LineItem) int {
	for _, by := range [][2]int64{{a.Priority, b.Priority}, {a.End, b.End}, {a.Start, b.Start}} {
		if by[0] != by[1] {
			return int(min(max(by[0]-by[1], -1), 1))
		}
	}
	return strings.Compare(a.ID, b.ID)
}

// pricedAnywhere says whether the effective table of any series prices an ask.
func (s *state) pricedAnywhere(ask Ask, now int64) bool {
	for _, t := range s.tables {
		if rate, _ := s.rate(t.Series, ask.Item, ask.Version, now); rate != nil {
			return true
		}
	}
	return false
}

// source is a balance or an overdraft that a charge may draw on.
type source struct {
	candidate
	overdraft bool
	left      *big.Rat
}

// sources returns what there is to draw on, in order: every balance, then every overdraft (D3).
func sources(all []candidate, used map[string]*big.Rat) (list []source) {
	for _, c := range all {
		list = append(list, source{c, false, atLeast0(sub(whole(c.Quantity), useOf(used, c.ID)))})
	}
	for _, c := range all {
		past := atLeast0(sub(useOf(used, c.ID), whole(c.Quantity)))
		room := sub(most, larger(useOf(used, c.ID), whole(c.Quantity)))
		switch c.Overdraft {
		case number:
			list = append(list, source{c, true, atLeast0(smaller(sub(whole(c.Limit), past), room))})
		case unlimited:
			list = append(list, source{c, true, atLeast0(room)})
		default:
			list = append(list, source{c, true, zero})
		}
	}
	return list
}

func useOf(used map[string]*big.Rat, id string) *big.Rat {
	if u := used[id]; u != nil {
		return u
	}
	return zero
}

// bill is what of a charge is still to be paid, at the rate that was last drawn on.
type bill struct {
	count     *big.Rat
	rate      *big.Rat // nil: nothing was drawn yet
	asked     *big.Rat // count x rate
	uncovered *big.Rat // of asked
}

// at returns the bill at a source's rate: the same when that is the rate already; else the count that is not covered yet,
// rounded up, at the new rate, rounded half to even (D2).
func (b bill) at(rate *big.Rat) bill {
	if b.rate != nil && same(b.rate, rate) {
		return b
	}
	if b.rate != nil {
		b.count = up(div(mul(b.count, b.uncovered), b.asked))
	}
	b.rate = rate
	b.asked = halfEven(mul(b.count, rate))
	b.uncovered = b.asked
	return b
}
