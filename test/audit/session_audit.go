package audit

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// The states of a session, and how long it may be idle (D19).
const (
	idle       = "IDLE"
	active     = "ACTIVE"
	terminated = "TERMINATED"
	idleMost   = 30 * 24 * 60 * 60 * 1000
)

// How a call of a session ends, besides those of Twin.
const (
	Ended       = "ended"
	Unavailable = "unavailable"
)

// Sessions audits sessions, and the one-off requests between them. It is told, in the order in which they took effect, of
// the usage events, of what the producer changed and of what callers asked and were answered. From these it works out
// who used what from when until when, which events must follow, to the last digit, and which answers; and it finds those that
// are missing, wrong or too many.
type Sessions struct {
	state
	known   map[string]LineItem // as last put, deleted ones too
	period  int64               // session.charge.period
	awake   int64               // when the service was last out of reach, to its end
	failing bool                // the store was, when it was last asked to write

	all    []*Session
	byID   map[string]*Session
	covers map[coverKey]cover
	used   map[string]*big.Rat // as it must be
	summed map[string]*big.Rat // as the events add up to
	record []Event             // that nothing has accounted for yet
	seen   map[string]int      // how often what happened
	doing  string              // what is being looked at
	faults []string
}

// Session is what is known of one.
type Session struct {
	ID, Instance, State, Reason string
	Net                         *big.Rat

	requester   string
	idle        int64 // since
	latest      int64 // its time, which never goes back
	uses        []use
	from, until int64 // the period that is charged
	owed        int64 // the deadline of a heartbeat; 0: none is owed

	fair *big.Rat // what the time in use costs, without any rounding; nil: not by time alone
	slip *big.Rat // by how much roundings may have moved Net from it
}

// use is the use of an item.
type use struct {
	Ask
	since int64
	free  int64   // ended before then it costs nothing; 0: it costs from the beginning
	paid  []draw  // for the period that runs, what can be refunded of it
	kept  []share // paid for the time before, and to be refunded if the use turns out to be free
}

// Shown is a session as callers are told.
type Shown struct {
	State, Reason     string
	From, Until, Owed int64
}

// NewSessions returns an auditor of an empty database.
func NewSessions(period int64) *Sessions {
	return &Sessions{
		state: state{lineItems: map[string]LineItem{}}, known: map[string]LineItem{}, period: period, byID: map[string]*Session{},
		covers: map[coverKey]cover{}, used: map[string]*big.Rat{}, summed: map[string]*big.Rat{}, seen: map[string]int{},
	}
}

// LineItem tells of a line item that was put.
func (a *Sessions) LineItem(l LineItem) { a.lineItems[l.ID], a.known[l.ID] = l, l }

// DeletedLineItem tells of a line item that was deleted.
func (a *Sessions) DeletedLineItem(id string) { delete(a.lineItems, id) }

// Table tells of a rate table that was posted.
func (a *Sessions) Table(t *Table) { a.tables = append(a.tables, t) }

// Tolerant tells of a change of timezone.tolerant.
func (a *Sessions) Tolerant(yes bool) { a.tolerant = yes }

// Period tells of a change of session.charge.period, which holds from the next charge of every session on (D14).
func (a *Sessions) Period(ms int64) { a.period = ms }

// Started tells that the service could not be reached until now.
func (a *Sessions) Started(now int64) { a.awake, a.failing = now, false }

// Failed tells that the store failed to write. It was out of reach until it is asked again.
func (a *Sessions) Failed() { a.failing = true }

func (a *Sessions) wrote(now int64) {
	if a.failing {
		a.awake, a.failing = now, false
	}
}

// Recorded tells of events that are new in the record.
func (a *Sessions) Recorded(events []Event) {
	a.record = append(a.record, events...)
}

// Faults returns what was found wrong, events that nothing accounts for among it.
func (a *Sessions) Faults() []string {
	if len(a.record) > 0 && len(a.faults) == 0 {
		a.wrong("%d events are left that nothing accounts for, the first is\n%s", len(a.record), sessionEventText(&a.record[0]))
	}
	return a.faults
}

func (a *Sessions) wrong(format string, args ...any) {
	a.faults = append(a.faults, a.doing+": "+fmt.Sprintf(format, args...))
}

// CaughtUp tells that what was due by a time was made, and how much that was. If not all was made the store failed after it.
func (a *Sessions) CaughtUp(now, by int64, made int, all bool) {
	a.doing = fmt.Sprintf("making what is due by %d at %d", by, now)
	if made > 0 || all {
		a.wrote(now)
	}
	n := 0
	for ; all || n < made; n++ {
		s := a.dueFirst(by)
		if s == nil {
			break
		}
		a.step(s, now)
	}
	if n != made {
		a.doing = fmt.Sprintf("making what is due by %d at %d", by, now)
		a.wrong("%d things were made, %d were due", made, n)
	}
}

