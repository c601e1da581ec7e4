package audit

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
)

// Rules checks decisions and usage events against prices, rules of access, allocations, consumption limits and recurring allowances. It
// is told what the producer set, and every receipt and event once, before the next thing is set; prices, periods, conditions, who pays
// and why nobody does it works out by itself.
type Rules struct {
	Tolerant bool
	Seen     map[string]int   // events by kind and status, to see what a history came to
	Numbers  map[int64]string // line items, as the product numbers them

	lineItems  map[string]*RuledLineItem
	conditions map[string]*Condition
	tables     []*PricedTable           // in the order of creation
	covers     map[[2]string]ruledCover // by requester and item
	allocated  map[string]*big.Rat      // by action
	consumed   map[consumption]*big.Rat
	again      map[consumption]bool          // consumed by what was held before, which may be counted anew
	payments   map[refundable][]*payment     // of sessions, the last one last
	allHolds   []*RuledHold                  // leases among them
	shares     map[receiptPlace][]*paidShare // of what an administrator may refund
	given      map[receiptPlace]*big.Rat     // what one has
	places     map[string]int                // how many items a receipt has that is remembered, and when it was
	paidAt     map[string]int64
	complains  []string
}

// RuledLineItem is a line item with all that restricts it.
type RuledLineItem struct {
	LineItem
	Kind, Recurs string
	Actions      []Action
	Allowance    *Consumable // the consumption limit; nil: none

	counting int                // how often counting under a limit began
	from     int64              // when counting, or the first period that goes on counting, began
	used     map[int64]*big.Rat // by when the allowance began; 0 unless it recurs
	shown    int64              // when the latest allowance began that an event was of: it stays, also when the clock is set back
}

// Consumable is what one requester may consume in a period.
type Consumable struct {
	Tokens *big.Rat
	Often  string
	Anchor int64 // when some period begins
}

// Action gives to those for whom a condition holds.
type Action struct {
	ID, Condition string // no condition: it is for all
	Allow         bool
	Allocation    *big.Rat // nil: no bound
}

// Condition is of a key and values, or of other conditions.
type Condition struct {
	ID, Operator, Key string
	Values            []string
	Parts             []*Condition
	Refers            string // it stands for the condition with that id
}

// RuledEvent is an event with who asked in full.
type RuledEvent struct {
	Event
	Type       string // of the requester
	Dictionary []byte
	Paid       int64 // when the allowance began that pays
	Shown      int64 // and the one that its use is of
	Late       bool  // it is as of a time before what was decided already
	Place      int   // of its item in its receipt, or in the charge that it refunds
}

type consumption struct {
	lineItem, requester string
	counting            int
	since               int64
}

type refundable struct{ session, item, version, lineItem, series, table, rate string }

// payment is what of a charge was not refunded yet, and what it counts against.
type payment struct {
	left      *big.Rat
	requester string
	allowance int64
	action    string
	consumed  *consumption
}

// NewRules returns an auditor of a producer who has set nothing.
func NewRules() *Rules {
	return &Rules{
		Seen: map[string]int{}, lineItems: map[string]*RuledLineItem{}, conditions: map[string]*Condition{}, allocated: map[string]*big.Rat{},
		consumed: map[consumption]*big.Rat{}, again: map[consumption]bool{}, payments: map[refundable][]*payment{}, covers: map[[2]string]ruledCover{},
		Numbers: map[int64]string{}, shares: map[receiptPlace][]*paidShare{}, given: map[receiptPlace]*big.Rat{}, places: map[string]int{}, paidAt: map[string]int64{},
	}
}

// LineItem tells of a line item that was put; its use, rules and limit stay.
func (r *Rules) LineItem(l LineItem, kind, recurs string) {
	if old := r.lineItems[l.ID]; old != nil {
		old.LineItem, old.Kind = l, kind
		return
	}
	r.lineItems[l.ID] = &RuledLineItem{LineItem: l, Kind: kind, Recurs: recurs, used: map[int64]*big.Rat{}}
}

