package audit

import (
	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// tellHold tells of a move of a hold or a lease.
func (m *rulesMachine) tellHold(r *usage.Receipt) {
	d, events := decisionOf(r), eventsOf(r, false)
	shown := shownOf(r)
	switch r.Hold.Operation {
	case access.MakeHold:
		m.audit.Holds(d, shown)
		m.tellAll(events)
	case access.MakeLease:
		m.tellLease(d, r, shown)
		m.tellAll(events)
	case access.ExtendHold:
		m.audit.Extends(r.TimeMS, shown)
	case access.ReleaseHold:
		m.audit.Releases(r.TimeMS, shown)
	case access.EndLease:
		m.audit.Ends(r.TimeMS, shown)
	case access.SettleHold:
		m.audit.Settles(d, shown, r.Hold.Late, events)
	case access.ReportLease:
		m.audit.Reports(d, shown, r.Hold.Late, events)
	}
	if r.Hold.Operation == access.SettleHold || r.Hold.Operation == access.ReportLease {
		m.tellAlerts(events)
	}
}

func (m *rulesMachine) tellLease(d *Decision, r *usage.Receipt, shown *ShownHold) {
	var tokens token.Amount
	if lease := r.Hold.Lease; lease != nil {
		tokens = lease.Tokens
		for i := range lease.Items {
			item := &lease.Items[i]
			d.Items = append(d.Items, DecidedItem{Item: item.Item, N: variableN(item.Variables)})
			shown.Prices = append(shown.Prices, rat(item.Price))
		}
	} else {
		tokens = m.asked[r.Key] // which a refusal does not tell
	}
	m.audit.Leases(d, rat(tokens), shown)
}

func (m *rulesMachine) tellAll(events []*RuledEvent) {
	for _, e := range events {
		m.event(e)
	}
}

func (m *rulesMachine) tellAlerts(events []*RuledEvent) {
	for _, e := range events {
		if m.alerts != nil {
			m.alerts.Event(e)
		}
	}
}

// tellCorrection tells of what an administrator did.
func (m *rulesMachine) tellCorrection(r *usage.Receipt) {
	events := eventsOf(r, false)
	if r.Correction.Of == "" {
		m.audit.Adjusts(events[0])
	}
	for from := 0; r.Correction.Of != "" && from < len(events); {
		to := from
		for to < len(events) && events[to].Place == events[from].Place {
			to++
		}
		m.audit.Refunds(r.TimeMS, r.Correction.Of, events[from].Place, events[from:to])
		from = to
	}
	m.tellAlerts(events)
}

// shownOf says how a receipt leaves its hold; nil: there is none.
func shownOf(r *usage.Receipt) *ShownHold {
	h := r.Hold
	if h.ID == "" {
		return nil
	}
	s := &ShownHold{ID: h.ID, State: string(h.State), Until: h.UntilMS, Settled: rat(h.Settled), Overdrawn: rat(h.Overdrawn)}
	for _, reported := range h.Reported {
		s.Reported = append(s.Reported, rat(reported))
	}
	for _, of := range h.Shares {
		var kept []ShownShare
		for _, k := range of {
			kept = append(kept, ShownShare{k.Number, k.Series, k.Version, rat(k.Rate), rat(k.Tokens), k.Overdraft, k.ResetMS, k.ActionID, k.Limited, k.SinceMS})
		}
		s.Kept = append(s.Kept, kept)
	}
	return s
}
