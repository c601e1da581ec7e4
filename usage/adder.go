package usage

import (
	"github.com/farebox/farebox/token"
)

// Adder adds buckets up for a query. It is for one goroutine; Merge brings several together.
type Adder struct {
	query      *Query
	groups     map[groupKey]*group
	times      names[span]                  // number the intervals ...
	values     [DimensionsMost]names[Value] // ... the values of each dimension asked for ...
	requesters names[requester]             // ... and requesters, when distinct ones are counted

	// Room that is used again from bucket to bucket.
	rows, local, priced []uint32
	indexes             []uint32
	table               []uint32 // all 0
	spans               map[span]uint32
	slots               map[uint64]uint32
}

// groupKey names a group by the adder's numbers: of an interval, and of a value of each dimension.
type groupKey struct {
	time uint32
	by   [DimensionsMost]uint32
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
		p.keys[0].time = p.times.id(p.query.spanOf(0))
	} else if err := p.cutTime(); err != nil {
		return err
	}
	for at, d := range p.query.By {
		c, err := p.texts(d)
		if err != nil {
			return err
		}
		if err := p.split(at, &c); err != nil {
			return err
		}
	}
	p.of = make([]*group, len(p.keys))
	for i, key := range p.keys {
		g := p.groups[key]
		if g == nil {
			if err := p.tooMany(len(p.groups) + 1); err != nil {
				return err
			}
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
				p.keys = append(p.keys, groupKey{time: p.times.id(current)})
			}
		}
		p.local[i] = id
	}
	return nil
}

// denseMost is up to how many groups are numbered by a table instead of a map.
const denseMost = 1 << 20

// split makes of each group one for each of a dimension's values.
func (p *pass) split(at int, c *texts) error {
	before, width := p.keys, uint64(len(c.values))
	pairs := p.refine(p.local, p.local, len(before), c)
	if len(pairs) > groupsMost {
		return p.tooMany(len(pairs))
	}
	ids := make([]uint32, width) // + 1; 0: not asked for yet
	p.keys = make([]groupKey, len(pairs))
	for i, pair := range pairs {
		p.keys[i] = before[pair/width]
		value := pair % width
		if ids[value] == 0 {
			ids[value] = p.values[at].id(c.values[value]) + 1
		}
		p.keys[i].by[at] = ids[value] - 1
	}
	return nil
}

// refine numbers the pairs that there are of a number and a column's value, in place of the numbers: each of 0 to some-1 is among them. It
// returns what each pair is of: number x values of the column + index of the value.
func (p *pass) refine(into, numbers []uint32, some int, c *texts) (pairs []uint64) {
	width := uint64(len(c.values))
	if width == 1 {
		copy(into, numbers[:p.count])
		pairs = make([]uint64, some)
		for i := range pairs {
			pairs[i] = uint64(i)
		}
		return pairs
	}
	p.indexes = grown(p.indexes, p.count)
	c.read(p.indexes, p.only)
	if product := uint64(some) * width; product <= denseMost {
		if uint64(len(p.table)) < product {
			p.table = make([]uint32, product)
		}
		table := p.table[:product] // 0 is no number
		for i, value := range p.indexes {
			pair := uint64(numbers[i])*width + uint64(value)
			id := table[pair]
			if id == 0 {
				pairs = append(pairs, pair)
				id = uint32(len(pairs))
				table[pair] = id
			}
			into[i] = id - 1
		}
		for _, pair := range pairs {
			table[pair] = 0
		}
		return pairs
	}
	clear(p.slots)
	for i, value := range p.indexes {
		pair := uint64(numbers[i])*width + uint64(value)
		id, known := p.slots[pair]
		if !known {
			id = uint32(len(pairs))
			p.slots[pair] = id
			pairs = append(pairs, pair)
		}
		into[i] = id
	}
	return pairs
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
	// Tokens are added up by group, price and currency.
	p.priced = grown(p.priced, p.count)
	byPrice := p.refine(p.priced, p.local, len(sums), &prices)
	slots := p.refine(p.priced, p.priced, len(byPrice), &currencies)
	slotsOf := make([]priced, len(slots))
	rounds := false
	for i, pair := range slots {
		n := uint64(len(currencies.values))
		first, width := byPrice[pair/n], uint64(len(prices.values))
		slotsOf[i] = priced{group: first / width, price: &m.known[first%width], currency: currencies.values[pair%n]}
		rounds = rounds || !slotsOf[i].price.exact
	}
	totals := p.totals(&tokens, p.priced, len(slots))
	if rounds { // event by event
		for i, slot := range p.priced {
			if s := &slotsOf[slot]; !s.price.exact {
				s.rounded = s.rounded.Add(token.MulHalfEven(tokens.amount(p.row(i)), s.price.Amount))
			}
		}
	}
	for i := range slotsOf {
		slot := &slotsOf[i]
		s := &sums[slot.group]
		s.Tokens = s.Tokens.Add(totals[i])
		switch {
		case slot.currency.None:
		case slot.price.exact:
			s.addMoney(Money{slot.currency.Text, token.MulHalfEven(totals[i], slot.price.Amount)})
		default:
			s.addMoney(Money{slot.currency.Text, slot.rounded})
		}
	}
	return nil
}

// priced is a group's events of one price.
type priced struct {
	group    uint64
	price    *price
	currency Value
	rounded  token.Amount // the money of a price that is not exact
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

func (p *pass) denials(sums []Sums) error {
	c, err := p.texts(ByKind)
	if err != nil {
		return err
	}
	for id, v := range c.values {
		if v.Text != string(Denial) {
			continue
		}
		p.indexes = grown(p.indexes, p.count)
		c.read(p.indexes, p.only)
		for i, value := range p.indexes {
			if value == uint32(id) {
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
	who := make([]uint32, p.count)
	byKind := p.refine(who, who, 1, &kinds) // all are number 0 as yet
	pairs := p.refine(who, who, len(byKind), &values)
	ids := make([]uint32, len(pairs))
	for i, pair := range pairs {
		n := uint64(len(values.values))
		ids[i] = p.requesters.id(requester{kinds.values[byKind[pair/n]].Text, values.values[pair%n].Text})
	}
	width := uint64(len(pairs))
	if slots := uint64(len(p.of)) * width; slots <= 64*denseMost {
		seen := make([]uint64, slots/64+1)
		for i, g := range p.local {
			s := uint64(g)*width + uint64(who[i])
			if bit := uint64(1) << (s % 64); seen[s/64]&bit == 0 {
				seen[s/64] |= bit
				p.of[g].requesters.Add(ids[who[i]])
			}
		}
		return nil
	}
	for i, g := range p.local {
		p.of[g].requesters.Add(ids[who[i]])
	}
	return nil
}

type requester struct{ kind, value string }

// names numbers what it is asked for.
type names[T comparable] struct {
	ids map[T]uint32
	all []T
}

func (n *names[T]) id(name T) uint32 {
	id, known := n.ids[name]
	if !known {
		if n.ids == nil {
			n.ids = map[T]uint32{}
		}
		id = uint32(len(n.all))
		n.ids[name] = id
		n.all = append(n.all, name)
	}
	return id
}

// renumber returns what the numbers of others are here.
func (n *names[T]) renumber(others *names[T]) []uint32 {
	ids := make([]uint32, len(others.all))
	for i, name := range others.all {
		ids[i] = n.id(name)
	}
	return ids
}

// grown returns a slice of a length, the one that is there if it has the room.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
