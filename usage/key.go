package usage

import (
	"cmp"
	"slices"
)

// Bounds of a bucket's keys: people choose their names, so there may be as many as there are events, or many more. A key gets a
// column if each of its values stands at least keyRepeats times in the mean, or if it has no more than keyFew.
const (
	keysMost    = 64   // with a column
	wideMost    = 256  // that are listed as left out
	keysTracked = 4096 // that are looked at
	keyRepeats  = 4
	keyFew      = 256
)

// keyColumn is a key's values where events have it: most have few of all keys.
type keyColumn struct {
	texts  textsMaker
	rows   []uint32 // of the values
	events int      // that have it
}

// dense makes a column for all events of a bucket.
func (c *keyColumn) dense(rows int) *textsMaker {
	all := new(textsMaker)
	for i, row := range c.rows {
		all.pad(int(row))
		all.add(c.texts.values[c.texts.ids[i]])
	}
	all.pad(rows)
	return all
}

// add adds the value of an event. Of a key that cannot get a column any more, however often its values stand among so many events,
// there is only counted who has it.
func (c *keyColumn) add(row int, text []byte, only bool, events int) {
	c.events++
	if different := len(c.texts.values); !only && !(&keyCount{different: different, events: events}).repeats() {
		return
	}
	c.texts.addText(text)
	c.rows = append(c.rows, uint32(row))
}

// keyColumns collects the keys that events have: those in only, or as many as are tracked (nil: any). It reports whether there are
// more.
func keyColumns(events []Event, only []Dimension, rest Rest) (keys map[Dimension]*keyColumn, more bool) {
	keys = map[Dimension]*keyColumn{}
	for i := range events {
		if i%128 == 127 {
			rest()
		}
		keysOf(&events[i], func(d Dimension, text []byte) {
			c := keys[d]
			if c == nil {
				if only != nil && !slices.Contains(only, d) {
					return
				}
				if len(keys) == keysTracked {
					more = true
					return
				}
				c = new(keyColumn)
				keys[d] = c
			}
			c.add(i, text, only != nil, len(events))
		})
	}
	return keys, more
}

// keyCount is how much a key is worth a column.
type keyCount struct {
	key       Dimension
	events    int // that have it
	different int // values
}

func (c *keyCount) repeats() bool { return c.different <= keyFew || c.different*keyRepeats <= c.events }

// chooseKeys says which keys get a column, and lists the others as left out: the keys that most events have are chosen.
func (h *BucketHeader) chooseKeys(all []keyCount) {
	slices.SortFunc(all, func(x, y keyCount) int { return cmp.Or(cmp.Compare(y.events, x.events), cmp.Compare(x.key, y.key)) })
	for i := range all {
		if len(h.Keys) < keysMost && all[i].repeats() {
			h.Keys = append(h.Keys, all[i].key)
		} else {
			h.leaveOut(all[i].key)
		}
	}
	slices.Sort(h.Keys)
}

// leaveOut lists a key as left out, unless there are too many to be listed.
func (h *BucketHeader) leaveOut(key Dimension) {
	h.Unlisted = h.Unlisted || len(h.Wide) == wideMost
	if h.Unlisted {
		h.Wide = nil
		return
	}
	at, _ := slices.BinarySearch(h.Wide, key)
	h.Wide = slices.Insert(h.Wide, at, key)
}

// addKeys adds the columns of keys that are worth one.
func (b *Bucket) addKeys(events []Event, rest Rest) {
	keys, more := keyColumns(events, nil, rest)
	b.Header.Unlisted = more
	var all []keyCount
	for d, c := range keys {
		all = append(all, keyCount{d, c.events, len(c.texts.values)})
	}
	b.Header.chooseKeys(all)
	for _, d := range b.Header.Keys {
		rest()
		b.Columns[string(d)] = keys[d].dense(b.Header.Rows).encode()
	}
}

// mergeKeys adds the columns of keys that all parts can tell of.
func (b *Bucket) mergeKeys(parts []*Bucket, rest Rest) error {
	counts, wide := map[Dimension]int{}, map[Dimension]bool{}
	for _, p := range parts {
		rest()
		b.Header.Unlisted = b.Header.Unlisted || p.Header.Unlisted
		for _, d := range p.Header.Wide {
			wide[d] = true
		}
		for _, d := range p.Header.Keys {
			n, err := countValues(p.Columns[string(d)], p.Header.Rows)
			if err != nil {
				return err
			}
			counts[d] += n
		}
	}
	for _, p := range parts {
		for d := range counts {
			if p.Header.Unlisted && !slices.Contains(p.Header.Keys, d) {
				wide[d] = true
			}
		}
	}
	var all []keyCount
	for d := range wide {
		all = append(all, keyCount{d, 0, keyFew + 1}) // what one part has left out cannot be told again
	}
	for d, n := range counts {
		if !wide[d] {
			all = append(all, keyCount{d, n, 1}) // whether it repeats is seen when they are together
		}
	}
	b.Header.chooseKeys(all)
	chosen := b.Header.Keys
	b.Header.Keys = nil
	for _, d := range chosen {
		c := new(textsMaker)
		if err := c.concat(parts, d, rest); err != nil {
			return err
		}
		if count := (keyCount{d, counts[d], len(c.values)}); count.repeats() {
			b.Header.Keys = append(b.Header.Keys, d)
			b.Columns[string(d)] = c.encode()
		} else {
			b.Header.leaveOut(d)
		}
	}
	return nil
}

// countValues returns how many events have a value in a column.
func countValues(data []byte, rows int) (n int, err error) {
	c, err := readTexts(data, rows)
	if err != nil {
		return 0, err
	}
	for row := range uint32(rows) {
		if !c.values[c.at(row)].None {
			n++
		}
	}
	return n, nil
}

// Misses returns a key that a query is about and that a bucket has left out, or nothing: then the receipts have to be read instead.
func (h *BucketHeader) Misses(q *Query) Dimension {
	for _, d := range q.Keys() {
		if slices.Contains(h.Wide, d) || h.Unlisted && !slices.Contains(h.Keys, d) {
			return d
		}
	}
	return ""
}
