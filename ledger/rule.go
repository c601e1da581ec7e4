package ledger

import (
	"slices"

	"github.com/farebox/farebox/token"
)

// Dictionary is what an application tells of its requester for rules of access: values by name. A value that is a list
// stands there as all of its elements; numbers and truths as their text.
type Dictionary map[string][]string

// ConditionType tells conditions on the dictionary from those that combine others.
type ConditionType string

// The types of condition.
const (
	Simple  ConditionType = "SIMPLE"
	Complex ConditionType = "COMPLEX"
)

// Operator is how a condition compares or combines.
type Operator string

// The operators: In and Not of simple conditions, And and Or of complex ones.
const (
	In  Operator = "IN"
	Not Operator = "NOT"
	And Operator = "AND"
	Or  Operator = "OR"
)

// Condition holds for requesters, by their dictionary (decisions.md D21). Its JSON is the one in the books.
type Condition struct {
	ID       string        `json:"id,omitzero"` // of the instance's conditions; of one nested in place: empty
	Name     string        `json:"name,omitzero"`
	Type     ConditionType `json:"type,omitzero"` // empty: it stands for the one with its ID
	Operator Operator      `json:"operator,omitzero"`

	Key    string   `json:"key,omitzero"` // of a simple one
	Values []string `json:"values,omitzero"`

	Conditions []*Condition `json:"conditions,omitzero"` // of a complex one
}

// Holds reports whether one of the book's conditions holds for who asks. It is checked that references lead to others, and in
// no circle, before a condition is stored. A condition is looked at once in a request, however often others refer to it.
func (w *Who) Holds(b *Book, id string) bool {
	holds, known := w.held[id]
	if !known {
		if w.held == nil {
			w.held = map[string]bool{}
		}
		holds = w.holds(b, b.Conditions[id])
		w.held[id] = holds
	}
	return holds
}

func (w *Who) holds(b *Book, c *Condition) bool {
	switch {
	case c.Type == "":
		return w.Holds(b, c.ID)
	case c.Type == Simple:
		has := w.values(c.Key)
		among := slices.ContainsFunc(c.Values, func(value string) bool { return has[value] })
		return among == (c.Operator == In)
	}
	for _, part := range c.Conditions {
		if w.holds(b, part) == (c.Operator == Or) {
			return c.Operator == Or
		}
	}
	return c.Operator == And
}

// values returns a key's values as a set: lists in dictionaries may be long.
func (w *Who) values(key string) map[string]bool {
	set, known := w.sets[key]
	if !known {
		if w.sets == nil {
			w.sets = map[string]map[string]bool{}
		}
		set = make(map[string]bool, len(w.Dictionary[key]))
		for _, value := range w.Dictionary[key] {
			set[value] = true
		}
		w.sets[key] = set
	}
	return set
}

// Action says what a line item gives to the requesters for whom its condition holds. Its JSON is the one in the books.
type Action struct {
	ID          string        `json:"id"`
	Name        string        `json:"name,omitzero"`
	ConditionID string        `json:"conditionId,omitzero"` // empty: the default action, which holds for all
	Allow       bool          `json:"allow,omitzero"`
	Allocation  *token.Amount `json:"allocation,omitempty"` // at most this much, in all; nil: no bound

	Used token.Amount `json:"-"` // of the allocation
}

// action returns the first of a line item's actions whose condition holds; nil when none does (decisions.md D22).
func (w *Who) action(b *Book, l *LineItem) *Action {
	a, known := w.matched[l]
	if known {
		return a
	}
	for i := range l.Actions {
		if id := l.Actions[i].ConditionID; id == "" || w.Holds(b, id) {
			a = &l.Actions[i]
			break
		}
	}
	if w.matched == nil {
		w.matched = map[*LineItem]*Action{}
	}
	w.matched[l] = a
	return a
}
