package rate

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// ImportSteps turns price steps, such as 21 tokens for 1 to 8 jobs and 40 for 9 to 16, into items whose formula makes the
// price of a request from a variable. The content is CSV with the columns name, version (which may be left out), up-to or
// from, and tokens: a step a row, those of an item in rising order. With up-to a step is for all values up to and with that one,
// with from for all from that one on.
//
// What is below the first step costs what that does. With up-to, the formula has no value past the last step, unless lastHolds: then
// the price of the last step holds. With from the last step has no end. An item that always costs the same gets a rate.
//
// The prices of the formulas are compared with the steps on both sides of every bound. Errors are problems of the kind Invalid;
// those of a malformed file begin with "line N: ".
func ImportSteps(content []byte, variable string, lastHolds bool) ([]Item, error) {
	if err := CheckVariable(variable); err != nil {
		return nil, err
	}
	all, err := readSteps(content)
	if err != nil {
		return nil, fmt.Errorf("line %w", err)
	}
	items := make([]Item, len(all))
	for i, s := range all {
		s.variable, s.lastHolds = variable, s.lastHolds || lastHolds
		if items[i], err = s.item(); err != nil {
			return nil, fmt.Errorf("line %w", onLine(s.line, err))
		}
	}
	return items, nil
}

// CheckVariable refuses what formulas cannot have as the name of a variable.
func CheckVariable(name string) error {
	f, err := formula.Parse(name)
	if err != nil || !slices.Equal(f.Variables(), []string{name}) {
		return problem.Field("variable", "%.40q cannot be the name of a variable; write a letter, then letters, digits, _ and points, such as quantity", name)
	}
	return nil
}

// steps are the prices of one item.
type steps struct {
	key
	line      int // where they begin
	from      bool
	lastHolds bool
	variable  string
	bounds    []token.Amount // of each step its end, which belongs to it; or from where it is
	tokens    []token.Amount
}

func readSteps(content []byte) (all []*steps, err error) {
	if content, err = utf8Text(content); err != nil {
		return nil, err
	}
	s, err := openSheet(content, "name,up-to,tokens", "name", "version", "up-to", "from", "tokens")
	if err != nil {
		return nil, err
	}
	for _, columns := range [][]string{{"name"}, {"up-to", "from"}, {"tokens"}} {
		if err := s.require(columns...); err != nil {
			return nil, err
		}
	}
	if s.has("up-to") && s.has("from") {
		return nil, onLine(1, problem.New(problem.Invalid, `the columns "up-to" and "from" contradict each other; remove one of them`))
	}
	known := map[key]*steps{}
	for {
		more, err := s.next()
		if err != nil || !more {
			return all, err
		}
		k := key{s.cell("name"), s.cell("version")}
		if known[k] == nil {
			known[k] = &steps{key: k, line: s.line, from: s.has("from"), lastHolds: s.has("from")}
			all = append(all, known[k])
		}
		if err := known[k].add(s); err != nil {
			return nil, onLine(s.line, err)
		}
	}
}

// add takes over a row.
func (s *steps) add(row *sheet) error {
	if err := (Item{Name: s.name, Version: s.version}).validate(""); err != nil {
		return err
	}
	column := "up-to"
	if s.from {
		column = "from"
	}
	bound, err := positive(row, column)
	if err != nil {
		return err
	}
	tokens, err := positive(row, "tokens")
	if err != nil {
		return err
	}
	if n := len(s.bounds); n > 0 && !s.bounds[n-1].Less(bound) {
		return problem.Field(column, "must be more than %s, as in the step of %s before; list the steps of an item in rising order", s.bounds[n-1], s.key)
	}
	s.bounds, s.tokens = append(s.bounds, bound), append(s.tokens, tokens)
	return nil
}

func positive(row *sheet, column string) (token.Amount, error) {
	text := row.cell(column)
	if text == "" {
		return token.Amount{}, problem.Field(column, "is required")
	}
	a, err := amount(text)
	switch {
	case err != nil:
		return a, problem.Field(column, "%v", err)
	case a.Sign() < 0:
		return a, problem.Field(column, "must not be negative, and is %s", a)
	}
	return a, nil
}