// dueFirst returns the session about which something is to be done first. Of those due at the same time any may be first, and the
// record tells which was.
func (a *Sessions) dueFirst(by int64) (first *Session) {
	for _, s := range a.all {
		due := s.due()
		if due == 0 || due > by || first != nil && due > first.due() {
			continue
		}
		recorded := len(a.record) > 0 && a.record[0].Session == s.ID
		if first == nil || due < first.due() || recorded {
			first = s
		}
	}
	return first
}

// Due returns when something is to be done next about any session; 0 when nothing is.
func (a *Sessions) Due() (first int64) {
	for _, s := range a.all {
		if due := s.due(); due != 0 && (first == 0 || due < first) {
			first = due
		}
	}
	return first
}

// Moments returns when something changes after now: what is due, free times, covers, line items and rate tables.
func (a *Sessions) Moments(now int64) (all []int64) {
	for _, s := range a.all {
		all = append(all, s.due())
		for _, u := range s.uses {
			all = append(all, u.free)
		}
	}
	for _, c := range a.covers {
		all = append(all, c.until)
	}
	for _, l := range a.lineItems {
		all = append(all, l.Start, l.End)
	}
	for _, t := range a.tables {
		all = append(all, t.From)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(at int64) bool { return at <= now })
}

// Backlog returns about how much is due by now.
func (a *Sessions) Backlog(now int64) (n int64) {
	for _, s := range a.all {
		if due := s.due(); due != 0 && due <= now {
			n++
			if s.State == active {
				n += 2 * (now - due) / a.period
			}
		}
	}
	return n
}

func (s *Session) due() int64 {
	switch {
	case s.State == idle:
		return s.idle + idleMost
	case s.State == active && s.owed != 0 && s.owed <= s.until: // a heartbeat that was missed comes before the charge of its moment
		return s.owed
	case s.State == active:
		return s.until
	}
	return 0
}

// shown returns what callers must be told of a session.
func (s *Session) shown() Shown { return Shown{s.State, s.Reason, s.from, s.until, s.owed} }

func (s *Session) String() string {
	if s == nil {
		return "a session that does not exist"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "session %s on %s %s %s by %s, its time is %d, idle since %d, charged from %d until %d, heartbeat owed by %d, net %s", s.ID, s.Instance,
		s.State, s.Reason, s.requester, s.latest, s.idle, s.from, s.until, s.owed, text(s.Net))
	for _, u := range s.uses {
		fmt.Fprintf(&b, "\n  %s of %q version %q since %d, free until %d:", text(u.Count), u.Item, u.Version, u.since, u.free)
		for _, d := range u.paid {
			fmt.Fprintf(&b, " %s by %s (overdraft %v)", text(d.tokens), d.ID, d.overdraft)
		}
		for _, k := range u.kept {
			fmt.Fprintf(&b, " and before %s by %s", text(k.tokens), k.lineItem)
		}
	}
	return b.String()
}

// step does what is due next about a session, as of then. It is recorded as written now.
func (a *Sessions) step(s *Session, now int64) {
	due := s.due()
	was := a.doing
	a.doing = fmt.Sprintf("%s, what is due at %d for %s", was, due, s)
	defer func() { a.doing = was }()
	switch {
	case s.State == idle:
		a.seen["session lapsed"]++
		a.explain(s, due, now, "", a.finish(s, "LAPSED", due))
	case due != s.owed || s.owed == 0:
		a.automaticCharge(s, due, now)
	case due <= a.awake:
		a.renew(s)
		return // nothing happened in the session
	default:
		a.missHeartbeat(s, due, now)
	}
	s.latest = max(s.latest, due)
}

func (a *Sessions) automaticCharge(s *Session, due, now int64) {
	asks := make([]Ask, len(s.uses))
	for i, u := range s.uses {
		asks[i] = u.Ask
	}
	all, yes := a.decide(s.Instance, s.requester, asks, true, due)
	if !yes {
		a.seen["automatic charge not covered"]++
		groups := a.finish(s, "NOT_COVERED", due)
		a.explain(s, due, now, "", append(groups, a.items(all, "", s.requester)...))
		return
	}
	a.seen["automatic charge"]++
	s.elapse(due)
	for i := range s.uses {
		u := &s.uses[i]
		u.keep(shares(u.paid), due)
		u.paid = all[i].refundable()
	}
	a.begin(s, due, all)
	if s.owed = max(s.owed, due+a.period/2); s.owed <= a.awake {
		a.renew(s)
	}
	a.explain(s, due, now, "", a.items(all, "AUTOMATIC_CHARGE", s.requester))
}

// renew gives a deadline anew that passed while nobody could be reached (D20).
func (a *Sessions) renew(s *Session) {
	a.seen["deadline given anew"]++
	s.owed = a.awake + (s.until-s.from)/2
}

// begin starts a period that was charged.
func (a *Sessions) begin(s *Session, at int64, all []decided) {
	s.from, s.until = at, at+a.period
	for i := range all {
		s.Net = add(s.Net, all[i].tokens())
		if s.fair != nil && len(all[i].refundable()) == 0 {
			s.fair = add(s.fair, all[i].tokens()) // is not by time
		}
	}
}

