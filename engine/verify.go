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
	rebuilt := make(map[int64]token.Amount, len(lineItems))
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
	for _, l := range lineItems {
		p.LineItems++
		p.Used = p.Used.Add(l.Used)
		if !rebuilt[l.Number].Equal(l.Used) {
			p.differ("line item %s of instance %s: used is %s, its events add up to %s", l.ActivationID, l.InstanceID, l.Used, rebuilt[l.Number])
		}
	}
	return nil
}

// replay adds an event to what was rebuilt so far.
func (p *Proof) replay(e *usage.Event, lineItems map[int64]*ledger.LineItem, rebuilt map[int64]token.Amount) {
	p.Events++
	if e.Kind == usage.Denial {
		return
	}
	l := lineItems[e.LineItem]
	if l == nil || l.ActivationID != e.ActivationID || l.InstanceID != e.InstanceID {
		p.differ("event %s charges line item %s of instance %s, which is not in the books", e.ID, e.ActivationID, e.InstanceID)
		return
	}
	used := rebuilt[e.LineItem].Add(e.Tokens)
	rebuilt[e.LineItem] = used
	if !used.Equal(e.Used) {
		p.differ("event %s: line item %s was at %s after it, the events up to it add up to %s", e.ID, e.ActivationID, e.Used, used)
	}
}
