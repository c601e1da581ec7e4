package rate

import (
	"maps"
	"slices"
	"strings"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// Variables are the values that a request gives to the formula of its price, by name in lower case: names do not differ by
// case alone (decisions.md D9).
type Variables map[string]token.Amount

// VariablesMost is how many variables a requested item may have.
const VariablesMost = 64

// NewVariables takes over values by name as they were written. Its problem's field is the name, if that can be shown.
func NewVariables(values map[string]token.Amount) (Variables, error) {
	switch {
	case len(values) == 0:
		return nil, nil
	case len(values) > VariablesMost:
		return nil, problem.New(problem.Invalid, "has %d variables, at most %d are allowed", len(values), VariablesMost)
	}
	v := make(Variables, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) { // so that it is always the same one that is refused
		if why := problem.Unnamed(name); why != "" {
			return nil, problem.New(problem.Invalid, "%.40q: a variable's name %s", name, why)
		}
		lower := strings.ToLower(name)
		if _, twice := v[lower]; twice {
			return nil, problem.Field(name, "is there twice, since upper and lower case are the same; leave one out")
		}
		v[lower] = values[name]
	}
	return v, nil
}

// Price returns what one of an item costs. It may be negative, which cannot be charged. The error says why the formula has
// no value; an item without a formula has no error.
func (item *Item) Price(v Variables) (token.Amount, error) {
	return item.PriceWithin(new(formula.Work), v)
}

// PriceWithin is Price as part of the work of a request.
func (item *Item) PriceWithin(work *formula.Work, v Variables) (token.Amount, error) {
	if item.Formula == nil {
		return item.Rate, nil
	}
	return item.Formula.EvalWithin(work, func(name string) (token.Amount, bool) {
		value, known := v[name]
		return value, known
	})
}

// OnePrice checks that an item was given a rate or a formula, and not both. A rate that was forgotten must not be 0.
func OnePrice(rate, formula bool) *problem.Error {
	switch {
	case rate && formula:
		return problem.Field("formula", "contradicts rate: an item has one or the other; leave one of them out")
	case !rate && !formula:
		return problem.Field("rate", "is required, or a formula in its place; write 0 for what is free")
	}
	return nil
}

// price returns an item's price for people: "5", or "= price * quantity".
func (item *Item) price() string {
	if item.Formula == nil {
		return item.Rate.String()
	}
	return "= " + item.FormulaText()
}

// FormulaText returns an item's formula on one line; it is empty if there is none.
func (item *Item) FormulaText() string {
	if item.Formula == nil {
		return ""
	}
	return strings.Join(strings.Fields(item.Formula.String()), " ")
}
