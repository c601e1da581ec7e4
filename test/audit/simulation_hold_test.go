package audit

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// The verbs of holds and leases, and of administrators.
const (
	MakeHold = "hold"
	Extend   = "extend"
	Settle   = "settle"
	Release  = "release"
	Lease    = "lease"
	Report   = "report"
	EndLease = "end"
	Refund   = "refund"
	Adjust   = "adjust"
)

// simHold is a hold or a lease that a customer's application was told of.
type simHold struct {
	id    string
	items []access.Item
	used  []token.Amount // of each item of a lease, by its client
}

// simTerms are what a call asks for besides what an access request has.
type simTerms struct {
	hold   *simHold
	ttl    time.Duration
	lease  *access.NewLease
	report *access.Report
	final  bool
	charge string // the correlation id of a charge
	place  int
	tokens token.Amount
	line   string
}

// callHold makes a call about a hold, a lease, or as an administrator, and asks the auditor whether a refusal had reason to be.
func (m *rulesMachine) callHold() {
	m.keys++
	c := &simCall{of: m, key: fmt.Sprint("key ", m.keys)}
	if !m.newHoldCall(c) {
		return
	}
	if c.verb == Lease {
		m.asked[c.key] = c.lease.Tokens
	}
	c.make(m.engine)
	m.news()
	if !refusal(c.err) {
		m.must(c.verb, c.err)
		c.remember()
		return
	}
	if why := c.wronglyRefused(m.clock.Load()); why != "" && !m.wild {
		m.t.Fatalf("%s is refused (%v), but %s", c.verb, c.err, why)
	}
	m.forgetHold(c, m.clock.Load())
}

// makeHold makes a call about a hold, a lease, or as an administrator.
func (c *simCall) makeHold(e *engine.Engine) {
	once := &engine.Once{Key: c.key, Fingerprint: []byte(c.key)}
	move := &engine.HoldMove{Once: once}
	if c.hold != nil {
		move.HoldID = c.hold.id
	}
	switch c.verb {
	case MakeHold:
		c.receipt, _, c.err = e.Hold(&engine.NewHold{InstanceID: c.of.instance, Request: c.request, TTL: c.ttl, Once: once})
	case Extend:
		c.receipt, _, c.err = e.ExtendHold(move, c.ttl)
	case Settle:
		c.receipt, _, c.err = e.SettleHold(move, c.request.Items, c.final)
	case Release:
		c.receipt, _, c.err = e.ReleaseHold(move)
	case Lease:
		c.receipt, _, c.err = e.Lease(ctx, &engine.NewLease{InstanceID: c.of.instance, Lease: c.lease, TTL: c.ttl, Once: once})
	case Report:
		c.receipt, _, c.err = e.ReportLease(move, c.report)
	case EndLease:
		c.receipt, _, c.err = e.EndLease(move)
	case Refund:
		tokens := c.tokens
		c.receipt, _, c.err = e.Refund(ctx, &engine.Refund{Of: c.charge, Parts: []usage.BackOf{{Place: c.place, Tokens: &tokens}}, By: "key", Once: once})
	case Adjust:
		c.receipt, _, c.err = e.Adjust(&engine.Adjustment{InstanceID: c.of.instance, ActivationID: c.line, Tokens: c.tokens, By: "key", Once: once})
	}
}

// newHoldCall draws a call about holds, leases, or of an administrator; false: there is nothing to ask for.
func (m *rulesMachine) newHoldCall(c *simCall) bool {
	switch n := m.random.IntN(14); {
	case n < 3 || n < 7 && len(m.holds) == 0:
		c.verb, c.request = MakeHold, m.request(true, "x", "y", "f", "w", "n", "x", "y")
		c.ttl = oneOf(m, time.Second, 20*time.Minute, 3*time.Hour, 3*time.Hour, 24*time.Hour)
	case n < 7:
		m.moveHold(c)
	case n < 8 || n < 11 && len(m.leases) == 0:
		c.verb, c.lease = Lease, m.newLease()
		c.ttl = oneOf(m, time.Minute, 3*time.Hour, 24*time.Hour, 9*24*time.Hour, 90*24*time.Hour)
	case n < 11:
		m.moveLease(c)
	case n < 13 && len(m.paid) > 0:
		c.verb, c.charge = Refund, oneOf(m, m.paid...)
		places := m.audit.places[c.charge]
		if places == 0 {
			return false
		}
		c.place = m.between(0, places-1)
		c.tokens = token.MustParse(oneOf(m, "1", "0.5", "0.333333333333", "0.000000000001", "3"))
		if left := m.audit.Left(c.charge, c.place); m.oneIn(2) && left.Sign() > 0 {
			c.tokens = amount(left)
		}
	default:
		c.verb, c.line = Adjust, oneOf(m, m.lineItems...).ID
		c.tokens = token.MustParse(oneOf(m, "1", "0.5", "-1", "-0.333333333333", "4", "-2.000000000001", "30"))
	}
	return true
}

