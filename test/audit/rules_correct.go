package audit

import (
	"fmt"
	"math/big"
	"slices"
)

// paidShare is what one slice of a charge took, with what it counts against.
type paidShare struct {
	lineItem, series, version string
	rate                      *big.Rat
	balance, overdraft        *big.Rat
	allowance                 int64
	action                    string
	consumes                  *consumption
}

// receiptPlace is an item of a receipt.
type receiptPlace struct {
	correlationID string
	place         int
}

// bought remembers what an event took, for refunds by an administrator.
func (r *Rules) bought(e *RuledEvent, s *paidShare) {
	at := receiptPlace{e.CorrelationID, e.Place}
	r.shares[at] = append(r.shares[at], s)
	r.places[e.CorrelationID] = max(r.places[e.CorrelationID], e.Place+1)
	r.paidAt[e.CorrelationID] = e.Time
}

// Left returns what was not yet given back of an item of a charge.
func (r *Rules) Left(correlationID string, place int) *big.Rat {
	at := receiptPlace{correlationID, place}
	left := sub(zero, orZero(r.given[at]))
	for _, s := range r.shares[at] {
		left = add(left, add(s.balance, s.overdraft))
	}
	return left
}

// draws lists what was paid for an item in the order of drawing. A record does not tell in which order overdrafts were drawn, so that the line
// items' order now decides between those.
func (r *Rules) draws(at receiptPlace, now int64) (all []*payBack) {
	for _, s := range r.shares[at] {
		if s.balance.Sign() > 0 {
			all = append(all, &payBack{s, s.balance, false})
		}
	}
	for _, l := range r.inOrder(now) {
		for _, s := range r.shares[at] {
			if s.lineItem == l.ID && s.overdraft.Sign() > 0 {
				all = append(all, &payBack{s, s.overdraft, true})
			}
		}
	}
	return all
}

// payBack is a part of what was paid that goes back.
type payBack struct {
	*paidShare
	tokens *big.Rat
	over   bool
}

// Refunds checks and books what an administrator gave back of an item of a charge: what was drawn last first (D12).
func (r *Rules) Refunds(now int64, of string, place int, events []*RuledEvent) {
	r.Seen["refund by an administrator"]++
	at := receiptPlace{of, place}
	back := zero
	for _, e := range events {
		back = sub(back, e.Tokens)
	}
	if left := r.Left(of, place); less(left, back) || back.Sign() <= 0 {
		r.complain(events[0], "%s are refunded, %s are left", text(back), text(left))
		return
	}
	var parts []settledSlice
	skip, rest := orZero(r.given[at]), back
	draws := r.draws(at, now)
	for _, d := range slices.Backward(draws) {
		part := smaller(skip, d.tokens)
		skip = sub(skip, part)
		take := smaller(rest, sub(d.tokens, part))
		if rest = sub(rest, take); take.Sign() == 0 {
			continue
		}
		one := settledSlice{keptShare: keptShare{d.lineItem, d.series, d.version, d.rate, take, false, d.allowance, d.action, d.consumes}, over: zero, overdrawn: zero}
		if d.over {
			one.over = take
		}
		if i := slices.IndexFunc(parts, func(s settledSlice) bool { return s.sameSlice(&one.keptShare) }); i >= 0 {
			parts[i].tokens, parts[i].over = add(parts[i].tokens, take), add(parts[i].over, one.over)
		} else {
			parts = append(parts, one)
		}
	}
	r.given[at] = add(orZero(r.given[at]), back)
	if len(parts) != len(events) {
		r.complain(events[0], "%d line items get something back, want %s", len(events), fmt.Sprint(parts))
		return
	}
	for i := range parts {
		r.givesBack(&parts[i], events[i])
	}
}

func (r *Rules) givesBack(s *settledSlice, e *RuledEvent) {
	r.Seen[e.Kind+" "+e.Status]++
	l := r.lineItems[s.lineItem]
	if e.LineItem != s.lineItem || !same(e.Tokens, sub(zero, s.tokens)) || !same(e.Overdraft, sub(zero, s.over)) || e.Paid != s.allowance {
		r.complain(e, "want back %s of the allowance of %d", s, s.allowance)
		return
	}
	l.used[s.allowance] = sub(l.usedOf(s.allowance), s.tokens)
	if l.has(s.action) {
		r.allocated[s.action] = sub(orZero(r.allocated[s.action]), s.tokens)
	}
	if s.consumes != nil {
		r.consumed[*s.consumes] = sub(orZero(r.consumed[*s.consumes]), s.tokens)
	}
	r.uses(l, e)
}

// Adjusts checks and books what an administrator took for no item, or gave back.
func (r *Rules) Adjusts(e *RuledEvent) {
	r.Seen[e.Kind+" "+e.Status]++
	l := r.lineItems[e.LineItem]
	if l == nil {
		r.complain(e, "there is no such line item")
		return
	}
	allowance := l.counts(e.Time)
	used := l.usedOf(allowance)
	after := add(used, e.Tokens)
	past := func(used *big.Rat) *big.Rat { return atLeast0(sub(used, whole(l.Quantity))) }
	switch free := sub(l.whole(), add(used, r.heldOf(e.Time, l, e.Time))); {
	case after.Sign() < 0:
		r.complain(e, "%s are used", text(used))
	case e.Tokens.Sign() > 0 && l.Overdraft != unlimited && less(free, e.Tokens):
		r.complain(e, "%s are left, with the overdraft", text(free))
	case e.Paid != allowance || !same(e.Overdraft, sub(past(after), past(used))):
		r.complain(e, "%s of the allowance of %d are overdraft, want %s of that of %d", text(e.Overdraft), e.Paid, text(sub(past(after), past(used))), allowance)
	}
	l.used[allowance] = after
	r.uses(l, e)
}
