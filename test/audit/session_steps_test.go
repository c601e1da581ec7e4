package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/engine"
)

// step is something that happens, some more often than others.
type step struct {
	often int
	name  string
	do    func(*sessionMachine)
}

var steps = []step{
	{5, "open sessions", (*sessionMachine).openSessions}, {3, "visit", (*sessionMachine).visit}, {1, "open many sessions", (*sessionMachine).crowd},
	{12, "call", (*sessionMachine).callOne}, {12, "call many", (*sessionMachine).callMany}, {3, "call at once", (*sessionMachine).callTwice},
	{8, "go on", (*sessionMachine).goOn},
	{1, "call what is not there", (*sessionMachine).callStrangers}, {1, "call again", (*sessionMachine).retry},
	{10, "move the clock", (*sessionMachine).moveClock}, {2, "set the clock back", (*sessionMachine).setClockBack},
	{2, "catch up", (*sessionMachine).catchUp},
	{3, "put", (*sessionMachine).put}, {5, "top up", (*sessionMachine).topUp}, {1, "delete", (*sessionMachine).delete},
	{2, "post a table", (*sessionMachine).postTable}, {2, "change the period", (*sessionMachine).changePeriod},
	{1, "restart", (*sessionMachine).restart}, {1, "crash", (*sessionMachine).crash}, {2, "fail", (*sessionMachine).fail},
	{1, "verify", (*sessionMachine).verify},
}

func (m *sessionMachine) do(t *rapid.T) {
	m.t = t
	if m.steps++; m.steps > m.most {
		return // histories of about the same length take about the same time
	}
	m.random = rand.New(rand.NewPCG(m.salt, rapid.Uint64().Draw(t, "step")))
	all := 0
	for _, s := range steps {
		all += s.often
	}
	at := m.random.IntN(all)
	for _, s := range steps {
		if at -= s.often; at < 0 {
			t.Logf("at %d: %s", m.now(), s.name)
			s.do(m)
			return
		}
	}
}

func (m *sessionMachine) openSessions() {
	creates := make([]Call, m.between(1, 16))
	for i := range creates {
		creates[i] = Call{Verb: Create, Instance: pick(m, m.instances...)}
	}
	var uses []Call
	for _, r := range m.call(creates...) {
		if !m.oneIn(10) {
			uses = append(uses, Call{Verb: Use, Session: r.Session, Requester: m.requester(), Items: m.items(nil), Rollback: !m.oneIn(4)})
		}
	}
	m.call(uses...)
}

// visit has sessions come and go.
func (m *sessionMachine) visit() {
	var calls []Call
	for range m.between(50, 120) {
		calls = append(calls, Call{Verb: Create, Instance: pick(m, m.instances...)})
	}
	for i, r := range m.call(calls...) {
		calls[i] = Call{
			Verb: Use, Session: r.Session, Instance: calls[i].Instance, Requester: m.requester(), Items: m.items(nil), Rollback: m.oneIn(2),
		}
	}
	m.call(calls...)
	if m.oneIn(3) {
		m.setClock(m.moment(m.audit.period))
	} else {
		m.setClock(m.now() + int64(m.between(0, int(m.audit.period/2))))
	}
	for i := range calls {
		calls[i] = Call{Verb: Close, Session: calls[i].Session}
	}
	m.call(calls...)
}

// crowd opens more sessions that all want the same than one batch makes charges for, and lets them be.
func (m *sessionMachine) crowd() {
	if m.crowded || !m.oneIn(15) {
		return
	}
	m.crowded = true
	i := m.between(0, 1)
	rich := LineItem{
		ID: fmt.Sprint("rich", i), Instance: m.instances[i], State: deployed, Quantity: 1_000_000, Start: dawn - day, End: dawn + 1000*day, Elastic: true, Priority: 3,
	}
	m.putLineItems(rich)
	calls := make([]Call, m.between(260, 320))
	for i := range calls {
		calls[i] = Call{Verb: Create, Instance: rich.Instance}
	}
	use := Call{Verb: Use, Requester: m.requester(), Items: []Ask{{Item: pick(m, "x", "y", "f", "w"), Count: m.anyCount()}}}
	for i, r := range m.call(calls...) {
		calls[i] = use
		calls[i].Session, calls[i].Instance = r.Session, rich.Instance
	}
	m.call(calls...)
	m.setClock(m.now() + int64(m.between(0, int(3*m.audit.period))))
	m.catchUp()
}

