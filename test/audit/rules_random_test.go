package audit

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Everything that restricts a charge is there at once, over months in which the clock is set back now and then, and is changed in between. After every step the auditor
// has seen all events, and line items, allocations and limits show what it has summed up.
func TestNothingIsPassed(t *testing.T) {
	onEveryStore(t, func(t *testing.T, place func() place) {
		seen, histories := map[string]int{}, 0
		checkTimes(t, 11, func(rt *rapid.T) {
			m := newRulesMachine(rt, place(), rapid.Uint64().Draw(rt, "salt"), false)
			defer m.close()
			m.live()
			m.verify()
			histories++
			for what, n := range m.audit.Seen {
				seen[what] += n
			}
		})
		t.Log("events: ", seen)
		for _, what := range []string{"CHARGE 101", "AUTOMATIC_CHARGE 101", "REFUND 101", "DENIAL 201", "DENIAL 304", "DENIAL 305", "DENIAL 301", "DENIAL 302", "DENIAL 303", "DENIAL 306", "clock set back"} {
			if histories >= 60 && seen[what] == 0 {
				t.Errorf("there was no %s in %d histories: they have lost what they are for", what, histories)
			}
		}
	})
}

// live takes as many steps as rapid is told to take.
func (m *rulesMachine) live() {
	steps, err := strconv.Atoi(flag.Lookup("rapid.steps").Value.String())
	m.must("steps", err)
	for range steps {
		m.step()
		m.compare()
	}
	m.openAndClose()
}

type rulesMachine struct {
	t      rapid.TB
	random *rand.Rand
	store  store.Store
	engine *engine.Engine
	clock  *atomic.Int64
	name   string                                 // of its line items and tables
	peers  []*rulesMachine                        // those that share the producer, itself among them
	make   func(func(*engine.Change) error) error // a change

	audit      *Rules
	alerts     *Alerts // nil: nobody is told
	instance   string
	account    string
	lineItems  []LineItem
	actions    map[string][]ledger.Action
	conditions []*Condition
	sessions   []string
	tables     int
	from       usage.Position  // where the receipts were read last
	latest     int64           // as of when the last receipt is that is not late
	uses       map[string]bool // sessions that are ACTIVE
	reached    int64           // the latest time there was
	forgot     int64           // the latest time at which the engine was told to forget

	holds  []*simHold // that were made and may be settled
	leases []*simHold
	asked  map[string]token.Amount // tokens of leases, by the key of who asks
	paid   []string                // correlation ids of charges and settlements
	keys   int

	wild bool // time leaps ahead of what is due, and goes back; nobody judges what comes of that
}

func newRulesMachine(t *rapid.T, place place, salt uint64, wild bool) *rulesMachine {
	m := &rulesMachine{
		t: t, wild: wild, audit: NewRules(), actions: map[string][]ledger.Action{}, uses: map[string]bool{}, clock: new(atomic.Int64),
		asked: map[string]token.Amount{}, random: rand.New(rand.NewPCG(salt, 0)),
	}
	m.peers = []*rulesMachine{m}
	m.make = func(fn func(*engine.Change) error) error {
		_, _, err := m.engine.Change(ctx, "", nil, func(c *engine.Change) (*store.Answer, error) { return &store.Answer{Status: 204}, fn(c) })
		return err
	}
	m.clock.Store(dawn)
	m.reached = dawn
	var err error
	if m.store, err = place.open(); err != nil {
		t.Fatal(err)
	}
	var ids atomic.Int64
	m.engine = engine.New(m.store, engine.Options{
		Now:   func() time.Time { return time.UnixMilli(m.clock.Load()) },
		NewID: func() string { return fmt.Sprintf("00000000-0000-7000-8000-%012x", ids.Add(1)) },
	})
	m.must("the key of leases", putLeaseKey(m.store))
	m.addInstance("account")
	m.configure()
	for _, series := range []string{"", "s"} {
		m.addTable(series, dawn-day)
	}
	m.furnish()
	return m
}

func (m *rulesMachine) addInstance(account string) {
	m.change(func(c *engine.Change) error {
		i, err := c.CreateInstance("one", account)
		m.instance = i.ID
		return err
	})
}

func (m *rulesMachine) configure() {
	m.audit.Tolerant = m.oneIn(4)
	m.change(func(c *engine.Change) error {
		return c.SetConfiguration(engine.TimezoneTolerant, fmt.Sprint(m.audit.Tolerant), "key")
	})
	m.change(func(c *engine.Change) error {
		return c.SetConfiguration(engine.SessionChargePeriod, oneOf(m, "PT1H", "PT6H", "PT24H"), "key")
	})
}

