package rate

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// ImportLiteLLM turns a price file in the LiteLLM schema (an object of models, each with fields such as
// input_cost_per_token in some currency) into items named MODEL/METER, sorted by name, such as "gpt-4o/input". A cost
// times tokensPerUnit, the tokens that are sold for one unit of the currency, is the rate, exactly; what has more than 12
// digits after the point then is rounded half to even.
//
// leftOut has a line for each cost that is not among the items, with the reason, and for each that was rounded. Errors
// are problems of the kind Invalid; those of a malformed file begin with "line N: ".
func ImportLiteLLM(content []byte, tokensPerUnit token.Amount) (items []Item, leftOut []string, err error) {
	if tokensPerUnit.Sign() <= 0 {
		return nil, nil, problem.Field("tokensPerUnit", "must be more than 0, and is %s", tokensPerUnit)
	}
	models, err := readModels(content)
	if err != nil {
		return nil, nil, fmt.Errorf("line %w", err)
	}
	im := costs{taken: make(map[string]string)}
	im.perUnit.SetString(tokensPerUnit.String())
	for _, model := range models.fields {
		if model.name != "sample_spec" { // describes the schema
			im.model(model)
		}
	}
	slices.SortFunc(im.items, func(a, b Item) int { return cmp.Compare(a.Name, b.Name) })
	return im.items, im.leftOut, nil
}

func readModels(content []byte) (*node, error) {
	content, err := utf8Text(content)
	if err != nil {
		return nil, err
	}
	root, err := readJSON(content)
	if err == nil && root.kind != object {
		err = root.refuse("", "%s found, expected an object of models", root.kind)
	}
	return root, err
}

// costs is an import under way.
type costs struct {
	perUnit big.Rat
	items   []Item
	taken   map[string]string // by the item's name: where it is from
	leftOut []string
}

func (im *costs) model(model field) {
	if model.value.kind != object {
		im.note(printable(model.name), "%s found, expected an object", model.value.kind)
		return
	}
	for _, f := range model.value.fields {
		where := printable(model.name) + ": " + printable(f.name)
		switch {
		case !isCost(f.name):
			im.missed(where, f.value)
		case f.value.kind == object:
			for _, part := range f.value.fields {
				im.take(where+"."+printable(part.name), model.name+"/"+meter(f.name)+"/"+part.name, part.value)
			}
		default:
			im.take(where, model.name+"/"+meter(f.name), f.value)
		}
	}
}

func isCost(name string) bool { return strings.Contains(strings.ToLower(name), "cost") }

// meter is what a field counts: its name without saying that it is a cost.
func meter(name string) string {
	for _, cost := range []string{"_cost_per_token", "_token_cost", "_cost"} {
		if before, after, found := strings.Cut(name, cost); found && before != "" {
			return before + after
		}
	}
	return name
}

// missed notes the costs inside of a field that is none itself, such as prices by tiers: no item can say them. Other numbers inside
// may change prices too, such as a factor for a region.
func (im *costs) missed(where string, n *node) {
	for i, v := range n.list {
		im.missed(fmt.Sprintf("%s[%d]", where, i), v)
	}
	for _, f := range n.fields {
		inside := where + "." + printable(f.name)
		switch {
		case isCost(f.name):
			im.note(inside, "lies inside of a field that is no cost")
		case f.value.kind == number:
			im.note(inside, "%.40s is not called a cost; if it is a factor of the costs, add items for what it makes dearer", f.value.text)
		default:
			im.missed(inside, f.value)
		}
	}
}

// take adds an item, or notes why not.
func (im *costs) take(where, name string, n *node) {
	if n.kind != number {
		im.note(where, "%s found, expected a number", n.kind)
		return
	}
	rate, rounded, why := im.rate(n.text)
	if why != "" {
		im.note(where, "%.40s %s", n.text, why)
		return
	}
	item := Item{Name: name, Rate: rate}
	if err := item.validate(""); err != nil {
		im.note(where, "the item cannot be called so: %v", err)
		return
	}
	if first, twice := im.taken[name]; twice {
		im.note(where, "%s makes an item %s too; that one is kept", first, printable(name))
		return
	}
	if rounded {
		im.note(where, "%.40s makes more than %d digits after the point; it is rounded to %s", n.text, token.FractionDigits, rate)
	}
	im.taken[name] = where
	im.items = append(im.items, item)
}

func (im *costs) note(where, format string, args ...any) {
	im.leftOut = append(im.leftOut, where+": "+fmt.Sprintf(format, args...))
}

// rate returns a cost in tokens and whether it had to be rounded, or why it is none. Only this one step rounds: the cost
// may have more digits than an amount.
func (im *costs) rate(cost string) (rate token.Amount, rounded bool, why string) {
	exact, ok := rational(cost)
	switch {
	case !ok:
		return rate, false, "is out of all bounds"
	case exact.Sign() < 0:
		return rate, false, "is negative"
	}
	exact.Mul(exact, &im.perUnit)
	rate, err := token.FromRatHalfEven(exact)
	if err != nil {
		return rate, false, "makes a rate that " + err.Error()
	}
	return rate, rationalOf(rate).Cmp(exact) != 0, ""
}

// rational reads a JSON number of bounded length and exponent, so that its work is bounded too.
func rational(text string) (*big.Rat, bool) {
	if len(text) > 100 {
		return nil, false
	}
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		if exponent, err := strconv.Atoi(text[at+1:]); err != nil || max(exponent, -exponent) > 100 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(text)
}