func (m *rulesMachine) moveHold(c *simCall) {
	c.hold = oneOf(m, m.holds...)
	switch n := m.random.IntN(8); {
	case n < 1:
		c.verb, c.ttl = Extend, oneOf(m, time.Second, time.Hour, 24*time.Hour)
	case n < 2:
		c.verb = Release
	default:
		c.verb, c.final, c.request = Settle, m.oneIn(2), &access.Request{}
		for _, item := range c.hold.items {
			if m.oneIn(4) {
				continue
			}
			item.Count = token.MustParse(oneOf(m, item.Count.String(), item.Count.String(), "0", "0.5", "1", "0.333333333333", "40"))
			if item.Item == "n" && m.oneIn(3) { // other work than was thought
				item.Variables = m.request(true, "n").Items[0].Variables
			}
			c.request.Items = append(c.request.Items, item)
		}
		if m.oneIn(5) {
			c.request.Items = append(c.request.Items, m.request(true, "x", "y", "f", "w", "n").Items[0])
		}
	}
}

// newLease draws what is asked for with a lease: items, each of which is there once.
func (m *rulesMachine) newLease() *access.NewLease {
	r := m.request(true, "x", "y", "f", "w", "n")
	for i := range r.Items {
		r.Items[i].Count = token.Amount{}
	}
	return &access.NewLease{Client: "phone", Requester: r.Requester, Items: r.Items, Tokens: token.MustParse(oneOf(m, "1", "3", "7.5", "20", "0.000000000001"))}
}

// moveLease has a client report what it used, now and then again what it did before, or more than it may; or ends its lease.
func (m *rulesMachine) moveLease(c *simCall) {
	c.hold = oneOf(m, m.leases...)
	if m.oneIn(8) {
		c.verb = EndLease
		return
	}
	c.verb, c.final = Report, m.oneIn(6)
	c.report = &access.Report{Final: c.final}
	for i, item := range c.hold.items {
		if m.oneIn(4) {
			continue
		}
		count := c.hold.used[i]
		if !m.oneIn(4) {
			count = count.Add(token.MustParse(oneOf(m, "0.5", "1", "1", "0.333333333333", "0.000000000001", "6")))
			if !m.oneIn(12) { // it forgets that it did
				c.hold.used[i] = count
			}
		}
		c.report.Items = append(c.report.Items, access.Reported{Item: item.Item, Version: item.Version, Count: count})
	}
}

// refusals of calls about holds that are answered, not made again.
func refusal(err error) bool {
	switch problem.KindOf(err) {
	case problem.Conflict, problem.NotFound, problem.Invalid:
		return true
	}
	return false
}

