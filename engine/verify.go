package engine

import (
	"context"
	"fmt"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Proof is what a check of the books found.
type Proof struct {
	LineItems   int
	Sessions    int
	Receipts    int64
	Events      int64
	Used        token.Amount // by all line items
	Differences []string     // what does not agree, each with what was expected and found
	More        int          // differences past those listed
}

const differencesMost = 100

// Verify rebuilds the use of every line item from the usage events and compares: with the line item, and event by event with
// the use that each event states. Likewise the state of every session, what it cost, and what covers later use. It reads
// one consistent state, also of books that are being charged.
func Verify(ctx context.Context, s store.Store) (*Proof, error) {
	damage, err := s.Check(ctx)
	if err != nil {
		return nil, err
	}
	p := new(Proof)
	for _, line := range damage {
		p.differ("damage in the file: %s", line)
	}
	return p, s.View(ctx, p.compare)
}

func (p *Proof) differ(format string, args ...any) {
	if len(p.Differences) == differencesMost {
		p.More++
		return
	}
	p.Differences = append(p.Differences, fmt.Sprintf(format, args...))
}

func (p *Proof) compare(r store.Reader) error {
	lineItems, err := r.LineItems("")
	if err != nil {
		return err
	}
	byNumber := make(map[int64]*ledger.LineItem, len(lineItems))
	for _, l := range lineItems {
		byNumber[l.Number] = l
	}
	rebuilt := newRebuilt(len(lineItems))
	sessions, covers := map[string]*rebuiltSession{}, map[ledger.CoverKey]rebuiltCover{}
	var events []usage.Event
	_, err = r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
		p.Receipts++
		events = receipt.Events(events[:0])
		for i := range events {
			p.replay(&events[i], byNumber, rebuilt)
		}
		p.replaySession(receipt, events, sessions)
		replayCovers(receipt, covers)
		return true, nil
	})
	if err != nil {
		return err
	}
	if err := p.compareSessions(r, sessions); err != nil {
		return err
	}
	if err := p.compareCovers(r, covers); err != nil {
		return err
	}
	if err := p.compareConsumed(r, rebuilt); err != nil {
		return err
	}
	for _, l := range lineItems {
		p.LineItems++
		p.Used = p.Used.Add(l.Used)
		p.compareLineItem(l, rebuilt)
	}
	return nil
}

// rebuilt is how balances stand by the events alone.
type rebuilt struct {
	balances map[int64]usage.Balance
	actions  map[usage.ActionKey]token.Amount
	consumed map[usage.ConsumedKey]token.Amount
}

func newRebuilt(lineItems int) *rebuilt {
	return &rebuilt{make(map[int64]usage.Balance, lineItems), map[usage.ActionKey]token.Amount{}, map[usage.ConsumedKey]token.Amount{}}
}

func (p *Proof) compareLineItem(l *ledger.LineItem, rebuilt *rebuilt) {
	b := rebuilt.balances[l.Number]
	if !b.Used.Equal(l.Used) || b.ResetMS != l.ResetMS {
		p.differ("line item %s of instance %s: used is %s%s, its events add up to %s%s",
			l.ActivationID, l.InstanceID, l.Used, since(l.ResetMS), b.Used, since(b.ResetMS))
	}
	for i := range l.Actions {
		a := &l.Actions[i]
		if used := rebuilt.actions[usage.ActionKey{Number: l.Number, ActionID: a.ID}]; a.Allocation != nil && !a.Used.Equal(used) {
			p.differ("line item %s, action %s: used is %s, its events add up to %s", l.ActivationID, a.ID, a.Used, used)
		}
	}
}

func since(ms int64) string {
	if ms == 0 {
		return ""
	}
	return " since " + instant(ms)
}

// replay adds an event to what was rebuilt so far.
func (p *Proof) replay(e *usage.Event, lineItems map[int64]*ledger.LineItem, rebuilt *rebuilt) {
	p.Events++
	if e.Kind == usage.Denial {
		return
	}
	l := lineItems[e.LineItem]
	if l == nil || l.ActivationID != e.ActivationID || l.InstanceID != e.InstanceID {
		p.differ("event %s charges line item %s of instance %s, which is not in the books", e.ID, e.ActivationID, e.InstanceID)
		return
	}
	b := rebuilt.balances[e.LineItem]
	if e.Balance.ResetMS > b.ResetMS { // a new allowance has begun
		b = usage.Balance{ResetMS: e.Balance.ResetMS}
	}
	if e.ResetMS == b.ResetMS {
		b.Used = b.Used.Add(e.Tokens)
	}
	rebuilt.balances[e.LineItem] = b
	if !b.Used.Equal(e.Used) {
		p.differ("event %s: line item %s was at %s after it, the events up to it add up to %s", e.ID, e.ActivationID, e.Used, b.Used)
	}
	if e.Ruled != nil {
		p.replayRules(e, rebuilt)
	}
}

func (p *Proof) replayRules(e *usage.Event, rebuilt *rebuilt) {
	if e.Ruled.ActionID != "" {
		key := usage.ActionKey{Number: e.LineItem, ActionID: e.Ruled.ActionID}
		used := rebuilt.actions[key].Add(e.Tokens)
		rebuilt.actions[key] = used
		if !used.Equal(e.Ruled.ActionUsed) {
			p.differ("event %s: action %s was at %s after it, the events up to it add up to %s", e.ID, key.ActionID, e.Ruled.ActionUsed, used)
		}
	}
	if e.Ruled.Limited {
		key := usage.ConsumedKey{RequesterKey: e.Requester.Key(e.InstanceID), PeriodKey: ledger.PeriodKey{Number: e.LineItem, SinceMS: e.Ruled.SinceMS}}
		consumed := rebuilt.consumed[key].Add(e.Tokens)
		if !consumed.Equal(e.Ruled.Consumed) && !e.Tokens.Equal(e.Ruled.Consumed) { // counting may have begun anew
			p.differ("event %s: requester %s had consumed %s since %s after it, the events up to it add up to %s",
				e.ID, key.Value, e.Ruled.Consumed, instant(key.SinceMS), consumed)
		}
		rebuilt.consumed[key] = e.Ruled.Consumed
	}
}
