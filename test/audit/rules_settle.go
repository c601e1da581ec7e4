package audit

import (
	"fmt"
	"math/big"
	"slices"
)

// settledSlice is what one line item pays of finished work, with what it counts against.
type settledSlice struct {
	keptShare // overdraft has no meaning here
	over      *big.Rat
	overdrawn *big.Rat
}

func (s settledSlice) String() string {
	return fmt.Sprintf("%s %s at %s of %s %s, overdraft %s, overdrawn %s", s.lineItem, text(s.tokens), text(s.rate), s.series, s.version, text(s.over), text(s.overdrawn))
}

// finished is one item of finished work while it is paid.
type finished struct {
	*drawing
	item  *DecidedItem
	of    int      // which of what is kept is for it; less than 0: none
	price *big.Rat // by a lease; nil: it is none
	costs *big.Rat // so much
	taken []settledSlice
	last  int // of taken, which was added to last
	rest  []settledSlice
}

// forNothing says whether so many of an item come to no tokens by a lease. It is still somebody's to pay.
func (f *finished) forNothing() bool { return f.price != nil && f.costs.Sign() == 0 }

func (f *finished) enough() bool {
	if f.forNothing() && len(f.taken)+len(f.paid) == 0 {
		return false
	}
	return f.item.Count.Sign() == 0 || f.covered()
}

// Settles checks what was booked for finished work, and books it: what was held for it first, then as a charge would now, at the prices of when
// the hold was made, then past all that is allowed (D36, D37, D38).
func (r *Rules) Settles(d *Decision, shown *ShownHold, late bool, events []*RuledEvent) {
	h := r.moved(d.Time, "settlement", shown.ID)
	if h == nil {
		return
	}
	work := make([]*finished, len(d.Items))
	for i, of := range placesOfWork(h.Items, d.Items) {
		work[i] = &finished{item: &d.Items[i], of: of, drawing: &drawing{bill: bill{count: d.Items[i].Count}, total: zero}}
	}
	r.settle(h, d, work, shown, late, shown.State == settled, events)
}

// Reports checks what was booked for what a client used of a lease: what so many come to at its price, less what fewer came to before (D41, D42).
func (r *Rules) Reports(d *Decision, shown *ShownHold, late bool, events []*RuledEvent) {
	h := r.moved(d.Time, "report", shown.ID)
	if h == nil {
		return
	}
	work := make([]*finished, len(d.Items))
	for i := range d.Items {
		item := &d.Items[i]
		at := slices.IndexFunc(h.Items, func(l DecidedItem) bool { return l.Item == item.Item })
		before := halfEven(mul(h.Reported[at], h.Prices[at]))
		h.Reported[at] = add(h.Reported[at], item.Count)
		costs := sub(halfEven(mul(h.Reported[at], h.Prices[at])), before)
		b := bill{count: item.Count, rate: h.Prices[at], asked: costs, uncovered: costs}
		work[i] = &finished{item: item, price: h.Prices[at], costs: costs, drawing: &drawing{bill: b, total: zero}}
	}
	spent := zero
	for i, price := range h.Prices {
		spent = add(spent, halfEven(mul(h.Reported[i], price)))
	}
	if less(h.Tokens, spent) {
		r.complains = append(r.complains, fmt.Sprintf("%s are spent of lease %s, of %s", text(spent), h.ID, text(h.Tokens)))
	}
	r.settle(h, d, work, shown, late, shown.State == settled, events)
}

func (r *Rules) settle(h *RuledHold, d *Decision, work []*finished, shown *ShownHold, late, final bool, events []*RuledEvent) {
	if late != (h.State == "" && !h.lives(d.Time)) && (late || len(work) > 0) {
		r.complains = append(r.complains, fmt.Sprintf("hold %s until %d is settled at %d, late: %t", h.ID, h.Until, d.Time, late))
	}
	d.Priced, d.Dictionary, d.Made = h.Made, h.Dictionary, d.Time
	a := r.attempt(d)
	for _, f := range work {
		if h.lives(d.Time) && f.of >= 0 && f.item.Count.Sign() > 0 {
			a.fromKept(h, f)
		}
	}
	if final {
		h.State = settled // so that it keeps nothing more
	}
	for _, f := range work {
		a.fromBooks(h, f)
	}
	at := 0
	for i, f := range work {
		all := append(f.taken, f.rest...)
		if got, want := fmt.Sprint(d.Items[i].Settled), fmt.Sprint(all); d.Items[i].Status != granted || got != want {
			r.complains = append(r.complains, fmt.Sprintf("%s of %s of hold %s at %d, %s, is paid by %s, want %s", text(f.item.Count), f.item.Item, h.ID, d.Time, d.Items[i].Status, got, want))
			return
		}
		for j := range all {
			h.Settled, h.Overdrawn = add(h.Settled, all[j].tokens), add(h.Overdrawn, all[j].overdrawn)
			r.pays(&all[j], events[at])
			at++
		}
	}
	if at != len(events) {
		r.complains = append(r.complains, fmt.Sprintf("a settlement of hold %s has %d events too many", h.ID, len(events)-at))
	}
	if final {
		h.end(settled)
	}
	r.stands(h, shown)
}

