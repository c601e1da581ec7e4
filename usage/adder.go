package usage

import (
	"github.com/farebox/farebox/token"
)

// Adder adds buckets up for a query. It is for one goroutine; Merge brings several together.
type Adder struct {
	query      *Query
	groups     map[groupKey]*group
	requesters names // numbers them, when distinct ones are counted

	// Room that is used again from bucket to bucket.
	rows, local, priced []uint32
	spans               map[span]uint32
	slots               map[uint64]uint32
}

// NewAdder returns an adder that has added nothing.
func NewAdder(q *Query) *Adder {
	return &Adder{query: q, groups: map[groupKey]*group{}, spans: map[span]uint32{}, slots: map[uint64]uint32{}}
}

// Add adds what a query selects of a bucket, of which the columns are there that the query names.
func (a *Adder) Add(b *Bucket) error {
	p := &pass{Adder: a, bucket: b, n: b.Header.Rows}
	if err := p.selectRows(); err != nil || p.count == 0 {
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
	count  int        // rows that the query selects ...
	only   []uint32   // ... and which; nil: all
	keys   []groupKey // of the groups that they are of
	of     []*group
}

// row returns which row of the bucket the i-th selected one is.
func (p *pass) row(i int) uint32 {
	if p.only == nil {
		return uint32(i)
	}
	return p.only[i]
}

// texts reads a column of values; of a key that no event has, a column of none.
func (p *pass) texts(d Dimension) (texts, error) {
	data := p.bucket.Columns[string(d)]
	if data == nil && d.isKey() {
		return texts{values: []Value{{None: true}}, packed: packed{data: make([]byte, padding)}}, nil
	}
	return readTexts(data, p.n)
}

func (p *pass) selectRows() error {
	p.count = p.n
	q, h := p.query, &p.bucket.Header
	if h.FromMS < q.FromMS || q.ToMS != 0 && h.LastMS >= q.ToMS {
		times, err := readNumbers(p.bucket.Columns[columnTime], p.n)
		if err != nil {
			return err
		}
		p.keep(func(row uint32) bool { t := times.units(row); return t >= q.FromMS && (q.ToMS == 0 || t < q.ToMS) })
	}
	for i := range q.Where {
		c, err := p.texts(q.Where[i].Dimension)
		if err != nil {
			return err
		}
		wanted := make([]bool, len(c.values))
		for id, v := range c.values {
			for _, w := range q.Where[i].Values {
				wanted[id] = wanted[id] || v == w
			}
		}
		p.keep(func(row uint32) bool { return wanted[c.at(row)] })
	}
	return nil
}

// keep selects of the rows that are selected so far those that are wanted.
func (p *pass) keep(wanted func(uint32) bool) {
	p.rows = grown(p.rows, p.n)
	kept := p.rows[:0]
	for i := range p.count {
		if row := p.row(i); wanted(row) {
			kept = append(kept, row)
		}
	}
	p.only, p.count = kept, len(kept)
}

// group numbers the groups that the selected rows are of, and finds them.
func (p *pass) group() error {
	p.local = grown(p.local, p.count)
	p.keys = []groupKey{{}}
	if p.query.Interval == "" {
		clear(p.local)
		p.keys[0].span = p.query.spanOf(0)
	} else if err := p.cutTime(); err != nil {
		return err
	}
	for at, d := range p.query.By {
		c, err := p.texts(d)
		if err != nil {
			return err
		}
		p.split(at, &c)
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
func (p *pass) cutTime() error {
	times, err := readNumbers(p.bucket.Columns[columnTime], p.n)
	if err != nil {
		return err
	}
	clear(p.spans)
	p.keys = p.keys[:0]
	var current span
	var id uint32
	for i := range p.count {
		if t := times.units(p.row(i)); t < current.fromMS || t >= current.toMS {
			current = p.query.spanOf(t)
			known := false
			if id, known = p.spans[current]; !known {
				id = uint32(len(p.keys))
				p.spans[current] = id
				p.keys = append(p.keys, groupKey{span: current})
			}
		}
		p.local[i] = id
	}
	return nil
}

// denseMost is up to how many groups are numbered by a table instead of a map.
const denseMost = 1 << 20

// split makes of each group one for each of a dimension's values.
func (p *pass) split(at int, c *texts) {
	before := p.keys
	p.keys = nil
	width := uint64(len(c.values))
	name := func(slot uint64) uint32 {
		key := before[slot/width]
		key.by[at] = c.values[slot%width]
		p.keys = append(p.keys, key)
		return uint32(len(p.keys)) // 0 is no name
	}
	if product := uint64(len(before)) * width; product <= denseMost {
		table := make([]uint32, product)
		for i := range p.count {
			slot := uint64(p.local[i])*width + c.at(p.row(i))
			if table[slot] == 0 {
				table[slot] = name(slot)
			}
			p.local[i] = table[slot] - 1
		}
		return
	}
	clear(p.slots)
	for i := range p.count {
		slot := uint64(p.local[i])*width + c.at(p.row(i))
		id, known := p.slots[slot]
		if !known {
			id = name(slot)
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
		{columnOverdraft, func(s *Sums, a token.Amount) { s.Overdraft = a }},
		{columnCount, func(s *Sums, a token.Amount) { s.Count = a }},
		{columnRequests, func(s *Sums, a token.Amount) { s.Requests, _ = a.Units(0) }},
	} {
		column, err := readNumbers(p.bucket.Columns[c.name], p.n)
		if err != nil {
			return err
		}
		for i, total := range p.totals(&column, p.local, len(sums)) {
			c.set(&sums[i], total)
		}
	}
	if err := p.tokens(sums); err != nil {
		return err
	}
	if err := p.denials(sums); err != nil {
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
func (p *pass) totals(c *numbers, local []uint32, groups int) []token.Amount {
	totals := make([]token.Amount, groups)
	switch {
	case c.amounts != nil:
		for i, g := range local {
			totals[g] = totals[g].Add(c.amounts[p.row(i)])
		}
	case c.width == 0 && c.least == 0: // nothing, as overdrafts mostly are
	default:
		sums := make([]wide, groups)
		c.add(sums, local, p.only)
		for i, s := range sums {
			if s != (wide{}) {
				totals[i] = s.amount(c.digits)
			}
		}
	}
	return totals
}

// tokens adds tokens up, and the money that they were sold for.
func (p *pass) tokens(sums []Sums) error {
	tokens, err := readNumbers(p.bucket.Columns[columnTokens], p.n)
	if err != nil {
		return err
	}
	prices, err := readTexts(p.bucket.Columns[columnPrice], p.n)
	if err != nil {
		return err
	}
	currencies, err := p.texts(ByCurrency)
	if err != nil {
		return err
	}
	m := &money{prices: &prices, currencies: &currencies}
	if err := m.read(tokens.digits, tokens.amounts != nil); err != nil {
		return err
	}
	if m.none() {
		for i, total := range p.totals(&tokens, p.local, len(sums)) {
			sums[i].Tokens = total
		}
		return nil
	}
	width := uint32(len(prices.values) * len(currencies.values))
	p.priced = grown(p.priced, p.count)
	seen := make([]bool, len(sums)*int(width))
	for i := range p.count {
		row := p.row(i)
		slot := p.local[i]*width + m.slot(row)
		p.priced[i], seen[slot] = slot, true
	}
	totals := p.totals(&tokens, p.priced, len(seen))
	rounded := map[uint32]token.Amount{} // money of slots whose events are rounded one by one
	for i, slot := range p.priced {
		if price := &m.known[slot%width/uint32(len(currencies.values))]; !price.exact {
			rounded[slot] = rounded[slot].Add(token.MulHalfEven(tokens.amount(p.row(i)), price.Amount))
		}
	}
	for slot, there := range seen {
		if !there {
			continue
		}
		s := &sums[uint32(slot)/width]
		s.Tokens = s.Tokens.Add(totals[slot])
		m.add(s, uint32(slot)%width, totals[slot], rounded[uint32(slot)])
	}
	return nil
}

// money is what the tokens of a bucket were sold for.
type money struct {
	prices, currencies *texts
	known              []price
}

type price struct {
	token.Amount
	exact bool // its products need no rounding, so that a sum may be multiplied instead of each event
}

func (m *money) read(digits int, large bool) (err error) {
	m.known = make([]price, len(m.prices.values))
	for i, v := range m.prices.values {
		p := &m.known[i]
		if p.Amount, err = token.Restore(v.Text); err != nil {
			return errColumn
		}
		p.exact = p.IsZero() || !large && digits+p.Digits() <= token.FractionDigits
	}
	return nil
}

func (m *money) none() bool { return len(m.currencies.values) == 1 && m.currencies.values[0].None }

func (m *money) slot(row uint32) uint32 {
	return uint32(m.prices.at(row))*uint32(len(m.currencies.values)) + uint32(m.currencies.at(row))
}

func (m *money) add(s *Sums, slot uint32, tokens, rounded token.Amount) {
	currency := m.currencies.values[slot%uint32(len(m.currencies.values))]
	price := &m.known[slot/uint32(len(m.currencies.values))]
	switch {
	case currency.None:
		return
	case price.exact:
		rounded = token.MulHalfEven(tokens, price.Amount)
	}
	s.addMoney(Money{currency.Text, rounded})
}

func (p *pass) denials(sums []Sums) error {
	c, err := p.texts(ByKind)
	if err != nil {
		return err
	}
	for id, v := range c.values {
		if v.Text != string(Denial) {
			continue
		}
		for i := range p.count {
			if c.at(p.row(i)) == uint64(id) {
				sums[p.local[i]].Denials++
			}
		}
	}
	return nil
}

// distinct tells the groups whom they have met.
func (p *pass) distinct() error {
	kinds, err := p.texts(ByRequesterType)
	if err != nil {
		return err
	}
	values, err := p.texts(ByRequester)
	if err != nil {
		return err
	}
	width := uint64(len(kinds.values)) * uint64(len(values.values))
	ids := make([]uint32, width) // 0: not known yet
	met := func(slot uint64) {
		who := slot % width
		if ids[who] == 0 {
			ids[who] = 1 + p.requesters.id(requester{kinds.values[who/uint64(len(values.values))].Text, values.values[who%uint64(len(values.values))].Text})
		}
		p.of[slot/width].requesters.Add(ids[who] - 1)
	}
	slot := func(i int) uint64 {
		row := p.row(i)
		return uint64(p.local[i])*width + kinds.at(row)*uint64(len(values.values)) + values.at(row)
	}
	if slots := uint64(len(p.of)) * width; slots <= 64*denseMost {
		seen := make([]uint64, slots/64+1)
		for i := range p.count {
			s := slot(i)
			if bit := uint64(1) << (s % 64); seen[s/64]&bit == 0 {
				seen[s/64] |= bit
				met(s)
			}
		}
		return nil
	}
	for i := range p.count {
		met(slot(i))
	}
	return nil
}

// names numbers requesters.
type names struct {
	ids map[requester]uint32
	all []requester
}

type requester struct{ kind, value string }

func (n *names) id(r requester) uint32 {
	id, known := n.ids[r]
	if !known {
		if n.ids == nil {
			n.ids = map[requester]uint32{}
		}
		id = uint32(len(n.all))
		n.ids[r] = id
		n.all = append(n.all, r)
	}
	return id
}

// grown returns a slice of a length, the one that is there if it has the room.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
