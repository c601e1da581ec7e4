package audit

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// The verbs of a call.
const (
	Create    = "create"
	Use       = "use" // an access request of a session; without items a halt
	Heartbeat = "heartbeat"
	Close     = "close"
	Charge    = "charge" // a one-off request on an instance
)

// Call is what an application asks for.
type Call struct {
	Verb, Session string
	Instance      string // of Create and Charge; else what the caller says that the session is of, or nothing
	Requester     string
	Items         []Ask
	AllOrNothing  bool // of Charge
	Rollback      bool // of Use: a denial leaves the session as it was
	Forecast      bool // which changes nothing
}

// Reply is what an application is told.
type Reply struct {
	How     string
	Session string  // that was created
	Answer  *Answer // of Use and Charge
	Shown   *Shown  // the session afterwards; nil of Close and Charge
}

// String writes a call for people.
func (c Call) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s by %s %s rollback %v", c.Verb, c.Session, c.Requester, Request{c.Instance, c.AllOrNothing, c.Items}, c.Rollback)
	return b.String()
}

// GoString is String, for the logs of random tests.
func (c Call) GoString() string { return c.String() }

// called accounts for a call and its reply.
func (a *Sessions) called(now int64, c Call, r Reply) {
	a.doing = fmt.Sprintf("at %d %s", now, c)
	if r.How == Unavailable {
		return // nothing was done
	}
	a.wrote(now)
	s := a.byID[c.Session]
	switch {
	case c.Verb == Create:
		a.create(now, c, r)
	case c.Verb == Charge:
		all, _ := a.decide(c.Instance, c.Requester, c.Items, c.AllOrNothing, now)
		a.ends(r.How, Done)
		a.answer(&Session{Instance: c.Instance}, now, now, c, r, nil, all)
	case s == nil || c.Instance != "" && c.Instance != s.Instance:
		a.ends(r.How, NotFound)
	default:
		a.session(s, now, c, r)
	}
}

// CalledAtOnce tells of calls that were made at the same time, perhaps while what was due was made too. The record tells in which
// order they took effect; those that are not in it moved no tokens, so that none depends on them but those that were told of an end.
// Of one session at most Close and Use with items may meet, which the record or their ends tell apart.
// No session gets ahead of what is due for any other: before the first call of a session everything is made.
func (a *Sessions) CalledAtOnce(now int64, calls []Call, replies []Reply, caughtUp bool) {
	done := make([]bool, len(calls))
	call := func(which func(i int) bool) bool {
		for i := range calls {
			if done[i] || !which(i) {
				continue
			}
			done[i] = true
			if calls[i].Session != "" && replies[i].How != Unavailable {
				a.makeDue(now)
			}
			a.called(now, calls[i], replies[i])
			return true
		}
		return false
	}
	for more := true; more && len(a.record) > 0 && len(a.faults) == 0; {
		e := a.record[0]
		switch {
		case call(func(i int) bool {
			return replies[i].Answer != nil && replies[i].Answer.CorrelationID == e.CorrelationID
		}):
		case a.dueFirst(now) != nil && (caughtUp || slices.ContainsFunc(calls, func(c Call) bool { return c.Session != "" })):
			a.makeDue(now)
		case call(func(i int) bool { return calls[i].Verb == Close && calls[i].Session == e.Session }):
		default:
			more = false // nothing accounts for it
		}
	}
	for call(func(i int) bool { return replies[i].How != Ended }) {
	}
	for call(func(int) bool { return true }) {
	}
	if caughtUp {
		a.makeDue(now)
	}
}

// makeDue accounts for all that is due by now, in the order in which it is.
func (a *Sessions) makeDue(now int64) {
	a.wrote(now)
	was := a.doing
	a.doing = fmt.Sprintf("at %d, while calls are made", now)
	for s := a.dueFirst(now); s != nil; s = a.dueFirst(now) {
		a.step(s, now)
	}
	a.doing = was
}

func (a *Sessions) ends(got, want string) {
	if got != want {
		a.wrong("it ends %q, it must end %q", got, want)
	}
}

func (a *Sessions) create(now int64, c Call, r Reply) {
	a.ends(r.How, Done)
	if a.byID[r.Session] != nil {
		a.wrong("session %s exists already", r.Session)
	}
	s := &Session{
		ID: r.Session, Instance: c.Instance, State: idle, Net: zero, fair: zero, slip: zero, idle: now, latest: now,
	}
	a.seen["session"]++
	a.all, a.byID[s.ID] = append(a.all, s), s
	a.shows(s, r)
}

