package audit

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/usage"
)

// Holds, what settles them, refunds, adjustments, top-ups and transfers among charges, on two processes that crash and restart, under a clock that
// jumps. After every step what is used, held and left of every line item, and how every hold stands, is as the twin says.
func TestHoldsAgreeWithTwin(t *testing.T) {
	onEveryStore(t, func(t *testing.T, place func() place) {
		checkTimes(t, 10, func(rt *rapid.T) { holdsAgreeWithTwin(rt, place()) })
	})
}

func holdsAgreeWithTwin(rt *rapid.T, place place) {
	m := &holdsMachine{machine: newMachine(rt, place)}
	defer m.close()
	for range 4 {
		m.put(rt)
	}
	rt.Repeat(map[string]func(*rapid.T){
		"":               m.stands,
		"ask":            m.charge,
		"hold":           m.hold,
		"hold another":   m.hold,
		"hold a third":   m.hold,
		"extend":         m.extend,
		"settle":         m.settle,
		"settle another": m.settle,
		"settle a third": m.settle,
		"settle more":    m.settleMore,
		"release":        m.release,
		"refund":         m.refund,
		"adjust":         m.adjust,
		"top up":         m.topUp,
		"transfer":       m.transfer,
		"put":            m.put,
		"post table":     m.postTable,
		"move the clock": m.moveClock,
		"restart":        m.restart,
		"crash":          m.crash,
		"audit":          m.audit,
	})
	m.audit(rt)
}

type holdsMachine struct {
	*machine
	holds   []string
	charges []string
}

var anyTTL = rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour})

// anyHeld are few items at prices that are there, and of counts that line items have about enough for: of what anyRequest draws little is held.
func (m *holdsMachine) anyHeld(t *rapid.T) Request {
	r := Request{Instance: m.anyInstance(t), AllOrNothing: true}
	for range rapid.IntRange(1, 3).Draw(t, "items") {
		r.Items = append(r.Items, Ask{Item: rapid.SampledFrom([]string{"x", "y", "y"}).Draw(t, "item"), Version: "", Count: R(anyHeldCount.Draw(t, "count"))})
	}
	return r
}

var anyHeldCount = rapid.SampledFrom([]string{"1", "1", "2", "3", "5", "0.5", "0.333333333333", "1.000000000001", "12"})

func (m *holdsMachine) anyInstance(t *rapid.T) string {
	return m.instances[rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 0, 1, 2}).Draw(t, "instance")]
}

// put maps or changes a line item, which can pay more often than not.
func (m *holdsMachine) put(t *rapid.T) {
	m.t = t
	l := anyLineItem(m.instances[:1]).Draw(t, "line item")
	if rapid.IntRange(0, 4).Draw(t, "as drawn") > 0 {
		l.State, l.Start, l.End, l.Elastic = deployed, dawn-day, dawn+30*day, true
		l.Series = rapid.SampledFrom([]string{"", "", "s"}).Draw(t, "series it is of")
	}
	got, _ := m.change("", "", "", func(c *engine.Change) error { _, err := c.PutLineItem(l.real()); return err })
	m.same(fmt.Sprintf("PUT of %+v", l), got, m.twin.Put(l))
}

func (m *holdsMachine) moveClock(t *rapid.T) {
	m.twin.Now += rapid.SampledFrom([]int64{1, 999, 1000, 59_999, hour - 1, hour, 12 * hour, -1, -1000}).Draw(t, "by")
	m.clock.Store(m.twin.Now)
}

func (m *holdsMachine) charge(t *rapid.T) {
	e := m.any(t)
	a := asked{request: m.anyHeld(t)}
	if a.request.Instance == m.instances[2] {
		a.request.Instance = m.instances[0]
	}
	a.request.AllOrNothing = rapid.Bool().Draw(t, "all or nothing")
	c := m.machine.charge(e, a)
	m.compare(a, c)
	m.charges = append(m.charges, c.receipt.CorrelationID)
}

func (m *holdsMachine) hold(t *rapid.T) {
	e := m.any(t)
	r := m.anyHeld(t)
	ttl := anyTTL.Draw(t, "ttl")
	receipt, _, err := e.Hold(&engine.NewHold{InstanceID: r.Instance, Request: r.real(), TTL: ttl})
	id := ""
	if err == nil {
		id = receipt.Hold.ID
	}
	refused, want := m.twin.Hold(id, r, ttl.Milliseconds())
	m.same(fmt.Sprintf("hold of %s", r.String()), fmt.Sprint(how(err), err == nil && id == ""), fmt.Sprint(want, refused))
	if id != "" {
		m.holds = append(m.holds, id)
	}
}