// elapse adds what the use costs from the beginning of the period until a time.
func (s *Session) elapse(at int64) {
	if s.fair == nil || s.until == s.from {
		return
	}
	for _, u := range s.uses {
		s.fair = add(s.fair, mul(sum(u.paid), big.NewRat(at-s.from, s.until-s.from)))
		if at < s.until { // something is refunded, rounded
			s.slip = add(s.slip, div(ulp, whole(2)))
		}
	}
}

// replace ends the use of what is not asked for, and returns what is in use then, with the refunds. An item that goes on keeps its
// beginning, and gets back what is unused as every other; by another requester it is another use.
func (a *Sessions) replace(s *Session, requester string, asks []Ask, at int64) (next []use, refunds []group) {
	goesOn := make([]int, len(s.uses)) // as which of the next, 1 more
	for i, ask := range asks {
		next = append(next, use{Ask: ask, since: at})
		for j, u := range s.uses {
			if requester == s.requester && goesOn[j] == 0 && u.Item == ask.Item && u.Version == ask.Version {
				goesOn[j] = i + 1
				next[i].since, next[i].free, next[i].kept = u.since, u.free, u.kept
				break
			}
		}
	}
	for j := len(s.uses) - 1; j >= 0; j-- {
		u := &s.uses[j]
		if goesOn[j] == 0 {
			a.seen["item dropped"]++
			refunds = append(refunds, a.drop(s, u, at))
			continue
		}
		back, rest := backwards(u.paid, s.unused(u, at))
		next[goesOn[j]-1].keep(rest, at)
		refunds = append(refunds, a.refund(s, u, back))
	}
	return next, refunds
}

// keep remembers what was paid for the time before, as long as that may turn out to be free.
func (u *use) keep(paid []share, at int64) {
	if at >= u.free {
		u.kept = nil
		return
	}
	u.kept = join(u.kept, paid)
}

// unused returns what of a charge was for the time from now on (D11).
func (s *Session) unused(u *use, at int64) *big.Rat {
	return halfEven(mul(sum(u.paid), big.NewRat(s.until-at, s.until-s.from)))
}

// drop ends a use; it was free if it was short.
func (a *Sessions) drop(s *Session, u *use, at int64) group {
	if at < u.free {
		return a.wholly(s, u, at)
	}
	back, _ := backwards(u.paid, s.unused(u, at))
	return a.refund(s, u, back)
}

// wholly refunds the charge of the period, and while the use is free also those before.
func (a *Sessions) wholly(s *Session, u *use, at int64) group {
	s.fair = nil
	back := a.refund(s, u, shares(u.paid))
	if at < u.free {
		a.seen["use was free"]++
		if len(u.kept) > 0 {
			a.seen["use was free that was charged before"]++
		}
		back.events = append(back.events, a.refund(s, u, u.kept).events...)
	}
	return back
}

// finish ends a session and all its use.
func (a *Sessions) finish(s *Session, why string, at int64) (refunds []group) {
	s.elapse(at)
	for i := len(s.uses) - 1; i >= 0; i-- {
		refunds = append(refunds, a.drop(s, &s.uses[i], at))
	}
	s.unuse()
	s.State, s.Reason = terminated, why
	return refunds
}

func (s *Session) unuse() { s.uses, s.from, s.until, s.owed = nil, 0, 0, 0 }

// missHeartbeat ends a session; the whole last automatic charge goes back (D13).
func (a *Sessions) missHeartbeat(s *Session, due, now int64) {
	a.seen["heartbeat missed"]++
	var refunds []group
	for i := len(s.uses) - 1; i >= 0; i-- {
		refunds = append(refunds, a.wholly(s, &s.uses[i], due))
	}
	s.unuse()
	s.State, s.Reason = terminated, "HEARTBEAT_MISSED"
	a.explain(s, due, now, "", refunds)
}

// Balances compares the use of all line items, deleted ones too.
func (a *Sessions) Balances(shown map[string]*big.Rat) {
	a.doing = "balances"
	for _, id := range slices.Sorted(maps.Keys(a.known)) {
		if got := useOf(shown, id); !same(got, useOf(a.summed, id)) || !same(got, useOf(a.used, id)) {
			a.wrong("line item %s shows %s used, its events add up to %s, it must be %s", id, text(got), text(useOf(a.summed, id)), text(useOf(a.used, id)))
		}
	}
}

// Stands compares a session with what it is shown as, and its net tokens with what its time in use costs. It may be that something
// is due about it which nobody has made yet.
func (a *Sessions) Stands(id string, got Shown, net *big.Rat) {
	s := a.byID[id]
	a.doing = "comparing " + s.String()
	if s == nil {
		a.wrong("session %s was never created", id)
		return
	}
	if got != s.shown() {
		a.wrong("it is shown as %+v", got)
	}
	if !same(net, s.Net) {
		a.wrong("%s tokens net are shown", text(net))
	}
	if s.State == active || s.fair == nil {
		return
	}
	a.seen["session costs its time"]++
	if off := new(big.Rat).Abs(sub(s.Net, s.fair)); less(s.slip, off) {
		a.wrong("its time in use costs %s", s.fair.FloatString(15))
	}
}
