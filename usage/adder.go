package usage

import (
	"github.com/farebox/farebox/token"
)

// Adder adds buckets up for a query. It is for one goroutine; Merge brings several together.
type Adder struct {
	query  *Query
	groups map[groupKey]*group

	// room that is used again from bucket to bucket
	times, units []int64
	ids          []uint32
	rows         []uint32 // those that the query selects
	local        []uint32 // the group of each
	spanIDs      map[span]uint32
	slots        map[uint64]uint32
}

// NewAdder returns an adder that has added nothing.
func NewAdder(q *Query) *Adder {
	return &Adder{query: q, groups: map[groupKey]*group{}, spanIDs: map[span]uint32{}, slots: map[uint64]uint32{}}
}

// Add adds what a query selects of a bucket, of which the columns are there that the query names.
func (a *Adder) Add(b *Bucket) error {
	p := &pass{Adder: a, bucket: b, n: b.Header.Rows}
	if err := p.selectRows(); err != nil || len(a.rows) == 0 {
		return err
	}
	if err := p.group(); err != nil {
		return err
	}
	return p.sum()
}

// pass is one bucket on its way through an adder.
type pass struct {
	*Adder
	bucket *Bucket
	n      int        // rows of the bucket
	keys   []groupKey // of the groups that the bucket has
	of     []*group
}

// texts reads a column of values; nil if no event has any.
func (p *pass) texts(d Dimension) ([]Value, []uint32, error) {
	data := p.bucket.Columns[string(d)]
	if data == nil {
		if !d.isKey() {
			return nil, nil, errColumn
		}
		p.ids = grown(p.ids, p.n)
		clear(p.ids)
		return []Value{{None: true}}, p.ids, nil
	}
	values, ids, err := textsOf(data, p.n, p.ids)
	p.ids = ids
	return values, ids, err
}

func (p *pass) selectRows() (err error) {
	p.rows = grown(p.rows, p.n)
	for i := range p.rows {
		p.rows[i] = uint32(i)
	}
	q, h := p.query, &p.bucket.Header
	inside := h.FromMS >= q.FromMS && (q.ToMS == 0 || h.LastMS < q.ToMS)
	if !inside || q.Interval != "" {
		if p.times, _, _, err = unitsOf(p.bucket.Columns[columnTime], p.n, p.times); err != nil {
			return err
		}
	}
	if !inside {
		p.keep(func(row uint32) bool { t := p.times[row]; return t >= q.FromMS && (q.ToMS == 0 || t < q.ToMS) })
	}
	for i := range q.Where {
		values, ids, err := p.texts(q.Where[i].Dimension)
		if err != nil {
			return err
		}
		wanted := make([]bool, len(values))
		for id, v := range values {
			for _, w := range q.Where[i].Values {
				wanted[id] = wanted[id] || v == w
			}
		}
		p.keep(func(row uint32) bool { return wanted[ids[row]] })
	}
	return nil
}

func (p *pass) keep(wanted func(uint32) bool) {
	kept := p.rows[:0]
	for _, row := range p.rows {
		if wanted(row) {
			kept = append(kept, row)
		}
	}
	p.rows = kept
}

// group numbers the groups that the selected rows are of, and finds them.
func (p *pass) group() error {
	p.local = grown(p.local, len(p.rows))
	p.keys = []groupKey{{}}
	if p.query.Interval == "" {
		clear(p.local)
		p.keys[0].span = p.query.spanOf(0)
	} else {
		p.cutTime()
	}
	for at, d := range p.query.By {
		values, ids, err := p.texts(d)
		if err != nil {
			return err
		}
		p.split(at, values, ids)
	}
	p.of = make([]*group, len(p.keys))
	for i, key := range p.keys {
		g := p.groups[key]
		if g == nil {
			g = new(group)
			p.groups[key] = g
		}
		p.of[i] = g
	}
	return nil
}

// cutTime makes a group of each interval. Events that follow each other are mostly of the same one.
func (p *pass) cutTime() {
	clear(p.spanIDs)
	p.keys = p.keys[:0]
	var current span
	var id uint32
	for i, row := range p.rows {
		if t := p.times[row]; t < current.fromMS || t >= current.toMS {
			current, id = p.spanAt(t)
		}
		p.local[i] = id
	}
}

func (p *pass) spanAt(ms int64) (span, uint32) {
	s := p.query.spanOf(ms)
	id, known := p.spanIDs[s]
	if !known {
		id = uint32(len(p.keys))
		p.spanIDs[s] = id
		p.keys = append(p.keys, groupKey{span: s})
	}
	return s, id
}

// denseMost is up to how many groups are numbered by a table instead of a map.
const denseMost = 1 << 20

