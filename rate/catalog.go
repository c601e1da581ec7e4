package rate

import (
	"cmp"
	"maps"
	"slices"
)

// Catalog is every rate table there is, ordered so that the effective one is found at once. It does not change; a new
// table makes a new catalog.
type Catalog struct {
	bySeries map[string][]*Table // latest effective date first; of equal dates the later created first
	windows  bool
}

// NewCatalog takes over the tables.
func NewCatalog(tables []*Table) *Catalog {
	c := &Catalog{bySeries: make(map[string][]*Table)}
	for _, t := range tables {
		t.prepare()
		for i := range t.Items {
			c.windows = c.windows || t.Items[i].Window != 0
		}
		c.bySeries[t.Series] = append(c.bySeries[t.Series], t)
	}
	for _, of := range c.bySeries {
		slices.SortFunc(of, func(a, b *Table) int {
			return cmp.Or(cmp.Compare(b.EffectiveFromMS, a.EffectiveFromMS), cmp.Compare(b.Serial, a.Serial))
		})
	}
	return c
}

// Effective returns the table that prices a series at a time, or nil: the one with the latest effective date that is
// not after nowMS, and of equal dates the later created (decisions.md D8).
func (c *Catalog) Effective(series string, nowMS int64) *Table {
	for _, t := range c.bySeries[series] {
		if t.EffectiveFromMS <= nowMS {
			return t
		}
	}
	return nil
}

// Prices reports whether the effective table of any series prices an item.
func (c *Catalog) Prices(name, version string, nowMS int64) bool {
	for series := range c.bySeries {
		if c.Effective(series, nowMS).Item(name, version) != nil {
			return true
		}
	}
	return false
}

// EachPrice calls fn with every item of a name and version in the effective tables of all series, by series.
func (c *Catalog) EachPrice(name, version string, nowMS int64, fn func(*Item)) {
	for _, series := range slices.Sorted(maps.Keys(c.bySeries)) {
		if item := c.Effective(series, nowMS).Item(name, version); item != nil {
			fn(item)
		}
	}
}

// HasWindows reports whether a charge of any item, in any table, covers later ones.
func (c *Catalog) HasWindows() bool { return c.windows }

// NextMS returns when the next table becomes effective after a time; 0 when none is posted.
func (c *Catalog) NextMS(nowMS int64) (next int64) {
	for _, of := range c.bySeries {
		for _, t := range of {
			if t.EffectiveFromMS > nowMS && (next == 0 || t.EffectiveFromMS < next) {
				next = t.EffectiveFromMS
			}
		}
	}
	return next
}

// Find returns the table of a series with a version, or nil.
func (c *Catalog) Find(series, version string) *Table {
	for _, t := range c.bySeries[series] {
		if t.Version == version {
			return t
		}
	}
	return nil
}

// Tables returns all tables by series, latest effective date first.
func (c *Catalog) Tables() []*Table {
	all := []*Table{}
	for _, of := range c.bySeries {
		all = append(all, of...)
	}
	slices.SortFunc(all, func(a, b *Table) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(b.EffectiveFromMS, a.EffectiveFromMS), cmp.Compare(b.Serial, a.Serial))
	})
	return all
}