// Condition tells of a condition that was added or changed.
func (r *Rules) Condition(c *Condition) { r.conditions[c.ID] = c }

// Actions tells of the actions that a line item has now. Those that it had before go on counting.
func (r *Rules) Actions(lineItem string, actions []Action) {
	l := r.lineItems[lineItem]
	for _, old := range l.Actions {
		if !slices.ContainsFunc(actions, func(a Action) bool { return a.ID == old.ID }) {
			delete(r.allocated, old.ID)
		}
	}
	l.Actions = actions
}

// Limit tells of a limit that was set, or deleted (nil). Counting goes on if the present period begins when it did.
func (r *Rules) Limit(lineItem string, limit *Consumable, now int64) {
	l := r.lineItems[lineItem]
	if old := l.Allowance; old != nil && limit != nil && old.Often == limit.Often && limit.Anchor == after(old.Often, old.Anchor, now) {
		limit.Anchor = old.Anchor // it was put as it is shown
	}
	switch old := l.Allowance; {
	case old == nil || limit == nil || began(old.Often, old.Anchor, now) != began(limit.Often, limit.Anchor, now):
		l.counting++
		l.from = now
	case old.Often != limit.Often:
		l.from = max(l.from, began(old.Often, old.Anchor, now))
	}
	l.Allowance = limit
}

// consumption returns what a requester's use at a time counts in.
func (l *RuledLineItem) consumption(requester string, now int64) consumption {
	return consumption{l.ID, requester, l.counting, max(l.from, began(l.Allowance.Often, l.Allowance.Anchor, now))}
}

func (r *Rules) usable(l *RuledLineItem, now int64) bool {
	margin := int64(0)
	if r.Tolerant {
		margin = halfDay
	}
	return l.State == deployed && l.Elastic && l.Start-margin <= now && now < l.End+margin
}

func (r *Rules) complain(e *RuledEvent, format string, args ...any) {
	r.complains = append(r.complains, fmt.Sprintf("%s of %s by %q at %d, %s tokens of %s: ", e.Kind, e.Item, e.requester(), e.Time, text(e.Tokens), e.LineItem)+
		fmt.Sprintf(format, args...))
}

func (e *RuledEvent) requester() string { return e.Type + " " + e.Requester }

// Complaints returns what was wrong so far.
func (r *Rules) Complaints() []string { return r.complains }

// Event checks and books the next event.
func (r *Rules) Event(e *RuledEvent) {
	r.Seen[e.Kind+" "+e.Status]++
	l := r.lineItems[e.LineItem]
	switch {
	case e.Kind == "DENIAL":
		if e.LineItem != "" || e.Tokens.Sign() != 0 {
			r.complain(e, "a denial moves tokens")
		}
	case l == nil:
		r.complain(e, "there is no such line item")
	case e.Kind == "REFUND":
		r.refund(l, e)
	default:
		r.charge(l, e)
	}
}

func (r *Rules) charge(l *RuledLineItem, e *RuledEvent) {
	p := &payment{left: e.Tokens, requester: e.requester(), allowance: e.Paid}
	pays := e.Tokens.Sign() > 0
	if e.Tokens.Sign() < 0 {
		r.complain(e, "a charge gives back")
	}
	if begins := l.counts(e.Time); pays && e.Paid != begins && !(e.Late && e.Paid > begins && l.began(e.Paid) == e.Paid) {
		r.complain(e, "it is paid from the allowance of %d, which began at %d", e.Paid, begins)
	}
	if pays && !r.usable(l, e.Time) {
		r.complain(e, "the line item is not usable: %+v", l.LineItem)
	}
	l.used[p.allowance] = add(orZero(l.used[p.allowance]), e.Tokens)
	r.uses(l, e)
	if all := l.whole(); pays && less(all, l.used[p.allowance]) {
		r.complain(e, "%s are used of %s, with the overdraft", text(l.used[p.allowance]), text(all))
	}
	r.chargeAction(l, e, p)
	if limit := l.Allowance; limit != nil {
		in := l.consumption(e.requester(), e.Time)
		p.consumed = &in
		now := add(orZero(r.consumed[*p.consumed]), e.Tokens)
		r.consumed[*p.consumed] = now
		if pays && less(limit.Tokens, now) {
			r.complain(e, "%s are consumed in the %s, the limit is %s", text(now), limit.Often, text(limit.Tokens))
		}
	}
	if e.Session != "" && pays && e.CoveredUntil == 0 {
		key := e.refundable()
		r.payments[key] = append(r.payments[key], p)
	}
	if e.Session == "" {
		r.bought(e, &paidShare{l.ID, e.Series, e.TableVersion, e.Rate, sub(e.Tokens, e.Overdraft), e.Overdraft, e.Paid, p.action, p.consumed})
	}
}

