package audit

import (
	"fmt"
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// formulas and what they come to.
var formulas = map[string]func(n *big.Rat) *big.Rat{
	"n * 2 + 0.5": func(n *big.Rat) *big.Rat { return add(mul(n, whole(2)), R("0.5")) },
	"n / 3":       func(n *big.Rat) *big.Rat { return div(n, whole(3)) },
	"n * n":       func(n *big.Rat) *big.Rat { return mul(n, n) },
	"n - 1":       func(n *big.Rat) *big.Rat { return sub(n, whole(1)) },
	"1 / n": func(n *big.Rat) *big.Rat {
		if n.Sign() == 0 {
			return nil
		}
		return div(whole(1), n)
	},
}

func priceOf(formula func(*big.Rat) *big.Rat) func(*big.Rat) (*big.Rat, string) {
	return func(n *big.Rat) (*big.Rat, string) {
		if n == nil {
			return nil, notEvaluated
		}
		switch price := formula(n); {
		case price == nil:
			return nil, notEvaluated
		case halfEven(price).Sign() < 0:
			return nil, negativeRate
		default:
			return halfEven(price), ""
		}
	}
}

// addTable posts a table, and tells the auditor. Some do not list y, and a few do not list x.
func (m *rulesMachine) addTable(series string, from int64) {
	m.tables++
	table := &rate.Table{Series: series, Version: fmt.Sprint(m.name, m.tables), EffectiveFromMS: from}
	told := &PricedTable{Series: series, Version: table.Version, From: from, Items: map[string]PricedItem{}}
	for _, name := range []string{"x", "y", "f", "w", "n"} {
		item := rate.Item{Name: name, Rate: token.MustParse(oneOf(m, "1", "1", "2", "3", "0.5", "0.333333333333", "0", "1.000000000001"))}
		price := rat(item.Rate)
		priced := PricedItem{Price: func(*big.Rat) (*big.Rat, string) { return price, "" }}
		switch name {
		case "x":
			if m.oneIn(12) {
				continue
			}
		case "y":
			if m.oneIn(4) {
				continue
			}
		case "f":
			item.FreeSeconds = oneOf(m, int64(60), 1800, 3*3600, 86400)
		case "w": // in every table, so that nothing is ever refunded of it
			item.Window = oneOf(m, time.Minute, time.Hour, 30*24*time.Hour)
			priced.Window = item.Window.Milliseconds()
		case "n":
			text := oneOf(m, "n * 2 + 0.5", "n / 3", "n * n", "n - 1", "1 / n")
			parsed, err := formula.Parse(text)
			m.must("a formula", err)
			item.Rate, item.Formula = token.Amount{}, parsed
			priced.Price = priceOf(formulas[text])
		}
		table.Items = append(table.Items, item)
		told.Items[name] = priced
	}
	m.change(func(c *engine.Change) error { return c.AddRateTable(table) })
	for _, peer := range m.peers {
		peer.audit.Table(told)
	}
}

// news tells the auditor of the receipts since the last time, and of their events.
func (m *rulesMachine) news() {
	var receipts []*usage.Receipt
	m.must("the receipts", m.engine.View(ctx, func(r store.Reader) error {
		_, err := r.Receipts(m.from, nil, 0, func(at usage.Position, r *usage.Receipt) (bool, error) {
			if at != m.from {
				receipts = append(receipts, r)
			}
			m.from = at
			return true, nil
		})
		return err
	}))
	for _, r := range receipts {
		m.tell(r)
	}
}

// tell tells of a receipt.
func (m *rulesMachine) tell(r *usage.Receipt) {
	late := r.TimeMS < m.latest
	m.latest = max(m.latest, r.TimeMS)
	switch {
	case r.Correction != nil:
		m.tellCorrection(r)
	case r.Hold != nil:
		m.tellHold(r)
	default:
		m.tellRequest(r, late)
	}
}

// tellRequest tells of a receipt of an access request: what was refunded first, but for a session that ends by what is decided.
func (m *rulesMachine) tellRequest(r *usage.Receipt, late bool) {
	d := decisionOf(r)
	d.Late = late
	denied := len(d.Items) > 0 && d.Items[len(d.Items)-1].Status != granted || len(d.Items) > 0 && d.Items[0].Status != granted
	asked := r.Session != nil && r.Session.Operation == access.AccessRequest
	d.Vague = asked && denied && m.uses[r.Session.ID]
	if r.Session != nil {
		m.uses[r.Session.ID] = r.Session.State == access.Active
	}
	first := denied || r.Session != nil && r.Session.Operation == access.AutomaticCharge
	if first {
		m.audit.Decides(d)
	}
	events := eventsOf(r, late)
	for _, e := range events {
		if e.Kind == string(usage.Refund) {
			m.event(e)
		}
	}
	if !first {
		m.audit.Decides(d)
	}
	for _, e := range events {
		if e.Kind != string(usage.Refund) {
			m.event(e)
		}
	}
}

func (m *rulesMachine) event(e *RuledEvent) {
	m.audit.Event(e)
	if m.alerts != nil {
		m.alerts.Event(e)
	}
}

// eventsOf returns the events of a receipt, each with the place of its item.
func eventsOf(r *usage.Receipt, late bool) (all []*RuledEvent) {
	var places []int
	for i := range r.Refunds {
		place := i
		if r.Correction != nil {
			place = r.Correction.Places[i]
		}
		for range r.Refunds[i].Slices {
			places = append(places, place)
		}
	}
	for i := range r.Items {
		slices := len(r.Items[i].Slices)
		if string(r.Items[i].Status) != granted {
			slices = 1
		}
		for range slices {
			places = append(places, i)
		}
	}
	events := r.Events(nil)
	for i := range events {
		e := &events[i]
		all = append(all, &RuledEvent{
			Event: eventOf(e), Type: e.Requester.Type, Dictionary: e.Requester.Dictionary, Paid: e.ResetMS, Shown: e.Balance.ResetMS, Late: late, Place: places[i],
		})
	}
	return all
}

func decisionOf(r *usage.Receipt) *Decision {
	d := &Decision{Time: r.TimeMS, Made: madeMS(r), Type: r.Requester.Type, Requester: r.Requester.Value, Dictionary: r.Requester.Dictionary}
	items := r.Items
	if r.Hold != nil && r.Hold.Items != nil {
		items = r.Hold.Items
	}
	for i := range items {
		real := &items[i]
		item := DecidedItem{Item: real.Item, Status: string(real.Status), Detail: real.Detail, Count: rat(real.Count)}
		item.N = variableN(real.Variables)
		for j := range real.Slices {
			s := &real.Slices[j]
			item.Slices = append(item.Slices, DecidedSlice{s.ActivationID, s.Series, s.TableVersion, rat(s.Rate), rat(s.Tokens), rat(s.Overdraft)})
			item.Settled = append(item.Settled, settledSlice{
				keptShare: keptShare{lineItem: s.ActivationID, series: s.Series, version: s.TableVersion, rate: rat(s.Rate), tokens: rat(s.Tokens)},
				over:      rat(s.Overdraft), overdrawn: rat(s.Overdrawn),
			})
		}
		d.Items = append(d.Items, item)
	}
	return d
}

// madeMS returns when a receipt was made, as its id tells: before its own time, if a session asks after the clock was set back.
func madeMS(r *usage.Receipt) int64 {
	s, ns := uuid.MustParse(r.CorrelationID).Time().UnixTime()
	return s*1000 + ns/1_000_000
}

// variableN returns the variable n; nil: it was not told.
func variableN(variables rate.Variables) *big.Rat {
	n, told := variables["n"]
	if !told {
		return nil
	}
	return rat(n)
}

// oneOffs asks for a few things before what is due is made, as it is after an outage.
func (m *rulesMachine) oneOffs() {
	for range m.between(1, 3) {
		if m.oneIn(3) {
			m.callHold()
			continue
		}
		m.charge()
	}
}

// consumedNow is what the engine knows of consumption in all periods, and periodsSummed what the auditor has summed up.
func (m *rulesMachine) consumedNow() map[string]string {
	all, ids := map[string]string{}, map[int64]string{}
	m.must("looking", m.engine.View(ctx, func(r store.Reader) error {
		lineItems, err := r.LineItems(m.instance)
		if err != nil {
			return err
		}
		for _, l := range lineItems {
			ids[l.Number] = l.ActivationID
		}
		return r.EachConsumed(func(c *ledger.Consumed) error {
			if c.InstanceID != m.instance {
				return nil
			}
			all[fmt.Sprintf("%s by %s %s since %d", ids[c.Number], c.Type, c.Value, c.SinceMS)] = c.Tokens.String()
			return nil
		})
	}))
	return all
}

// comparePeriods holds consumption in every period, also those that are over, to what was summed up. Where some was forgotten it is
// missed only if its period was not over a day before.
func (m *rulesMachine) comparePeriods() {
	shown := m.consumedNow()
	for key, want := range m.audit.consumed {
		l := m.audit.lineItems[key.lineItem]
		name := fmt.Sprintf("%s by %s since %d", key.lineItem, key.requester, key.since)
		got, there := shown[name]
		if l.Allowance == nil || key.counting != l.counting {
			if m.audit.again[key] {
				delete(shown, name)
			}
			continue
		}
		delete(shown, name)
		forgotten := (!there || m.audit.again[key]) && m.forgot > 0 && key.since < began(l.Allowance.Often, l.Allowance.Anchor, m.forgot-day)
		over := !there && key.since < l.from // by a limit of other periods than it has now
		if got != text(want) && !forgotten && !over && !(want.Sign() == 0 && !there) {
			m.t.Errorf("%s %q is consumed, its events add up to %s", name, got, text(want))
		}
	}
	for name, tokens := range shown {
		m.t.Errorf("%s %s is consumed, and nobody did", name, tokens)
	}
}