// split makes of each group one for each of a dimension's values.
func (p *pass) split(at int, values []Value, ids []uint32) {
	before := p.keys
	p.keys = nil
	name := func(local, id uint32) uint32 {
		key := before[local]
		key.by[at] = values[id]
		p.keys = append(p.keys, key)
		return uint32(len(p.keys)) // 0 is no name
	}
	width := uint64(len(values))
	if product := uint64(len(before)) * width; product <= denseMost {
		table := make([]uint32, product)
		for i, row := range p.rows {
			slot := uint64(p.local[i])*width + uint64(ids[row])
			if table[slot] == 0 {
				table[slot] = name(p.local[i], ids[row])
			}
			p.local[i] = table[slot] - 1
		}
		return
	}
	clear(p.slots)
	for i, row := range p.rows {
		slot := uint64(p.local[i])*width + uint64(ids[row])
		id, known := p.slots[slot]
		if !known {
			id = name(p.local[i], ids[row])
			p.slots[slot] = id
		}
		p.local[i] = id - 1
	}
}

func (p *pass) sum() error {
	sums := make([]Sums, len(p.keys))
	for _, c := range []struct {
		name string
		set  func(*Sums, token.Amount)
	}{
		{columnTokens, func(s *Sums, a token.Amount) { s.Tokens = a }},
		{columnOverdraft, func(s *Sums, a token.Amount) { s.Overdraft = a }},
		{columnCount, func(s *Sums, a token.Amount) { s.Count = a }},
		{columnRequests, func(s *Sums, a token.Amount) { s.Requests, _ = a.Units(0) }},
	} {
		totals, err := p.totals(c.name, p.local, len(sums))
		if err != nil {
			return err
		}
		for i := range totals {
			c.set(&sums[i], totals[i])
		}
	}
	if err := p.denials(sums); err != nil {
		return err
	}
	if err := p.money(sums); err != nil {
		return err
	}
	for i := range sums {
		p.of[i].add(&sums[i])
	}
	if p.query.Distinct {
		return p.distinct()
	}
	return nil
}

// totals adds a column of numbers up by group.
func (p *pass) totals(column string, of []uint32, groups int) ([]token.Amount, error) {
	units, digits, amounts, err := unitsOf(p.bucket.Columns[column], p.n, p.units)
	if err != nil {
		return nil, err
	}
	totals := make([]token.Amount, groups)
	if amounts != nil {
		for i, row := range p.rows {
			totals[of[i]] = totals[of[i]].Add(amounts[row])
		}
		return totals, nil
	}
	p.units = units
	added := make([]int64, groups) // cannot overflow: see numbers.encode
	for i, row := range p.rows {
		added[of[i]] += units[row]
	}
	for i, n := range added {
		if n != 0 {
			totals[i] = token.FromUnits(n, digits)
		}
	}
	return totals, nil
}

func (p *pass) denials(sums []Sums) error {
	values, ids, err := p.texts(ByKind)
	if err != nil {
		return err
	}
	for id, v := range values {
		if v.Text != string(Denial) {
			continue
		}
		for i, row := range p.rows {
			if ids[row] == uint32(id) {
				sums[p.local[i]].Denials++
			}
		}
	}
	return nil
}

// money adds money up by group and currency.
func (p *pass) money(sums []Sums) error {
	values, ids, err := p.texts(ByCurrency)
	if err != nil || len(values) == 1 && values[0].None {
		return err
	}
	width := uint32(len(values))
	of := make([]uint32, len(p.rows))
	seen := make([]bool, len(sums)*len(values))
	for i, row := range p.rows {
		of[i] = p.local[i]*width + ids[row]
		seen[of[i]] = true
	}
	totals, err := p.totals(columnMoney, of, len(seen))
	if err != nil {
		return err
	}
	for i, there := range seen {
		if v := values[uint32(i)%width]; there && !v.None {
			s := &sums[uint32(i)/width]
			s.Money = append(s.Money, Money{v.Text, totals[i]})
		}
	}
	return nil
}

// distinct tells the groups whom they have met.
func (p *pass) distinct() error {
	kinds, ids, err := p.texts(ByRequesterType)
	if err != nil {
		return err
	}
	ofKind := make([]uint32, len(p.rows))
	for i, row := range p.rows {
		ofKind[i] = ids[row]
	}
	values, ids, err := p.texts(ByRequester)
	if err != nil {
		return err
	}
	width := uint64(len(kinds)) * uint64(len(values))
	met := func(slot uint64) {
		who := slot % width
		p.of[slot/width].meet(requester{kinds[who/uint64(len(values))].Text, values[who%uint64(len(values))].Text})
	}
	slot := func(i int, row uint32) uint64 {
		return uint64(p.local[i])*width + uint64(ofKind[i])*uint64(len(values)) + uint64(ids[row])
	}
	if slots := uint64(len(p.of)) * width; slots <= 64*denseMost {
		seen := make([]uint64, slots/64+1)
		for i, row := range p.rows {
			s := slot(i, row)
			if bit := uint64(1) << (s % 64); seen[s/64]&bit == 0 {
				seen[s/64] |= bit
				met(s)
			}
		}
		return nil
	}
	clear(p.slots)
	for i, row := range p.rows {
		s := slot(i, row)
		if _, known := p.slots[s]; !known {
			p.slots[s] = 0
			met(s)
		}
	}
	return nil
}