func (r *Rules) chargeAction(l *RuledLineItem, e *RuledEvent, p *payment) {
	if len(l.Actions) == 0 {
		return
	}
	a := r.decides(l, e.Dictionary)
	switch {
	case a == nil || !a.Allow:
		if e.Tokens.Sign() > 0 || e.CoveredUntil == 0 { // what was covered before names who paid then
			r.complain(e, "its rules give nothing to %s", e.Dictionary)
		}
	case a.Allocation != nil:
		p.action = a.ID
		now := add(orZero(r.allocated[a.ID]), e.Tokens)
		r.allocated[a.ID] = now
		if e.Tokens.Sign() > 0 && less(a.Allocation, now) {
			r.complain(e, "%s are used of the allocation %s of %s", text(now), text(a.Allocation), a.ID)
		}
	}
}

// refund takes back from the last charges of the item first. Of one charge a line item is paid back in parts, of those before
// it all or nothing, so that this is what was paid back.
func (r *Rules) refund(l *RuledLineItem, e *RuledEvent) {
	key, back := e.refundable(), sub(zero, e.Tokens)
	if back.Sign() <= 0 {
		r.complain(e, "a refund takes")
	}
	all := r.payments[key]
	for len(all) > 0 && back.Sign() > 0 {
		p := all[len(all)-1]
		part := smaller(p.left, back)
		p.left, back = sub(p.left, part), sub(back, part)
		if p.left.Sign() == 0 {
			all = all[:len(all)-1]
		}
		if p.requester != e.requester() {
			r.complain(e, "%q had paid", p.requester)
		}
		l.used[p.allowance] = sub(l.used[p.allowance], part)
		if slices.ContainsFunc(l.Actions, func(a Action) bool { return a.ID == p.action }) {
			r.allocated[p.action] = sub(orZero(r.allocated[p.action]), part)
		}
		if p.consumed != nil {
			r.consumed[*p.consumed] = sub(r.consumed[*p.consumed], part)
		}
	}
	r.payments[key] = all
	if back.Sign() > 0 {
		r.complain(e, "%s more than was charged", text(back))
	}
	r.uses(l, e)
}

func (r *Rules) uses(l *RuledLineItem, e *RuledEvent) {
	if begins := max(l.counts(e.Time), e.Paid); e.Shown != begins && !(e.Late && e.Shown > begins && l.began(e.Shown) == e.Shown) {
		r.complain(e, "its use is of the allowance of %d, then there was that of %d", e.Shown, begins)
	}
	l.shown = max(l.shown, e.Shown)
	if want := orZero(l.used[e.Shown]); !same(e.Used, want) {
		r.complain(e, "the event says %s is used then, they add up to %s", text(e.Used), text(want))
	}
}

func (e *RuledEvent) refundable() refundable {
	return refundable{e.Session, e.Item, e.Version, e.LineItem, e.Series, e.TableVersion, text(e.Rate)}
}

func orZero(a *big.Rat) *big.Rat {
	if a == nil {
		return zero
	}
	return a
}

// began returns when the allowance began that is there at a time; the hours of tolerance have none of their own.
func (l *RuledLineItem) began(now int64) int64 {
	if l.Recurs == "" {
		return 0
	}
	return began(l.Recurs, l.Start, min(max(now, l.Start), l.End-1))
}

