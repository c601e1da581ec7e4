package engine

import (
	"context"
	"sort"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// eachMoved calls fn with the events of charges and refunds that a filter selects, in no order; see eachUsed.
func eachMoved(r store.Reader, filter *usage.Filter, most int, fn func(*usage.Event)) error {
	return eachUsed(r, filter, most, func(e *usage.Event) {
		if e.Kind != usage.Denial {
			fn(e)
		}
	})
}

// movements are what a statement adds up from.
type movements struct {
	ctx       context.Context
	r         store.Reader
	instances []string
	told      []usage.Told
	cuts      []int64
	toMS      int64
	most      int // receipts to look at; 0: all
}

// moved adds up what was moved between cuts, up to a time. What was moved before the first one is asked of the usage query, but for
// line items that ever recurred, of which it has to be known by allowance.
func (m *movements) moved() (map[usage.MovedKey]usage.Moved, error) {
	sums := map[usage.MovedKey]usage.Moved{}
	recurring, sinceMS := m.recurring()
	if err := m.before(recurring, sums); err != nil {
		return nil, err
	}
	filter := &usage.Filter{InstanceIDs: m.instances, FromMS: sinceMS, ToMS: m.toMS}
	err := eachMoved(m.r, filter, m.most, func(e *usage.Event) {
		key := usage.MovedKey{
			LineKey: usage.LineKey{InstanceID: e.InstanceID, ActivationID: e.ActivationID}, AllowanceMS: e.ResetMS, Refund: e.Kind == usage.Refund,
			Cut: sort.Search(len(m.cuts), func(i int) bool { return m.cuts[i] > e.UsageTimeMS }),
		}
		if key.Cut == 0 && !recurring[key.LineKey] {
			return // it is among those before
		}
		if key.Cut > 0 { // of what was before, only the sum is asked for
			key.ItemKey = ledger.ItemKey{Item: e.Item, Version: e.ItemVersion}
		}
		sum, tokens := sums[key], e.Tokens
		if key.Refund {
			tokens = tokens.Neg()
		}
		sum.Tokens, sum.LastMS = sum.Tokens.Add(tokens), max(sum.LastMS, e.Balance.ResetMS)
		if !e.UnitPrice.IsZero() {
			if sum.Money == nil {
				sum.Money = map[string]token.Amount{}
			}
			sum.Money[e.Currency] = sum.Money[e.Currency].Add(e.Money())
		}
		sums[key] = sum
	})
	return sums, err
}

// recurring returns the line items that ever recurred, and from when on what was moved of them has to be known: since the allowance
// began that ran before the first cut, if the line item has been told nothing since, else from the beginning.
func (m *movements) recurring() (recurring map[usage.LineKey]bool, sinceMS int64) {
	fromMS := m.cuts[0]
	recurring, sinceMS = map[usage.LineKey]bool{}, fromMS
	last := map[usage.LineKey]*usage.Told{}
	for i := range m.told {
		key := usage.LineKey{InstanceID: m.told[i].Terms.InstanceID, ActivationID: m.told[i].Terms.ActivationID}
		recurring[key] = recurring[key] || m.told[i].Terms.Recurs != ""
		last[key] = &m.told[i]
	}
	for key, told := range last {
		l := &told.Terms
		switch {
		case !recurring[key]:
		case l.Recurs == "":
			sinceMS = 0
		default:
			began, _ := l.Recurs.Around(l.StartMS, min(max(fromMS-1, l.StartMS), l.EndMS-1))
			if told.TimeMS > began || began >= fromMS {
				began = 0
			}
			sinceMS = min(sinceMS, began)
		}
	}
	return recurring, sinceMS
}

// before adds the sums before the first cut of line items that never recurred.
func (m *movements) before(recurring map[usage.LineKey]bool, sums map[usage.MovedKey]usage.Moved) error {
	if m.cuts[0] <= 0 {
		return nil
	}
	q := &usage.Query{ToMS: m.cuts[0], By: []usage.Dimension{usage.ByInstance, usage.ByLineItem}, Where: []usage.Match{{Dimension: usage.ByInstance}}}
	for _, id := range m.instances {
		q.Where[0].Values = append(q.Where[0].Values, usage.Value{Text: id})
	}
	report, err := UsageReport(m.ctx, m.r, q, m.most)
	if err != nil {
		return err
	}
	for i := range report.Rows {
		key := usage.LineKey{InstanceID: report.Rows[i].By[0].Text, ActivationID: report.Rows[i].By[1].Text}
		if !recurring[key] && key.ActivationID != "" { // denials have none
			sums[usage.MovedKey{LineKey: key}] = usage.Moved{Tokens: report.Rows[i].Tokens}
		}
	}
	return nil
}
