package audit

import (
	"fmt"
	"math/big"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// purchase is a request for more tokens that came to the producer's system.
type purchase struct {
	RequestID    string `json:"requestId"`
	InstanceID   string `json:"instanceId"`
	ActivationID string `json:"activationId"`
	Tokens       int64  `json:"tokens"`
}

// purchaseOf reads a request for more tokens off what a webhook sends; false: it is something else.
func purchaseOf(body []byte) (p purchase, is bool) {
	var sent struct {
		Type string   `json:"type"`
		Data purchase `json:"data"`
	}
	err := json.Unmarshal(body, &sent)
	return sent.Data, err == nil && sent.Type == notify.TopUpAsk
}

// fund has tokens be bought, moved, or asked for by terms.
func (s *simulated) fund(m *rulesMachine) {
	l := s.anyOf(m)
	tokens := int64(1 + s.random.IntN(9))
	switch s.random.IntN(6) {
	case 0:
		m.change(func(c *engine.Change) error { _, err := c.TopUp(m.instance, l.ID, tokens, ""); return err })
		s.requantify(m, l, tokens)
		s.saw("top-up")
	case 1, 2, 3:
		s.transfer(m, l, tokens)
	default:
		s.terms(m, l)
	}
}

// anyOf draws a line item, mostly one that does not recur: the others are not topped up.
func (s *simulated) anyOf(m *rulesMachine) *LineItem {
	for range 3 {
		l := &m.lineItems[s.random.IntN(len(m.lineItems))]
		if m.audit.lineItems[l.ID].Recurs == "" {
			return l
		}
	}
	return &m.lineItems[s.random.IntN(len(m.lineItems))]
}

// requantify tells the auditors that a line item has more tokens, or less.
func (s *simulated) requantify(m *rulesMachine, l *LineItem, tokens int64) {
	l.Quantity += tokens
	of := m.audit.lineItems[l.ID]
	m.audit.LineItem(*l, of.Kind, of.Recurs)
	m.alerts.LineItem(*l, of.Recurs, s.clock.Load())
}

// transfer moves unused tokens to a line item of any customer, which may not be of the same account.
func (s *simulated) transfer(m *rulesMachine, from *LineItem, tokens int64) {
	other := s.customers[s.random.IntN(len(s.customers))]
	if s.oneIn(2) {
		other = m
	}
	to := s.anyOf(other)
	now := s.clock.Load()
	giver, taker := m.audit.lineItems[from.ID], other.audit.lineItems[to.ID]
	unused := sub(sub(whole(giver.Quantity), giver.usedAt(now)), m.audit.heldOf(now, giver, now))
	want := Done
	switch {
	case from.ID == to.ID:
		want = Invalid
	case m.account != other.account, giver.Recurs != "", taker.Recurs != "", giver.Quantity-tokens < 1, less(unused, whole(tokens)):
		want = Conflict
	}
	err := s.make(func(c *engine.Change) error {
		_, _, err := c.Transfer(&engine.Transfer{FromInstance: m.instance, From: from.ID, ToInstance: other.instance, To: to.ID, Tokens: tokens})
		return err
	})
	if how(err) != want {
		s.t.Fatalf("a transfer of %d from %s, of which %s are unused, to %s ends %s, want %s", tokens, from.ID, text(unused), to.ID, how(err), want)
	}
	if err == nil {
		s.saw("transfer")
		s.requantify(m, from, -tokens)
		s.requantify(other, to, tokens)
	}
}

// terms sets how a line item is topped up automatically, and mostly acknowledges it.
func (s *simulated) terms(m *rulesMachine, l *LineItem) {
	terms := notify.TopUp{Below: token.MustParse(oneOf(m, "1", "3.5", "40")), Tokens: int64(m.between(1, 10)), MonthMost: int64(m.between(10, 60))}
	recurs := m.audit.lineItems[l.ID].Recurs != ""
	var is *engine.AutoTopUp
	err := s.make(func(c *engine.Change) (err error) {
		is, err = c.PutAutoTopUp(m.instance, l.ID, terms)
		return err
	})
	if (how(err) == Conflict) != recurs || err != nil && !recurs {
		s.t.Fatalf("automatic top-ups of %s, which recurs: %t, end %s", l.ID, recurs, how(err))
	}
	if recurs {
		return
	}
	s.topUps.Terms(l.ID, rat(terms.Below), terms.Tokens, terms.MonthMost)
	if s.oneIn(4) {
		return
	}
	m.change(func(c *engine.Change) error {
		_, err := c.AcknowledgeAutoTopUp(m.instance, l.ID, is.ModifiedMS, "key")
		return err
	})
	s.topUps.Acknowledged(l.ID)
}

// lookAtTopUps has requests made, and holds them to how line items stand.
func (s *simulated) lookAtTopUps() {
	err := s.engine.LookAtTopUps(ctx)
	s.must("top-ups", err)
	s.revive()
	s.news(false)
	s.asked()
	if err != nil {
		return
	}
	now := s.clock.Load()
	for _, m := range s.customers {
		for _, l := range m.lineItems {
			s.topUps.Looked(l.ID, m.unused(l.ID, now), now >= l.End, now)
		}
	}
	s.judgeTopUps()
}

func (s *simulated) judgeTopUps() {
	for _, wrong := range s.topUps.Complaints() {
		s.t.Fatal(wrong)
	}
}

// unused is what was bought of a line item and not used; what holds keep of it may come back.
func (m *rulesMachine) unused(id string, now int64) *big.Rat {
	l := m.audit.lineItems[id]
	return sub(whole(l.Quantity), l.usedAt(now))
}

// asked tells the auditors of requests that are open and were not seen before.
func (s *simulated) asked() {
	var all []*engine.AutoTopUp
	for read := false; !read; s.revive() {
		s.read(func(r store.Reader) (err error) {
			all, _, err = engine.AutoTopUps(r, 0, 10_000, s.clock.Load())
			read = err == nil
			return err
		})
	}
	for _, a := range all {
		open := a.State.Open
		if open == nil || s.topUps.Open(a.ActivationID) == open.ID {
			continue
		}
		s.note("asked for %d of %s at %d", open.Tokens, a.ActivationID, open.TimeMS)
		m := s.of[a.InstanceID]
		if left := m.unused(a.ActivationID, open.TimeMS); !same(left, rat(open.Left)) {
			s.t.Errorf("%s of %s are left in the request of %d, want %s", open.Left, a.ActivationID, open.TimeMS, text(left))
		}
		s.topUps.Asked(a.ActivationID, open.ID, open.Tokens, rat(open.Left), open.TimeMS)
		s.deliveries.Noticed(open.ID, false)
	}
	s.judgeTopUps()
}

// sellMore answers requests that came to the producer's system, more than once now and then.
func (s *simulated) sellMore() {
	for i := 0; i < len(s.purchases); i++ {
		p := s.purchases[i]
		if s.oneIn(3) {
			continue
		}
		if !s.oneIn(4) { // it forgets that it did
			s.purchases = append(s.purchases[:i], s.purchases[i+1:]...)
			i--
		}
		tokens := p.Tokens
		if s.oneIn(4) {
			tokens = int64(s.random.IntN(12))
		}
		err := s.make(func(c *engine.Change) (err error) {
			if tokens == 0 {
				_, err = c.DeclineTopUp(p.InstanceID, p.ActivationID, p.RequestID, "no")
			} else {
				_, err = c.TopUp(p.InstanceID, p.ActivationID, tokens, p.RequestID)
			}
			return err
		})
		open := s.topUps.Answered(p.ActivationID, p.RequestID, tokens, s.clock.Load())
		if want := map[bool]string{true: Done, false: Conflict}[open]; how(err) != want {
			s.t.Fatalf("selling %d of %s on request %s, which is open: %t, ends %s (%v)", tokens, p.ActivationID, p.RequestID, open, how(err), err)
		}
		if open && tokens > 0 {
			m := s.of[p.InstanceID]
			for i := range m.lineItems {
				if m.lineItems[i].ID == p.ActivationID {
					s.requantify(m, &m.lineItems[i], tokens)
				}
			}
		}
		s.saw(fmt.Sprintf("a request is answered, open: %t", open))
	}
}
