// Package rate says what a request costs: dated tables of token prices, grouped in series. It is pure.
package rate

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// ItemsMost is how many items a rate table may have (decisions.md D32).
const ItemsMost = 100_000

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

	// Formula makes the price of each request from its variables (decisions.md D9); nil: the price is Rate. An item has one of
	// the two.
	Formula *formula.Formula

	// FreeSeconds is how long using the item in a session costs nothing: use that ends sooner is refunded in full. 0: no such time.
	FreeSeconds int64
	// Window is how long a charge covers its requester's use of the item, in sessions and one-off alike. 0: each use is charged.
	Window time.Duration

	// Cost is what one of an item costs the producer, in the money that it keeps its books in; nil: not told. No price follows from it.
	Cost *token.Amount
}

// term is one of an item's terms, or its cost, under its name in files and on the wire; the value of one that it does not have is
// empty.
type term struct{ name, value string }

func (t term) String() string { return cmp.Or(t.value, "none") }

func (item *Item) terms() [3]term {
	free, cost := "", ""
	if item.FreeSeconds != 0 {
		free = strconv.FormatInt(item.FreeSeconds, 10)
	}
	if item.Cost != nil {
		cost = item.Cost.String()
	}
	return [...]term{{"freeSeconds", free}, {"window", period.Format(item.Window)}, {"cost", cost}}
}

// Terms returns an item's terms and its cost for people, such as "window P1D, cost 0.4"; it is empty if there are none.
func (item *Item) Terms() string {
	var all []string
	for _, t := range item.terms() {
		if t.value != "" {
			all = append(all, t.name+" "+t.value)
		}
	}
	return strings.Join(all, ", ")
}

// Bounds of an item's terms.
const (
	FreeSecondsMost = 24 * 60 * 60
	WindowLeast     = time.Minute
	WindowMost      = 366 * 24 * time.Hour
)

type key struct{ name, version string }

// String names an item in a message.
func (k key) String() string {
	if k.version == "" {
		return strconv.Quote(k.name)
	}
	return fmt.Sprintf("%q version %q", k.name, k.version)
}

// Validate checks a table before it is posted. Its problems name fields as the JSON document has them; those of items
// also say which item it is, since nobody counts the rows of a long file.
func (t *Table) Validate() error {
	if err := t.validateHead(); err != nil {
		return err
	}
	seen := make(map[key]int, len(t.Items))
	for i, item := range t.Items {
		if err := item.validate(fmt.Sprintf("items[%d].", i)); err != nil {
			return err
		}
		k := key{item.Name, item.Version}
		if first, twice := seen[k]; twice {
			return problem.Field(fmt.Sprintf("items[%d].name", i), "%s is items[%d] already; remove one of the two", k, first)
		}
		seen[k] = i
	}
	return nil
}

func (t *Table) validateHead() error {
	if t.Version == "" {
		return problem.Field("version", "is required: it tells people the tables of a series apart")
	}
	if why := problem.Misnamed(t.Version); why != "" {
		return problem.Field("version", "%s", why)
	}
	if why := problem.Misnamed(t.Series); why != "" {
		return problem.Field("series", "%s", why)
	}
	switch {
	case t.EffectiveFromMS < 0 || t.EffectiveFromMS > period.LatestMS:
		return problem.Field("effectiveFrom", "must be milliseconds since 1970, not negative and not after the year 9999")
	case len(t.Items) == 0:
		return problem.Field("items", "must have at least one item")
	case len(t.Items) > ItemsMost:
		return problem.Field("items", "has %d items, at most %d are allowed", len(t.Items), ItemsMost)
	}
	return nil
}

func (item Item) validate(prefix string) error {
	if item.Name == "" {
		return problem.Field(prefix+"name", "is required")
	}
	if why := problem.Misnamed(item.Name); why != "" {
		return problem.Field(prefix+"name", "%s", why)
	}
	if why := problem.Misnamed(item.Version); why != "" {
		return problem.Field(prefix+"version", "%s", why)
	}
	if item.Rate.Sign() < 0 {
		return problem.Field(prefix+"rate", "must not be negative, and is %s for %s", item.Rate, key{item.Name, item.Version})
	}
	switch k := (key{item.Name, item.Version}); {
	case item.Cost != nil && item.Cost.Sign() < 0:
		return problem.Field(prefix+"cost", "must not be negative, and is %s for %s; leave it out if it is not known", item.Cost, k)
	case item.Formula != nil && !item.Rate.IsZero():
		return problem.Field(prefix+"formula", "contradicts rate: %s has one or the other; leave one of them out", k)
	case item.FreeSeconds < 0 || item.FreeSeconds > FreeSecondsMost:
		return problem.Field(prefix+"freeSeconds", "must be from 0 to %d (a day), and is %d for %s", FreeSecondsMost, item.FreeSeconds, k)
	case item.Window != 0 && (item.Window < WindowLeast || item.Window > WindowMost):
		return problem.Field(prefix+"window", "must be from %s to %s, and is %s for %s",
			period.Format(WindowLeast), period.Format(WindowMost), period.Format(item.Window), k)
	case item.Window != 0 && item.FreeSeconds != 0:
		return problem.Field(prefix+"window", "contradicts freeSeconds: what a charge covers cannot be given back; leave one of them out for %s", k)
	}
	return nil
}

// Item returns what one of an item costs and on which terms, or nil if this table does not price it: the name and the
// version match exactly. Only a table that is in a catalog, which makes its index, prices anything.
func (t *Table) Item(name, version string) *Item {
	if t == nil {
		return nil
	}
	i, priced := t.index[key{name, version}]
	if !priced {
		return nil
	}
	return &t.Items[i]
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
