package audit

import (
	"fmt"
	"math/big"
	"slices"
)

// Leases tells of a lease that was asked for, of tokens for items (D41), and how it is shown; nil: it was refused.
func (r *Rules) Leases(d *Decision, tokens *big.Rat, shown *ShownHold) {
	a := r.attempt(d)
	paid, prices, why := a.lease(tokens)
	if paid == nil {
		r.refusesLease(d, shown, why)
		return
	}
	if shown == nil {
		r.complains = append(r.complains, fmt.Sprintf("a lease of %s for %q is refused at %d, and %d line items have them", text(tokens), d.Requester, d.Time, len(paid)))
		return
	}
	h := &RuledHold{
		ID: shown.ID, Type: d.Type, Requester: d.Requester, Dictionary: d.Dictionary, Made: d.Time, Until: shown.Until, Items: d.Items, Kept: [][]keptShare{a.keptOf(paid)},
		Settled: zero, Overdrawn: zero, Lease: true, Tokens: tokens, Prices: prices,
	}
	if !slices.EqualFunc(prices, shown.Prices, same) {
		r.complains = append(r.complains, fmt.Sprintf("lease %s is at prices of %s, want %s", shown.ID, texts(shown.Prices), texts(prices)))
	}
	for range d.Items {
		h.Reported = append(h.Reported, zero)
	}
	r.Seen["lease"]++
	r.hold(h, shown)
}

func (r *Rules) refusesLease(d *Decision, shown *ShownHold, why []string) {
	if shown != nil {
		r.complains = append(r.complains, fmt.Sprintf("lease %s is made at %d, want %q", shown.ID, d.Time, why))
		return
	}
	var told []string
	for _, item := range d.Items {
		told = append(told, item.Status)
	}
	if !slices.Equal(told, why) {
		r.complains = append(r.complains, fmt.Sprintf("a lease is refused at %d by %q, want %q", d.Time, told, why))
	}
}

// lease finds who gives tokens, at the first prices at which all can be had; else why not, by item.
func (a *attempt) lease(tokens *big.Rat) (paid []*giver, prices []*big.Rat, why []string) {
	type offer struct {
		prices []*big.Rat
		lines  []*RuledLineItem
	}
	var offers []*offer
	usable := false
	for _, l := range a.inOrder(a.Time) {
		if !a.usable(l, a.Time) {
			continue
		}
		usable = true
		prices := a.pricesBy(a.effective(l.Series, a.Time))
		if prices == nil {
			continue
		}
		at := slices.IndexFunc(offers, func(o *offer) bool { return slices.EqualFunc(o.prices, prices, same) })
		if at < 0 {
			at = len(offers)
			offers = append(offers, &offer{prices: prices})
		}
		offers[at].lines = append(offers[at].lines, l)
	}
	first := ""
	for _, o := range offers {
		var w wanted
		var givers []*giver
		for _, l := range o.lines {
			if g := a.giver(l, a.effective(l.Series, a.Time), whole(1)); g != nil {
				givers = append(givers, g)
			} else {
				w.ruled = true
			}
		}
		d := &drawing{bill: bill{count: tokens}, total: zero}
		switch {
		case a.draw(d, givers, &w, d.covered):
			return d.paid, o.prices, nil
		case first != "":
		case w.ruled:
			first = deniedByRules
		case w.limited:
			first = limitReached
		default:
			first = insufficient
		}
	}
	return nil, nil, a.whyNoLease(usable, first)
}

// pricesBy returns what one of each item costs by a table; nil: it does not price all.
func (a *attempt) pricesBy(table *PricedTable) (prices []*big.Rat) {
	if table == nil {
		return nil
	}
	for _, item := range a.Items {
		terms, lists := table.Items[item.Item]
		if !lists {
			return nil
		}
		price, status := terms.Price(item.N)
		if status != "" {
			return nil
		}
		prices = append(prices, price)
	}
	return prices
}

// whyNoLease says of each item that it has no price by itself; else, where another has none, nothing; else the same of all.
func (a *attempt) whyNoLease(usable bool, otherwise string) (why []string) {
	if otherwise == "" {
		otherwise = notFound
	}
	if !usable {
		otherwise = noLineItem
	}
	alone := false
	for _, item := range a.Items {
		status := a.unpriced(item)
		why = append(why, status)
		alone = alone || status != ""
	}
	for i := range why {
		switch {
		case why[i] != "":
		case alone:
			why[i] = noStatus
		default:
			why[i] = otherwise
		}
	}
	return why
}

// unpriced says why an item has no price by itself; empty: it has, or nobody asked for it.
func (a *attempt) unpriced(item DecidedItem) (failed string) {
	listed := false
	for _, t := range a.tables {
		if a.effective(t.Series, a.Time) == t {
			_, lists := t.Items[item.Item]
			listed = listed || lists
		}
	}
	if !listed {
		return notFound
	}
	for _, l := range a.lineItems {
		table := a.effective(l.Series, a.Time)
		if table == nil {
			continue
		}
		terms, lists := table.Items[item.Item]
		if !lists {
			continue
		}
		switch _, status := terms.Price(item.N); {
		case status == "" && a.usable(l, a.Time):
			return ""
		case status != "" && failed != notEvaluated && a.usable(l, a.Time):
			failed = status
		}
	}
	return failed
}