// furnish makes conditions and line items.
func (m *rulesMachine) furnish() {
	m.addConditions()
	for i := range m.between(2, 5) {
		m.addLineItem(fmt.Sprint(m.name, "l", i))
	}
}

func (m *rulesMachine) close() {
	m.engine.Stop()
	if err := m.store.Close(); err != nil {
		m.t.Error(err)
	}
}

func (m *rulesMachine) oneIn(n int) bool            { return m.random.IntN(n) == 0 }
func (m *rulesMachine) between(from, to int) int    { return from + m.random.IntN(to-from+1) }
func oneOf[T any](m *rulesMachine, from ...T) T     { return from[m.random.IntN(len(from))] }
func (m *rulesMachine) must(what string, err error) { m.mustBut(what, err, false) }
func (m *rulesMachine) change(fn func(*engine.Change) error) {
	m.must("a change", m.make(fn))
}

func (m *rulesMachine) mustBut(what string, err error, ended bool) {
	if err != nil && !(ended && problem.KindOf(err) == problem.Ended) {
		m.t.Fatalf("%s: %v", what, err)
	}
}

// The conditions refer to each other, and to what some dictionaries have and others have not.
func (m *rulesMachine) addConditions() {
	in := func(key string, values ...string) *Condition {
		return &Condition{Operator: oneOf(m, "IN", "IN", "NOT"), Key: key, Values: values}
	}
	m.putCondition(in("department", "sales", "support"))
	m.putCondition(in("level", "3", "4"))
	m.putCondition(&Condition{Operator: oneOf(m, "AND", "OR"), Parts: []*Condition{
		{Refers: m.conditions[0].ID}, in("vip", "true"), {Operator: "OR", Parts: []*Condition{{Refers: m.conditions[1].ID}, in("level", "1")}},
	}})
}

func (m *rulesMachine) putCondition(c *Condition) {
	var given []*ledger.Condition
	m.change(func(change *engine.Change) (err error) {
		given, err = change.PatchConditions(m.instance, []*ledger.Condition{c.real()})
		return err
	})
	if c.ID == "" {
		c.ID = given[0].ID
		m.conditions = append(m.conditions, c)
	}
	m.audit.Condition(c)
}

func (c *Condition) real() *ledger.Condition {
	if c.Refers != "" {
		return &ledger.Condition{ID: c.Refers}
	}
	real := &ledger.Condition{ID: c.ID, Type: ledger.Simple, Operator: ledger.Operator(c.Operator), Key: c.Key, Values: c.Values}
	for _, part := range c.Parts {
		real.Type = ledger.Complex
		real.Conditions = append(real.Conditions, part.real())
	}
	return real
}

