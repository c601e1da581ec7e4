package usage

import (
	"slices"

	"github.com/farebox/farebox/token"
)

// Bucket is some thousands of events that follow each other in the record, as columns: what usage is added up from. It holds
// nothing that the receipts do not tell, and can be made from them again.
type Bucket struct {
	Header  BucketHeader
	Columns map[string][]byte // by name
}

// BucketHeader says what is in a bucket.
type BucketHeader struct {
	Number int64    `json:"-"` // the store's name for it
	Level  int      `json:"level"`
	From   Position `json:"from"` // the first receipt
	Next   Position `json:"next"` // the receipt behind the last one
	FromMS int64    `json:"fromMs"`
	LastMS int64    `json:"lastMs"` // of the latest event
	Rows   int      `json:"rows"`

	// Keys are the keys of metadata and dictionaries that have a column. Those in Wide were left out, since they seldom repeat:
	// whoever asks for one has to read the receipts. All other keys, no event has; but with Unlisted there are more than are
	// listed, and whoever asks for one that has no column has to read the receipts.
	Keys     []Dimension `json:"keys,omitzero"`
	Wide     []Dimension `json:"wide,omitzero"`
	Unlisted bool        `json:"unlisted,omitzero"`
}

// ColumnNames returns the names of all columns that a bucket can have.
func (h *BucketHeader) ColumnNames() []string {
	names := []string{columnTime, columnTokens, columnOverdraft, columnCount, columnPrice, columnRequests, columnReset, columnUsedReset, columnCommits}
	for _, d := range Dimensions {
		names = append(names, string(d))
	}
	for _, d := range h.Keys {
		names = append(names, string(d))
	}
	return names
}

// The columns of numbers.
const (
	columnTime      = "time" // milliseconds since 1970
	columnTokens    = "tokens"
	columnOverdraft = "overdraft"
	columnCount     = "count"
	columnPrice     = "unitPrice" // texts: money is tokens x unit price
	columnRequests  = "requests"
	columnReset     = "reset"     // of recurring line items: when the allowance began that paid ...
	columnUsedReset = "usedReset" // ... and the one that the line item's use was of, after it
)

// NewBucket makes a bucket of events. It takes some ten milliseconds of processor for some thousands of them, and rests between pieces of that.
func NewBucket(events []Event, rest Rest) *Bucket {
	b := newBucket(events, Dimensions, rest)
	b.addKeys(events, rest)
	return b
}

// Rest is called between pieces of long work, so that it can make room for work that is in a hurry.
type Rest func()

// Restless is the Rest of work that somebody waits for.
func Restless() {}

// Bucket makes a bucket of events that has what a query asks for.
func (q *Query) Bucket(events []Event) *Bucket {
	var fields, named []Dimension
	for _, name := range q.Columns() {
		switch d := Dimension(name); {
		case d.isKey():
			named = append(named, d)
		case slices.Contains(Dimensions, d):
			fields = append(fields, d)
		}
	}
	b := newBucket(events, fields, Restless)
	b.Header.Keys = named
	if len(named) == 0 {
		return b
	}
	keys, _ := keyColumns(events, named, Restless)
	for d, c := range keys {
		b.Columns[string(d)] = c.dense(len(events)).encode()
	}
	return b
}

// newBucket makes a bucket of events with columns of numbers and of some dimensions that every event has.
func newBucket(events []Event, fields []Dimension, rest Rest) *Bucket {
	n := len(events)
	b := &Bucket{Header: BucketHeader{Rows: n}, Columns: make(map[string][]byte, 24)}
	times, requests, reset, usedReset := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	tokens, overdraft, count := make([]token.Amount, n), make([]token.Amount, n), make([]token.Amount, n)
	var price textsMaker
	for i := range events {
		e := &events[i]
		times[i], requests[i], reset[i], usedReset[i] = e.UsageTimeMS, int64(e.Requests), e.ResetMS, e.Balance.ResetMS
		tokens[i], overdraft[i] = e.Tokens, e.Overdraft
		if e.Kind != Denial { // what was denied was not used
			count[i] = e.Count
		}
		price.add(Value{Text: e.UnitPrice.String()})
	}
	if n > 0 {
		b.Header.FromMS, b.Header.LastMS = slices.Min(times), slices.Max(times)
	}
	b.Columns[columnTime], b.Columns[columnRequests] = encodeUnits(times, 0), encodeUnits(requests, 0)
	b.Columns[columnReset], b.Columns[columnUsedReset] = encodeUnits(reset, 0), encodeUnits(usedReset, 0)
	b.Columns[columnTokens], b.Columns[columnOverdraft], b.Columns[columnCount] = encodeAmounts(tokens), encodeAmounts(overdraft), encodeAmounts(count)
	b.Columns[columnPrice] = price.encode()
	for _, d := range fields {
		rest()
		c := textsMaker{ids: make([]uint32, 0, n)}
		for i := range events {
			c.add(d.fieldOf(&events[i]))
		}
		b.Columns[string(d)] = c.encode()
	}
	return b
}