// fromKept takes from what is kept for an item.
func (a *attempt) fromKept(h *RuledHold, f *finished) {
	for i := range h.Kept[f.of] {
		s := &h.Kept[f.of][i]
		price := f.price
		if price == nil {
			price = a.promised(h, f, s)
		}
		next := f.at(price)
		if s.tokens.Sign() == 0 && next.uncovered.Sign() > 0 {
			continue
		}
		take := smaller(s.tokens, next.uncovered)
		f.bill = next
		f.uncovered, f.total, s.tokens = sub(f.uncovered, take), add(f.total, take), sub(s.tokens, take)
		part := settledSlice{keptShare: *s, over: zero, overdrawn: zero}
		part.tokens, part.rate = take, price
		if s.overdraft {
			part.over = take
		}
		f.last = slices.IndexFunc(f.taken, func(t settledSlice) bool { return t.sameSlice(&part.keptShare) })
		if f.last < 0 {
			f.last = len(f.taken)
			f.taken = append(f.taken, part)
		} else {
			t := &f.taken[f.last]
			t.tokens, t.over = add(t.tokens, take), add(t.over, part.over)
		}
		if f.uncovered.Sign() == 0 {
			break
		}
	}
	for i := range f.taken {
		s := &f.taken[i]
		l := a.lineItems[s.lineItem]
		if !l.has(s.action) {
			s.action = ""
		}
		if l.Allowance == nil {
			s.consumes = nil
		}
		a.takes(s)
	}
}

// takes notes what was taken, for what is decided after. An allowance that was taken from stays, as one that was charged: it may have been held before
// the clock was set back.
func (a *attempt) takes(s *settledSlice) {
	l := a.lineItems[s.lineItem]
	l.shown = max(l.shown, s.allowance)
	if s.allowance == l.counts(a.Time) {
		a.used[s.lineItem] = add(orZero(a.used[s.lineItem]), s.tokens)
	}
	if s.action != "" {
		a.allocated[s.action] = add(orZero(a.allocated[s.action]), s.tokens)
	}
	if s.consumes != nil {
		a.consumed[*s.consumes] = add(orZero(a.consumed[*s.consumes]), s.tokens)
	}
}

// promised returns what one of an item costs where a share was kept: what was promised, or what the same table says with other variables.
func (a *attempt) promised(h *RuledHold, f *finished, s *keptShare) *big.Rat {
	was := h.Items[f.of].N
	if was == nil && f.item.N == nil || was != nil && f.item.N != nil && same(was, f.item.N) {
		return s.rate
	}
	price, _ := a.table(s.series, s.version).Items[f.item.Item].Price(f.item.N)
	if price == nil {
		a.complains = append(a.complains, fmt.Sprintf("%s of hold %s is settled, and has no price", f.item.Item, h.ID))
		return s.rate
	}
	return price
}

func (r *Rules) table(series, version string) *PricedTable {
	at := slices.IndexFunc(r.tables, func(t *PricedTable) bool { return t.Series == series && t.Version == version })
	return r.tables[at]
}

// fromBooks pays for the rest of an item.
func (a *attempt) fromBooks(h *RuledHold, f *finished) {
	var w wanted
	givers, _, _ := a.givers(f.item, &w)
	if f.price != nil {
		for _, g := range givers {
			g.rate = f.price
		}
	}
	covered := a.draw(f.drawing, givers, &w, f.enough)
	for _, g := range f.paid {
		f.rest = append(f.rest, settledSlice{keptShare: g.share(a.Time, g.drawn, false), over: g.over, overdrawn: zero})
	}
	if !covered {
		a.beyond(h, f)
	}
	for i := range f.rest {
		a.takes(&f.rest[i])
	}
}

