package server

import (
	"errors"
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

func wireLineItem(f family, l *ledger.LineItem) any {
	if f == v10 {
		return wire(l, api.AttributesV10{
			Elastic: &l.Elastic, RateTableSeries: l.Series, OverdraftType: string(l.Overdraft), OverdraftLimit: overdraftLimit(l),
		})
	}
	return wireLineItemV11(l)
}

// wireLineItemV11 is a line item of v1.1 and of the Farebox API.
func wireLineItemV11(l *ledger.LineItem) api.LineItem[api.AttributesV11] {
	a := api.AttributesV11{
		Elastic: &l.Elastic, RateTableSeries: l.Series, OverdraftType: string(l.Overdraft), OverdraftLimit: overdraftLimit(l),
		ResetFrequency: string(l.Recurs), Priority: l.Priority, Kind: string(l.Kind), Currency: l.Currency,
	}
	if l.Currency != "" {
		a.UnitPrice = &l.UnitPrice
	}
	return wire(l, a)
}

func overdraftLimit(l *ledger.LineItem) *int64 {
	if l.Overdraft != ledger.NumberOverdraft {
		return nil
	}
	return &l.OverdraftLimit
}

func wire[A any](l *ledger.LineItem, attributes A) api.LineItem[A] {
	return api.LineItem[A]{
		ActivationID: l.ActivationID, State: string(l.State), Quantity: &l.Quantity, Start: &l.StartMS, End: &l.EndMS, Used: &l.Used,
		Attributes: &attributes, InstanceID: l.InstanceID,
	}
}

func listLineItems(c *call) (*reply, error) {
	if _, err := c.instance(); err != nil {
		return nil, err
	}
	return c.show(func(r store.Reader) (any, error) {
		out := []any{}
		all, err := r.LineItems(c.PathValue("instanceId"))
		for _, l := range all {
			if !l.Deleted {
				l.At(c.server.engine.Now())
				out = append(out, wireLineItem(c.family, l))
			}
		}
		return out, err
	})
}

func getLineItem(c *call) (*reply, error) {
	l, err := c.lineItem()
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, wireLineItem(c.family, l))
}

// lineItem reads the line item of the path, with its use as of now.
func (c *call) lineItem() (l *ledger.LineItem, err error) {
	err = c.view(func(r store.Reader) error {
		l, err = engine.LineItem(r, c.PathValue("instanceId"), c.PathValue("lineItemId"))
		return err
	})
	if err == nil {
		l.At(c.server.engine.Now())
	}
	return l, err
}

func deleteLineItem(c *call) (*reply, error) {
	return c.remove(func(tx *engine.Change) error {
		return tx.DeleteLineItem(c.PathValue("instanceId"), c.PathValue("lineItemId"))
	})
}

func putLineItem(c *call) (*reply, error) {
	next, problems := decodeLineItem(c.family, c.body)
	if instance := c.PathValue("instanceId"); next.InstanceID == "" {
		next.InstanceID = instance
	} else if next.InstanceID != instance {
		problems = append(problems, problem.Field("instanceId", "must be that of the path, or left out"))
	}
	if len(problems) > 0 {
		return nil, lineItemErrors(c.family, problems)
	}
	wire := func(kept *ledger.LineItem) any { return wireLineItem(c.family, kept) }
	rep, err := changeTo(c, http.StatusOK, wire, func(tx *engine.Change) (*ledger.LineItem, error) { return tx.PutLineItem(next) })
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind == problem.Invalid {
		err = lineItemErrors(c.family, []*problem.Error{p})
	}
	return rep, err
}

// decodeLineItem reads a line item in the attributes of its API version. The body's used is ignored (decisions.md D33); an
// instanceId, as GET shows it, must be the path's, which is checked by whoever calls.
func decodeLineItem(f family, body []byte) (ledger.LineItem, []*problem.Error) {
	if f == v10 {
		l, a, problems := decodeBase[api.AttributesV10](body)
		if a != nil {
			problems = append(problems, setAttributes(&l, a.Elastic, a.RateTableSeries, a.OverdraftType, a.OverdraftLimit)...)
		}
		return finish(l, problems)
	}
	l, a, problems := decodeBase[api.AttributesV11](body)
	if a != nil {
		problems = append(problems, setAttributes(&l, a.Elastic, a.RateTableSeries, a.OverdraftType, a.OverdraftLimit)...)
		l.Recurs, l.Priority, l.Currency = period.Frequency(a.ResetFrequency), a.Priority, a.Currency
		if a.Kind != "" {
			l.Kind = ledger.Kind(a.Kind)
		}
		if a.UnitPrice != nil {
			l.UnitPrice = *a.UnitPrice
		}
	}
	return finish(l, problems)
}

func finish(l ledger.LineItem, problems []*problem.Error) (ledger.LineItem, []*problem.Error) {
	if len(problems) > 0 {
		return l, problems
	}
	return l, l.Validate()
}

func decodeBase[A any](body []byte) (ledger.LineItem, *A, []*problem.Error) {
	var in api.LineItem[A]
	l := ledger.LineItem{Elastic: true, Kind: ledger.Paid}
	if err := decode(body, &in); err != nil {
		return l, nil, []*problem.Error{err.(*problem.Error)}
	}
	var missing []*problem.Error
	require := func(field string, there bool) {
		if !there {
			missing = append(missing, problem.Field(field, "is missing but it is required"))
		}
	}
	require("activationId", in.ActivationID != "")
	require("state", in.State != "")
	require("quantity", in.Quantity != nil)
	require("start", in.Start != nil)
	require("end", in.End != nil)
	require("attributes", in.Attributes != nil)
	if len(missing) > 0 {
		return l, nil, missing
	}
	l.ActivationID, l.InstanceID, l.State = in.ActivationID, in.InstanceID, ledger.State(in.State)
	l.Quantity, l.StartMS, l.EndMS = *in.Quantity, *in.Start, *in.End
	return l, in.Attributes, nil
}

func setAttributes(l *ledger.LineItem, elastic *bool, series, overdraft string, limit *int64) (problems []*problem.Error) {
	if elastic != nil {
		l.Elastic = *elastic
	}
	l.Series, l.Overdraft = series, ledger.OverdraftType(overdraft)
	switch {
	case limit != nil && overdraft == "":
		problems = append(problems, problem.Field("attributes.overdraftType", "is missing but it is required with overdraftLimit"))
	case limit == nil && l.Overdraft == ledger.NumberOverdraft:
		problems = append(problems, problem.Field("attributes.overdraftLimit", "is missing but it is required with overdraftType Number"))
	case limit != nil:
		l.OverdraftLimit = *limit
	}
	return problems
}

// lineItemErrors lists what is wrong with a line item in the reference's two shapes, with its JSON paths.
func lineItemErrors(f family, problems []*problem.Error) error {
	texts := make([]string, len(problems))
	for i, p := range problems {
		path := "$"
		if p.Field != "" {
			path += "." + p.Field
		}
		texts[i] = path + ": " + p.Message
	}
	if f == v10 {
		return &shaped{problems[0], api.Errors{Errors: texts}}
	}
	return &shaped{problems[0], api.Messages{Message: texts}}
}