func (m *sessionMachine) callOne() {
	c := m.anyCall(m.anySession())
	if c.Verb == Heartbeat || !m.oneIn(6) {
		m.call(c)
		return
	}
	if m.audit.Backlog(m.now()) > 200 {
		m.catchUp()
	}
	key, at := fmt.Sprintf("key-%d", m.ids.Add(1)), m.now()
	r := m.reply(c, key)
	m.t.Logf("  %s with %s: %s", c, key, r)
	m.audit.Recorded(m.read())
	m.audit.CalledAtOnce(at, []Call{c}, []Reply{r}, false)
	if r.Answer != nil {
		m.keyed = append(m.keyed, keyedCall{c, key, at, r})
	}
}

// callMany makes calls of different sessions and one-off requests, all at once.
func (m *sessionMachine) callMany() {
	var calls []Call
	for _, s := range m.live() {
		if len(calls) < 60 && (s.State == active && !m.oneIn(4) || m.oneIn(6)) {
			calls = append(calls, m.anyCall(s))
		}
	}
	for range m.between(0, 3) {
		calls = append(calls, m.anyCharge())
	}
	m.callWhile(m.oneIn(3), calls)
}

// callTwice makes calls of the same session at the same time. They are served one after the other.
func (m *sessionMachine) callTwice() {
	s := m.anySession()
	var calls []Call
	for range m.between(2, 4) {
		c := m.anyCall(s)
		if c.Verb == Use && len(c.Items) > 0 || c.Verb == Close {
			calls = append(calls, c)
		}
	}
	m.call(calls...)
}

// retry makes a call again that has an idempotency key. It is answered as before, and nothing happens.
func (m *sessionMachine) retry() {
	m.keyed = slices.DeleteFunc(m.keyed, func(k keyedCall) bool { return m.now() > k.at+6*day })
	if len(m.keyed) == 0 {
		return
	}
	k := pick(m, m.keyed...)
	m.catchUp() // as that call would
	r := m.reply(k.call, k.key)
	if r.String() != k.reply.String() {
		m.t.Fatalf("%s with %s is answered %s, and the first time was %s", k.call, k.key, r, k.reply)
	}
	m.audit.wrote(m.now())
}

// callStrangers calls sessions that there are not, or not there.
func (m *sessionMachine) callStrangers() {
	m.catchUp() // as that call may
	c := m.anyCall(m.anySession())
	if m.oneIn(2) {
		c.Session = "nobody"
	} else {
		c.Instance = "elsewhere"
	}
	m.call(c)
}

// goOn lets time pass as an application does that is there: it sends its heartbeats in time, nearly always.
func (m *sessionMachine) goOn() {
	for range m.between(1, 4) {
		next := m.audit.Due()
		if next == 0 || next > m.now()+2*day {
			break
		}
		m.setClock(max(m.now(), next+int64(m.between(0, 5*60_000))))
		if !m.oneIn(4) {
			m.catchUp()
		}
		var calls []Call
		for _, s := range m.live() {
			if s.State == active && !m.oneIn(40) {
				calls = append(calls, Call{Verb: Heartbeat, Session: s.ID})
			}
		}
		m.call(calls...)
	}
}

func (m *sessionMachine) moveClock() {
	now, period := m.now(), m.audit.period
	switch m.random.IntN(40) {
	case 0, 1, 2:
		now += pick(m, int64(0), 1, 1000)
	case 3, 4, 5:
		now += period/2 + pick(m, int64(0), -1, 1)
	case 6, 7:
		now += period + pick(m, int64(0), -1, 1)
	case 8, 9:
		now += int64(m.between(0, int(3*period)))
	case 10:
		now += pick(m, int64(hour), 6*hour, day)
	case 11:
		now += pick(m, int64(day), 7*day, 30*day, 31*day)
	case 12, 13, 14, 15, 16, 17, 18, 19, 20, 21:
		now = m.moment(period)
	default:
		now += int64(m.between(0, int(period/4)))
	}
	m.setClock(now)
	if !m.oneIn(4) {
		m.catchUp()
	}
}

