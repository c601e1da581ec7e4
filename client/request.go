package client

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
)

// Requester is who uses an item. Type and Value are required, such as user and ann; Dictionary is what rules of access are about, and is written as a JSON object.
type Requester struct {
	Type, Value string
	Dictionary  any
}

// Item is a part of a request. Name is required, and Count is 1 if it is nil. MetaData is written as a JSON object and comes back in events; Variables are what
// the formula of a price is calculated from.
type Item struct {
	Name      string
	Version   string
	Count     *token.Amount
	MetaData  any
	Variables map[string]token.Amount
}

// Count is a whole number of items.
func Count(n int64) *token.Amount {
	a := token.FromInt(n)
	return &a
}

// Counted is an exact number of items, such as 0.5. A text that is no such number panics: it is for constants; else use token.Parse.
func Counted(text string) *token.Amount {
	a := token.MustParse(text)
	return &a
}

// optional writes what may be missing as JSON.
func optional(v any) (jsontext.Value, error) {
	if v == nil {
		return nil, nil
	}
	text, err := json.Marshal(v, json.Deterministic(true))
	return text, err
}

func wireRequester(r *Requester) (*api.Requester, error) {
	dictionary, err := optional(r.Dictionary)
	if err != nil {
		return nil, fmt.Errorf("the requester's dictionary: %w", err)
	}
	return &api.Requester{Type: r.Type, Value: r.Value, Dictionary: dictionary}, nil
}

// wireItems never returns nil without an error: an empty list means something, a missing one does not.
func wireItems(items []Item) ([]api.RequestedItemV11, error) {
	out := make([]api.RequestedItemV11, len(items))
	for i, item := range items {
		metaData, err := optional(item.MetaData)
		if err != nil {
			return nil, fmt.Errorf("the metadata of item %d: %w", i, err)
		}
		count := item.Count
		if count == nil {
			count = Count(1)
		}
		out[i] = api.RequestedItemV11{Item: item.Name, Version: item.Version, Count: count, MetaData: metaData, Variables: item.Variables}
	}
	return out, nil
}

// wire writes who asks and for what.
func wire(r *Requester, items []Item) (*api.Requester, []api.RequestedItemV11, error) {
	requester, err := wireRequester(r)
	if err != nil {
		return nil, nil, err
	}
	wired, err := wireItems(items)
	return requester, wired, err
}
