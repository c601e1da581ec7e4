package audit

import (
	"maps"
	"math/big"
	"slices"
)

// coverKey says whose use of what a charge covers, by the window of its rate table.
type coverKey struct{ instance, requester, item, version string }

// cover is a charge that covers use until a time.
type cover struct {
	count *big.Rat
	until int64
	payer string
}

// decided is what becomes of an item.
type decided struct {
	Ask
	key     coverKey
	status  string
	draws   []draw
	terms   Terms    // of who pays first
	covered *big.Rat // the part of the count that a charge before covers; nil: none
	cover   *cover   // that the use has now
}

func (d *decided) tokens() *big.Rat { return sum(d.draws) }

// refundable returns what can be refunded of a charge: one that covers a window stays, and so does what it covers.
func (d *decided) refundable() []draw {
	if d.terms.Window != 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.draws), func(d draw) bool { return d.tokens.Sign() == 0 })
}

// decide decides on items one after the other, each on what is left by those before, and books what is granted.
func (a *Sessions) decide(instance, requester string, asks []Ask, allOrNothing bool, now int64) (all []decided, yes bool) {
	used, covers := maps.Clone(a.used), maps.Clone(a.covers)
	yes = true
	for _, ask := range asks {
		d := a.item(coverKey{instance, requester, ask.Item, ask.Version}, ask, now)
		if d.status == granted {
			for _, draw := range d.draws {
				a.used[draw.ID] = add(useOf(a.used, draw.ID), draw.tokens)
			}
			if d.cover != nil {
				a.covers[d.key] = *d.cover
			}
		}
		yes = yes && d.status == granted
		all = append(all, d)
	}
	if allOrNothing && !yes {
		a.used, a.covers = used, covers
		for i := range all {
			if all[i].status == granted {
				all[i].status = noStatus
			}
		}
	}
	return all, yes
}

// item decides on one item. What a charge before covers costs nothing, and only what is asked for on top is charged.
func (a *Sessions) item(key coverKey, ask Ask, now int64) decided {
	d := decided{Ask: ask, key: key, status: granted}
	c, there := a.covers[key]
	there = there && now < c.until
	count := ask.Count
	if there {
		d.cover, d.covered = &c, smaller(ask.Count, c.count)
		if count = sub(count, d.covered); count.Sign() == 0 {
			a.seen["use covered"]++
			return d
		}
	}
	all, usable := a.candidates(key.instance, ask, now)
	switch {
	case !a.pricedAnywhere(ask, now):
		d.status = notFound
	case usable == 0:
		d.status = noLineItem
	case len(all) == 0:
		d.status = notFound
	}
	if d.status != granted {
		return d
	}
	draws, paid := pay(sources(all, a.used), count)
	if !paid {
		d.status = insufficient
		return d
	}
	d.draws, d.terms = draws, draws[0].table.Terms[[2]string{ask.Item, ask.Version}]
	switch {
	case d.terms.Window == 0:
	case there:
		a.seen["cover enlarged"]++
		d.cover = &cover{add(c.count, count), c.until, c.payer}
	default:
		d.cover = &cover{count, now + d.terms.Window, draws[0].ID}
	}
	return d
}

// share is what a line item paid or gets back at one price.
type share struct {
	lineItem, series, version string
	rate, tokens, overdraft   *big.Rat
}

// shares adds up what line items paid.
func shares(paid []draw) (all []share) {
	for _, d := range paid {
		s := share{d.ID, d.table.Series, d.table.Version, d.rate, d.tokens, zero}
		if d.overdraft {
			s.overdraft = d.tokens
		}
		all = join(all, []share{s})
	}
	return all
}

// join adds up shares of the same line item at the same price.
func join(all, more []share) []share {
	all = slices.Clone(all)
	for _, s := range more {
		at := slices.IndexFunc(all, func(t share) bool {
			return t.lineItem == s.lineItem && t.series == s.series && t.version == s.version && same(t.rate, s.rate)
		})
		if at < 0 {
			all = append(all, s)
			continue
		}
		all[at].tokens, all[at].overdraft = add(all[at].tokens, s.tokens), add(all[at].overdraft, s.overdraft)
	}
	return all
}

