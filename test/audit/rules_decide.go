package audit

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Statuses that only rules, limits and formulas bring.
const (
	deniedByRules = "302"
	limitReached  = "303"
	notEvaluated  = "304"
	negativeRate  = "305"
)

// PricedTable is a rate table whose prices may depend on a variable n.
type PricedTable struct {
	Series, Version string
	From            int64
	Items           map[string]PricedItem // by name
}

// PricedItem is what one of an item costs, and for how long a charge covers its requester's use.
type PricedItem struct {
	Price  func(n *big.Rat) (price *big.Rat, status string) // n is nil when it is not told
	Window int64
}

// Decision is a receipt, as far as it says what was decided on items.
type Decision struct {
	Time       int64
	Type       string // of the requester
	Requester  string
	Dictionary []byte
	Items      []DecidedItem
	Made       int64 // when it was decided, later than Time of what was due before, and earlier if the clock was set back: what is held then is held
	Priced     int64 // as of when prices are those in force; 0: Time
	Held       bool  // it is held, not used, and nothing that covers later use plays a part
	Late       bool  // it is as of a time before what was decided already
	Vague      bool  // what was given back before, and is not seen, may have been drawn on
}

func (d *Decision) priced() int64 {
	if d.Priced != 0 {
		return d.Priced
	}
	return d.Time
}

// DecidedItem is one item of it.
type DecidedItem struct {
	Item, Status, Detail string
	Count                *big.Rat
	N                    *big.Rat // the variable; nil: not told
	Slices               []DecidedSlice
	Settled              []settledSlice // of finished work
}

// DecidedSlice is what one line item pays.
type DecidedSlice struct {
	LineItem, Series, Version string
	Rate, Tokens, Overdraft   *big.Rat
}

func (s DecidedSlice) String() string {
	return fmt.Sprintf("%s %s at %s of %s %s, overdraft %s", s.LineItem, text(s.Tokens), text(s.Rate), s.Series, s.Version, text(s.Overdraft))
}

// Table tells of a rate table that was posted.
func (r *Rules) Table(t *PricedTable) { r.tables = append(r.tables, t) }

// effective returns the newest table of a series (D8).
func (r *Rules) effective(series string, now int64) (newest *PricedTable) {
	for _, t := range r.tables {
		if t.Series == series && t.From <= now && (newest == nil || t.From >= newest.From) {
			newest = t
		}
	}
	return newest
}

// ruledCover is a charge that covers use until a time.
type ruledCover struct {
	count *big.Rat
	until int64
	payer string
}

// attempt is a decision in the making: what its items before have taken, which is not booked yet.
type attempt struct {
	*Rules
	*Decision
	used, allocated map[string]*big.Rat // by line item, by action
	consumed        map[consumption]*big.Rat
	covers          map[[2]string]ruledCover
}

func (r *Rules) attempt(d *Decision) *attempt {
	return &attempt{r, d, map[string]*big.Rat{}, map[string]*big.Rat{}, map[consumption]*big.Rat{}, map[[2]string]ruledCover{}}
}

// Decides checks what was decided on the items of a receipt, by what is booked so far; the events come after. It returns what a hold of them
// keeps.
func (r *Rules) Decides(d *Decision) (kept [][]keptShare) {
	a := r.attempt(d)
	denied := false
	for i := range d.Items {
		item := &d.Items[i]
		w := a.item(item)
		kept = append(kept, w.kept)
		denied = denied || w.status != granted || w.vague && item.Status != granted && item.Status != noStatus
		if item.Status == noStatus && w.status == granted {
			w.slices = nil // it was undone, but those after it saw it
		} else if w.status != item.Status && !(w.vague && w.allows(item.Status)) {
			r.complains = append(r.complains, fmt.Sprintf("%s %s of %s at %d: it is %s, want %s", d.Requester, text(item.Count), item.Item, d.Time, item.Status, w.status))
			continue
		}
		if got, want := fmt.Sprint(item.Slices), fmt.Sprint(w.slices); got != want && !w.vague {
			r.complains = append(r.complains, fmt.Sprintf("%s %s of %s at %d is paid by %s, want %s", d.Requester, text(item.Count), item.Item, d.Time, got, want))
		}
		if item.Status == limitReached && !w.vague && !strings.Contains(item.Detail, w.detail) {
			r.complains = append(r.complains, fmt.Sprintf("the denial says %q, want %q", item.Detail, w.detail))
		}
		if w.vague && w.status == granted {
			a.pricesOf(item)
		}
	}
	if !slices.ContainsFunc(d.Items, func(i DecidedItem) bool { return i.Status == noStatus }) {
		for key, c := range a.covers {
			r.covers[key] = c
		}
	} else if !denied {
		r.complains = append(r.complains, fmt.Sprintf("at %d items are withheld, and none is denied", d.Time))
	}
	return kept
}