// one draws a hold that the product has to remember.
func (m *holdsMachine) one(t *rapid.T) (*engine.Engine, *engine.HoldMove) {
	e := m.any(t)
	var known []string
	ended := rapid.IntRange(0, 7).Draw(t, "or one that has ended") == 0
	for _, id := range m.holds {
		if h := m.twin.holds[id]; m.twin.Now < h.Until+6*day && (ended || h.State == "") {
			known = append(known, id)
		}
	}
	if len(known) == 0 {
		t.Skip("there is no hold")
	}
	return e, &engine.HoldMove{HoldID: rapid.SampledFrom(known).Draw(t, "hold")}
}

func (m *holdsMachine) extend(t *rapid.T) {
	e, move := m.one(t)
	ttl := anyTTL.Draw(t, "ttl")
	_, _, err := e.ExtendHold(move, ttl)
	m.same("extending "+move.HoldID, how(err), m.twin.Extend(move.HoldID, ttl.Milliseconds()))
}

func (m *holdsMachine) release(t *rapid.T) {
	e, move := m.one(t)
	_, _, err := e.ReleaseHold(move)
	m.same("release of "+move.HoldID, how(err), m.twin.Release(move.HoldID))
}

func (m *holdsMachine) settle(t *rapid.T) { m.settleFor(t, anyHeldCount) }

// settleMore settles for what is likely more than there is.
func (m *holdsMachine) settleMore(t *rapid.T) {
	m.settleFor(t, rapid.SampledFrom([]string{"12", "40", "300.5"}))
}

func (m *holdsMachine) settleFor(t *rapid.T, counts *rapid.Generator[string]) {
	e, move := m.one(t)
	r := Request{}
	for _, ask := range m.twin.holds[move.HoldID].Asks {
		if rapid.IntRange(0, 3).Draw(t, "left out") == 0 {
			continue
		}
		ask.Count = rapid.SampledFrom([]*big.Rat{ask.Count, ask.Count, zero, R(counts.Draw(t, "count"))}).Draw(t, "of it")
		r.Items = append(r.Items, ask)
	}
	if rapid.IntRange(0, 3).Draw(t, "another item") == 0 {
		r.Items = append(r.Items, Ask{Item: anyItem.Draw(t, "item"), Version: anyVersion.Draw(t, "version"), Count: R(anyCount.Draw(t, "count"))})
	}
	final := rapid.Bool().Draw(t, "final")
	receipt, _, err := e.SettleHold(move, r.real().Items, final)
	late, want := m.twin.Settle(move.HoldID, r.Items, final)
	m.same(fmt.Sprintf("settling %s with %s, final %v", move.HoldID, r.String(), final), fmt.Sprint(how(err), err == nil && receipt.Hold.Late), fmt.Sprint(want, late))
}

func (m *holdsMachine) refund(t *rapid.T) {
	e := m.any(t)
	if len(m.charges) == 0 {
		t.Skip("nothing was charged")
	}
	of := rapid.SampledFrom(m.charges).Draw(t, "charge")
	f := &engine.Refund{Of: of, By: "key"}
	var tokens *big.Rat
	place := 0
	if paid := m.twin.paid[of]; len(paid) > 0 && rapid.Bool().Draw(t, "a part") {
		place = rapid.IntRange(0, len(paid)-1).Draw(t, "place")
		left := sum(paid[place])
		tokens = rapid.SampledFrom([]*big.Rat{left, add(left, ulp), R("1"), R("0.5")}).Draw(t, "tokens")
		if tokens.Sign() == 0 {
			tokens = R("1")
		}
		part := amount(tokens)
		f.Parts = []usage.BackOf{{Place: place, Tokens: &part}}
	}
	_, _, err := e.Refund(ctx, f)
	m.same(fmt.Sprintf("refund of %s at %d of %v", of, place, tokens), how(err), m.twin.Refund(of, place, tokens))
}

func (m *holdsMachine) adjust(t *rapid.T) {
	e := m.any(t)
	instance, id := m.anyInstance(t), anyActivation.Draw(t, "id")
	tokens := R(anyHeldCount.Draw(t, "tokens"))
	if rapid.Bool().Draw(t, "back") {
		tokens = sub(zero, tokens)
	}
	_, _, err := e.Adjust(&engine.Adjustment{InstanceID: instance, ActivationID: id, Tokens: amount(tokens), By: "key"})
	m.same(fmt.Sprintf("adjustment of %s by %s", id, text(tokens)), how(err), m.twin.Adjust(instance, id, tokens))
}

