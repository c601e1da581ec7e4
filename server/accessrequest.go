package server

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/jsonwriter"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

func requestAccess(c *call) (*reply, error) {
	request, err := decodeAccessRequest(c.family, c.body)
	if err != nil {
		return nil, err
	}
	receipt, replayed, err := c.server.engine.Charge(&engine.Charge{
		InstanceID: c.PathValue("instanceId"), Request: request, Once: c.once, Source: c.source(), Size: len(c.body),
	})
	if err != nil {
		return nil, err
	}
	body, err := accessAnswer(c.family, receipt)
	return &reply{status: http.StatusOK, contentType: jsonType, body: body, replayed: replayed}, err
}

func decodeAccessRequest(f family, body []byte) (*access.Request, error) {
	if f == v10 {
		return decodeOneOff(body, latestItem)
	}
	return decodeOneOff(body, itemAsItIs)
}

func itemAsItIs(in *api.RequestedItemV11) *api.RequestedItemV11 { return in }

func latestItem(in *api.RequestedItemV10) *api.RequestedItemV11 {
	return &api.RequestedItemV11{Item: in.Item, Version: in.Version, Count: in.Count, MetaData: in.MetaData}
}

func decodeOneOff[I any](body []byte, latest func(*I) *api.RequestedItemV11) (*access.Request, error) {
	var in api.AccessRequest[I]
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	return wireOneOff(&in, latest)
}

func wireOneOff[I any](in *api.AccessRequest[I], latest func(*I) *api.RequestedItemV11) (*access.Request, error) {
	request, err := wireRequest(in.Requester, in.RequestedItems, latest)
	if err != nil {
		return nil, err
	}
	request.AllOrNothing = in.AllOrNothing
	for i := range request.Items {
		request.Items[i].AllowPartial = in.AllowPartial
	}
	return request, request.Validate()
}

// wireRequest reads what requests of both kinds have in common. latest turns an item into one of v1.1.
func wireRequest[I any](requester *api.Requester, items []I, latest func(*I) *api.RequestedItemV11) (*access.Request, error) {
	if requester == nil {
		return nil, problem.Field("requester", "is required: who asks, with type and value")
	}
	request := &access.Request{Requester: access.Requester(*requester), Items: make([]access.Item, len(items))}
	request.Requester.Dictionary = present(requester.Dictionary)
	for i := range items {
		item := latest(&items[i])
		if item.Count == nil {
			return nil, problem.Field(fmt.Sprintf("requestedItems[%d].count", i), "is required")
		}
		variables, err := wireVariables(item.Variables)
		if err != nil {
			err.Field = fmt.Sprintf("requestedItems[%d].%s", i, err.Field)
			return nil, err
		}
		request.Items[i] = access.Item{
			Ask:      ledger.Ask{Item: item.Item, Version: item.Version, Count: *item.Count, Variables: variables},
			MetaData: present(item.MetaData),
		}
	}
	return request, nil
}

func wireVariables(values map[string]token.Amount) (rate.Variables, *problem.Error) {
	variables, err := rate.NewVariables(values)
	p, ok := errors.AsType[*problem.Error](err)
	switch {
	case !ok:
		return variables, nil
	case p.Field != "":
		p.Field = "." + p.Field
	}
	p.Field = "variables" + p.Field
	return nil, p
}

// present returns nil for JSON's null, which stands for a field that is left out, as it does in fields of other types.
func present(v jsontext.Value) jsontext.Value {
	if v.Kind() == 'n' {
		return nil
	}
	return v
}

// wireAccessAnswer renders a receipt. It depends on nothing else, so that a receipt gives the same answer whenever it is
// asked for again.
func wireAccessAnswer(f family, r *usage.Receipt) *api.AccessAnswer {
	out := &api.AccessAnswer{
		CorrelationID: r.CorrelationID, Requester: api.Requester(r.Requester), RequestedItems: make([]api.AnsweredItem, len(r.Items)),
	}
	for i := range r.Items {
		item := &r.Items[i]
		answered := api.AnsweredItem{
			Item: item.Item, Version: item.Version, Count: item.Count, TotalTokensCharged: item.Tokens,
			LineItems: make([]api.ChargedLineItem, len(item.Slices)), Status: wireStatus(f, item.Status, item.Detail),
		}
		if f != v10 {
			answered.CoveredUntil = item.CoveredUntilMS
		}
		for j := range item.Slices {
			s := &item.Slices[j]
			answered.LineItems[j] = api.ChargedLineItem{ActivationID: s.ActivationID, Rate: s.Rate, TokensCharged: s.Tokens}
		}
		out.RequestedItems[i] = answered
	}
	return out
}

// accessAnswer returns what wireAccessAnswer renders as JSON: the same bytes, without reflection, since every charge waits for it.
func accessAnswer(f family, r *usage.Receipt) ([]byte, error) {
	w := answerWriter{jsonwriter.Writer{B: make([]byte, 0, 512)}}
	w.Open('{')
	w.Text("correlationId", r.CorrelationID)
	w.requester(&r.Requester)
	w.Name("requestedItems")
	w.Open('[')
	for i := range r.Items {
		w.item(f, &r.Items[i])
	}
	w.Close(']')
	w.Close('}')
	return w.B, w.Err
}

type answerWriter struct{ jsonwriter.Writer }

func (w *answerWriter) requester(r *access.Requester) {
	w.Name("requester")
	w.Open('{')
	w.Text("type", r.Type)
	w.Text("value", r.Value)
	if bytes.IndexByte(r.Dictionary, '\\') >= 0 {
		w.Any("dictionary", r.Dictionary) // json.Marshal spells what is escaped in its own way
	} else {
		w.Raw("dictionary", r.Dictionary)
	}
	w.Close('}')
}

func (w *answerWriter) item(f family, item *usage.Item) {
	w.Open('{')
	w.Text("item", item.Item)
	w.Text("version", item.Version)
	w.Amount("count", item.Count)
	w.Amount("totalTokensCharged", item.Tokens)
	w.Name("lineItems")
	w.Open('[')
	for i := range item.Slices {
		s := &item.Slices[i]
		w.Open('{')
		w.Text("activationId", s.ActivationID)
		w.Amount("rate", s.Rate)
		w.Amount("tokensCharged", s.Tokens)
		w.Close('}')
	}
	w.Close(']')
	status := wireStatus(f, item.Status, item.Detail)
	w.Name("status")
	w.Open('{')
	w.Text("code", status.Code)
	w.Text("description", status.Description)
	w.Close('}')
	if f != v10 {
		w.IntIf("coveredUntil", item.CoveredUntilMS)
	}
	w.Close('}')
}

// wireStatus puts a 1 in front of the codes of v1.1 and of the Farebox API (decisions.md D28). The detail, which may be empty, says
// more than the status.
func wireStatus(f family, s ledger.Status, detail string) api.Status {
	code := string(s)
	if f != v10 {
		code = "1" + code
	}
	description := s.Description()
	if detail != "" {
		description += ": " + detail
	}
	return api.Status{Code: code, Description: description}
}
