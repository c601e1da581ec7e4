package rate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/problem"
)

// node is a value of a YAML or JSON document, with its text as it is written: nothing passes through binary numbers.
type node struct {
	kind   kind
	text   string // of a scalar; of a JSON string without its quotes and escapes
	line   int
	fields []field // of an object
	list   []*node // of a list
}

type field struct {
	name  string
	line  int
	value *node
}

// kind is what a value is, in the words of a message.
type kind string

const (
	object  kind = "an object"
	list    kind = "a list"
	null    kind = "null"
	boolean kind = "true or false"
	number  kind = "a number"
	quoted  kind = "a string"
	plain   kind = "text" // a scalar of YAML: a number or a string, as the reader wishes, so that version 2.10 stays 2.10
)

func (n *node) refuse(name, format string, args ...any) error {
	return onLine(n.line, problem.Field(name, format, args...))
}

// check refuses what is not an object and fields that it should not have or that it has twice.
func (n *node) check(prefix string, known ...string) error {
	if n.kind != object {
		return n.refuse(strings.TrimSuffix(prefix, "."), "%s found, expected an object with the fields %s", n.kind, strings.Join(known, ", "))
	}
	for i, f := range n.fields {
		if !slices.Contains(known, f.name) {
			return onLine(f.line, problem.Field(prefix+printable(f.name), "is not known here; the fields are %s", strings.Join(known, ", ")))
		}
		for _, earlier := range n.fields[:i] {
			if earlier.name == f.name {
				return onLine(f.line, problem.Field(prefix+f.name, "is there twice, first on line %d; remove one of the two", earlier.line))
			}
		}
	}
	return nil
}

// get returns a field's value; nil if it is missing or null.
func (n *node) get(name string) *node {
	for _, f := range n.fields {
		if f.name == name && f.value.kind != null {
			return f.value
		}
	}
	return nil
}

// words returns a field's text, which is empty if there is none.
func (n *node) words(prefix, name string) (string, error) {
	v := n.get(name)
	switch {
	case v == nil:
		return "", nil
	case v.kind != plain && v.kind != quoted:
		return "", v.refuse(prefix+name, "%s found, expected a string; put it in quotes", v.kind)
	}
	return v.text, nil
}

// readTree reads the table in a document. It takes a reader's results, error included, so that calls nest.
func readTree(root *node, err error) (*File, error) {
	if err != nil {
		return nil, err
	}
	if err := root.check("", "series", "version", "effectiveFrom", "items"); err != nil {
		return nil, err
	}
	f := &File{}
	if f.Series, err = root.words("", "series"); err != nil {
		return nil, err
	}
	if f.Version, err = root.words("", "version"); err != nil {
		return nil, err
	}
	if at := root.get("effectiveFrom"); at != nil {
		if f.EffectiveFromMS, err = instant(at.text); err != nil {
			return nil, at.refuse("effectiveFrom", "%v", err)
		}
		f.HasEffectiveFrom = true
	}
	f.Items, err = readItems(root.get("items"))
	return f, err
}

func readItems(all *node) ([]Item, error) {
	if all == nil {
		return nil, nil
	}
	if all.kind != list {
		return nil, all.refuse("items", "%s found, expected a list of items", all.kind)
	}
	var e entries
	for i, n := range all.list {
		prefix := fmt.Sprintf("items[%d].", i)
		item, err := readItem(n, prefix)
		if err == nil {
			err = e.add(item, prefix, n.line)
		}
		if err != nil {
			return nil, err
		}
	}
	return e.items, nil
}

func readItem(n *node, prefix string) (item Item, err error) {
	if err := n.check(prefix, "name", "version", "rate", "formula", "freeSeconds", "window", "cost"); err != nil {
		return item, err
	}
	if n.get("name") == nil {
		return item, n.refuse(prefix+"name", "is required; if the name is null, put it in quotes")
	}
	if item.Name, err = n.words(prefix, "name"); err != nil {
		return item, err
	}
	if item.Version, err = n.words(prefix, "version"); err != nil {
		return item, err
	}
	if err := n.readPrice(prefix, &item); err != nil {
		return item, err
	}
	if err := n.readTerms(prefix, &item); err != nil {
		return item, err
	}
	if at := n.get("cost"); at != nil {
		if at.kind != plain && at.kind != number {
			return item, at.refuse(prefix+"cost", "%s found, expected a number", at.kind)
		}
		if item.Cost, err = cost(at.text); err != nil {
			return item, at.refuse(prefix+"cost", "%v", err)
		}
	}
	return item, nil
}

func (n *node) readPrice(prefix string, item *Item) error {
	rate := n.get("rate")
	text, err := n.words(prefix, "formula")
	if err != nil {
		return err
	}
	if why := OnePrice(rate != nil, text != ""); why != nil {
		why.Field = prefix + why.Field
		return onLine(n.line, why)
	}
	if text != "" {
		if item.Formula, err = formula.Parse(text); err != nil {
			return n.get("formula").refuse(prefix+"formula", "%v", err)
		}
		return nil
	}
	if rate.kind != plain && rate.kind != number {
		return rate.refuse(prefix+"rate", "%s found, expected a number", rate.kind)
	}
	if item.Rate, err = amount(rate.text); err != nil {
		return rate.refuse(prefix+"rate", "%v", err)
	}
	return nil
}

func (n *node) readTerms(prefix string, item *Item) (err error) {
	if at := n.get("freeSeconds"); at != nil {
		if at.kind != plain && at.kind != number {
			return at.refuse(prefix+"freeSeconds", "%s found, expected a whole number", at.kind)
		}
		if item.FreeSeconds, err = seconds(at.text); err != nil {
			return at.refuse(prefix+"freeSeconds", "%v", err)
		}
	}
	text, err := n.words(prefix, "window")
	if err != nil {
		return err
	}
	if item.Window, err = window(text); err != nil {
		return n.get("window").refuse(prefix+"window", "%v", err)
	}
	return nil
}
