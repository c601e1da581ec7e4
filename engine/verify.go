package engine

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Proof is what a check of the books found.
type Proof struct {
	LineItems   int
	Sessions    int
	Holds       int // leases too
	Leases      int
	Receipts    int64
	Events      int64
	Used        token.Amount // by all line items
	Differences []string     // what does not agree, each with what was expected and found
	More        int          // differences past those listed

	// Opened of the receipts were removed, and are vouched for by what they came to: all used before OpenedMS.
	Opened   int64
	OpenedMS int64
}

const differencesMost = 100

// Verify rebuilds the use of every line item from the usage events and compares: with the line item, and event by event with
// the use that each event states. Likewise the state of every session and hold, what it cost, and what covers later use. It reads
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

// Prove is Verify on one state that is open already, also on one that is not committed yet. Damage below the books is not looked for.
func Prove(r store.Reader) (*Proof, error) {
	p := new(Proof)
	return p, p.compare(r)
}

func (p *Proof) differ(format string, args ...any) {
	if len(p.Differences) == differencesMost {
		p.More++
		return
	}
	p.Differences = append(p.Differences, fmt.Sprintf(format, args...))
}

func (p *Proof) compare(r store.Reader) error {
	lineItems, err := lineItemsByNumber(r)
	if err != nil {
		return err
	}
	rebuilt, from, err := p.open(r)
	if err != nil {
		return err
	}
	_, err = r.Receipts(from, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
		p.follow(receipt, lineItems, rebuilt)
		if rebuilt.receipts%32 == 0 {
			runtime.Gosched() // charges come first
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	p.Receipts, p.Events = rebuilt.receipts, rebuilt.events
	if err := p.compareSessions(r, rebuilt); err != nil {
		return err
	}
	if err := p.compareHolds(r, rebuilt); err != nil {
		return err
	}
	if err := p.compareCovers(r, rebuilt.covers); err != nil {
		return err
	}
	if err := p.compareGiven(r, rebuilt.given); err != nil {
		return err
	}
	if err := p.compareConsumed(r, rebuilt); err != nil {
		return err
	}
	for _, number := range slices.Sorted(maps.Keys(lineItems)) {
		l := lineItems[number]
		p.LineItems++
		p.Used = p.Used.Add(l.Used)
		p.compareLineItem(l, rebuilt)
	}
	return nil
}

func lineItemsByNumber(r store.Reader) (map[int64]*ledger.LineItem, error) {
	all, err := r.LineItems("")
	byNumber := make(map[int64]*ledger.LineItem, len(all))
	for _, l := range all {
		byNumber[l.Number] = l
	}
	return byNumber, err
}

// open returns what the receipts that were removed came to, and where those begin that are there.
func (p *Proof) open(r store.Reader) (*rebuilt, usage.Position, error) {
	removed, err := r.Removed()
	if err != nil {
		return nil, removed.Next, err
	}
	rebuilt, err := openingOf(r)
	if err == nil {
		p.Opened, p.OpenedMS = rebuilt.receipts, removed.EarliestMS
	}
	return rebuilt, removed.Next, err
}

// rebuilt is how the books stand by the receipts alone, as far as they were followed.
type rebuilt struct {
	receipts, events int64
	madeMS           int64 // when the latest receipt was made
	balances         map[int64]usage.Balance
	actions          map[usage.ActionKey]token.Amount
	consumed         map[usage.ConsumedKey]rebuiltConsumed
	sessions         map[string]*rebuiltSession // but for those in ended
	ended            sessionSum
	holds            map[string]*rebuiltHold
	covers           map[ledger.CoverKey]rebuiltCover
	given            map[string]usage.GivenBack // by the correlation id of the refund
	scratch          []usage.Event
}

type rebuiltConsumed struct {
	tokens token.Amount
	goneMS int64 // since when it is known that the books have forgotten it; 0: they have not
}

func newRebuilt() *rebuilt {
	return &rebuilt{
		balances: map[int64]usage.Balance{}, actions: map[usage.ActionKey]token.Amount{}, consumed: map[usage.ConsumedKey]rebuiltConsumed{},
		sessions: map[string]*rebuiltSession{}, covers: map[ledger.CoverKey]rebuiltCover{},
		given: map[string]usage.GivenBack{}, holds: map[string]*rebuiltHold{},
	}
}

// follow adds a receipt to what was rebuilt so far.
func (p *Proof) follow(receipt *usage.Receipt, lineItems map[int64]*ledger.LineItem, rebuilt *rebuilt) {
	events := receipt.Events(rebuilt.scratch[:0])
	rebuilt.scratch = events
	rebuilt.receipts++
	rebuilt.madeMS = max(rebuilt.madeMS, receipt.MadeMS())
	rebuilt.events += int64(len(events))
	for i := range events {
		p.replay(&events[i], lineItems, rebuilt)
	}
	p.replaySession(receipt, events, rebuilt.sessions)
	p.replayHold(receipt, events, rebuilt.holds)
	replayCovers(receipt, rebuilt.covers)
	if g := receipt.GivesBack(); g != nil {
		rebuilt.given[g.CorrelationID] = *g
	}
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
		consumed := rebuilt.consumed[key].tokens.Add(e.Tokens)
		if !consumed.Equal(e.Ruled.Consumed) && !e.Tokens.Equal(e.Ruled.Consumed) { // counting may have begun anew
			p.differ("event %s: requester %s had consumed %s since %s after it, the events up to it add up to %s",
				e.ID, key.Value, e.Ruled.Consumed, instant(key.SinceMS), consumed)
		}
		rebuilt.consumed[key] = rebuiltConsumed{tokens: e.Ruled.Consumed}
	}
}

// compareGiven compares what refunds gave back of earlier charges, by which later ones are bounded.
func (p *Proof) compareGiven(r store.Reader, rebuilt map[string]usage.GivenBack) error {
	found := 0
	err := r.EachGiven(func(g *usage.GivenBack) error {
		found++
		if !g.Equal(rebuilt[g.CorrelationID]) {
			p.differ("refund %s of charge %s is not in the books as its receipt has it", g.CorrelationID, g.Of)
		}
		return nil
	})
	if found != len(rebuilt) {
		p.differ("%d refunds of charges are in the books, and the receipts of %d", found, len(rebuilt))
	}
	return err
}
