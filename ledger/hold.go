package ledger

import (
	"maps"
	"math"
	"slices"

	"github.com/farebox/farebox/token"
)

// Hold is what is kept back for a requester's work until a time: from that millisecond on it counts for nothing, and nobody has to
// write that down. Its shares are in the order in which they were drawn; those of 0 tokens only tell where they were.
type Hold struct {
	ID string
	RequesterKey
	UntilMS int64
	Shares  []Share
}

// holds are the holds of a book, and what they come to.
type holds struct {
	all      map[string]*Hold
	nextMS   int64 // until then all are live, and what is counted is right
	actions  map[heldAction]token.Amount
	consumed map[heldConsumed]token.Amount
}

type heldAction struct {
	number int64 // of the line item
	id     string
}

type heldConsumed struct {
	RequesterKey
	PeriodKey
}

// Keep adds a hold to a book that has its line items, or puts it in place of the one with its ID. A book must not have others than those of its instance that
// have not ended, and have all of them that are live at HeldSinceMS or later.
func (b *Book) Keep(h *Hold) {
	b.Drop(h.ID)
	if b.holds == nil {
		b.holds = &holds{all: map[string]*Hold{}, nextMS: math.MaxInt64}
	}
	b.holds.all[h.ID] = h
	b.holds.nextMS = min(b.holds.nextMS, h.UntilMS)
	b.count(h, token.Amount.Add, b.ByNumber)
}

// Drop takes a hold out of a book, if it is there: it has ended.
func (b *Book) Drop(id string) {
	h := b.hold(id)
	if h == nil {
		return
	}
	b.count(h, token.Amount.Sub, b.ByNumber)
	delete(b.holds.all, id)
}

// TakeHolds has a book that was read anew know the holds that an earlier one of the same instance knows, which is not to be used any more.
func (b *Book) TakeHolds(from *Book) {
	b.holds, b.HeldSinceMS = from.holds, from.HeldSinceMS
	if b.holds == nil {
		return
	}
	was := make(map[int64]*LineItem, len(from.LineItems))
	for _, l := range from.LineItems {
		was[l.Number] = l
	}
	for _, l := range b.LineItems {
		known := was[l.Number]
		if known == nil || known.ResetMS != l.ResetMS {
			b.recount()
			return
		}
		l.Held = known.Held
	}
}

func (b *Book) hold(id string) *Hold {
	if b.holds == nil {
		return nil
	}
	return b.holds.all[id]
}

// Holds returns the holds that a book knows, in no order. They do not change.
func (b *Book) Holds() []*Hold {
	if b.holds == nil {
		return nil
	}
	return slices.Collect(maps.Values(b.holds.all))
}

// LiveHolds returns how many holds are live, as of the last HoldsAt.
func (b *Book) LiveHolds() int {
	if b.holds == nil {
		return 0
	}
	return len(b.holds.all)
}

// HoldsAt brings what is held of a book to a time: holds that have lapsed by then leave it. It is called once before decisions, which are as of the
// books then, even of what is charged late. Allowances it leaves as they are: what is late is still paid from those of when it was due.
func (b *Book) HoldsAt(nowMS int64) {
	if b.holds == nil || nowMS < b.holds.nextMS {
		return
	}
	for id, h := range b.holds.all {
		if h.UntilMS <= nowMS {
			delete(b.holds.all, id)
			b.HeldSinceMS = max(b.HeldSinceMS, h.UntilMS)
		}
	}
	b.recount()
}

// recount adds up anew what is held.
func (b *Book) recount() {
	byNumber := make(map[int64]*LineItem, len(b.LineItems))
	for _, l := range b.LineItems {
		l.Held = token.Amount{}
		byNumber[l.Number] = l
	}
	b.holds.nextMS, b.holds.actions, b.holds.consumed = math.MaxInt64, nil, nil
	for _, h := range b.holds.all {
		b.holds.nextMS = min(b.holds.nextMS, h.UntilMS)
		b.count(h, token.Amount.Add, func(number int64) *LineItem { return byNumber[number] })
	}
}

// count adds or subtracts what a hold keeps back. Of an allowance that is over nothing is left to be kept.
func (b *Book) count(h *Hold, move func(token.Amount, token.Amount) token.Amount, lineItem func(number int64) *LineItem) {
	for i := range h.Shares {
		s := &h.Shares[i]
		if s.Tokens.IsZero() {
			continue
		}
		if l := lineItem(s.Number); l != nil && l.ResetMS == s.ResetMS {
			l.Held = move(l.Held, s.Tokens)
		}
		if s.ActionID != "" {
			if b.holds.actions == nil {
				b.holds.actions = map[heldAction]token.Amount{}
			}
			key := heldAction{s.Number, s.ActionID}
			b.holds.actions[key] = move(b.holds.actions[key], s.Tokens)
		}
		if s.Limited {
			if b.holds.consumed == nil {
				b.holds.consumed = map[heldConsumed]token.Amount{}
			}
			key := heldConsumed{h.RequesterKey, PeriodKey{s.Number, s.SinceMS}}
			b.holds.consumed[key] = move(b.holds.consumed[key], s.Tokens)
		}
	}
}

// heldOfAction returns what is held of an action's allocation.
func (b *Book) heldOfAction(l *LineItem, a *Action) token.Amount {
	if b.holds == nil {
		return token.Amount{}
	}
	return b.holds.actions[heldAction{l.Number, a.ID}]
}

// heldOfLimit returns what is held of what a requester may consume in a limit's period.
func (b *Book) heldOfLimit(who RequesterKey, of PeriodKey) token.Amount {
	if b.holds == nil {
		return token.Amount{}
	}
	return b.holds.consumed[heldConsumed{who, of}]
}

// Withhold turns outcomes that were booked, nothing else since, into what a hold keeps of each: nothing is used any more, and their
// slices tell how things stand. The shares of an outcome are never none: those of one that costs nothing are of 0 tokens.
func Withhold(outcomes []Outcome) [][]Share {
	for i := len(outcomes) - 1; i >= 0; i-- {
		outcomes[i].Revert()
	}
	shares := make([][]Share, len(outcomes))
	for i := range outcomes {
		slices := outcomes[i].Slices
		for j := range slices {
			slices[j].stand() // and books nothing: the record of a hold has no use
		}
		if shares[i] = Shares(slices); len(shares[i]) == 0 {
			shares[i] = []Share{slices[0].share(token.Amount{}, false)}
		}
	}
	return shares
}
