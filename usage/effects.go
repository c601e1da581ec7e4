package usage

import (
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// Effects are how balances stand after receipts: all that a commit changes, besides sessions, follows from what it records.
type Effects struct {
	Balances map[int64]Balance // by line item number
	Actions  map[ActionKey]token.Amount
	Consumed map[ConsumedKey]token.Amount
	Covers   map[ledger.CoverKey]ledger.Cover
	Given    []GivenBack           // by refunds of earlier charges, in their order
	Holds    map[string]HoldEffect // by id
}

// Balance is a line item's use, and of a recurring one when the allowance began that it is of.
type Balance struct {
	Used    token.Amount
	ResetMS int64
}

// ActionKey names an action of a line item.
type ActionKey struct {
	Number   int64 // of the line item
	ActionID string
}

// ConsumedKey names what a requester consumes from a line item in a period of its limit.
type ConsumedKey struct {
	ledger.RequesterKey
	ledger.PeriodKey
}

// EffectsOf returns the effects of receipts that follow each other.
func EffectsOf(receipts []*Receipt) *Effects {
	e := &Effects{Balances: make(map[int64]Balance, len(receipts))}
	for _, r := range receipts {
		refunded := r.Requester.Key(r.InstanceID)
		if r.RefundedTo != nil {
			refunded = r.RefundedTo.Key(r.InstanceID)
		}
		for i := range r.Refunds {
			e.add(refunded, &r.Refunds[i])
		}
		if g := r.GivesBack(); g != nil {
			e.Given = append(e.Given, *g)
		}
		requester := r.Requester.Key(r.InstanceID)
		for i := range r.Items {
			e.add(requester, &r.Items[i])
			e.cover(requester, &r.Items[i])
		}
		e.hold(r)
	}
	return e
}

func (e *Effects) add(requester ledger.RequesterKey, item *Item) {
	for i := range item.Slices {
		s := &item.Slices[i]
		e.Balances[s.Number] = s.Balance()
		if s.Ruled == nil {
			continue
		}
		if s.Ruled.ActionID != "" {
			if e.Actions == nil {
				e.Actions = map[ActionKey]token.Amount{}
			}
			e.Actions[ActionKey{s.Number, s.Ruled.ActionID}] = s.Ruled.ActionUsed
		}
		if s.Ruled.Limited {
			if e.Consumed == nil {
				e.Consumed = map[ConsumedKey]token.Amount{}
			}
			e.Consumed[ConsumedKey{requester, ledger.PeriodKey{Number: s.Number, SinceMS: s.Ruled.SinceMS}}] = s.Ruled.Consumed
		}
	}
}

func (e *Effects) cover(requester ledger.RequesterKey, item *Item) {
	if item.CoveredUntilMS == 0 {
		return
	}
	if e.Covers == nil {
		e.Covers = map[ledger.CoverKey]ledger.Cover{}
	}
	key := ledger.CoverKey{RequesterKey: requester, ItemKey: ledger.ItemKey{Item: item.Item, Version: item.Version}}
	e.Covers[key] = ledger.Cover{CoverKey: key, Count: item.CoverCount, UntilMS: item.CoveredUntilMS, Number: item.Slices[0].Number}
}