// pricesOf holds what an item cost to its rate, where it is not known who had to pay.
func (a *attempt) pricesOf(item *DecidedItem) {
	for _, s := range item.Slices {
		if s.Version == "" { // what was covered before
			return
		}
		table := a.effective(s.Series, a.Time)
		if table == nil || table.Version != s.Version || a.lineItems[s.LineItem].Series != s.Series {
			a.complains = append(a.complains, fmt.Sprintf("at %d %s is not priced by its newest table", a.Time, s))
			return
		}
		if price, status := table.Items[item.Item].Price(item.N); status != "" || !same(price, s.Rate) {
			a.complains = append(a.complains, fmt.Sprintf("at %d %s: the rate is %s %s", a.Time, s, text(orZero(price)), status))
		}
	}
	if len(item.Slices) == 1 && !same(item.Slices[0].Tokens, halfEven(mul(item.Slices[0].Rate, item.Count))) {
		a.complains = append(a.complains, fmt.Sprintf("at %d %s of %s cost %s", a.Time, text(item.Count), item.Item, item.Slices[0]))
	}
}

// wanted is what ought to become of an item.
type wanted struct {
	status, detail string
	slices         []DecidedSlice
	kept           []keptShare
	vague          bool   // it cannot be told exactly what was there
	ruled, limited bool   // rules, a limit may be why
	failed         string // the status if those who price it do not suffice and another cannot price it
}

// allows says whether a status may be right, where what there was cannot be told exactly.
func (w *wanted) allows(status string) bool {
	switch {
	case status == granted || status == noStatus || w.failed != "":
		return status == granted || status == noStatus || status == w.failed
	case status == deniedByRules:
		return w.ruled
	case status == limitReached:
		return w.limited
	}
	return status == insufficient
}

func (a *attempt) item(item *DecidedItem) wanted {
	window := false
	for _, t := range a.tables {
		window = window || t.Items[item.Item].Window != 0
	}
	if !window || a.Held {
		w, _ := a.pay(item, item.Count)
		return w
	}
	key := [2]string{a.Type + " " + a.Requester, item.Item}
	c, there := a.covers[key]
	if !there {
		c, there = a.Rules.covers[key]
	}
	if !there || c.until <= a.Time {
		w, terms := a.pay(item, item.Count)
		if w.status == granted {
			if w.vague && len(item.Slices) > 0 { // whoever pays says for how long
				w.slices = item.Slices
				if table := a.effective(w.slices[0].Series, a.Time); table != nil {
					terms = table.Items[item.Item]
				}
			}
			a.covers[key] = ruledCover{item.Count, a.Time + terms.Window, w.slices[0].LineItem}
		}
		return w
	}
	payer := DecidedSlice{LineItem: c.payer, Rate: zero, Tokens: zero, Overdraft: zero}
	if !less(c.count, item.Count) {
		return wanted{status: granted, slices: []DecidedSlice{payer}}
	}
	w, _ := a.pay(item, sub(item.Count, c.count))
	if w.status == granted {
		w.slices = append([]DecidedSlice{payer}, w.slices...)
		a.covers[key] = ruledCover{item.Count, c.until, c.payer}
	}
	return w
}

// drawing is who pays for a count.
type drawing struct {
	bill
	total *big.Rat
	paid  []*giver // in the order in which they were drawn on first
	last  *giver   // that was drawn on last
}

