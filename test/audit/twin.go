package audit

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// Twin is a simple model of the product: maps and rationals. Its methods do what the verbs of the engine do, and return how
// they end.
type Twin struct {
	Now       int64
	Instances map[string]bool
	Used      map[string]*big.Rat // by line item; those that were ever charged
	Events    []Event             // without Count, which is the auditor's

	state
	holds   map[string]*Hold
	paid    map[string][][]draw // of each charge by correlation id, for each item, in the order of drawing
	deleted map[string]LineItem // that were charged
	keys    map[string]onceUsed
}

// onceUsed is what an idempotency key was used for.
type onceUsed struct {
	fingerprint string
	charge      bool
	answer      *Answer // of a charge
}

// NewTwin returns a twin of an empty database.
func NewTwin(now int64) *Twin {
	return &Twin{
		Now: now, Instances: map[string]bool{}, Used: map[string]*big.Rat{}, deleted: map[string]LineItem{}, keys: map[string]onceUsed{},
		holds: map[string]*Hold{}, paid: map[string][][]draw{},
		state: state{lineItems: map[string]LineItem{}},
	}
}

// How a verb ends, when not well.
const (
	Done      = ""
	Invalid   = "invalid"
	NotFound  = "not found"
	Conflict  = "conflict"
	KeyReused = "key reused"
)

// String describes what requests are judged by.
func (w *Twin) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %d, tolerant %v", w.Now, w.tolerant)
	for _, id := range slices.Sorted(maps.Keys(w.lineItems)) {
		fmt.Fprintf(&b, "\n%+v", w.lineItems[id])
	}
	for _, t := range w.tables {
		fmt.Fprintf(&b, "\n%s", t)
	}
	return b.String()
}

// LineItem returns a line item that is not deleted.
func (w *Twin) LineItem(id string) (LineItem, bool) {
	l, there := w.lineItems[id]
	return l, there
}

// Put maps or replaces a line item.
func (w *Twin) Put(l LineItem) string {
	old, there := w.lineItems[l.ID]
	if !w.Instances[l.Instance] {
		return NotFound
	}
	if !there && l.State != deployed {
		return Invalid
	}
	if was, deleted := w.deleted[l.ID]; deleted && was.Instance != l.Instance || there && old.Instance != l.Instance {
		return Conflict
	}
	if there && old.State == obsolete && l.State != obsolete {
		return Conflict
	}
	w.lineItems[l.ID] = l
	delete(w.deleted, l.ID)
	return Done
}

// Delete ends a line item; one that was never charged is free for any instance again (D26).
func (w *Twin) Delete(instance, id string) string {
	l, there := w.lineItems[id]
	if !w.Instances[instance] || !there || l.Instance != instance {
		return NotFound
	}
	delete(w.lineItems, id)
	if _, charged := w.Used[id]; charged {
		w.deleted[id] = l
	}
	return Done
}

// AddTable posts a rate table.
func (w *Twin) AddTable(t *Table) string {
	for _, other := range w.tables {
		if other.Series == t.Series && other.Version == t.Version {
			return Conflict
		}
	}
	w.tables = append(slices.Clone(w.tables), t)
	return Done
}

// DeleteTable withdraws a rate table that is not in effect yet.
func (w *Twin) DeleteTable(series, version string) string {
	for i, t := range w.tables {
		if t.Series != series || t.Version != version {
			continue
		}
		if t.From <= w.Now {
			return Conflict
		}
		w.tables = slices.Delete(slices.Clone(w.tables), i, i+1)
		return Done
	}
	return NotFound
}

// SetTolerant sets timezone.tolerant.
func (w *Twin) SetTolerant(yes bool) { w.tolerant = yes }

// Change says how a change ends that comes with an idempotency key: replayed, refused, or made, by fn.
func (w *Twin) Change(instance, key, fingerprint string, fn func() string) (how string, replayed bool) {
	if key == "" {
		return fn(), false
	}
	id := instance + "\x00" + key
	if earlier, taken := w.keys[id]; taken {
		if earlier.charge || earlier.fingerprint != fingerprint {
			return KeyReused, false
		}
		return Done, true
	}
	if how = fn(); how == Done {
		w.keys[id] = onceUsed{fingerprint: fingerprint}
	}
	return how, false
}
