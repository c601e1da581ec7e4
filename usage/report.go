package usage

import (
	"cmp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/farebox/farebox/token"
)

// Report answers a Query: its rows by time, and of each time the ones with the most tokens first.
type Report struct {
	Rows  []Row
	Total Sums
}

// Row is one group's usage in one interval of time.
type Row struct {
	FromMS int64 // of the interval
	ToMS   int64
	By     []Value // of each dimension asked for
	Other  bool    // all groups that are not among the top ones
	Sums
}

// Sums are added up from events.
type Sums struct {
	Tokens     token.Amount // net of refunds, as are Overdraft, Count and Money
	Overdraft  token.Amount
	Count      token.Amount // of what was granted
	Money      []Money      // by currency, in its order; those that come to nothing among them
	Requests   int64        // items that were decided on
	Denials    int64
	Requesters int64 // distinct ones; 0 if they were not asked for
}

// Money is an amount of a currency.
type Money struct {
	Currency string       `json:"currency"`
	Amount   token.Amount `json:"amount"`
}

// group is what was added up of one.
type group struct {
	Sums
	requesters roaring.Bitmap // by the adder's numbers
}

func (s *Sums) add(other *Sums) {
	s.Tokens, s.Overdraft, s.Count = s.Tokens.Add(other.Tokens), s.Overdraft.Add(other.Overdraft), s.Count.Add(other.Count)
	s.Requests, s.Denials = s.Requests+other.Requests, s.Denials+other.Denials
	for _, m := range other.Money {
		s.addMoney(m)
	}
}

func (s *Sums) addMoney(m Money) {
	at, found := slices.BinarySearchFunc(s.Money, m.Currency, func(has Money, currency string) int { return cmp.Compare(has.Currency, currency) })
	if !found {
		s.Money = slices.Insert(s.Money, at, Money{Currency: m.Currency})
	}
	s.Money[at].Amount = s.Money[at].Amount.Add(m.Amount)
}

func (g *group) merge(other *group) {
	g.add(&other.Sums)
	g.requesters.Or(&other.requesters)
}

func (g *group) done() Sums {
	g.Requesters = int64(g.requesters.GetCardinality())
	return g.Sums
}

// Merge adds what another adder of the same query has added up, and takes it from there.
func (a *Adder) Merge(other *Adder) {
	times, requesters := a.times.renumber(&other.times), a.requesters.renumber(&other.requesters)
	var values [DimensionsMost][]uint32
	for at := range values {
		values[at] = a.values[at].renumber(&other.values[at])
	}
	for key, g := range other.groups {
		renumbered := roaring.Bitmap{}
		g.requesters.Iterate(func(id uint32) bool { renumbered.Add(requesters[id]); return true })
		g.requesters = renumbered
		key.time = times[key.time]
		for at := range a.query.By {
			key.by[at] = values[at][key.by[at]]
		}
		if has := a.groups[key]; has != nil {
			has.merge(g)
		} else {
			a.groups[key] = g
		}
	}
}

// Report returns what was added up. It fails with a problem if that has more than RowsMost rows.
func (a *Adder) Report() (*Report, error) {
	groups := a.groups
	var other map[uint32]*group // by time
	if a.query.Top > 0 {
		groups, other = a.top()
	}
	if len(groups)+len(other) > RowsMost {
		return nil, TooManyRows()
	}
	report := &Report{Rows: make([]Row, 0, len(groups)+len(other))}
	var total group
	row := func(time uint32, by []Value, g *group) {
		s := a.times.all[time]
		total.merge(g)
		report.Rows = append(report.Rows, Row{FromMS: s.fromMS, ToMS: s.toMS, By: by, Other: by == nil && len(a.query.By) > 0, Sums: g.done()})
	}
	for key, g := range groups {
		row(key.time, a.valuesOf(key.by), g)
	}
	for time, g := range other {
		row(time, nil, g)
	}
	slices.SortFunc(report.Rows, compareRows)
	report.Total = total.done()
	return report, nil
}

func compareRows(x, y Row) int {
	order := cmp.Compare(x.FromMS, y.FromMS)
	switch {
	case order != 0:
		return order
	case x.Other != y.Other:
		if x.Other {
			return 1
		}
		return -1
	}
	return cmp.Or(y.Tokens.Cmp(x.Tokens), cmp.Compare(y.Requests, x.Requests), slices.CompareFunc(x.By, y.By, compareValues))
}

func compareValues(x, y Value) int {
	switch {
	case x.None != y.None:
		if x.None {
			return 1
		}
		return -1
	}
	return cmp.Compare(x.Text, y.Text)
}

// valuesOf returns the values that a group has.
func (a *Adder) valuesOf(by [DimensionsMost]uint32) []Value {
	values := make([]Value, len(a.query.By))
	for at := range values {
		values[at] = a.values[at].all[by[at]]
	}
	return values
}

// ranked is what groups of the same values come to over the whole time.
type ranked struct {
	by       [DimensionsMost]uint32
	tokens   token.Amount
	requests int64
}

// top keeps the groups with the most tokens over the whole time, and makes one of the others.
func (a *Adder) top() (groups map[groupKey]*group, other map[uint32]*group) {
	place := make(map[[DimensionsMost]uint32]int, len(a.groups))
	var all []ranked
	for key, g := range a.groups {
		at, known := place[key.by]
		if !known {
			at = len(all)
			place[key.by] = at
			all = append(all, ranked{by: key.by})
		}
		r := &all[at]
		r.tokens, r.requests = r.tokens.Add(g.Tokens), r.requests+g.Requests
	}
	slices.SortFunc(all, func(x, y ranked) int {
		order := cmp.Or(y.tokens.Cmp(x.tokens), cmp.Compare(y.requests, x.requests))
		if order != 0 {
			return order
		}
		return slices.CompareFunc(a.valuesOf(x.by), a.valuesOf(y.by), compareValues)
	})
	kept := map[[DimensionsMost]uint32]bool{}
	for i := range all[:min(a.query.Top, len(all))] {
		kept[all[i].by] = true
	}
	groups, other = map[groupKey]*group{}, map[uint32]*group{}
	for key, g := range a.groups {
		switch {
		case kept[key.by]:
			groups[key] = g
		case other[key.time] == nil:
			rest := new(group)
			rest.merge(g)
			other[key.time] = rest
		default:
			other[key.time].merge(g)
		}
	}
	return groups, other
}