func (d *drawing) covered() bool { return d.rate != nil && d.uncovered.Sign() == 0 }

// draw draws on balances, then on overdrafts, until it is enough, and reports whether it was.
func (a *attempt) draw(d *drawing, givers []*giver, w *wanted, enough func() bool) bool {
	for round := range 2 {
		for _, g := range givers {
			if enough() {
				return true
			}
			a.drawOn(d, g, w, round)
		}
	}
	return enough()
}

func (a *attempt) drawOn(d *drawing, g *giver, w *wanted, round int) {
	next := d.at(g.rate)
	left := smaller(g.has[round], sub(most, d.total))
	bound := func(by *big.Rat) bool {
		if by == nil || !less(atLeast0(sub(by, g.drawn)), left) {
			return false
		}
		left = atLeast0(sub(by, g.drawn))
		return less(left, next.uncovered)
	}
	w.ruled = bound(g.allocation) || w.ruled
	if bound(g.limit) && !w.limited {
		w.limited = true
		w.detail = fmt.Sprintf("from line item %s, until %s", g.ID, time.UnixMilli(after(g.Allowance.Often, g.Allowance.Anchor, a.Time)).UTC().Format(time.RFC3339))
	}
	if left.Sign() == 0 && (next.uncovered.Sign() > 0 || d.rate != nil && same(d.rate, g.rate)) {
		return
	}
	take := smaller(left, next.uncovered)
	d.bill, d.last = next, g
	d.uncovered, d.total, g.drawn = sub(d.uncovered, take), add(d.total, take), add(g.drawn, take)
	if round == 1 {
		g.over = add(g.over, take)
	}
	if !slices.Contains(d.paid, g) {
		d.paid = append(d.paid, g)
	}
}

// giver is a usable line item in its turn, with what it may give to this requester.
type giver struct {
	*RuledLineItem
	table      *PricedTable
	rate       *big.Rat
	action     *Action
	consumes   consumption
	has        [2]*big.Rat // balance, overdraft
	allocation *big.Rat    // what is left of it; nil: no bound
	limit      *big.Rat    // the same
	drawn      *big.Rat
	over       *big.Rat
}

// pay says who pays for a count, in the order and within the bounds of CHARGING.md, or why nobody does.
func (a *attempt) pay(item *DecidedItem, count *big.Rat) (w wanted, terms PricedItem) {
	givers, usable, failed := a.givers(item, &w)
	w.failed = failed
	priced := false
	for _, t := range a.tables {
		if e := a.effective(t.Series, a.Time); e != nil {
			_, lists := e.Items[item.Item]
			priced = priced || lists
		}
	}
	d := &drawing{bill: bill{count: count}, total: zero}
	if a.draw(d, givers, &w, d.covered) {
		w.status = granted
		return a.take(w.widened(givers), d.paid), d.paid[0].table.Items[item.Item]
	}
	switch {
	case !priced:
		w.status = notFound
	case failed != "":
		w.status = failed
	case usable == 0:
		w.status = noLineItem
	case len(givers) == 0 && !w.ruled:
		w.status = notFound
	case w.ruled:
		w.status = deniedByRules
	case w.limited:
		w.status = limitReached
	default:
		w.status = insufficient
	}
	if len(givers) == 0 {
		w.vague = false // whatever there was
	}
	return w.widened(givers), terms
}

// widened adds the bounds that may be why a count is denied, where what there was cannot be told exactly.
func (w wanted) widened(givers []*giver) wanted {
	for _, g := range givers {
		if w.vague {
			w.ruled, w.limited = w.ruled || g.allocation != nil, w.limited || g.limit != nil
		}
	}
	return w
}

// take notes what was drawn for the items after.
func (a *attempt) take(w wanted, paid []*giver) wanted {
	w.kept = a.keptOf(paid)
	for _, g := range paid {
		w.slices = append(w.slices, DecidedSlice{g.ID, g.table.Series, g.table.Version, g.rate, g.drawn, g.over})
		a.used[g.ID] = add(orZero(a.used[g.ID]), g.drawn)
		if g.allocation != nil {
			a.allocated[g.action.ID] = add(orZero(a.allocated[g.action.ID]), g.drawn)
		}
		if g.limit != nil {
			a.consumed[g.consumes] = add(orZero(a.consumed[g.consumes]), g.drawn)
		}
	}
	return w
}