// moment draws a time at which something changes, or just before or after, within some time from now.
func (m *sessionMachine) moment(within int64) int64 {
	now := m.now()
	soon := slices.DeleteFunc(m.audit.Moments(now), func(at int64) bool { return at > now+within })
	if len(soon) == 0 {
		return now
	}
	return max(now, pick(m, soon...)+pick(m, int64(0), 0, -1, 1))
}

func (m *sessionMachine) setClockBack() {
	m.setClock(m.now() - pick(m, int64(1), 1000, 60_000, 10*60_000, hour/2, hour))
}

// catchUp has what is due made.
func (m *sessionMachine) catchUp() {
	now := m.now()
	made, err := m.engine.CatchUp(now)
	m.t.Logf("  %d made, %v", made, err)
	m.audit.Recorded(m.read())
	m.audit.CaughtUp(now, now, made, err == nil)
	if err != nil {
		m.audit.Failed()
	}
}

func (m *sessionMachine) put() {
	i := m.between(0, 1)
	l := m.anyLineItem(m.instances[i], pick(m, sessionLineItems[i]...))
	l.Start += m.now() - dawn
	l.End += m.now() - dawn
	old, there := m.audit.lineItems[l.ID]
	if !there {
		l.State = deployed
	} else if old.State == obsolete {
		l.State = obsolete
	}
	m.putLineItems(l)
}

// topUp sells more tokens and time, never for long.
func (m *sessionMachine) topUp() {
	var all []LineItem
	for _, ids := range sessionLineItems {
		for _, id := range ids {
			if l, there := m.audit.lineItems[id]; there && !m.oneIn(3) {
				l.Quantity += int64(pick(m, m.between(1, 20), m.between(20, 200)))
				l.End = max(l.End, m.now()+int64(m.between(1, 20*day)))
				all = append(all, l)
			}
		}
	}
	m.putLineItems(all...)
}

func (m *sessionMachine) delete() {
	l, there := m.audit.lineItems[pick(m, pick(m, sessionLineItems...)...)]
	if !there {
		return
	}
	m.t.Logf("  %s", l.ID)
	m.change(func(c *engine.Change) error { return c.DeleteLineItem(l.Instance, l.ID) })
	m.audit.DeletedLineItem(l.ID)
}

func (m *sessionMachine) postTable() {
	m.addTable(m.anyTable(pick(m, "", "", "s", "t"), m.now()+pick(m, int64(0), -hour, hour, 90*60_000, 3*hour, day)))
}

func (m *sessionMachine) changePeriod() {
	minutes := pick(m, 10, 30, 60, 60, 61, 433, 24*60)
	m.configure(engine.SessionChargePeriod, fmt.Sprintf("PT%dM", minutes))
	m.audit.Period(int64(minutes) * 60_000)
}

// away lets some time pass in which nobody is there.
func (m *sessionMachine) away() {
	now, period := m.now(), m.audit.period
	switch m.random.IntN(6) {
	case 0:
	case 1:
		now += int64(m.between(0, 600_000))
	case 2, 3:
		now += int64(m.between(0, int(4*period)))
	case 4:
		if due := m.audit.Due(); due != 0 {
			now = max(now, min(due, now+2*day)+pick(m, int64(0), -1, 1))
		}
	case 5:
		now += int64(m.between(0, int(min(12*period, 10*day))))
	}
	m.setClock(now)
}

func (m *sessionMachine) restart() {
	m.close()
	m.away()
	m.open()
}

// crash goes on with the files as a kill would leave them, perhaps in the middle of what is due.
func (m *sessionMachine) crash() {
	if m.oneIn(2) {
		m.store.left.Store(int64(m.between(0, 2)))
		m.moveClock()
		m.catchUp()
	}
	if err := m.place.crash(m.close); err != nil {
		m.t.Fatal(err)
	}
	m.away()
	m.open()
}

// fail has the store fail for a while, in the middle of what is due and of calls.
func (m *sessionMachine) fail() {
	m.store.left.Store(int64(m.between(0, 2)))
	m.catchUp()
	m.store.left.Store(0)
	if m.oneIn(2) {
		c := m.anyCharge()
		if live := m.live(); len(live) > 0 && m.oneIn(2) {
			c = m.anyCall(pick(m, live...))
		}
		if r := m.reply(c, ""); r.How != Unavailable {
			m.t.Fatalf("%s ends %q while the store fails", c, r.How)
		}
		m.audit.Failed()
	}
	m.away()
	m.store.left.Store(-1)
}