// shows compares the state of a session that a reply tells.
func (a *Sessions) shows(s *Session, r Reply) {
	switch {
	case r.Shown == nil:
		a.wrong("its reply does not show the session")
	case *r.Shown != s.shown():
		a.wrong("its reply shows %+v, it must show %+v", *r.Shown, s.shown())
	}
}

// session accounts for a call of a session that there is, and that is up to date.
func (a *Sessions) session(s *Session, now int64, c Call, r Reply) {
	a.doing = fmt.Sprintf("at %d %s of %s", now, c, s)
	switch {
	case s.State == terminated && c.Verb == Close:
		a.seen["closed twice"]++
		a.ends(r.How, Done)
		return
	case s.State == terminated:
		a.seen["called after its end"]++
		a.ends(r.How, Ended)
		return
	}
	a.ends(r.How, Done)
	if s.latest > now {
		a.seen["clock behind a session"]++
	}
	s.latest = max(s.latest, now) // its time never goes back
	switch {
	case c.Verb == Heartbeat:
		s.owed = 0
		a.shows(s, r)
	case c.Verb == Close:
		a.explain(s, s.latest, now, "", a.finish(s, "CLOSED", s.latest))
	case len(c.Items) == 0:
		a.halt(s, now, c, r)
	default:
		a.use(s, now, c, r)
	}
}

// halt ends all use, and leaves a session for later. One that is idle already stays so since then.
func (a *Sessions) halt(s *Session, now int64, c Call, r Reply) {
	var refunds []group
	if s.State == active {
		a.seen["session halted"]++
		refunds = a.finish(s, "", s.latest)
		s.State, s.idle = idle, s.latest
	}
	a.answer(s, s.latest, now, c, r, refunds, nil)
	a.shows(s, r)
}

// use accounts for an access request. It may spend what the session gets back (D10).
func (a *Sessions) use(s *Session, now int64, c Call, r Reply) {
	was, used := *s, maps.Clone(a.used)
	s.elapse(s.latest)
	next, refunds := a.replace(s, c.Requester, c.Items, s.latest)
	all, yes := a.decide(s.Instance, c.Requester, c.Items, true, s.latest)
	if !yes {
		*s, a.used, refunds = was, used, nil
		a.seen["request denied"]++
		if !c.Rollback {
			refunds = a.finish(s, "DENIED", s.latest)
		}
	} else {
		for i := range next {
			if u := &next[i]; all[i].terms.Free > 0 && isNew(s, c.Requester, u, next[:i]) {
				u.free = s.latest + all[i].terms.Free
			}
			next[i].paid = all[i].refundable()
		}
		s.uses, s.requester, s.State, s.owed = next, c.Requester, active, 0
		a.begin(s, s.latest, all)
	}
	a.answer(s, s.latest, now, c, r, refunds, all)
	a.shows(s, r)
}

// isNew says whether a use begins with this request.
func isNew(s *Session, requester string, u *use, before []use) bool {
	if requester != s.requester {
		return true
	}
	same := func(v use) bool { return v.Item == u.Item && v.Version == u.Version }
	had, has := 0, 0
	for _, v := range s.uses {
		if same(v) {
			had++
		}
	}
	for _, v := range before {
		if same(v) {
			has++
		}
	}
	return has >= had
}

// answer accounts for the events of a request and compares its answer.
func (a *Sessions) answer(s *Session, at, now int64, c Call, r Reply, refunds []group, all []decided) {
	if r.Answer == nil {
		a.wrong("it is not answered")
		return
	}
	groups := a.items(all, "CHARGE", c.Requester)
	want := &Answer{Items: answered(all, groups)}
	if answerText(r.Answer) != answerText(want) {
		a.wrong("it is answered by\n%s\nit must be by\n%s", answerText(r.Answer), answerText(want))
	}
	a.explain(s, at, now, r.Answer.CorrelationID, append(refunds, groups...))
}

