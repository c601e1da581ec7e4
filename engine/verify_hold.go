package engine

import (
	"math"
	"slices"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// rebuiltHold is a hold as its receipts tell it.
type rebuiltHold struct {
	instanceID string
	createdMS  int64
	goneMS     int64 // since when it is known that the books have forgotten it; 0: they have not
	access.Holding
	compared bool
}

// replayHold follows a hold by one receipt, with its events: what it keeps grows only when it is made, what was settled is the sum of its
// events, and after its end there is nothing.
func (p *Proof) replayHold(r *usage.Receipt, events []usage.Event, holds map[string]*rebuiltHold) {
	if r.Hold == nil || r.Hold.ID == "" {
		return
	}
	h, isNew := holds[r.Hold.ID], r.Hold.Makes()
	switch {
	case h == nil && !isNew:
		p.differ("receipt %s is of hold %s, which nobody made", r.CorrelationID, r.Hold.ID)
		return
	case h == nil:
		h = &rebuiltHold{instanceID: r.InstanceID, createdMS: r.TimeMS}
		h.Shares = r.Hold.Shares
		holds[r.Hold.ID] = h
	case isNew:
		p.differ("receipt %s makes hold %s again", r.CorrelationID, r.Hold.ID)
	case h.Ended():
		p.differ("receipt %s is of hold %s after its end", r.CorrelationID, r.Hold.ID)
	case h.instanceID != r.InstanceID:
		p.differ("receipt %s has hold %s on another instance", r.CorrelationID, r.Hold.ID)
	}
	var settled token.Amount
	for i := range events {
		settled = settled.Add(events[i].Tokens)
	}
	if settled = settled.Add(h.Settled); !settled.Equal(r.Hold.Settled) {
		p.differ("receipt %s: %s was settled of hold %s up to it, its events add up to %s", r.CorrelationID, r.Hold.Settled, r.Hold.ID, settled)
	}
	if !keepsNoMore(h.Shares, r.Hold.Shares) || r.Hold.Ended() && !keepsNoMore(nil, r.Hold.Shares) {
		p.differ("receipt %s has hold %s keep more than is left of it", r.CorrelationID, r.Hold.ID)
	}
	for i := range h.Reported {
		if len(r.Hold.Reported) != len(h.Reported) || r.Hold.Reported[i].Less(h.Reported[i]) {
			p.differ("receipt %s has less reported of lease %s than before", r.CorrelationID, r.Hold.ID)
			break
		}
	}
	h.Holding = r.Hold.Holding
}

// keepsNoMore reports whether of each share no more is left than before; nil: than nothing.
func keepsNoMore(before, after [][]ledger.Share) bool {
	for i := range after {
		for j := range after[i] {
			var most token.Amount
			if i < len(before) && j < len(before[i]) {
				most = before[i][j].Tokens
			}
			if most.Less(after[i][j].Tokens) {
				return false
			}
		}
	}
	return true
}

// compareHolds compares the holds that there are. Long after they would have lapsed they may be gone, those that end first first.
func (p *Proof) compareHolds(r store.Reader, all *rebuilt) error {
	earliestMS := map[bool]int64{false: math.MaxInt64, true: math.MaxInt64} // of leases (true), which are remembered for longer, and of others
	err := r.EachHold(func(h *access.Hold) error {
		if p.Holds++; h.Lease != nil {
			p.Leases++
		}
		rebuilt := all.holds[h.ID]
		if rebuilt == nil {
			p.differ("hold %s has no receipts", h.ID)
			return nil
		}
		isLease := h.Lease != nil
		rebuilt.compared, earliestMS[isLease] = true, min(earliestMS[isLease], h.UntilMS)
		if h.InstanceID != rebuilt.instanceID || h.CreatedMS != rebuilt.createdMS || !sameHolding(&h.Holding, &rebuilt.Holding) {
			p.differ("hold %s on instance %s is %s until %s, keeps %s and %s of it was settled; its receipts say %s on %s until %s, %s and %s",
				h.ID, h.InstanceID, h.State, exact(h.UntilMS), kept(&h.Holding), h.Settled,
				rebuilt.State, rebuilt.instanceID, exact(rebuilt.UntilMS), kept(&rebuilt.Holding), rebuilt.Settled)
		}
		return nil
	})
	for id, h := range all.holds {
		if !h.compared && h.UntilMS >= earliestMS[h.Reported != nil] {
			p.differ("hold %s is not in the books", id)
		}
	}
	return err
}

func kept(h *access.Holding) (tokens token.Amount) {
	for _, of := range h.Shares {
		tokens = tokens.Add(ledger.Sum(of))
	}
	return tokens
}

func sameHolding(a, b *access.Holding) bool {
	sameShare := func(s, t ledger.Share) bool {
		same := s.Tokens.Equal(t.Tokens) && s.Rate.Equal(t.Rate)
		s.Tokens, s.Rate = t.Tokens, t.Rate
		return same && s == t
	}
	return a.State == b.State && a.Type == b.Type && a.Value == b.Value && a.UntilMS == b.UntilMS && a.EndedMS == b.EndedMS &&
		a.Settled.Equal(b.Settled) && slices.EqualFunc(a.Reported, b.Reported, token.Amount.Equal) && a.Overdrawn.Equal(b.Overdrawn) &&
		slices.EqualFunc(a.Shares, b.Shares, func(s, t []ledger.Share) bool { return slices.EqualFunc(s, t, sameShare) })
}
