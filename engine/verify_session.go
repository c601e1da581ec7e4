package engine

import (
	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// rebuiltSession is a session as its receipts tell it.
type rebuiltSession struct {
	instanceID      string
	state           access.State
	fromMS, untilMS int64
	net             token.Amount
	compared        bool
}

// replaySession follows a session by one receipt, with its events.
func (p *Proof) replaySession(r *usage.Receipt, events []usage.Event, sessions map[string]*rebuiltSession) {
	if r.Session == nil {
		return
	}
	s := sessions[r.Session.ID]
	switch {
	case s == nil && r.Session.Operation != access.Create:
		p.differ("receipt %s is of session %s, which nobody created", r.CorrelationID, r.Session.ID)
		return
	case s == nil:
		s = &rebuiltSession{instanceID: r.InstanceID}
		sessions[r.Session.ID] = s
	case r.Session.Operation == access.Create:
		p.differ("receipt %s creates session %s again", r.CorrelationID, r.Session.ID)
	case s.state == access.Terminated:
		p.differ("receipt %s is of session %s after its end", r.CorrelationID, r.Session.ID)
	case s.instanceID != r.InstanceID:
		p.differ("receipt %s has session %s on another instance", r.CorrelationID, r.Session.ID)
	}
	for i := range events {
		s.net = s.net.Add(events[i].Tokens)
	}
	s.state, s.fromMS, s.untilMS = r.Session.State, r.Session.FromMS, r.Session.UntilMS
}

func (p *Proof) compareSessions(r store.Reader, all *rebuilt) error {
	var ended sessionSum // of sessions whose receipts were removed
	err := r.EachSession(func(s *access.Session) error {
		p.Sessions++
		rebuilt := all.sessions[s.ID]
		if rebuilt == nil && s.State == access.Terminated && all.ended.Sessions > 0 {
			ended.add(s.ID, &rebuiltSession{s.InstanceID, s.State, s.FromMS, s.UntilMS, s.Net, false})
			return nil
		}
		if rebuilt == nil {
			p.differ("session %s has no receipts", s.ID)
			return nil
		}
		rebuilt.compared = true
		if s.State != rebuilt.state || s.FromMS != rebuilt.fromMS || s.UntilMS != rebuilt.untilMS || s.InstanceID != rebuilt.instanceID {
			p.differ("session %s is %s on instance %s, charged from %d until %d; its receipts say %s on %s, from %d until %d",
				s.ID, s.State, s.InstanceID, s.FromMS, s.UntilMS, rebuilt.state, rebuilt.instanceID, rebuilt.fromMS, rebuilt.untilMS)
		}
		if !s.Net.Equal(rebuilt.net) {
			p.differ("session %s: charges less refunds are %s, its events add up to %s", s.ID, s.Net, rebuilt.net)
		}
		return nil
	})
	for id, s := range all.sessions {
		if !s.compared {
			p.differ("session %s is not in the books", id)
		}
	}
	if ended != all.ended {
		p.differ("%d sessions that have ended are in the books without receipts; receipts of %d were removed, and they are not as those said", ended.Sessions, all.ended.Sessions)
	}
	return err
}

// rebuiltCover is a cover as receipts tell it.
type rebuiltCover struct {
	count   token.Amount
	untilMS int64
}

func replayCovers(r *usage.Receipt, covers map[ledger.CoverKey]rebuiltCover) {
	for i := range r.Items {
		if item := &r.Items[i]; item.CoveredUntilMS != 0 {
			key := ledger.CoverKey{RequesterKey: r.Requester.Key(r.InstanceID), ItemKey: ledger.ItemKey{Item: item.Item, Version: item.Version}}
			covers[key] = rebuiltCover{item.CoverCount, item.CoveredUntilMS}
		}
	}
}

// compareCovers compares the covers that there are; those that have ended may be gone.
func (p *Proof) compareCovers(r store.Reader, covers map[ledger.CoverKey]rebuiltCover) error {
	return r.EachCover(func(c *ledger.Cover) error {
		rebuilt := covers[c.CoverKey]
		if rebuilt.untilMS != c.UntilMS || !rebuilt.count.Equal(c.Count) {
			p.differ("a cover of %s by %s on instance %s: count %s until %d, its receipts say %s until %d",
				c.Item, c.Value, c.InstanceID, c.Count, c.UntilMS, rebuilt.count, rebuilt.untilMS)
		}
		return nil
	})
}

// compareConsumed compares what requesters consumed from line items with a limit, as far as it was not forgotten: with a limit that
// was removed, or because its period is over.
func (p *Proof) compareConsumed(r store.Reader, rebuilt *rebuilt) error {
	return r.EachConsumed(func(c *ledger.Consumed) error {
		if events := rebuilt.consumed[usage.ConsumedKey{RequesterKey: c.RequesterKey, PeriodKey: c.PeriodKey}].tokens; !c.Tokens.Equal(events) {
			p.differ("requester %s on instance %s consumed %s from a line item with a limit since %s, its events add up to %s",
				c.Value, c.InstanceID, c.Tokens, instant(c.SinceMS), events)
		}
		return nil
	})
}
