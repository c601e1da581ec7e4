package usage

import (
	"slices"
	"strings"
	"time"

	"github.com/farebox/farebox/problem"
)

// What people write of a query is read in one place, for the API and the command line.

// valuesMost bounds the values of one match.
const valuesMost = 200

// ReadBy reads the dimensions to group by: each text is one, or several with commas between them. Fields are as the API has them.
func (q *Query) ReadBy(texts []string) error {
	for _, text := range texts {
		for name := range strings.SplitSeq(text, ",") {
			d, err := ParseDimension(name)
			if err != nil {
				return problem.Field("groupBy", "%s", err)
			}
			q.By = append(q.By, d)
		}
	}
	return nil
}

// ReadWhere has events count only if they have one of some values in a dimension; the empty text stands for nothing there. What is
// read of the same dimension again adds to its values.
func (q *Query) ReadWhere(name string, texts []string) error {
	d, err := ParseDimension(name)
	if err != nil {
		return problem.Field(name, "%s", err)
	}
	at := slices.IndexFunc(q.Where, func(m Match) bool { return m.Dimension == d })
	if at < 0 {
		at = len(q.Where)
		q.Where = append(q.Where, Match{Dimension: d})
	}
	for _, text := range texts {
		if choices := choicesOf(d); text != "" && choices != nil && !slices.Contains(choices, text) {
			return problem.Field(name, "must be %s, or empty for none", strings.Join(choices, ", "))
		}
		q.Where[at].Values = append(q.Where[at].Values, field(text))
	}
	if len(q.Where[at].Values) > valuesMost {
		return problem.Field(name, "has %d values, at most %d are possible", len(q.Where[at].Values), valuesMost)
	}
	return nil
}

// choicesOf returns the values that there can be of a dimension, nil of most.
func choicesOf(d Dimension) (names []string) {
	switch d {
	case ByKind:
		for _, k := range Kinds {
			names = append(names, string(k))
		}
	case ByLineItemKind:
		names = []string{"PAID", "FREE"}
	}
	return names
}

// ReadZone reads the name of a time zone; the empty one is UTC. "Local" is nobody's: the server's is not the asker's.
func (q *Query) ReadZone(name string) error {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return problem.Field("timeZone", "%q is not the name of a time zone; such are UTC, Europe/Berlin, America/New_York", name)
	}
	q.Zone = zone
	return nil
}
