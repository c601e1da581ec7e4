package main

import (
	"slices"
	"strings"
	"time"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// demoFeed is what happened last, the latest at the end.
type demoFeed []demoCharge

// recentKept is more than the tallest screen shows.
const recentKept = 200

// add adds an event, and reports whether it is one more of the charge before.
func (f *demoFeed) add(e *usage.Event) (c *demoCharge, more bool) {
	all := *f
	if last := len(all) - 1; last >= 0 && all[last].goesOn(e) {
		return &all[last], true
	}
	all = append(all, newDemoCharge(e))
	if len(all) > recentKept {
		all = slices.Delete(all, 0, len(all)-recentKept)
	}
	*f = all
	return &all[len(all)-1], false
}

// demoCharge is what became of a requested item: the events of one charge or refund together, or a denial.
type demoCharge struct {
	id                 string
	kind               usage.Kind
	at                 time.Time
	account, requester string
	item               demoItem
	count              token.Amount
	tokens, overdraft  token.Amount // less than nothing of a refund
	lineItems          []string
	status             ledger.Status
	session, covered   bool
}

func newDemoCharge(e *usage.Event) demoCharge {
	c := demoCharge{
		id: e.CorrelationID, kind: e.Kind, at: time.UnixMilli(e.UsageTimeMS), account: plainText(e.AccountID), requester: plainText(e.Requester.Value),
		item: demoItem{e.Item, e.ItemVersion}, status: e.Status, session: e.SessionID != "", covered: e.CoveredUntilMS != 0,
	}
	if e.Kind == usage.Denial {
		c.count = e.Count
	}
	return c
}

// goesOn reports whether an event is of the same charge or refund, with another line item.
func (c *demoCharge) goesOn(e *usage.Event) bool {
	return e.Kind != usage.Denial && c.kind == e.Kind && c.id == e.CorrelationID && c.item == demoItem{e.Item, e.ItemVersion}
}

func (c *demoCharge) pay(e *usage.Event) {
	c.count, c.tokens, c.overdraft = c.count.Add(e.Count), c.tokens.Add(e.Tokens), c.overdraft.Add(e.Overdraft)
	if id := plainText(e.ActivationID); !slices.Contains(c.lineItems, id) {
		c.lineItems = append(c.lineItems, id)
	}
}

func (c *demoCharge) line(who, what int, wide bool) line {
	item, count := c.item.String(), " ×"+amountShort(c.count)
	if c.kind == usage.Refund {
		count = "" // a part of a period
	}
	item = clip(item, what-len([]rune(count))) + count
	base := line{text(plain, left(c.account+"/"+c.requester, who)+" "+left(item, what)+" ")}
	switch {
	case c.status != ledger.Granted && wide:
		return append(base, text(bad, "denied "+string(c.status)+" "+c.status.Description()))
	case c.status != ledger.Granted:
		return append(base, text(bad, "denied "+string(c.status)))
	}
	kind, shown := c.paid(wide)
	if wide {
		shown += " " + strings.Join(c.lineItems, "+")
	}
	return append(base, text(kind, shown))
}

// paid says how many tokens moved, and what is special about it.
func (c *demoCharge) paid(wide bool) (tone, string) {
	shown := amount(c.tokens, 2)
	switch {
	case c.kind == usage.Refund:
		return good, "+" + amount(c.tokens.Neg(), 2) + " back"
	case c.overdraft.Sign() > 0 && wide:
		return careful, shown + " overdraft"
	case c.overdraft.Sign() > 0:
		return careful, shown + " over"
	case len(c.lineItems) > 1:
		return strong, shown + " split"
	case c.kind == usage.AutomaticCharge:
		return plain, shown + " automatic"
	case c.covered && c.tokens.IsZero():
		return good, shown + " covered"
	case c.session:
		return plain, shown + " ahead"
	}
	return good, shown
}