func (m *rulesMachine) addLineItem(id string) {
	start := dawn + oneOf(m, int64(-40*day), -day, 0, 29*day+7*hour)
	l := LineItem{
		ID: id, Instance: m.instance, Series: oneOf(m, "", "", "s"), State: deployed, Quantity: int64(oneOf(m, m.between(1, 20), m.between(20, 300))),
		Start: start, End: start + oneOf(m, int64(20*day), 100*day+hour, 400*day, 400*day), Elastic: true,
		Overdraft: oneOf(m, "", number, number, unlimited), Limit: int64(m.between(0, 20)), Priority: int64(m.between(0, 1)),
	}
	recurs := oneOf(m, "", "", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
	if m.wild {
		recurs = oneOf(m, "", "DAY", "DAY", "WEEK")
	}
	m.putLineItem(l, recurs)
	m.lineItems = append(m.lineItems, l)
	if !m.oneIn(3) {
		m.putActions(id)
	}
	if !m.oneIn(3) {
		m.putLimit(id)
	}
}

// putLineItem keeps the kind, which has no bearing on who pays, and how often it recurs.
func (m *rulesMachine) putLineItem(l LineItem, recurs string) {
	real := l.real()
	real.Kind, real.Recurs = oneOf(m, ledger.Free, ledger.Paid), period.Frequency(recurs)
	m.change(func(c *engine.Change) error {
		kept, err := c.PutLineItem(real)
		if err == nil {
			m.audit.Numbers[kept.Number] = l.ID
		}
		return err
	})
	m.audit.LineItem(l, string(real.Kind), recurs)
	if m.alerts != nil {
		m.alerts.LineItem(l, recurs, m.clock.Load())
	}
}

// putActions keeps some of the actions, with other allocations and in another order, and makes others.
func (m *rulesMachine) putActions(id string) {
	var next []ledger.Action
	byDefault := false
	for _, a := range m.actions[id] {
		if !m.oneIn(3) {
			byDefault = byDefault || a.ConditionID == ""
			next = append(next, a)
		}
	}
	m.random.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
	for range m.between(0, 2) {
		next = append(next, ledger.Action{ConditionID: oneOf(m, m.conditions...).ID, Allow: !m.oneIn(4)})
	}
	if !byDefault && !m.oneIn(4) {
		next = append(next, ledger.Action{Allow: !m.oneIn(5)})
	}
	for i := range next {
		a := &next[i]
		a.Allocation, a.Used = nil, token.Amount{}
		if a.Allow && (a.ConditionID != "" || m.oneIn(2)) {
			most := amount(R(oneOf(m, "0", "3", "7.5", "20", "20", "100.000000000001")))
			a.Allocation = &most
		}
	}
	var given []ledger.Action
	m.change(func(c *engine.Change) (err error) {
		given, err = c.PutActions(m.instance, id, slices.Clone(next))
		return err
	})
	next, m.actions[id] = given, given
	var told []Action
	for _, a := range next {
		one := Action{ID: a.ID, Condition: a.ConditionID, Allow: a.Allow}
		if a.Allocation != nil {
			one.Allocation = rat(*a.Allocation)
		}
		told = append(told, one)
	}
	m.audit.Actions(id, told)
}

func (m *rulesMachine) putLimit(id string) {
	old := m.audit.lineItems[id].Allowance
	if old != nil && m.oneIn(4) {
		m.change(func(c *engine.Change) error { return c.DeleteLimit(m.instance, id) })
		m.audit.Limit(id, nil, m.clock.Load())
		return
	}
	next := Consumable{Tokens: R(oneOf(m, "0.5", "2", "5", "12.25", "40")), Often: oneOf(m, "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")}
	next.Anchor = dawn + oneOf(m, int64(0), -day, 30*day, 30*day+5*hour, 58*day, -92*day)
	if old != nil && m.oneIn(2) {
		next.Often, next.Anchor = old.Often, oneOf(m, old.Anchor, after(old.Often, old.Anchor, m.clock.Load()))
	}
	m.change(func(c *engine.Change) error {
		_, err := c.PutLimit(m.instance, id, ledger.Limit{Tokens: amount(next.Tokens), Period: period.Frequency(next.Often), NextResetMS: next.Anchor})
		return err
	})
	m.audit.Limit(id, &next, m.clock.Load())
}

// request draws a request; in sessions an item is there once, so that it is known which of them a refund is of.
func (m *rulesMachine) request(session bool, names ...string) *access.Request {
	r := &access.Request{Requester: access.Requester{Type: oneOf(m, "USER", "USER", "TEAM"), Value: oneOf(m, "u", "v")}}
	if text := oneOf(m, "", "{}", `{"department":"sales"}`, `{"department":["hr","support"],"level":3}`, `{"vip":true,"level":[1,"3"]}`, `{"level":"4"}`); text != "" {
		r.Requester.Dictionary = []byte(text)
	}
	partial := false
	if !session {
		r.AllOrNothing = m.oneIn(3)
		partial = !r.AllOrNothing && m.oneIn(2)
	}
	for _, at := range m.random.Perm(len(names))[:m.between(1, min(3, len(names)))] {
		ask := ledger.Ask{Item: names[at], Count: token.MustParse(oneOf(m, "1", "1", "2", "0.5", "3.333333333333", "0.000000000001", "8")), AllowPartial: partial}
		if n := oneOf(m, "", "0", "1", "1", "2.5", "0.333333333333", "-1"); names[at] == "n" && n != "" {
			ask.Variables = rate.Variables{"n": token.MustParse(n)}
		}
		r.Items = append(r.Items, access.Item{Ask: ask})
	}
	return r
}

func (m *rulesMachine) charge() {
	receipt, _, err := m.engine.Charge(&engine.Charge{InstanceID: m.instance, Request: m.request(false, "x", "y", "f", "w", "n", "x")})
	m.must("a request", err)
	m.paid = append(m.paid, receipt.CorrelationID)
}

func (m *rulesMachine) step() {
	switch n := m.random.IntN(27); {
	case m.wild && m.oneIn(3):
		m.leap()
	case !m.wild && m.oneIn(12):
		m.back()
	case n >= 20:
		m.callHold()
	case n < 6:
		m.charge()
	case n < 8 || len(m.sessions) == 0:
		m.open(m.request(true, "x", "y", "f", "w", "n"))
	case n < 11:
		r := m.request(true, "x", "y", "f", "w", "n")
		if m.oneIn(4) {
			r.Items = nil
		}
		m.ask(oneOf(m, m.sessions...), r)
	case n < 13:
		for _, id := range m.sessions {
			if !m.oneIn(3) {
				_, err := m.engine.Heartbeat(engine.SessionRef{ID: id}, false)
				m.mustBut("a heartbeat", err, true)
			}
		}
	case n < 14:
		m.closeSession(m.random.IntN(len(m.sessions)))
	case n < 15: // most periods begin at midnight
		m.move(1 + mod(oneOf(m, 0, 0, int64(5*hour), 7*hour)-10*60_000-m.clock.Load()+dawn-1, day))
	case n < 18:
		m.move(oneOf(m, int64(1), 600_000, hour, hour, hour, 3*hour, day, 9*day, 20*day))
	default:
		m.reconfigure()
	}
}

// reconfigure changes something, at a time of its own: what is forgotten and begun at one time is not told apart.
func (m *rulesMachine) reconfigure() {
	m.move(1)
	m.putSomething()
	m.move(1)
}

func (m *rulesMachine) putSomething() {
	at := m.random.IntN(len(m.lineItems))
	l := &m.lineItems[at]
	switch n := m.random.IntN(6); {
	case n < 2:
		m.putActions(l.ID)
	case n < 4 && m.clock.Load() < m.reached: // periods are known by when they began: what a limit before was held for may be one of a new limit's
		m.putActions(l.ID)
	case n < 4:
		m.putLimit(l.ID)
	case n == 4:
		l.Quantity, l.Limit, l.Priority = int64(m.between(1, 300)), int64(m.between(0, 20)), int64(m.between(0, 1))
		l.Overdraft, l.State = oneOf(m, "", number, unlimited), oneOf(m, deployed, deployed, deployed, "INACTIVE")
		m.putLineItem(*l, m.audit.lineItems[l.ID].Recurs)
	default:
		if m.oneIn(2) {
			m.addTable(oneOf(m, "", "s"), m.clock.Load()+oneOf(m, int64(0), hour, day))
			return
		}
		c := *m.conditions[m.random.IntN(2)]
		c.Operator, c.Values = oneOf(m, "IN", "NOT"), []string{oneOf(m, "sales", "support", "3"), oneOf(m, "hr", "4")}
		m.putCondition(&c)
	}
}

func (m *rulesMachine) move(by int64) {
	m.reached = max(m.reached, m.clock.Add(by))
	if by >= hour && m.oneIn(2) {
		m.oneOffs()
	}
	if by >= hour && m.oneIn(2) {
		m.forgot = max(m.forgot, m.clock.Load())
		m.must("forgetting", m.engine.Forget(ctx))
	}
	_, err := m.engine.CatchUp(m.clock.Load())
	m.must("catching up", err)
	m.news() // what it is checked by may change
}

// back sets the clock back. What began stays: an allowance that was charged, and what of it is kept.
func (m *rulesMachine) back() {
	m.clock.Add(-oneOf(m, int64(1), 600_000, hour, 9*hour))
	m.audit.Seen["clock set back"]++
}

// leap lets time go by, or back, before anybody makes what is due.
func (m *rulesMachine) leap() {
	m.clock.Add(oneOf(m, int64(hour), 5*hour, 7*hour, 13*hour, 25*hour, 3*day, -hour/2, -9*hour))
	for range m.between(1, 3) {
		m.oneOffs()
	}
	if m.oneIn(2) {
		m.move(1)
	}
}

func (m *rulesMachine) open(r *access.Request) string {
	created, _, err := m.engine.CreateSession(m.instance, nil, nil)
	m.must("a session", err)
	m.sessions = append(m.sessions, created.Session.ID)
	m.ask(created.Session.ID, r)
	return created.Session.ID
}

func (m *rulesMachine) ask(id string, r *access.Request) {
	_, _, err := m.engine.Ask(&engine.SessionRequest{Session: engine.SessionRef{ID: id}, Request: r, RollbackOnDeny: !m.oneIn(4)})
	m.mustBut("a request of a session", err, true)
}

func (m *rulesMachine) closeSession(at int) {
	_, err := m.engine.CloseSession(engine.SessionRef{ID: m.sessions[at]}, nil, nil)
	m.must("closing", err)
	m.sessions = append(m.sessions[:at], m.sessions[at+1:]...)
}

// compare holds what the engine shows to what the auditor has summed up.
func (m *rulesMachine) compare() {
	m.news()
	if !m.wild {
		m.compareShown()
		m.compareHeld()
	}
}

func (m *rulesMachine) compareShown() {
	summed := m.summed()
	for id, shown := range m.shown() {
		if want := summed[id]; shown != want {
			m.t.Errorf("%s shows %s, the events add up to %s", id, shown, want)
		}
	}
	m.comparePeriods()
	for _, wrong := range m.audit.Complaints() {
		m.t.Error(wrong)
	}
	if m.t.Failed() {
		m.t.FailNow()
	}
}

// shown is what the engine says was used of every line item, of its allocations, and by all requesters under its limit.
func (m *rulesMachine) shown() map[string]string {
	all := map[string]string{}
	m.must("looking", m.engine.View(ctx, func(r store.Reader) error {
		lineItems, err := r.LineItems(m.instance)
		for _, l := range lineItems {
			l := *l
			l.At(m.clock.Load())
			all[l.ActivationID] = l.Used.String()
			for _, a := range l.Actions {
				if a.Allocation != nil {
					all[l.ActivationID+" "+a.ID] = a.Used.String()
				}
			}
			limit := m.audit.lineItems[l.ActivationID].Allowance
			if limit == nil {
				continue
			}
			for _, of := range requesters {
				all[l.ActivationID+" by "+of] = "0"
			}
			since := max(began(limit.Often, limit.Anchor, m.clock.Load()), l.Limit.FromMS)
			consumed, err := r.Consumed(ledger.PeriodKey{Number: l.Number, SinceMS: since}, nil, 100)
			if err != nil {
				return err
			}
			for _, c := range consumed {
				all[l.ActivationID+" by "+c.Type+" "+c.Value] = c.Tokens.String()
			}
		}
		return err
	}))
	return all
}

var requesters = []string{"USER u", "USER v", "TEAM u", "TEAM v"}

func (m *rulesMachine) summed() map[string]string {
	all := map[string]string{}
	now := m.clock.Load()
	for id, l := range m.audit.lineItems {
		all[id] = text(l.usedAt(now))
		for _, a := range l.Actions {
			all[id+" "+a.ID] = text(m.audit.allocated[a.ID])
		}
		for _, of := range requesters {
			if l.Allowance != nil {
				all[id+" by "+of] = text(m.audit.consumed[l.consumption(of, now)])
			}
		}
	}
	return all
}

// openAndClose ends all sessions; then some that are closed when they were opened leave nothing behind, whatever happened in
// between. A window is paid for good, so they use none.
func (m *rulesMachine) openAndClose() {
	for len(m.sessions) > 0 {
		m.closeSession(0)
	}
	m.move(1)
	before := m.shown()
	for range 4 {
		id := m.open(m.request(true, "x", "y", "f", "n"))
		m.compare()
		for range m.between(0, 3) {
			m.ask(id, m.request(true, "x", "y", "f", "n"))
			m.compare()
		}
	}
	for len(m.sessions) > 0 {
		m.closeSession(m.random.IntN(len(m.sessions)))
		m.compare()
	}
	m.isAs(before, "sessions that were closed at once")
	m.move(1 + mod(dawn+600_000-m.clock.Load()-1, hour)) // far from where anything begins anew
	before = m.shown()
	for range 3 { // 40 seconds, and f is free for 60 at least
		id := m.open(m.request(true, "f"))
		for range 2 {
			m.move(20_000)
			m.ask(id, m.request(true, "f"))
			m.compare()
		}
		m.closeSession(len(m.sessions) - 1)
		m.compare()
	}
	m.isAs(before, "use in its free time")
}

// isAs holds what is shown to what was shown.
func (m *rulesMachine) isAs(before map[string]string, when string) {
	if m.wild {
		return
	}
	after := m.shown()
	for id, was := range before {
		if after[id] != was {
			m.t.Errorf("%s is %s after %s, it was %s", id, after[id], when, was)
		}
	}
}

func (m *rulesMachine) verify() {
	proof, err := engine.Verify(ctx, m.store)
	m.must("verify", err)
	for _, difference := range proof.Differences {
		m.t.Errorf("verify: %s", difference)
	}
}
