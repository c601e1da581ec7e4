// Package rate says what a request costs: dated tables of token prices, grouped in series. It is pure.
package rate

import (
	"fmt"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// Bounds of a rate table (decisions.md D32).
const (
	NameBytes = 256
	ItemsMost = 100_000
)

// Table is one version of a series: from EffectiveFromMS on, until a later table of the series takes over, it alone
// prices the series' items. Tables never change once they are posted.
type Table struct {
	Series          string // empty: the tables without a series
	Version         string // for people; it plays no part in which table is effective
	EffectiveFromMS int64
	CreatedMS       int64
	Serial          int64 // given by the store in the order of creation
	Items           []Item

	index map[key]int
}

// Item is one offering and the tokens that one of it costs.
type Item struct {
	Name    string
	Version string // empty: the offering has no version; it matches only requests without one
	Rate    token.Amount
}

type key struct{ name, version string }

// Validate checks a table before it is posted. Its problems name fields as the JSON document has them.
func (t *Table) Validate() error {
	switch {
	case t.Version == "":
		return problem.Field("version", "is required: it tells people the tables of a series apart")
	case len(t.Version) > NameBytes:
		return problem.Field("version", "is longer than %d bytes", NameBytes)
	case len(t.Series) > NameBytes:
		return problem.Field("series", "is longer than %d bytes", NameBytes)
	case t.EffectiveFromMS < 0:
		return problem.Field("effectiveFrom", "must be milliseconds since 1970, not negative")
	case len(t.Items) == 0:
		return problem.Field("items", "must have at least one item")
	case len(t.Items) > ItemsMost:
		return problem.Field("items", "has %d items, at most %d are allowed", len(t.Items), ItemsMost)
	}
	seen := make(map[key]int, len(t.Items))
	for i, item := range t.Items {
		if err := item.validate(fmt.Sprintf("items[%d]", i)); err != nil {
			return err
		}
		if first, twice := seen[key{item.Name, item.Version}]; twice {
			return problem.Field(fmt.Sprintf("items[%d].name", i), "is the same item and version as items[%d]", first)
		}
		seen[key{item.Name, item.Version}] = i
	}
	return nil
}

func (item Item) validate(field string) error {
	switch {
	case item.Name == "":
		return problem.Field(field+".name", "is required")
	case len(item.Name) > NameBytes:
		return problem.Field(field+".name", "is longer than %d bytes", NameBytes)
	case len(item.Version) > NameBytes:
		return problem.Field(field+".version", "is longer than %d bytes", NameBytes)
	case item.Rate.Sign() < 0:
		return problem.Field(field+".rate", "must not be negative")
	}
	return nil
}

// Rate returns the price of one of an item, and whether this table prices it: the name and the version match exactly.
func (t *Table) Rate(name, version string) (token.Amount, bool) {
	if t == nil {
		return token.Amount{}, false
	}
	i, priced := t.index[key{name, version}]
	if !priced {
		return token.Amount{}, false
	}
	return t.Items[i].Rate, true
}

func (t *Table) prepare() {
	if t.index != nil {
		return
	}
	t.index = make(map[key]int, len(t.Items))
	for i, item := range t.Items {
		t.index[key{item.Name, item.Version}] = i
	}
}