// givers returns the usable line items that price an item and whose rules do not deny it, in the order of drawing (D4); how many
// are usable; and the worst reason why prices could not be told (D28).
func (a *attempt) givers(item *DecidedItem, w *wanted) (all []*giver, usable int, failed string) {
	fails := func(status string) {
		if status != "" && failed != notEvaluated {
			failed = status
		}
	}
	w.vague = a.Vague
	for _, l := range a.inOrder(a.Time) {
		if !a.usable(l, a.Time) {
			continue
		}
		usable++
		table := a.effective(l.Series, a.priced())
		if table == nil {
			continue
		}
		terms, lists := table.Items[item.Item]
		if !lists {
			continue
		}
		price, status := terms.Price(item.N)
		if fails(status); status != "" {
			continue
		}
		w.vague = w.vague || a.Late && l.Recurs != "" // of which allowance it is depends on who came before
		if g := a.giver(l, table, price); g != nil {
			all = append(all, g)
		} else {
			w.ruled = true
		}
	}
	if usable == 0 {
		failed = a.failsAnywhere(item)
	}
	return all, usable, failed
}

// inOrder returns all line items in the order in which they are drawn at a time (D4).
func (r *Rules) inOrder(now int64) (all []*RuledLineItem) {
	for _, l := range r.lineItems {
		all = append(all, l)
	}
	slices.SortFunc(all, func(x, y *RuledLineItem) int {
		for _, by := range [][2]int64{{x.Priority, y.Priority}, {x.ends(now), y.ends(now)}, {x.Start, y.Start}} {
			if by[0] != by[1] {
				return int(min(max(by[0]-by[1], -1), 1))
			}
		}
		return strings.Compare(x.ID, y.ID)
	})
	return all
}

// ends returns when what a line item has at a time is gone: its allowance, or itself.
func (l *RuledLineItem) ends(now int64) int64 {
	if l.Recurs == "" {
		return l.End
	}
	return min(l.End, after(l.Recurs, l.Start, l.counts(now)))
}

// failsAnywhere returns the worst reason why no series has a price, if none has.
func (a *attempt) failsAnywhere(item *DecidedItem) (failed string) {
	for _, t := range a.tables {
		if a.effective(t.Series, a.Time) != t {
			continue
		}
		terms, lists := t.Items[item.Item]
		if !lists {
			continue
		}
		switch _, status := terms.Price(item.N); {
		case status == "":
			return ""
		case failed != notEvaluated:
			failed = status
		}
	}
	return failed
}

// giver returns nil of a line item whose rules give nothing to the requester.
func (a *attempt) giver(l *RuledLineItem, table *PricedTable, price *big.Rat) *giver {
	used := add(add(l.usedAt(a.Time), orZero(a.used[l.ID])), a.heldOf(a.Made, l, a.Time))
	balance := atLeast0(sub(whole(l.Quantity), used))
	g := &giver{RuledLineItem: l, table: table, rate: price, drawn: zero, over: zero}
	g.has = [2]*big.Rat{balance, atLeast0(sub(sub(l.whole(), used), balance))}
	if len(l.Actions) > 0 {
		g.action = a.decides(l, a.Dictionary)
		if g.action == nil || !g.action.Allow {
			return nil
		}
		if g.action.Allocation != nil {
			g.allocation = sub(sub(g.action.Allocation, orZero(a.Rules.allocated[g.action.ID])), orZero(a.allocated[g.action.ID]))
			g.allocation = sub(g.allocation, a.heldOfAction(a.Made, g.action.ID))
		}
	}
	if l.Allowance != nil {
		g.consumes = l.consumption(a.Type+" "+a.Requester, a.Time)
		g.limit = sub(sub(l.Allowance.Tokens, orZero(a.Rules.consumed[g.consumes])), orZero(a.consumed[g.consumes]))
		g.limit = sub(g.limit, a.heldOfLimit(a.Made, g.consumes))
	}
	return g
}