// counts returns when the allowance began that counts at a time.
func (l *RuledLineItem) counts(now int64) int64 { return max(l.began(now), l.shown) }

func (l *RuledLineItem) usedAt(now int64) *big.Rat { return orZero(l.used[l.counts(now)]) }

// whole returns the quantity with the overdraft.
func (l *RuledLineItem) whole() *big.Rat {
	switch l.Overdraft {
	case number:
		return whole(l.Quantity + l.LineItem.Limit)
	case unlimited:
		return most
	}
	return whole(l.Quantity)
}

// decides returns the first action whose condition holds, or nil.
func (r *Rules) decides(l *RuledLineItem, dictionary []byte) *Action {
	for i := range l.Actions {
		a := &l.Actions[i]
		if a.Condition == "" || r.holds(r.conditions[a.Condition], dictionary) {
			return a
		}
	}
	return nil
}

func (r *Rules) holds(c *Condition, dictionary []byte) bool {
	if c.Refers != "" {
		return r.holds(r.conditions[c.Refers], dictionary)
	}
	held := 0
	for _, part := range c.Parts {
		if r.holds(part, dictionary) {
			held++
		}
	}
	switch c.Operator {
	case "AND":
		return held == len(c.Parts)
	case "OR":
		return held > 0
	}
	var told map[string]any
	if dictionary != nil && json.Unmarshal(dictionary, &told) != nil {
		panic("audit: a dictionary is no object")
	}
	values, list := told[c.Key].([]any)
	if !list {
		values = []any{told[c.Key]}
	}
	among := slices.ContainsFunc(values, func(v any) bool { return v != nil && slices.Contains(c.Values, fmt.Sprint(v)) })
	return among == (c.Operator == "IN")
}

// began returns when the last period began by a time, of those that follow each other from an anchor on and lie before it.
func began(often string, anchor, now int64) int64 {
	months := int64(1)
	switch often {
	case "DAY":
		return now - mod(now-anchor, wholeDay)
	case "WEEK":
		return now - mod(now-anchor, 7*wholeDay)
	case "QUARTER":
		months = 3
	case "YEAR":
		months = 12
	}
	from, date := monthOf(anchor)
	to, _ := monthOf(now)
	for to -= mod(to-from, months); ; to -= months { // from the anchor's kind of month, down to the first that is not after it
		first := firstOf(to)
		at := (first+min(date, firstOf(to+1)-first-1))*wholeDay + mod(anchor, wholeDay)
		if at <= now {
			return at
		}
	}
}

// after returns when the period ends in which a time is.
func after(often string, anchor, now int64) int64 {
	at, step := began(often, anchor, now), int64(27*wholeDay)
	switch often {
	case "DAY":
		return at + wholeDay
	case "WEEK":
		return at + 7*wholeDay
	}
	for next := at + step; ; next += step { // no month is as short, so that none is missed
		if then := began(often, anchor, next); then != at {
			return then
		}
	}
}

const wholeDay = 2 * halfDay

func mod(a, b int64) int64 { return (a%b + b) % b }

// firsts are the days, counted from 1970, on which months begin, up to the year 2100.
var firsts = func() (all []int64) {
	days := int64(0)
	for m := range int64(12 * 130) {
		all = append(all, days)
		year := 1970 + m/12
		switch m % 12 {
		case 1:
			days += 28
			if year%4 == 0 && year%100 != 0 || year%400 == 0 {
				days++
			}
		case 3, 5, 8, 10:
			days += 30
		default:
			days += 31
		}
	}
	return all
}()

// firstOf returns the day, counted from 1970, on which a month begins that is counted from 1970.
func firstOf(month int64) int64 { return firsts[month] }

// monthOf returns the month of a time, counted from 1970, and how many of its days are over.
func monthOf(ms int64) (month, date int64) {
	days := ms / wholeDay
	month = days / 31
	for firstOf(month+1) <= days {
		month++
	}
	return month, days - firstOf(month)
}