// backwards takes back tokens of a charge: what was drawn last first, so overdrafts before balances (D12). No draw gives back more than
// it paid.
func backwards(paid []draw, tokens *big.Rat) (back, rest []share) {
	var returned, stays []draw
	for i := len(paid) - 1; i >= 0; i-- {
		d := paid[i]
		d.tokens = smaller(tokens, d.tokens)
		tokens = sub(tokens, d.tokens)
		if d.tokens.Sign() > 0 {
			returned = append(returned, d)
		}
		if d.tokens = sub(paid[i].tokens, d.tokens); d.tokens.Sign() > 0 {
			stays = append(stays, d)
		}
	}
	slices.Reverse(stays)
	return shares(returned), shares(stays)
}

// group are the events of one item that was decided on or refunded.
type group struct {
	events []Event
	count  *big.Rat // the sum of the counts; nil of refunds, whose counts are of each event
}

// refund books what a use gives back, and returns the events of it.
func (a *Sessions) refund(s *Session, u *use, back []share) (g group) {
	if len(back) > 1 {
		a.seen["refund of a split"]++
	}
	for _, r := range back {
		if _, there := a.lineItems[r.lineItem]; !there {
			a.seen["refund to a deleted line item"]++
		}
		if r.overdraft.Sign() > 0 && less(r.overdraft, r.tokens) {
			a.seen["refund of overdraft and balance"]++
		}
		a.used[r.lineItem] = sub(useOf(a.used, r.lineItem), r.tokens)
		s.Net = sub(s.Net, r.tokens)
		g.events = append(g.events, Event{
			Kind: "REFUND", Status: granted, Requester: s.requester, LineItem: r.lineItem, Item: u.Item, Version: u.Version,
			Count: sub(zero, halfEven(div(r.tokens, r.rate))), Rate: r.rate, Tokens: sub(zero, r.tokens), Overdraft: sub(zero, r.overdraft),
			Quantity: a.known[r.lineItem].Quantity, Series: r.series, TableVersion: r.version,
		})
	}
	return g
}

// items returns the events of items that were decided on.
func (a *Sessions) items(all []decided, kind, requester string) (groups []group) {
	for i := range all {
		d := &all[i]
		base := Event{Kind: kind, Status: d.status, Requester: requester, Item: d.Item, Version: d.Version, Rate: zero, Tokens: zero, Overdraft: zero}
		g := group{count: d.Count}
		if d.status != granted {
			base.Kind = "DENIAL"
			g.events = append(g.events, base)
			groups = append(groups, g)
			continue
		}
		if d.cover != nil && !less(d.cover.count, d.Count) { // else a part of it is charged every time
			base.CoveredUntil = d.cover.until
		}
		if d.covered != nil {
			e := base
			e.LineItem, e.Quantity, e.Count = d.cover.payer, a.known[d.cover.payer].Quantity, d.covered
			g.events = append(g.events, e)
		}
		for _, s := range shares(d.draws) {
			e := base
			e.LineItem, e.Quantity, e.Rate, e.Tokens, e.Overdraft = s.lineItem, a.known[s.lineItem].Quantity, s.rate, s.tokens, s.overdraft
			e.Series, e.TableVersion = s.series, s.version
			g.events = append(g.events, e)
		}
		groups = append(groups, g)
	}
	return groups
}

// answered returns the items of the answer that goes with events of decisions.
func answered(all []decided, groups []group) (items []AnsweredItem) {
	for i, g := range groups {
		item := AnsweredItem{Status: all[i].status, Count: all[i].Count, Tokens: zero}
		for _, e := range g.events {
			if e.Status == granted {
				item.Tokens = add(item.Tokens, e.Tokens)
				item.Slices = append(item.Slices, Slice{e.LineItem, e.Rate, e.Tokens})
			}
		}
		items = append(items, item)
	}
	return items
}