// holdAnswered looks at the answer to a call about a hold, a lease, or to an administrator.
func (s *simulated) holdAnswered(c *simCall) {
	r := c.receipt
	if r == nil {
		if c.verb != Release && c.verb != Report && c.verb != EndLease {
			s.t.Fatalf("%s with %s is answered by nothing", c.verb, c.key)
		}
		s.nothing = append(s.nothing, c)
		return
	}
	switch c.verb {
	case MakeHold, Lease:
		if r.Hold.ID == "" {
			s.saw(c.verb + " is refused")
			return
		}
		s.saw(c.verb)
		if r.Hold.UntilMS != r.TimeMS+c.ttl.Milliseconds() {
			s.t.Fatalf("%s for %s at %d lives until %d", c.verb, c.ttl, r.TimeMS, r.Hold.UntilMS)
		}
	case Extend:
		if r.Hold.UntilMS < r.TimeMS+c.ttl.Milliseconds() {
			s.t.Fatalf("hold %s, extended by %s at %d, lives until %d", c.hold.id, c.ttl, r.TimeMS, r.Hold.UntilMS)
		}
	case Settle:
		s.saw(c.verb)
		if r.Hold.Late {
			s.saw("settled late")
		}
		if (r.Hold.State == access.Settled) != c.final || len(r.Items) != len(c.request.Items) {
			s.t.Fatalf("hold %s, settled with %d items, final: %t, is %s with %d", c.hold.id, len(c.request.Items), c.final, r.Hold.State, len(r.Items))
		}
		for i := range r.Items {
			if want := c.request.Items[i]; r.Items[i].Item != want.Item || !r.Items[i].Count.Equal(want.Count) {
				s.t.Fatalf("hold %s: %s of %s were settled, want %s of %s", c.hold.id, r.Items[i].Count, r.Items[i].Item, want.Count, want.Item)
			}
		}
	case Report:
		s.saw(c.verb)
		if r.Hold.Late {
			s.saw("reported late")
		}
		s.nothing = append(s.nothing, c)
	case Refund:
		s.saw(c.verb)
		if len(r.Refunds) != 1 || !r.Refunds[0].Tokens.Equal(c.tokens) {
			s.t.Fatalf("a refund of %s of %s gave back %+v", c.tokens, c.charge, r.Refunds)
		}
	case Adjust:
		s.saw(c.verb)
		if !r.Items[0].Tokens.Equal(c.tokens) {
			s.t.Fatalf("an adjustment by %s was one by %s", c.tokens, r.Items[0].Tokens)
		}
	}
	c.remember()
}

// remember has an application remember what it was told of a hold or a lease.
func (c *simCall) remember() {
	m, r := c.of, c.receipt
	if r == nil || r.Hold != nil && r.Hold.ID == "" {
		return
	}
	switch c.verb {
	case MakeHold:
		m.holds = append(m.holds, &simHold{id: r.Hold.ID, items: c.request.Items})
	case Lease:
		m.leases = append(m.leases, &simHold{id: r.Hold.ID, items: c.lease.Items, used: make([]token.Amount, len(c.lease.Items))})
	case Charge, Settle, Report:
		m.paid = append(m.paid, r.CorrelationID)
	}
}

// judge asks the auditors, once they know the record, whether what was refused, and what was answered by nothing, had reason to be.
func (s *simulated) judge() {
	now := s.clock.Load()
	for _, c := range s.refused {
		s.saw(c.verb + " is refused")
		if why := c.wronglyRefused(now); why != "" {
			s.t.Fatalf("%s with %s is refused (%v), but %s", c.verb, c.key, c.err, why)
		}
		c.of.forgetHold(c, now)
	}
	for _, c := range s.nothing {
		if why := c.wronglyNothing(now); why != "" {
			s.t.Fatalf("%s with %s did nothing, or not all, but %s", c.verb, c.key, why)
		}
	}
	s.refused, s.nothing = nil, nil
}

// forgetHold has the application ask no more for what is over.
func (m *rulesMachine) forgetHold(c *simCall, now int64) {
	if c.hold == nil || !m.oneIn(2) && problem.KindOf(c.err) != problem.NotFound {
		return
	}
	if h := m.audit.Hold(c.hold.id); h != nil && h.State == "" && now < h.Until {
		return
	}
	is := func(h *simHold) bool { return h == c.hold }
	m.holds, m.leases = slices.DeleteFunc(m.holds, is), slices.DeleteFunc(m.leases, is)
}

// wronglyRefused says why a refusal cannot be right; what is a reason stays one.
func (c *simCall) wronglyRefused(now int64) string {
	audit, kind := c.of.audit, problem.KindOf(c.err)
	var h *RuledHold
	if c.hold != nil {
		h = audit.Hold(c.hold.id)
	}
	switch {
	case c.verb == Adjust:
		return map[bool]string{true: "it is there", false: ""}[kind != problem.Conflict]
	case c.verb == Refund && kind == problem.NotFound:
		if audit.paidAt[c.charge] >= now-8*day {
			return "it is in the record"
		}
	case c.verb == Refund:
		if left := audit.Left(c.charge, c.place); !less(left, rat(c.tokens)) {
			return text(left) + " are left"
		}
	case h == nil:
		return "nobody knows of the hold"
	case kind == problem.NotFound:
		if kept := map[bool]int64{false: 7 * day, true: 90 * day}[h.Lease]; now < h.Until+kept {
			return fmt.Sprintf("it lived until %d, and it is %d", h.Until, now)
		}
	case c.verb == Settle && kind == problem.Invalid:
		for _, item := range c.request.Items {
			if item.Count.Sign() > 0 && audit.maybeUnpriced(item.Item, variableN(c.request.Items[0].Variables)) {
				return ""
			}
		}
		return "all have prices"
	case h.State != "":
	case c.verb == Extend && now >= h.Until:
	case c.verb == Report && c.spends(h, now):
	default:
		return "it is " + h.text()
	}
	return ""
}

