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

// Diff is what a new table changes in the prices of an old one, each group sorted by name and version.
type Diff struct {
	Added, Removed  []Change
	Dearer, Cheaper []Change
	Unchanged       int
}

// Change is one item in which two tables differ. The rate that a table does not have is 0.
type Change struct {
	Name, Version string
	Old, New      token.Amount
}

// Compare says how newer differs from older. Both are valid; older may be nil if there is none.
func Compare(older, newer *Table) Diff {
	var d Diff
	before, after := rates(older), rates(newer)
	for k, now := range after {
		was, known := before[k]
		change := Change{k.name, k.version, was, now}
		switch order := now.Cmp(was); {
		case !known:
			d.Added = append(d.Added, change)
		case order > 0:
			d.Dearer = append(d.Dearer, change)
		case order < 0:
			d.Cheaper = append(d.Cheaper, change)
		default:
			d.Unchanged++
		}
	}
	for k, was := range before {
		if _, kept := after[k]; !kept {
			d.Removed = append(d.Removed, Change{k.name, k.version, was, token.Amount{}})
		}
	}
	for _, group := range [][]Change{d.Added, d.Removed, d.Dearer, d.Cheaper} {
		slices.SortFunc(group, func(a, b Change) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
		})
	}
	return d
}

func rates(t *Table) map[key]token.Amount {
	if t == nil {
		return nil
	}
	all := make(map[key]token.Amount, len(t.Items))
	for _, item := range t.Items {
		all[key{item.Name, item.Version}] = item.Rate
	}
	return all
}

// Same reports whether the tables price everything alike.
func (d Diff) Same() bool { return len(d.Added)+len(d.Removed)+len(d.Dearer)+len(d.Cheaper) == 0 }

// Percent returns the change of the rate with its sign and one decimal place (a half is rounded away from 0), such as
// "+50.0%". It is empty if the old rate is 0, of which nothing is a percentage.
func (c Change) Percent() string {
	if c.Old.IsZero() {
		return ""
	}
	was, now := rationalOf(c.Old), rationalOf(c.New)
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
	}{{"+", d.Added}, {"-", d.Removed}, {"^", d.Dearer}, {"v", d.Cheaper}} {
		lines = appendGroup(lines, group.mark, group.changes, most)
	}
	_, err := fmt.Fprintf(w, "%s%d added, %d removed, %d dearer, %d cheaper, %d unchanged\n",
		aligned(lines), len(d.Added), len(d.Removed), len(d.Dearer), len(d.Cheaper), d.Unchanged)
	return err
}

// line is one line in its columns.
type line struct{ mark, label, rate, percent string }

func appendGroup(lines []line, mark string, changes []Change, most int) []line {
	for i, c := range changes {
		if most >= 0 && i == most {
			return append(lines, line{mark: mark, label: fmt.Sprintf("… and %d more", len(changes)-most)})
		}
		l := line{mark: mark, label: c.label()}
		switch mark {
		case "+":
			l.rate = c.New.String()
		case "-":
			l.rate = c.Old.String()
		default:
			l.rate, l.percent = c.Old.String()+" -> "+c.New.String(), c.Percent()
		}
		lines = append(lines, l)
	}
	return lines
}

func (c Change) label() string {
	if c.Version == "" {
		return printable(c.Name)
	}
	return printable(c.Name) + " (" + printable(c.Version) + ")"
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
		text := fmt.Sprintf("%s %-*s  %-*s  %s", l.mark, label, l.label, rate, l.rate, l.percent)
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
