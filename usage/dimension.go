package usage

import (
	"slices"
	"strings"

	"github.com/farebox/farebox/problem"
)

// Dimension is what usage is grouped and filtered by: a field of events by the name it has there, or a key of what requests carry,
// such as metadata.project.
type Dimension string

// The dimensions that every event has.
const (
	ByAccount       Dimension = "accountId"
	ByInstance      Dimension = "instanceId"
	ByLineItem      Dimension = "activationId"
	ByLineItemKind  Dimension = "lineItemKind" // PAID or FREE; none of a denial
	ByItem          Dimension = "item"
	ByItemVersion   Dimension = "itemVersion"
	ByRequester     Dimension = "requester" // by value
	ByRequesterType Dimension = "requesterType"
	ByKind          Dimension = "kind"
	ByStatus        Dimension = "status"
	BySeries        Dimension = "rateTableSeries"
	ByTableVersion  Dimension = "rateTableVersion"
	ByCurrency      Dimension = "currency"
	ByAddress       Dimension = "source.address"
	ByUserAgent     Dimension = "source.userAgent"
)

// Dimensions are those that every event has; there is one more for every key of metadata and dictionaries.
var Dimensions = []Dimension{
	ByAccount, ByInstance, ByLineItem, ByLineItemKind, ByItem, ByItemVersion, ByRequester, ByRequesterType, ByKind, ByStatus, BySeries,
	ByTableVersion, ByCurrency, ByAddress, ByUserAgent,
}

const (
	metaDataPrefix   = "metadata."
	dictionaryPrefix = "dictionary."
)

// synonyms are what people call dimensions besides the names that the fields of events have.
var synonyms = map[string]Dimension{
	"account": ByAccount, "instance": ByInstance, "lineItem": ByLineItem, "lineItemId": ByLineItem, "version": ByItemVersion, "series": BySeries,
}

// ParseDimension reads the name of a dimension.
func ParseDimension(text string) (Dimension, error) {
	if d, found := synonyms[text]; found {
		return d, nil
	}
	if rest, found := strings.CutPrefix(text, "metaData."); found {
		text = metaDataPrefix + rest
	}
	d := Dimension(text)
	if slices.Contains(Dimensions, d) || d.isKey() && problem.Unnamed(d.key()) == "" {
		return d, nil
	}
	return "", problem.New(problem.Invalid, "%q is nothing that usage is told apart by; there are %s, metadata.KEY and dictionary.KEY", text, listed(Dimensions))
}

func listed(all []Dimension) string {
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = string(d)
	}
	return strings.Join(names, ", ")
}

// isKey reports whether a dimension is a key of metadata or dictionaries.
func (d Dimension) isKey() bool {
	return strings.HasPrefix(string(d), metaDataPrefix) || strings.HasPrefix(string(d), dictionaryPrefix)
}

func (d Dimension) key() string {
	_, key, _ := strings.Cut(string(d), ".")
	return key
}

// Value is what an event has in a dimension.
type Value struct {
	Text string
	None bool // it has nothing there
}

// none is a field's value: an empty one is nothing.
func field(text string) Value { return Value{Text: text, None: text == ""} }

// fieldOf returns an event's value in a dimension that every event has.
func (d Dimension) fieldOf(e *Event) Value {
	switch d {
	case ByAccount:
		return field(e.AccountID)
	case ByInstance:
		return field(e.InstanceID)
	case ByLineItem:
		return field(e.ActivationID)
	case ByLineItemKind:
		return field(e.lineItemKind())
	case ByItem:
		return field(e.Item)
	case ByItemVersion:
		return field(e.ItemVersion)
	case ByRequester:
		return field(e.Requester.Value)
	case ByRequesterType:
		return field(e.Requester.Type)
	case ByKind:
		return field(string(e.Kind))
	case ByStatus:
		return field(string(e.Status))
	case BySeries:
		return field(e.RateTableSeries)
	case ByTableVersion:
		return field(e.RateTableVersion)
	case ByCurrency:
		return field(e.Currency)
	}
	return d.sourceOf(e)
}

func (d Dimension) sourceOf(e *Event) Value {
	switch {
	case e.Source == nil:
		return Value{None: true}
	case d == ByAddress:
		return field(e.Source.Address)
	}
	return field(e.Source.UserAgent)
}

func (e *Event) lineItemKind() string {
	switch {
	case e.ActivationID == "":
		return ""
	case e.LineItemKind == "":
		return "PAID"
	}
	return string(e.LineItemKind)
}
