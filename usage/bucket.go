package usage

import (
	"cmp"
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
	// whoever asks for one has to read the receipts. All other keys, no event has.
	Keys []Dimension `json:"keys,omitzero"`
	Wide []Dimension `json:"wide,omitzero"`
}

// ColumnNames returns the names of all columns that a bucket can have.
func (h *BucketHeader) ColumnNames() []string {
	names := []string{columnTime, columnTokens, columnOverdraft, columnCount, columnPrice, columnRequests, columnReset, columnUsedReset}
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

// Bounds of a bucket's keys. A key gets a column if each of its values stands at least keyRepeats times in the mean, or if it has no
// more than keyFew.
const (
	keysMost   = 64
	keyRepeats = 4
	keyFew     = 256
)

// NewBucket makes a bucket of events. A key that is in keep gets a column however seldom it repeats.
func NewBucket(events []Event, keep ...Dimension) *Bucket {
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
	for _, d := range Dimensions {
		c := textsMaker{ids: make([]uint32, 0, n)}
		for i := range events {
			c.add(d.fieldOf(&events[i]))
		}
		b.Columns[string(d)] = c.encode()
	}
	b.addKeys(keyColumns(events), keep)
	return b
}

// keyColumns makes the columns of all keys that events have.
func keyColumns(events []Event) map[Dimension]*textsMaker {
	keys := map[Dimension]*textsMaker{}
	for i := range events {
		keysOf(&events[i], func(d Dimension, v Value) {
			c := keys[d]
			if c == nil {
				c = new(textsMaker)
				keys[d] = c
			}
			c.pad(i)
			c.add(v)
		})
	}
	for _, c := range keys {
		c.pad(len(events))
	}
	return keys
}

// addKeys takes the columns of keys that are worth one; the most common ones if there are too many.
func (b *Bucket) addKeys(keys map[Dimension]*textsMaker, keep []Dimension) {
	all := make([]Dimension, 0, len(keys))
	for d := range keys {
		all = append(all, d)
	}
	slices.SortFunc(all, func(x, y Dimension) int {
		return cmp.Or(cmp.Compare(len(keys[x].values), len(keys[y].values)), cmp.Compare(x, y))
	})
	for _, d := range all {
		different := len(keys[d].values)
		switch {
		case slices.Contains(keep, d), len(b.Header.Keys) < keysMost && (different <= keyFew || different*keyRepeats <= b.Header.Rows):
			b.Header.Keys = append(b.Header.Keys, d)
			b.Columns[string(d)] = keys[d].encode()
		default:
			b.Header.Wide = append(b.Header.Wide, d)
		}
	}
}

// MergeBuckets makes one bucket of several that follow each other.
func MergeBuckets(parts []*Bucket) (*Bucket, error) {
	first, last := &parts[0].Header, &parts[len(parts)-1].Header
	m := &Bucket{Header: BucketHeader{Level: first.Level + 1, From: first.From, Next: last.Next, FromMS: first.FromMS, LastMS: first.LastMS}, Columns: map[string][]byte{}}
	wide := map[Dimension]bool{}
	keys := map[Dimension]*textsMaker{}
	for _, p := range parts {
		m.Header.Rows += p.Header.Rows
		m.Header.FromMS, m.Header.LastMS = min(m.Header.FromMS, p.Header.FromMS), max(m.Header.LastMS, p.Header.LastMS)
		for _, d := range p.Header.Wide {
			wide[d] = true
		}
		for _, d := range p.Header.Keys {
			keys[d] = new(textsMaker)
		}
	}
	for _, d := range append(Dimensions[:len(Dimensions):len(Dimensions)], columnPrice) {
		c := new(textsMaker)
		if err := c.concat(parts, d); err != nil {
			return nil, err
		}
		m.Columns[string(d)] = c.encode()
	}
	for d, c := range keys {
		if wide[d] {
			delete(keys, d) // what one part has left out cannot be told again
		} else if err := c.concat(parts, d); err != nil {
			return nil, err
		}
	}
	m.addKeys(keys, nil)
	for d := range wide {
		m.Header.Wide = append(m.Header.Wide, d)
	}
	slices.Sort(m.Header.Wide)
	for _, name := range []string{columnTime, columnRequests, columnTokens, columnOverdraft, columnCount, columnReset, columnUsedReset} {
		var err error
		if m.Columns[name], err = concatNumbers(parts, name); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// concat puts the parts' columns behind each other.
func (c *textsMaker) concat(parts []*Bucket, d Dimension) error {
	for _, p := range parts {
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

func concatNumbers(parts []*Bucket, name string) ([]byte, error) {
	var all []token.Amount
	for _, p := range parts {
		read, err := readNumbers(p.Columns[name], p.Header.Rows)
		if err != nil {
			return nil, err
		}
		for row := range uint32(p.Header.Rows) {
			all = append(all, read.amount(row))
		}
	}
	return encodeAmounts(all), nil
}