func (m *holdsMachine) topUp(t *rapid.T) {
	m.t = t
	instance, id, tokens := m.anyInstance(t), anyActivation.Draw(t, "id"), rapid.Int64Range(1, 9).Draw(t, "tokens")
	got, _ := m.change("", "", "", func(c *engine.Change) error { _, err := c.TopUp(instance, id, tokens, ""); return err })
	m.same("top-up of "+id, got, m.twin.TopUp(instance, id, tokens))
}

func (m *holdsMachine) transfer(t *rapid.T) {
	m.t = t
	move := &engine.Transfer{
		FromInstance: m.anyInstance(t), From: anyActivation.Draw(t, "from"),
		ToInstance: m.anyInstance(t), To: anyActivation.Draw(t, "to"), Tokens: rapid.Int64Range(1, 9).Draw(t, "tokens"),
	}
	got, _ := m.change("", "", "", func(c *engine.Change) error { _, _, err := c.Transfer(move); return err })
	m.same(fmt.Sprintf("%+v", *move), got, m.twin.Transfer(move.FromInstance, move.From, move.ToInstance, move.To, move.Tokens))
}

// stands holds what is shown to the twin.
func (m *holdsMachine) stands(t *rapid.T) {
	m.balances(t)
	e := m.any(t)
	held := m.twin.Held()
	for _, instance := range m.instances[:2] {
		b, err := e.Balance(ctx, instance)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range b.Book.LineItems {
			twin, _ := m.twin.LineItem(l.ActivationID)
			left := atLeast0(sub(sub(whole(twin.Quantity), useOf(m.twin.Used, twin.ID)), useOf(held, twin.ID)))
			if !same(rat(l.Held), useOf(held, twin.ID)) || !same(rat(l.Balance()), left) {
				t.Fatalf("%s of %s are held and %s left, want %s and %s\n%s", l.Held, l.ActivationID, l.Balance(), text(useOf(held, twin.ID)), text(left), m.twin)
			}
		}
	}
	for _, id := range m.holds {
		want := m.twin.holds[id]
		if m.twin.Now >= want.Until+6*day {
			continue
		}
		h, err := e.HoldByID(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if (want.State == "") != (h.State == access.Held) || want.State != "" && string(h.State) != want.State || h.UntilMS != want.Until ||
			!same(rat(h.Left(m.twin.Now)), want.Left(m.twin.Now)) || !same(rat(h.Settled), want.Settled) || !same(rat(h.Overdrawn), want.Overdrawn) {
			t.Fatalf("hold %s is %+v, want %q until %d, %s settled, %s overdrawn, %s left", id, h.Holding, want.State, want.Until, text(want.Settled),
				text(want.Overdrawn), text(want.Left(m.twin.Now)))
		}
	}
}

// audit adds up the record: what is used is what events moved, what holds settled and overdrew is what their events say; and Verify agrees.
func (m *holdsMachine) audit(t *rapid.T) {
	m.t = t
	used, of, overdrawn := map[string]*big.Rat{}, map[string]*big.Rat{}, map[string]*big.Rat{}
	for _, r := range m.receipts() {
		for _, e := range r.Events(nil) {
			used[e.ActivationID] = add(useOf(used, e.ActivationID), rat(e.Tokens))
			of[e.HoldID] = add(useOf(of, e.HoldID), rat(e.Tokens))
			overdrawn[e.HoldID] = add(useOf(overdrawn, e.HoldID), rat(e.Overdrawn))
		}
	}
	for id, want := range m.uses() {
		if !same(useOf(used, id), want) {
			t.Fatalf("events moved %s of %s, %s are used", text(useOf(used, id)), id, text(want))
		}
	}
	for _, id := range m.holds {
		if h := m.twin.holds[id]; !same(useOf(of, id), h.Settled) || !same(useOf(overdrawn, id), h.Overdrawn) {
			t.Fatalf("events say that hold %s took %s, %s of it overdrawn; want %s and %s", id, text(useOf(of, id)), text(useOf(overdrawn, id)), text(h.Settled), text(h.Overdrawn))
		}
	}
	proof, err := engine.Verify(ctx, m.processes[0].store)
	if err != nil {
		t.Fatal(err)
	}
	for _, difference := range proof.Differences {
		t.Errorf("verify: %s", difference)
	}
}
