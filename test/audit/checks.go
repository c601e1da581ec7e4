package audit

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// answerText writes an answer for people, and for comparison.
func answerText(a *Answer) string {
	if a == nil {
		return "no answer"
	}
	var lines []string
	for _, item := range a.Items {
		line := fmt.Sprintf("  %s count %s tokens %s", item.Status, text(item.Count), text(item.Tokens))
		for _, s := range item.Slices {
			line += fmt.Sprintf(" | %s at %s: %s", s.LineItem, text(s.Rate), text(s.Tokens))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// item checks the events of one item of an answer.
func (a *Auditor) item(b *books, e entry, i int, events []Event) {
	c := &examination{Auditor: a, books: b, entry: e, ask: e.request.Items[i], item: e.answer.Items[i], events: events}
	c.where = fmt.Sprintf("answer %s, item %d: ", e.answer.CorrelationID, i)
	for j := range events {
		c.common(&events[j])
	}
	if c.item.Status == granted {
		c.grant()
	} else {
		c.denial()
	}
}

// examination is of one item of an answer with its events.
type examination struct {
	*Auditor
	*books
	entry
	where  string
	ask    Ask
	item   AnsweredItem
	events []Event
}

func (c *examination) wrong(format string, args ...any) { c.complain(c.where+format, args...) }

// common checks what all events of an item have in common with it.
func (c *examination) common(e *Event) {
	if e.Status != c.item.Status {
		c.wrong("its event says %s, the answer %s", e.Status, c.item.Status)
	}
	if e.Item != c.ask.Item || e.Version != c.ask.Version || e.Instance != c.request.Instance {
		c.wrong("its event is of %q version %q on instance %q, asked was %+v", e.Item, e.Version, e.Instance, c.ask)
	}
	if !c.Loose && e.Time != c.now {
		c.wrong("its event is of %d, decided it was at %d", e.Time, c.now)
	}
}

func (c *examination) denial() {
	if len(c.events) != 1 || len(c.item.Slices) != 0 {
		c.wrong("a denial has %d events and %d slices", len(c.events), len(c.item.Slices))
		return
	}
	e := c.events[0]
	if e.Kind != "DENIAL" || e.LineItem != "" || e.Tokens.Sign() != 0 || e.Overdraft.Sign() != 0 || c.item.Tokens.Sign() != 0 {
		c.wrong("a denial is recorded as %+v", e)
	}
	if !same(e.Count, c.ask.Count) || !same(c.item.Count, c.ask.Count) {
		c.wrong("a denial has count %s in the event and %s in the answer, asked was %s", text(e.Count), text(c.item.Count), text(c.ask.Count))
	}
	if !c.Loose {
		c.reason()
	}
}

// reason checks that an item was denied for the reason given, or that there is one (D28).
func (c *examination) reason() {
	all, usable := c.candidates(c.request.Instance, c.ask, c.now)
	why := insufficient
	switch {
	case !c.pricedAnywhere(c.ask, c.now):
		why = notFound
	case usable == 0:
		why = noLineItem
	case len(all) == 0:
		why = notFound
	}
	status := c.item.Status
	if status == noStatus {
		status = insufficient // it could have been paid, or nearly
	}
	if status != why {
		c.wrong("it was denied with %s, the reason is %s", c.item.Status, why)
	}
	if c.item.Status != insufficient || c.request.AllOrNothing || why != insufficient {
		return
	}
	if _, covered := pay(sources(all, c.used), c.ask.Count); covered {
		c.wrong("it was denied for want of tokens, but could be paid")
	}
}

func (c *examination) grant() {
	if !c.slices() {
		c.book(c.books, c.events)
		return
	}
	if cmp := c.item.Count.Cmp(c.ask.Count); cmp > 0 || cmp < 0 && !c.ask.Partial || c.item.Count.Sign() <= 0 {
		c.wrong("count %s was granted, asked was %s", text(c.item.Count), text(c.ask.Count))
	}
	c.price()
	if !c.Loose {
		c.order()
	}
	for i := range c.events {
		c.charge(&c.events[i])
	}
}

// slices checks that answer and events tell of the same slices.
func (c *examination) slices() bool {
	if len(c.item.Slices) == 0 || len(c.events) != len(c.item.Slices) {
		c.wrong("a grant has %d slices and %d events", len(c.item.Slices), len(c.events))
		return false
	}
	tokens, counts := zero, zero
	for i, s := range c.item.Slices {
		e := c.events[i]
		if e.Kind != "CHARGE" || e.LineItem != s.LineItem || !same(e.Rate, s.Rate) || !same(e.Tokens, s.Tokens) {
			c.wrong("slice %d is %s at %s: %s, its event is %s %s at %s: %s", i, s.LineItem, text(s.Rate), text(s.Tokens),
				e.Kind, e.LineItem, text(e.Rate), text(e.Tokens))
			return false
		}
		if e.Tokens.Sign() < 0 || e.Count.Sign() < 0 {
			c.wrong("slice %d has %s tokens and a count of %s", i, text(e.Tokens), text(e.Count))
		}
		tokens, counts = add(tokens, s.Tokens), add(counts, e.Count)
	}
	if !same(tokens, c.item.Tokens) {
		c.wrong("%s tokens were charged, the slices add up to %s", text(c.item.Tokens), text(tokens))
	}
	if !same(counts, c.item.Count) {
		c.wrong("count %s was granted, those of the events add up to %s", text(c.item.Count), text(counts))
	}
	return true
}

// price checks rate x count: exactly when there is one rate, else within the roundings of the split (D2), of each event too.
func (c *examination) price() {
	first := c.events[0].Rate
	oneRate := !slices.ContainsFunc(c.events, func(e Event) bool { return !same(e.Rate, first) })
	if cost := halfEven(mul(c.item.Count, first)); oneRate && !same(cost, c.item.Tokens) {
		c.wrong("count %s at %s costs %s, charged were %s", text(c.item.Count), text(first), text(cost), text(c.item.Tokens))
	}
	slack := zero // of a count
	for _, e := range c.events {
		slack = add(slack, mul(whole(2), ulp))
		if e.Rate.Sign() > 0 {
			slack = add(slack, div(mul(whole(2), ulp), e.Rate)) // its overdraft was drawn apart
		}
	}
	for i, e := range c.events {
		off := new(big.Rat).Abs(sub(mul(e.Count, e.Rate), e.Tokens))
		if less(add(mul(slack, e.Rate), ulp), off) {
			c.wrong("event %d has count %s at %s for %s tokens, off by %s", i, text(e.Count), text(e.Rate), text(e.Tokens), text(off))
		}
	}
}

// charge checks one event against the line item, and books it.
func (c *examination) charge(e *Event) {
	before := useOf(c.used, e.LineItem)
	after := add(before, e.Tokens)
	c.used[e.LineItem] = after
	if !same(after, e.Used) {
		c.wrong("%s was at %s after it, the events up to it add up to %s", e.LineItem, text(e.Used), text(after))
	}
	balance := atLeast0(sub(whole(e.Quantity), before))
	if over := sub(e.Tokens, smaller(e.Tokens, balance)); !same(over, e.Overdraft) {
		c.wrong("%s of %s tokens are recorded as overdraft of %s, which had %s left", text(e.Overdraft), text(e.Tokens), e.LineItem, text(balance))
	}
	l, there := c.lineItems[e.LineItem]
	if !there && c.Loose {
		return
	}
	if !there || l.Instance != e.Instance {
		c.wrong("%s is charged, which instance %s does not have", e.LineItem, e.Instance)
		return
	}
	limit := whole(e.Quantity)
	switch l.Overdraft {
	case number:
		limit = add(limit, whole(l.Limit))
	case unlimited:
		limit = most
	}
	if e.Tokens.Sign() > 0 && less(smaller(limit, most), after) {
		c.wrong("%s of %s are used, its quantity and overdraft allow %s", text(after), l.ID, text(limit))
	}
	if !c.Loose {
		c.lineItem(e, l)
	}
}

// lineItem checks a charge against what the line item was then.
func (c *examination) lineItem(e *Event, l LineItem) {
	if e.Quantity != l.Quantity {
		c.wrong("the quantity of %s is recorded as %d, it is %d", l.ID, e.Quantity, l.Quantity)
	}
	if !c.usable(l, c.now) {
		c.wrong("%s was charged, which was not usable: %+v", l.ID, l)
	}
	rate, table := c.rate(l.Series, c.ask.Item, c.ask.Version, c.now)
	if rate == nil || !same(rate, e.Rate) || table.Series != e.Series || table.Version != e.TableVersion {
		c.wrong("%s paid %s by version %q of series %q; its table prices at %s", l.ID, text(e.Rate), e.TableVersion, e.Series, text(rate))
	}
}

// order checks that tokens were drawn in order, from each source all it had before the next gave any (D3, D4), and that they
// pay exactly what the split costs (D2).
func (c *examination) order() {
	all, _ := c.candidates(c.request.Instance, c.ask, c.now)
	draws, covered := pay(sources(all, c.used), c.item.Count)
	if !covered {
		c.wrong("count %s was granted, which the tokens do not cover", text(c.item.Count))
		return
	}
	var want []Slice
	for _, d := range draws {
		i := slices.IndexFunc(want, func(s Slice) bool { return s.LineItem == d.ID })
		if i < 0 {
			want = append(want, Slice{d.ID, d.rate, d.tokens})
		} else {
			want[i].Tokens = add(want[i].Tokens, d.tokens)
		}
	}
	paid := Answer{Items: []AnsweredItem{{Status: granted, Count: c.item.Count, Tokens: sum(draws), Slices: want}}}
	if got := (Answer{Items: []AnsweredItem{c.item}}); answerText(&got) != answerText(&paid) {
		c.wrong("in order and by the rules of the split it is paid by\n%s\nbut was by\n%s", answerText(&paid), answerText(&got))
	}
}