// MergeBuckets makes one bucket of several that follow each other. It rests as NewBucket does.
func MergeBuckets(parts []*Bucket, rest Rest) (*Bucket, error) {
	first, last := &parts[0].Header, &parts[len(parts)-1].Header
	m := &Bucket{Header: BucketHeader{Level: first.Level + 1, From: first.From, Next: last.Next, FromMS: first.FromMS, LastMS: first.LastMS}, Columns: map[string][]byte{}}
	for _, p := range parts {
		m.Header.Rows += p.Header.Rows
		m.Header.FromMS, m.Header.LastMS = min(m.Header.FromMS, p.Header.FromMS), max(m.Header.LastMS, p.Header.LastMS)
	}
	for _, d := range append(Dimensions[:len(Dimensions):len(Dimensions)], columnPrice) {
		c := new(textsMaker)
		if err := c.concat(parts, d, rest); err != nil {
			return nil, err
		}
		m.Columns[string(d)] = c.encode()
	}
	if err := m.mergeKeys(parts, rest); err != nil {
		return nil, err
	}
	if err := m.mergeCommits(parts, rest); err != nil {
		return nil, err
	}
	for _, name := range []string{columnTime, columnRequests, columnTokens, columnOverdraft, columnCount, columnReset, columnUsedReset} {
		var err error
		if m.Columns[name], err = concatNumbers(parts, name, rest); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// concat puts the parts' columns behind each other.
func (c *textsMaker) concat(parts []*Bucket, d Dimension, rest Rest) error {
	c.ids = slices.Grow(c.ids, rowsOf(parts))
	for _, p := range parts {
		rest()
		data := p.Columns[string(d)]
		if data == nil {
			c.pad(len(c.ids) + p.Header.Rows)
			continue
		}
		read, err := readTexts(data, p.Header.Rows)
		if err != nil {
			return err
		}
		ids := make([]uint32, len(read.values)) // here, by those there
		known := make([]bool, len(read.values))
		for row := range uint32(p.Header.Rows) {
			if id := read.at(row); known[id] {
				c.ids = append(c.ids, ids[id])
			} else {
				c.add(read.values[id])
				ids[id], known[id] = c.ids[len(c.ids)-1], true
			}
		}
	}
	return nil
}

func rowsOf(parts []*Bucket) (n int) {
	for _, p := range parts {
		n += p.Header.Rows
	}
	return n
}

// concatNumbers puts the parts' numbers behind each other.
func concatNumbers(parts []*Bucket, name string, rest Rest) ([]byte, error) {
	columns, alike := make([]numbers, len(parts)), true
	for i, p := range parts {
		var err error
		if columns[i], err = readNumbers(p.Columns[name], p.Header.Rows); err != nil {
			return nil, err
		}
		alike = alike && columns[i].amounts == nil && columns[i].digits == columns[0].digits
	}
	if !alike {
		return concatAmounts(parts, columns, rest), nil
	}
	units := make([]int64, 0, rowsOf(parts))
	for i := range columns {
		rest()
		for row := range uint32(parts[i].Header.Rows) {
			units = append(units, columns[i].units(row))
		}
	}
	return encodeUnits(units, columns[0].digits), nil
}

// concatAmounts is for columns that are not numbers of the same digits.
func concatAmounts(parts []*Bucket, columns []numbers, rest Rest) []byte {
	all := make([]token.Amount, 0, rowsOf(parts))
	for i := range columns {
		rest()
		for row := range uint32(parts[i].Header.Rows) {
			all = append(all, columns[i].amount(row))
		}
	}
	return encodeAmounts(all)
}
