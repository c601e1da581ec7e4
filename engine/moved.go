package engine

import (
	"sort"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// eachMoved calls fn with the events of charges and refunds that a filter selects.
func eachMoved(r store.Reader, filter *usage.Filter, fn func(*usage.Event)) error {
	var events []usage.Event
	_, err := r.Receipts(usage.Position{}, filter, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
		if !filter.MatchReceipt(receipt.InstanceID, receipt.TimeMS) {
			return true, nil
		}
		events = receipt.Events(events[:0])
		for i := range events {
			if events[i].Kind != usage.Denial {
				fn(&events[i])
			}
		}
		return true, nil
	})
	return err
}

// movedBetween adds up for a statement what was moved between cuts, up to a time.
func movedBetween(r store.Reader, instances []string, cuts []int64, toMS int64) (map[usage.MovedKey]usage.Moved, error) {
	moved := map[usage.MovedKey]usage.Moved{}
	err := eachMoved(r, &usage.Filter{InstanceIDs: instances, ToMS: toMS}, func(e *usage.Event) {
		key := usage.MovedKey{
			LineKey: usage.LineKey{InstanceID: e.InstanceID, ActivationID: e.ActivationID}, AllowanceMS: e.ResetMS, Refund: e.Kind == usage.Refund,
			Cut: sort.Search(len(cuts), func(i int) bool { return cuts[i] > e.UsageTimeMS }),
		}
		if key.Cut > 0 { // of what was before, only the sum is asked for
			key.ItemKey = ledger.ItemKey{Item: e.Item, Version: e.ItemVersion}
		}
		m, tokens := moved[key], e.Tokens
		if key.Refund {
			tokens = tokens.Neg()
		}
		m.Tokens, m.LastMS = m.Tokens.Add(tokens), max(m.LastMS, e.Balance.ResetMS)
		if !e.UnitPrice.IsZero() {
			if m.Money == nil {
				m.Money = map[string]token.Amount{}
			}
			m.Money[e.Currency] = m.Money[e.Currency].Add(e.Money())
		}
		moved[key] = m
	})
	return moved, err
}