// explain takes the events of one thing that happened from the record, and compares them: refunds before charges, item by item.
// Within the refunds of an item the record may be in any order.
func (a *Sessions) explain(s *Session, at, now int64, correlationID string, groups []group) {
	var want []Event
	for _, g := range groups {
		want = append(want, g.events...)
	}
	if len(want) == 0 {
		return
	}
	got := a.record[:min(len(want), len(a.record))]
	a.record = a.record[len(got):]
	for i := range want {
		e := &want[i]
		e.Time, e.Written, e.Instance, e.Session = at, max(at, now), s.Instance, s.ID
	}
	tell := func(why string) {
		a.wrong("%s; the record is\n%s\nit must be\n%s", why, sessionEventTexts(got), sessionEventTexts(want))
	}
	if len(got) < len(want) {
		tell("events are missing")
		return
	}
	for i := range got {
		if id := got[i].CorrelationID; id != got[0].CorrelationID || correlationID != "" && id != correlationID {
			tell("the events are not of one answer, " + correlationID)
			return
		}
	}
	if len(a.record) > 0 && a.record[0].CorrelationID == got[0].CorrelationID {
		tell("there are more events")
		return
	}
	for _, g := range groups {
		n := len(g.events)
		if why := a.group(g, got[:n], want[:n]); why != "" {
			tell(why)
			return
		}
		got, want = got[n:], want[n:]
	}
}

// group compares the events of an item, and books them. It says what is wrong.
func (a *Sessions) group(g group, got, want []Event) string {
	texts := func(events []Event) []string {
		var all []string
		for i := range events {
			all = append(all, sessionEventText(&events[i]))
		}
		if g.count == nil {
			slices.Sort(all)
		}
		return all
	}
	if !slices.Equal(texts(got), texts(want)) {
		return "the events are wrong"
	}
	counts := zero
	for i := range got {
		e := &got[i]
		counts = add(counts, e.Count)
		if e.LineItem == "" {
			continue
		}
		a.summed[e.LineItem] = add(useOf(a.summed, e.LineItem), e.Tokens)
		if !same(e.Used, a.summed[e.LineItem]) {
			return fmt.Sprintf("%s of %s is stated to be used after event %d, the events add up to %s", text(e.Used), e.LineItem, i, text(a.summed[e.LineItem]))
		}
		if limit := a.limit(e.LineItem); e.Tokens.Sign() > 0 && less(limit, e.Used) {
			return fmt.Sprintf("%s of %s are used, its quantity and overdraft allow %s", text(e.Used), e.LineItem, text(limit))
		}
		if e.Kind != "REFUND" && e.Count.Sign() < 0 {
			return "a count is negative"
		}
		if want[0].Count != nil && g.count != nil && i == 0 && !same(e.Count, want[0].Count) {
			return "of the count " + text(want[0].Count) + " was covered"
		}
	}
	if g.count != nil && !same(counts, g.count) {
		return fmt.Sprintf("the counts add up to %s, decided on was %s", text(counts), text(g.count))
	}
	return ""
}

// limit returns how far a line item may be used by charges.
func (a *Sessions) limit(id string) *big.Rat {
	l := a.known[id]
	switch l.Overdraft {
	case number:
		return whole(l.Quantity + l.Limit)
	case unlimited:
		return most
	}
	return whole(l.Quantity)
}

// sessionEventText writes an event without what is compared by sums; the count of a refund is its own.
func sessionEventText(e *Event) string {
	count := ""
	if e.Kind == "REFUND" {
		count = text(e.Count)
	}
	return fmt.Sprintf("%s %s at %d, written at %d, on %s by %s for %s: %s %s@%s by %q at %s: %s, %s of it overdraft, of %d; %q %q, covered until %d",
		e.Kind, e.Status, e.Time, e.Written, e.Instance, e.Requester, e.Session, count, e.Item, e.Version, e.LineItem, text(e.Rate), text(e.Tokens),
		text(e.Overdraft), e.Quantity, e.Series, e.TableVersion, e.CoveredUntil)
}

func sessionEventTexts(events []Event) string {
	var b strings.Builder
	for i := range events {
		e := &events[i]
		fmt.Fprintf(&b, "  %s %s (count %s, used %s)\n", e.CorrelationID, sessionEventText(e), text(e.Count), text(e.Used))
	}
	return b.String()
}

// String writes a reply for people; equal replies read the same.
func (r Reply) String() string {
	s := fmt.Sprintf("%q %s", r.How, r.Session)
	if r.Shown != nil {
		s += fmt.Sprintf(" %+v", *r.Shown)
	}
	if r.Answer != nil {
		s += fmt.Sprintf(" answer %s\n%s", r.Answer.CorrelationID, answerText(r.Answer))
	}
	return s
}
