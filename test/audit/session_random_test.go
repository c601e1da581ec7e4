package audit

import (
	"fmt"
	"math/big"
	"slices"
)

// The line items of the two instances, and the items that are asked for: f and g may be free at first, a charge for w and v may cover
// later ones, and nothing prices the last.
var (
	sessionLineItems = [][]string{{"a", "c", "e", "g"}, {"b", "d", "f"}}
	sessionItems     = []string{
		"x", "x", "x", "x", "x", "x", "y", "y", "y", "y", "z", "z", "f", "f", "f", "f", "g", "g", "g", "w", "w", "w", "w", "v", "v", "v", "missing",
	}
)

// anyCount draws a count; many have digits that roundings show in.
func (m *sessionMachine) anyCount() *big.Rat {
	if m.oneIn(3) {
		return R(fmt.Sprintf("%d.%011d%d", m.between(0, 5), m.random.Int64N(100_000_000_000), m.between(1, 9)))
	}
	return R(pick(m, "1", "1", "1", "2", "2", "3", "5", "0.5", "0.1", "0.333333333333", "7.000000000001", "0.000000000001", "0.000000000007", "20"))
}

// anyLineItem draws a line item, often one that runs dry soon.
func (m *sessionMachine) anyLineItem(instance, id string) LineItem {
	start := dawn + pick(m, int64(-2*day), -2*day, -2*day, -2*day, 0, hour, day)
	l := LineItem{
		ID: id, Instance: instance, Series: pick(m, "", "", "s"), State: pick(m, deployed, deployed, deployed, deployed, deployed, deployed, "INACTIVE", obsolete),
		Quantity: int64(pick(m, m.between(1, 20), m.between(20, 100), m.between(100, 1000), 1_000_000)),
		Start:    start, End: start + pick(m, int64(400*day), 400*day, 400*day, 40*day, 10*day, 5*day, 3*day+hour),
		Elastic: !m.oneIn(10), Overdraft: pick(m, "", number, number, unlimited), Limit: int64(m.between(0, 30)), Priority: int64(pick(m, 0, 0, 0, 1, -1)),
	}
	if l.Quantity == 1_000_000 {
		l.Priority = 2 // or nobody else would pay
	}
	return l
}

// anyTable draws a rate table in which nearly everything has a price.
func (m *sessionMachine) anyTable(series string, from int64) *Table {
	table := &Table{Series: series, From: from, Rates: map[[2]string]*big.Rat{}, Terms: map[[2]string]Terms{}}
	for _, item := range [][2]string{
		{"x", ""}, {"x", "2"}, {"y", ""}, {"y", "2"}, {"z", ""}, {"f", ""}, {"f", "2"}, {"g", ""}, {"w", ""}, {"w", "2"}, {"v", ""}, {"v", "2"},
	} {
		if len(table.Rates) > 0 && m.oneIn(30) {
			continue
		}
		table.Rates[item] = R(pick(m, "0", "1", "1", "2", "3", "3", "0.1", "0.5", "0.7", "0.000003", "0.333333333333", "1.000000000001", "0.000000000001", "11"))
		switch terms := !m.oneIn(6); {
		case terms && (item[0] == "f" || item[0] == "g"):
			table.Terms[item] = Terms{Free: pick(m, int64(1000), 60_000, 15*60_000, 15*60_000, 90*60_000, 5*hour, day)}
		case terms && (item[0] == "w" || item[0] == "v"):
			table.Terms[item] = Terms{Window: pick(m, int64(60_000), 30*60_000, hour, 100*60_000, 5*hour, day, 10*day)}
		}
	}
	return table
}

func (m *sessionMachine) requester() string { return pick(m, "u", "u", "v") }

// items draws what to ask for, often a change of what is used.
func (m *sessionMachine) items(used []use) (items []Ask) {
	for _, u := range used {
		switch ask := u.Ask; m.random.IntN(6) {
		case 0:
		case 1:
			ask.Count = m.anyCount()
			items = append(items, ask)
		default:
			items = append(items, ask)
		}
	}
	for len(items) == 0 || len(items) < 4 && m.oneIn(3) {
		items = append(items, Ask{Item: pick(m, sessionItems...), Version: pick(m, "", "", "", "", "", "2"), Count: m.anyCount()})
	}
	return items
}

// live returns the sessions that have not ended, as far as is known.
func (m *sessionMachine) live() (all []*Session) {
	for _, s := range m.audit.all {
		if s.State != terminated {
			all = append(all, s)
		}
	}
	return all
}

// anyCall draws a call of a session.
func (m *sessionMachine) anyCall(s *Session) Call {
	c := Call{Verb: pick(m, Use, Use, Use, Use, Use, Use, "halt", Heartbeat, Heartbeat, Heartbeat, Close), Session: s.ID, Forecast: m.oneIn(10)}
	switch c.Verb {
	case "halt":
		c.Verb, c.Requester = Use, m.requester()
	case Use:
		c.Requester, c.Rollback = m.requester(), !m.oneIn(5)
		if s.requester != "" && !m.oneIn(4) {
			c.Requester = s.requester
		}
		c.Items = m.items(s.uses)
	}
	if !m.oneIn(3) {
		c.Instance = s.Instance
	}
	return c
}

func (m *sessionMachine) anySession() *Session {
	from := m.live()
	if acting := slices.DeleteFunc(slices.Clone(from), func(s *Session) bool { return s.State != active }); !m.oneIn(4) && len(acting) > 0 {
		from = acting
	}
	if len(from) == 0 || m.oneIn(15) {
		from = m.audit.all
	}
	if len(from) == 0 {
		return &Session{ID: "nobody", Instance: "nowhere"}
	}
	return pick(m, from...)
}

func (m *sessionMachine) anyCharge() Call {
	c := Call{Verb: Charge, Instance: pick(m, m.instances...), Requester: m.requester(), AllOrNothing: m.oneIn(2)}
	c.Items = m.items(nil)
	return c
}
