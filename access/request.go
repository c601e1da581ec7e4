// Package access holds what applications ask for on behalf of requesters, and what becomes of it: access requests, sessions, holds and
// leases, with the moves that each can make. It is pure.
package access

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
)

// Bounds of a request (decisions.md D32).
const (
	ItemsMost = 1_000
	JSONBytes = 16 << 10 // of one metaData or dictionary
)

// Requester is who asks. Its JSON is the same on the wire and in the books.
type Requester struct {
	Type       string         `json:"type"`
	Value      string         `json:"value"`
	Dictionary jsontext.Value `json:"dictionary,omitzero"` // a JSON object, or nil
}

// Same reports whether two requesters are one: by type and value.
func (r *Requester) Same(other *Requester) bool {
	return r.Type == other.Type && r.Value == other.Value
}

// Item is one item of a request, with what the application wants recorded beside it.
type Item struct {
	ledger.Ask
	MetaData jsontext.Value // a JSON object, or nil
}

// Request is an access request.
type Request struct {
	Requester    Requester
	Items        []Item
	AllOrNothing bool // grant all items or none (decisions.md D5)
}

// Validate checks a one-off request; its problems name fields as the JSON document has them.
func (r *Request) Validate() error {
	if len(r.Items) == 0 {
		return problem.Field("requestedItems", "must name at least one item")
	}
	return r.ValidateInSession()
}

// ValidateInSession checks a request of a session, which may ask for nothing.
func (r *Request) ValidateInSession() error {
	if err := r.Requester.validate(); err != nil {
		return err
	}
	if len(r.Items) > ItemsMost {
		return problem.Field("requestedItems", "has %d items, at most %d are allowed", len(r.Items), ItemsMost)
	}
	for i := range r.Items {
		item := &r.Items[i]
		if err := item.validate(); err != nil {
			err.Field = fmt.Sprintf("requestedItems[%d].%s", i, err.Field)
			return err
		}
		if item.AllowPartial && r.AllOrNothing { // one flag for all items, on the wire
			return problem.Field("allowPartial", "contradicts allOrNothing: leave one of them out")
		}
	}
	return nil
}

func (r *Requester) validate() error {
	if why := problem.Unnamed(r.Type); why != "" {
		return problem.Field("requester.type", "%s", why)
	}
	if why := problem.Unnamed(r.Value); why != "" {
		return problem.Field("requester.value", "%s", why)
	}
	if why := object(r.Dictionary); why != "" {
		return problem.Field("requester.dictionary", "%s", why)
	}
	return nil
}

func (item *Item) validate() *problem.Error {
	if why := problem.Unnamed(item.Item); why != "" {
		return problem.Field("item", "%s", why)
	}
	if why := problem.Misnamed(item.Version); why != "" {
		return problem.Field("version", "%s", why)
	}
	if item.Count.Sign() <= 0 {
		return problem.Field("count", "must be more than 0")
	}
	if why := object(item.MetaData); why != "" {
		return problem.Field("metaData", "%s", why)
	}
	return nil
}

// object says what keeps a value from being a JSON object of bounded size; nil is fine.
func object(v jsontext.Value) string {
	switch {
	case v == nil:
		return ""
	case v.Kind() != '{':
		return "must be a JSON object"
	case len(v) > JSONBytes:
		return fmt.Sprintf("is longer than %d bytes", JSONBytes)
	}
	return ""
}

// Key names a requester on an instance.
func (r *Requester) Key(instanceID string) ledger.RequesterKey {
	return ledger.RequesterKey{InstanceID: instanceID, Type: r.Type, Value: r.Value}
}

// Decide grants or denies the items in their order, each seeing what the ones before have taken, and books the grants
// on the book and the requester's standing. It returns one outcome an item.
func Decide(book *ledger.Book, prices *ledger.Prices, standing *ledger.Standing, request *Request) []ledger.Outcome {
	return new(Room).Decide(book, prices, standing, request)
}

// Room is memory for one decision after the other. The zero value is ready.
type Room struct {
	who      ledger.Who
	outcomes []ledger.Outcome
	slices   []ledger.Slice
}

// Decide is Decide, but what it returns is good until it is called again.
func (room *Room) Decide(book *ledger.Book, prices *ledger.Prices, standing *ledger.Standing, request *Request) []ledger.Outcome {
	room.who = ledger.Who{Standing: standing}
	if book.Ruled() {
		room.who.Dictionary = dictionary(request.Requester.Dictionary)
	}
	n := len(request.Items)
	room.outcomes, room.slices = slices.Grow(room.outcomes[:0], n)[:n], slices.Grow(room.slices[:0], n+1)
	outcomes, free := room.outcomes, room.slices
	denied := false
	for i := range request.Items {
		outcome := decide(book, prices, &room.who, &request.Items[i].Ask, free)
		outcome.Apply()
		free = append(free, outcome.Slices...) // in place, unless they outgrew the room
		free = free[len(free):]
		denied = denied || outcome.Status != ledger.Granted
		outcomes[i] = outcome
	}
	if request.AllOrNothing && denied {
		withdraw(request, outcomes)
	}
	return outcomes
}

func decide(book *ledger.Book, prices *ledger.Prices, who *ledger.Who, ask *ledger.Ask, buf []ledger.Slice) ledger.Outcome {
	if !prices.Catalog.HasWindows() {
		return ledger.Decide(book, prices, who, *ask, buf)
	}
	return ledger.DecideCovered(book, prices, who, *ask, buf)
}

// dictionary reads a requester's dictionary for rules of access: what is neither text, number, truth nor a list of these is not
// compared.
func dictionary(object jsontext.Value) ledger.Dictionary {
	var values map[string]jsontext.Value
	if object == nil || json.Unmarshal(object, &values) != nil {
		return nil
	}
	d := make(ledger.Dictionary, len(values))
	for key, value := range values {
		var list []jsontext.Value
		if value.Kind() != '[' || json.Unmarshal(value, &list) != nil {
			list = []jsontext.Value{value}
		}
		for _, element := range list {
			switch element.Kind() {
			case '"':
				var text string
				if json.Unmarshal(element, &text) == nil {
					d[key] = append(d[key], text)
				}
			case '0', 't', 'f':
				d[key] = append(d[key], element.String())
			}
		}
	}
	return d
}

func withdraw(request *Request, outcomes []ledger.Outcome) {
	for i := len(outcomes) - 1; i >= 0; i-- { // backwards: two items may have changed one cover
		if o := &outcomes[i]; o.Status == ledger.Granted {
			o.Revert()
			*o = ledger.Outcome{Status: ledger.NoStatus, Count: request.Items[i].Count}
		}
	}
}
