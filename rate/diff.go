package rate

import (
	"cmp"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/farebox/farebox/token"
)

// Diff is what a new table changes in the prices of an old one, each group sorted by name and version. An item with another
// rate and other terms is in two groups: either change is one that people must see. One with another formula, or with a formula
// in place of a rate, is neither dearer nor cheaper: that depends on the variables.
type Diff struct {
	Added, Removed  []Change
	Dearer, Cheaper []Change
	OtherTerms      []Change // or another formula, or cost
	Unchanged       int
}

// Change is one item in which two tables differ. The item that a table does not have is free, without terms.
type Change struct{ Old, New Item }

// Compare says how newer differs from older. Both are valid; older may be nil if there is none.
func Compare(older, newer *Table) Diff {
	var d Diff
	before, after := itemsOf(older), itemsOf(newer)
	for k, now := range after {
		was, known := before[k]
		if !known {
			d.Added = append(d.Added, Change{Item{Name: k.name, Version: k.version}, *now})
			continue
		}
		d.compare(Change{*was, *now})
	}
	for k, was := range before {
		if _, kept := after[k]; !kept {
			d.Removed = append(d.Removed, Change{*was, Item{Name: k.name, Version: k.version}})
		}
	}
	for _, group := range [][]Change{d.Added, d.Removed, d.Dearer, d.Cheaper, d.OtherTerms} {
		slices.SortFunc(group, func(a, b Change) int {
			return cmp.Or(cmp.Compare(a.New.Name, b.New.Name), cmp.Compare(a.New.Version, b.New.Version))
		})
	}
	return d
}

// compare takes note of an item that both tables have.
func (d *Diff) compare(c Change) {
	order, otherTerms := c.New.Rate.Cmp(c.Old.Rate), c.terms() != ""
	if c.otherFormula() {
		order, otherTerms = 0, true
	}
	switch {
	case order > 0:
		d.Dearer = append(d.Dearer, c)
	case order < 0:
		d.Cheaper = append(d.Cheaper, c)
	case !otherTerms:
		d.Unchanged++
	}
	if otherTerms {
		d.OtherTerms = append(d.OtherTerms, c)
	}
}

func itemsOf(t *Table) map[key]*Item {
	if t == nil {
		return nil
	}
	all := make(map[key]*Item, len(t.Items))
	for i := range t.Items {
		all[key{t.Items[i].Name, t.Items[i].Version}] = &t.Items[i]
	}
	return all
}

// Same reports whether the tables price everything alike, on the same terms.
func (d Diff) Same() bool {
	return len(d.Added)+len(d.Removed)+len(d.Dearer)+len(d.Cheaper)+len(d.OtherTerms) == 0
}

// Percent returns the change of the rate with its sign and one decimal place (a half is rounded away from 0), such as
// "+50.0%". It is empty if the old rate is 0, of which nothing is a percentage.
func (c Change) Percent() string {
	if c.Old.Rate.IsZero() {
		return ""
	}
	was, now := rationalOf(c.Old.Rate), rationalOf(c.New.Rate)
	share := now.Sub(now, was)
	share.Quo(share, was).Mul(share, big.NewRat(100, 1))
	sign := ""
	if share.Sign() > 0 {
		sign = "+"
	}
	return sign + share.FloatString(1) + "%"
}

func rationalOf(a token.Amount) *big.Rat {
	r, _ := new(big.Rat).SetString(a.String())
	return r
}

// String prints the whole of d as Print does.
func (d Diff) String() string {
	var b strings.Builder
	_ = d.Print(&b, -1) // a Builder does not fail
	return b.String()
}

// Print writes d for people: a line for each change, at most so many of each group (all if most is negative), then a line
// of counts. It fails only as w fails.
func (d Diff) Print(w io.Writer, most int) error {
	var lines []line
	for _, group := range []struct {
		mark    string
		changes []Change
	}{{"+", d.Added}, {"-", d.Removed}, {"^", d.Dearer}, {"v", d.Cheaper}, {"~", d.OtherTerms}} {
		lines = appendGroup(lines, group.mark, group.changes, most)
	}
	others := ""
	if len(d.OtherTerms) > 0 { // most tables have no terms
		others = fmt.Sprintf(", %d with other terms", len(d.OtherTerms))
	}
	if slices.ContainsFunc(d.OtherTerms, Change.otherFormula) {
		others = fmt.Sprintf(", %d with another formula or other terms", len(d.OtherTerms))
	}
	if slices.ContainsFunc(d.OtherTerms, Change.otherCost) {
		others += " or costs"
	}
	_, err := fmt.Fprintf(w, "%s%d added, %d removed, %d dearer, %d cheaper, %d unchanged%s\n",
		aligned(lines), len(d.Added), len(d.Removed), len(d.Dearer), len(d.Cheaper), d.Unchanged, others)
	return err
}

// line is one line in its columns; the note is a percentage or terms.
type line struct{ mark, label, rate, note string }

func appendGroup(lines []line, mark string, changes []Change, most int) []line {
	for i, c := range changes {
		if most >= 0 && i == most {
			return append(lines, line{mark: mark, label: fmt.Sprintf("… and %d more", len(changes)-most)})
		}
		l := line{mark: mark, label: c.label()}
		switch mark {
		case "+":
			l.rate, l.note = c.New.price(), c.New.Terms()
		case "-":
			l.rate, l.note = c.Old.price(), c.Old.Terms()
		case "~":
			l.rate, l.note = c.New.price(), c.terms()
			if c.otherFormula() {
				l.rate = c.Old.price() + " -> " + l.rate
			}
		default:
			l.rate, l.note = c.Old.Rate.String()+" -> "+c.New.Rate.String(), c.Percent()
		}
		lines = append(lines, l)
	}
	return lines
}

func (c Change) label() string {
	if c.New.Version == "" {
		return printable(c.New.Name)
	}
	return printable(c.New.Name) + " (" + printable(c.New.Version) + ")"
}

// otherFormula reports whether another formula makes the price, or a formula in place of a rate or the other way round.
func (c Change) otherFormula() bool { return c.Old.FormulaText() != c.New.FormulaText() }

// terms says which terms, or that the cost, change, and how; it is empty if none do.
func (c Change) terms() string {
	var all []string
	was, now := c.Old.terms(), c.New.terms()
	for i := range was {
		if was[i] != now[i] {
			all = append(all, fmt.Sprintf("%s %s -> %s", was[i].name, was[i], now[i]))
		}
	}
	return strings.Join(all, ", ")
}

// otherCost reports whether what an item costs the producer changes.
func (c Change) otherCost() bool {
	was, now := c.Old.Cost, c.New.Cost
	return (was == nil) != (now == nil) || was != nil && !was.Equal(*now)
}

// columnMost keeps one long name from pushing everything else off the screen.
const columnMost = 60

func aligned(lines []line) string {
	label, rate := 0, 0
	for _, l := range lines {
		label = max(label, min(utf8.RuneCountInString(l.label), columnMost))
		rate = max(rate, min(utf8.RuneCountInString(l.rate), columnMost))
	}
	var b strings.Builder
	for _, l := range lines {
		text := fmt.Sprintf("%s %-*s  %-*s  %s", l.mark, label, l.label, rate, l.rate, l.note)
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return b.String()
}

// printable returns s as a terminal may show it: in quotes with escapes if it has what cannot be seen.
func printable(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