// spends says whether a report comes to more than was leased.
func (c *simCall) spends(h *RuledHold, now int64) bool {
	spent := zero
	for i, count := range c.reported(h) {
		spent = add(spent, halfEven(mul(count, h.Prices[i])))
	}
	return less(h.Tokens, spent)
}

// reported is what has been reported of a lease with what a call reports.
func (c *simCall) reported(h *RuledHold) []*big.Rat {
	all := slices.Clone(h.Reported)
	for i := range all {
		for _, of := range c.report.Items {
			if of.Item == h.Items[i].Item {
				all[i] = larger(all[i], rat(of.Count))
			}
		}
	}
	return all
}

// wronglyNothing says why something ought to have been done.
func (c *simCall) wronglyNothing(now int64) string {
	h := c.of.audit.Hold(c.hold.id)
	switch c.verb {
	case Release:
		if h.State != released {
			return "the hold is " + h.text()
		}
	case EndLease:
		if h.lives(now) {
			return "the lease is " + h.text()
		}
	case Report:
		if all := c.reported(h); !slices.EqualFunc(all, h.Reported, same) || c.final && h.State != settled {
			return "the lease is " + h.text()
		}
	}
	return ""
}

// maybeUnpriced says whether some table has no price for an item.
func (r *Rules) maybeUnpriced(item string, _ *big.Rat) bool {
	for _, t := range r.tables {
		if _, lists := t.Items[item]; !lists || item == "n" {
			return true
		}
	}
	return false
}

// compareHeld holds what the product says is held of line items, and left, to the auditor: what was bought, less what is used, less what live
// holds and leases keep.
func (m *rulesMachine) compareHeld() {
	b, err := m.engine.Balance(ctx, m.instance)
	m.must("the balance", err)
	now := m.clock.Load()
	shown := 0
	for _, l := range b.Book.LineItems {
		want := m.audit.lineItems[l.ActivationID]
		held := m.audit.heldOf(now, want, now)
		left := atLeast0(sub(sub(whole(want.Quantity), want.usedAt(now)), held))
		if !same(rat(l.Held), held) || !same(rat(l.Balance()), left) || l.Quantity != want.Quantity {
			m.t.Errorf("of %d of %s %s are held and %s left, want %s and %s of %d", l.Quantity, l.ActivationID, l.Held, l.Balance(), text(held), text(left), want.Quantity)
		}
		shown++
	}
	if shown != len(m.lineItems) {
		m.t.Errorf("%d line items are shown, there are %d", shown, len(m.lineItems))
	}
	for _, leases := range []bool{false, true} {
		m.compareLive(now, leases)
	}
}

// compareLive holds the list of live holds, or leases, to the auditor.
func (m *rulesMachine) compareLive(now int64, leases bool) {
	live, _, err := m.engine.LiveHolds(ctx, m.instance, leases, 0, 10_000)
	m.must("live holds", err)
	var want []string
	for _, h := range m.audit.allHolds {
		if h.Lease == leases && h.lives(now) {
			want = append(want, h.ID)
		}
	}
	var got []string
	for _, h := range live {
		got = append(got, h.ID)
		if left := ledger.Sum(slices.Concat(h.Shares...)); !same(rat(left), m.audit.Hold(h.ID).left()) {
			m.t.Errorf("%s are left of hold %s, want %s", left, h.ID, text(m.audit.Hold(h.ID).left()))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.t.Errorf("holds %v are live, want %v", got, want)
	}
}

func (h *RuledHold) left() *big.Rat {
	left := zero
	for _, of := range h.Kept {
		for _, s := range of {
			left = add(left, s.tokens)
		}
	}
	return left
}