func (s *steps) item() (Item, error) {
	item := Item{Name: s.name, Version: s.version}
	f, err := formula.Parse(s.formula())
	switch {
	case err != nil:
		return item, problem.New(problem.Invalid, "the %d steps of %s make too long a formula (%v); join some, or let more of them rise evenly", len(s.bounds), s.key, err)
	case len(f.Variables()) == 0:
		item.Rate = s.tokens[0]
	default:
		item.Formula = f
	}
	return item, s.check(&item)
}

// formula adds what each step costs more than the one before. Steps of the same width that rise by the same are one term.
func (s *steps) formula() string {
	text := strings.Builder{}
	text.WriteString(s.tokens[0].String())
	starts := s.bounds // of all steps but the first; of the last also its end
	if s.from {
		starts = s.bounds[1:]
	}
	rise := func(i int) token.Amount { return s.tokens[i+1].Sub(s.tokens[i]) }
	for i, n := 0, 0; i < len(s.tokens)-1; i += n {
		width := token.FromInt(1)
		for n = 1; i+n < len(s.tokens)-1 && rise(i+n).Equal(rise(i)); n++ {
			w := starts[i+n].Sub(starts[i+n-1])
			if n > 1 && !w.Equal(width) {
				break
			}
			width = w
		}
		sign, by := "+", rise(i)
		switch by.Sign() {
		case -1:
			sign, by = "-", by.Neg()
		case 0:
			continue
		}
		fmt.Fprintf(&text, " %s %s*%s", sign, by, s.begun(starts[i], width, n))
	}
	if !s.lastHolds { // a formula that has no value divides by 0
		fmt.Fprintf(&text, " + 0/(1-%s)", s.begun(starts[len(starts)-1], token.FromInt(1), 1))
	}
	return text.String()
}

// begun writes how many of n steps a value has reached, the first of which starts at a place.
func (s *steps) begun(start, width token.Amount, n int) string {
	distance := s.variable
	if !start.IsZero() {
		distance += "-" + start.String()
	}
	if one := token.FromInt(1); n > 1 && !width.Equal(one) {
		if !start.IsZero() {
			distance = "(" + distance + ")"
		}
		distance += "/" + width.String()
	}
	reached := "CEILING.MATH(" + distance + ")"
	if s.from {
		reached = "FLOOR.MATH(" + distance + ")+1"
	}
	return fmt.Sprintf("MAX(0,MIN(%d,%s))", n, reached)
}

// price finds a value among the steps. There may be none.
func (s *steps) price(value token.Amount) (price token.Amount, known bool) {
	last := len(s.bounds) - 1
	i := sort.Search(last+1, func(i int) bool {
		if s.from {
			return value.Less(s.bounds[i])
		}
		return !s.bounds[i].Less(value)
	})
	if s.from {
		i = max(i-1, 0)
	}
	if i > last && s.lastHolds {
		i = last
	}
	if i > last {
		return token.Amount{}, false
	}
	return s.tokens[i], true
}

// check compares an item's prices with the steps: at every bound, beside it, a whole number away and between bounds.
func (s *steps) check(item *Item) error {
	one, half := token.FromInt(1), token.MustParse("0.5")
	values := []token.Amount{{}, one, token.Max, token.Max.Neg()}
	for i, bound := range s.bounds {
		values = append(values, bound, bound.Add(token.Smallest), bound.Sub(token.Smallest), bound.Add(one), bound.Sub(one))
		if i > 0 {
			values = append(values, token.MulHalfEven(bound.Add(s.bounds[i-1]), half))
		}
	}
	for _, value := range values {
		if value.Sign() > 0 && token.Max.Less(value) {
			continue
		}
		got, err := item.Price(Variables{strings.ToLower(s.variable): value})
		want, known := s.price(value)
		if known != (err == nil) || known && !got.Equal(want) {
			return problem.New(problem.Internal, "the formula of %s is wrong for %s %s: %s, %v, and not %s; please report it", s.key, s.variable, value, got, err, want)
		}
	}
	return nil
}