// beyond books what nothing covers.
func (a *attempt) beyond(h *RuledHold, f *finished) {
	s, is := a.payer(h, f)
	if !is {
		a.complains = append(a.complains, fmt.Sprintf("%s of hold %s is settled at %d, and has no price", f.item.Item, h.ID, a.Time))
		return
	}
	f.bill = f.at(s.rate)
	l := a.lineItems[s.lineItem]
	used := add(add(l.usedAt(a.Time), orZero(a.used[l.ID])), a.heldOf(a.Made, l, a.Time))
	left := atLeast0(sub(whole(l.Quantity), used))
	for _, g := range f.paid {
		if g.RuledLineItem == l {
			left = sub(left, g.drawn)
		}
	}
	s.tokens, s.over, s.overdrawn = f.uncovered, sub(f.uncovered, smaller(f.uncovered, atLeast0(left))), f.uncovered
	s.allowance, s.action, s.consumes = l.counts(a.Time), "", nil
	if action := a.decides(l, a.Dictionary); len(l.Actions) > 0 && action != nil && action.Allocation != nil {
		s.action = action.ID
	}
	if l.Allowance != nil {
		consumes := l.consumption(a.Type+" "+a.Requester, a.Time)
		s.consumes = &consumes
	}
	f.rest = append(f.rest, s)
}

// payer says on whom is booked what nothing covers: who paid last for it, else the first that could have, else whose tokens were to, else the first that prices it.
func (a *attempt) payer(h *RuledHold, f *finished) (s settledSlice, is bool) {
	if f.drawing.last != nil {
		return settledSlice{keptShare: f.drawing.last.share(a.Time, zero, false)}, true
	}
	if len(f.taken) > 0 {
		return f.taken[f.last], true
	}
	for _, usable := range []bool{true, false} {
		for _, l := range a.inOrder(a.Time) {
			table := a.effective(l.Series, a.Priced)
			if table == nil || usable && !a.usable(l, a.Time) {
				continue
			}
			terms, lists := table.Items[f.item.Item]
			if !lists {
				continue
			}
			price, _ := terms.Price(f.item.N)
			if price == nil {
				continue
			}
			if f.price != nil {
				price = f.price
			}
			return settledSlice{keptShare: keptShare{lineItem: l.ID, series: table.Series, version: table.Version, rate: price}}, true
		}
		if usable && f.of >= 0 {
			s := settledSlice{keptShare: h.Kept[f.of][0]}
			if s.rate = f.price; f.price == nil {
				s.rate = a.promised(h, f, &h.Kept[f.of][0])
			}
			return s, true
		}
	}
	return s, false
}

// pays books what a line item paid of finished work, and compares how its event shows that.
func (r *Rules) pays(s *settledSlice, e *RuledEvent) {
	r.Seen[e.Kind+" "+e.Status]++
	l := r.lineItems[s.lineItem]
	if e.LineItem != s.lineItem || !same(e.Tokens, s.tokens) || e.Paid != s.allowance {
		r.complain(e, "it is booked so, want %s of the allowance of %d", s, s.allowance)
		return
	}
	if s.overdrawn.Sign() > 0 {
		r.Seen["overdrawn"]++
	}
	l.used[s.allowance] = add(l.usedOf(s.allowance), s.tokens)
	if s.action != "" {
		r.allocated[s.action] = add(orZero(r.allocated[s.action]), s.tokens)
	}
	if s.consumes != nil {
		r.consumed[*s.consumes] = add(orZero(r.consumed[*s.consumes]), s.tokens)
		r.again[*s.consumes] = r.again[*s.consumes] || l.Allowance == nil || *s.consumes != l.consumption(e.requester(), e.Time)
	}
	r.uses(l, e)
	r.bought(e, &paidShare{l.ID, s.series, s.version, s.rate, sub(s.tokens, s.over), s.over, s.allowance, s.action, s.consumes})
}

func (l *RuledLineItem) usedOf(allowance int64) *big.Rat { return orZero(l.used[allowance]) }

func (l *RuledLineItem) has(action string) bool {
	return action != "" && slices.ContainsFunc(l.Actions, func(a Action) bool { return a.ID == action })
}

// placesOfWork says which of what was held for each item is: the nth of a name is the nth of it, and the rest of that name are the last.
func placesOfWork(held, work []DecidedItem) []int {
	asks := func(items []DecidedItem) (all []Ask) {
		for _, i := range items {
			all = append(all, Ask{Item: i.Item})
		}
		return all
	}
	return (&Hold{Asks: asks(held)}).placesOf(asks(work))
}
