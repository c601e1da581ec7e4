package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/usage"
)

// Sessions live through random months: applications use more and less, halt, close, send heartbeats or forget to; line items run
// dry, end and are topped up; prices and the charge period change; the clock jumps, the store fails, the server is stopped or
// killed and away for a while. After every step an auditor accounts for every event and every answer.
func TestSessionsAreAccountedFor(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the store fails on purpose here
	seen := map[string]int{}
	checkTimes(t, "10", func(rt *rapid.T) {
		m := newSessionMachine(rt, t.TempDir())
		defer m.close()
		for range 3 { // a single one would be short too often
			rt.Repeat(map[string]func(*rapid.T){"do": m.do, "": m.settle})
		}
		m.finish()
		for what, n := range m.audit.seen {
			seen[what] += n
		}
	})
	t.Logf("seen: %v", seen)
}

// sessionMachine is the product, and what is known of it.
type sessionMachine struct {
	t      *rapid.T
	salt   uint64
	random *rand.Rand // of one step, so that a step does the same when those before it are left out
	dir    string
	file   string
	files  int
	sqlite *sqlite.Store
	store  *failingStore
	engine *engine.Engine
	clock  atomic.Int64
	ids    atomic.Int64

	audit     *Sessions
	instances []string
	tables    int
	events    []usage.Event // all of them
	keyed     []keyedCall
	crowded   bool
	steps     int
}

// keyedCall is a call with an idempotency key, and its reply.
type keyedCall struct {
	call  Call
	key   string
	at    int64
	reply Reply
}

// failingStore fails every commit after a number of them; a negative number is for ever. It listens in on what is written, so that
// the record need not be read after every step.
type failingStore struct {
	store.Store
	left    atomic.Int64
	mu      sync.Mutex
	written []*usage.Receipt
}

func (s *failingStore) Commit(ctx context.Context, want store.Want, decide func(*store.Loaded) store.Decided) error {
	if s.left.Load() == 0 {
		return problem.New(problem.Unavailable, "the disk is full")
	}
	var decided store.Decided
	err := s.Store.Commit(ctx, want, func(loaded *store.Loaded) store.Decided {
		decided = decide(loaded)
		return decided
	})
	if err != nil {
		return err
	}
	if s.left.Load() > 0 {
		s.left.Add(-1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = append(s.written, decided.Receipts...)
	return nil
}

func newSessionMachine(t *rapid.T, dir string) *sessionMachine {
	m := &sessionMachine{t: t, dir: dir, file: filepath.Join(dir, "0.db"), audit: NewSessions(dawn, hour)}
	m.clock.Store(dawn)
	m.salt = rapid.Uint64().Draw(t, "salt")
	m.random = rand.New(rand.NewPCG(m.salt, 0))
	m.open()
	for _, name := range []string{"one", "two"} {
		m.change(func(c *engine.Change) error {
			i, err := c.CreateInstance(name, "account")
			m.instances = append(m.instances, i.ID)
			return err
		})
	}
	for _, series := range []string{"", "s"} {
		m.addTable(m.anyTable(series, dawn-day))
	}
	for i, ids := range sessionLineItems {
		for _, id := range ids[:m.between(1, len(ids))] {
			l := m.anyLineItem(m.instances[i], id)
			l.State, l.Start, l.Elastic = deployed, dawn-day, true
			m.putLineItems(l)
		}
	}
	if m.oneIn(5) {
		m.configure(engine.TimezoneTolerant, "true")
		m.audit.Tolerant(true)
	}
	return m
}

func (m *sessionMachine) open() {
	s, err := sqlite.Open(m.file, sqlite.Options{Create: true})
	if err != nil {
		m.t.Fatal(err)
	}
	m.sqlite, m.store = s, &failingStore{Store: s}
	m.store.left.Store(-1)
	m.engine = engine.New(m.store, engine.Options{
		Now:   func() time.Time { return time.UnixMilli(m.clock.Load()) },
		NewID: func() string { return fmt.Sprintf("id-%d", m.ids.Add(1)) },
	})
}

func (m *sessionMachine) close() {
	if m.engine == nil {
		return
	}
	m.engine.Stop()
	m.engine = nil
	if err := m.sqlite.Close(); err != nil {
		m.t.Error(err)
	}
}

// step is something that happens, some more often than others.
type step struct {
	often int
	name  string
	do    func(*sessionMachine)
}

var steps = []step{
	{5, "open sessions", (*sessionMachine).openSessions}, {3, "visit", (*sessionMachine).visit}, {1, "open many sessions", (*sessionMachine).crowd},
	{12, "call", (*sessionMachine).callOne}, {12, "call many", (*sessionMachine).callMany}, {8, "go on", (*sessionMachine).goOn},
	{1, "call what is not there", (*sessionMachine).callStrangers}, {1, "call again", (*sessionMachine).retry},
	{10, "move the clock", (*sessionMachine).moveClock}, {2, "set the clock back", (*sessionMachine).setClockBack},
	{2, "catch up", (*sessionMachine).catchUp},
	{3, "put", (*sessionMachine).put}, {8, "top up", (*sessionMachine).topUp}, {1, "delete", (*sessionMachine).delete},
	{2, "post a table", (*sessionMachine).postTable}, {2, "change the period", (*sessionMachine).changePeriod},
	{1, "restart", (*sessionMachine).restart}, {1, "crash", (*sessionMachine).crash}, {2, "fail", (*sessionMachine).fail},
	{1, "verify", (*sessionMachine).verify},
}

func (m *sessionMachine) do(t *rapid.T) {
	m.t = t
	if m.steps++; m.steps > 120 {
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

func (m *sessionMachine) oneIn(n int) bool         { return m.random.IntN(n) == 0 }
func (m *sessionMachine) between(from, to int) int { return from + m.random.IntN(to-from+1) }

func pick[T any](m *sessionMachine, from ...T) T { return from[m.random.IntN(len(from))] }

func (m *sessionMachine) now() int64 { return m.clock.Load() }

func (m *sessionMachine) setClock(now int64) {
	m.t.Logf("  the clock is set from %d by %s", m.now(), time.Duration(now-m.now())*time.Millisecond)
	m.clock.Store(now)
}

func (m *sessionMachine) change(fn func(*engine.Change) error) {
	_, _, err := m.engine.Change(ctx, "", nil, func(c *engine.Change) (*store.Answer, error) { return &store.Answer{}, fn(c) })
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *sessionMachine) configure(name, value string) {
	m.t.Logf("  %s is %s", name, value)
	m.change(func(c *engine.Change) error { return c.SetConfiguration(name, value, "key") })
}

func (m *sessionMachine) addTable(table *Table) {
	m.tables++
	table.Version = fmt.Sprint(m.tables)
	m.t.Logf("  %s", table)
	m.change(func(c *engine.Change) error { return c.AddRateTable(table.real()) })
	m.audit.Table(table)
}

func (m *sessionMachine) putLineItems(all ...LineItem) {
	m.change(func(c *engine.Change) error {
		for _, l := range all {
			if _, err := c.PutLineItem(l.real()); err != nil {
				return err
			}
		}
		return nil
	})
	for _, l := range all {
		m.t.Logf("  %+v", l)
		m.audit.LineItem(l)
	}
}

// What applications do.

// call makes calls at the same time, of which no two are of one session.
func (m *sessionMachine) call(calls ...Call) []Reply { return m.callWhile(false, calls) }

// callWhile makes calls, perhaps while what is due is made too.
func (m *sessionMachine) callWhile(catchUp bool, calls []Call) []Reply {
	now := m.now()
	if m.audit.Backlog(now) > 200 {
		m.catchUp() // or it would be made in portions, and nobody could tell which calls came in between
	}
	replies := make([]Reply, len(calls))
	var err error
	var wait sync.WaitGroup
	for i := range calls {
		wait.Go(func() { replies[i] = m.reply(calls[i], "") })
	}
	if catchUp {
		wait.Go(func() { _, err = m.engine.CatchUp(now) })
	}
	wait.Wait()
	if err != nil {
		m.t.Fatal(err)
	}
	for i := range calls {
		m.t.Logf("  %s: %s", calls[i], replies[i])
	}
	m.audit.Recorded(m.read())
	m.audit.CalledAtOnce(now, calls, replies, catchUp)
	return replies
}

func (m *sessionMachine) reply(c Call, key string) Reply {
	var once *engine.Once
	if key != "" {
		once = &engine.Once{Key: key, Fingerprint: []byte(c.String())}
	}
	ref := engine.SessionRef{ID: c.Session, InstanceID: c.Instance}
	var receipt *usage.Receipt
	var state *usage.Session
	var err error
	switch c.Verb {
	case Create:
		receipt, _, err = m.engine.CreateSession(c.Instance, once)
	case Use:
		receipt, _, err = m.engine.Ask(&engine.SessionRequest{
			Session: ref, Request: c.real(), RollbackOnDeny: c.Rollback, Forecast: c.Forecast, Once: once,
		})
	case Heartbeat:
		state, err = m.engine.Heartbeat(ref, c.Forecast)
	case Close:
		_, err = m.engine.CloseSession(ref, once)
	case Charge:
		receipt, _, err = m.engine.Charge(&engine.Charge{InstanceID: c.Instance, Request: c.real(), Once: once})
	}
	r := Reply{How: how(err)}
	if receipt != nil {
		state = receipt.Session
		if c.Verb != Create {
			r.Answer = answerOf(receipt)
		}
	}
	if state != nil {
		r.Session = state.ID
		r.Shown = &Shown{string(state.State), string(state.Reason), state.FromMS, state.UntilMS, state.HeartbeatDueMS}
	}
	return r
}

func (c *Call) real() *access.Request {
	r := Request{Items: c.Items, AllOrNothing: c.AllOrNothing}
	real := r.real()
	real.Requester.Value = c.Requester
	return real
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
	for range m.between(10, 60) {
		calls = append(calls, Call{Verb: Create, Instance: pick(m, m.instances...)})
	}
	for i, r := range m.call(calls...) {
		calls[i] = Call{Verb: Use, Session: r.Session, Requester: m.requester(), Items: m.items(nil), Rollback: m.oneIn(2)}
	}
	m.call(calls...)
	m.setClock(m.now() + int64(m.between(0, int(m.audit.period/2))))
	for i := range calls {
		calls[i] = Call{Verb: Close, Session: calls[i].Session}
	}
	m.call(calls...)
}

// crowd opens more sessions that all want the same than one batch makes charges for.
func (m *sessionMachine) crowd() {
	if m.crowded || !m.oneIn(40) {
		return
	}
	m.crowded = true
	calls := make([]Call, m.between(200, 300))
	create := Call{Verb: Create, Instance: pick(m, m.instances...)}
	for i := range calls {
		calls[i] = create
	}
	use := Call{Verb: Use, Requester: m.requester(), Items: m.items(nil), Rollback: true}
	for i, r := range m.call(calls...) {
		calls[i] = use
		calls[i].Session = r.Session
	}
	m.call(calls...)
}

func (m *sessionMachine) requester() string { return pick(m, "u", "u", "v") }

// items draws what to ask for, often a change of what is used.
func (m *sessionMachine) items(used []use) (items []Ask) {
	for _, u := range used {
		switch ask := u.Ask; m.random.IntN(6) {
		case 0:
		case 1:
			ask.Count = m.anyCount()
			items = append(items, ask)
		default:
			items = append(items, ask)
		}
	}
	for len(items) == 0 || len(items) < 4 && m.oneIn(3) {
		items = append(items, Ask{Item: pick(m, sessionItems...), Version: pick(m, "", "", "", "", "", "2"), Count: m.anyCount()})
	}
	return items
}

// live returns the sessions that have not ended, as far as is known.
func (m *sessionMachine) live() (all []*Session) {
	for _, s := range m.audit.all {
		if s.State != terminated {
			all = append(all, s)
		}
	}
	return all
}

// anyCall draws a call of a session.
func (m *sessionMachine) anyCall(s *Session) Call {
	c := Call{Verb: pick(m, Use, Use, Use, Use, Use, Use, "halt", Heartbeat, Heartbeat, Heartbeat, Close), Session: s.ID, Forecast: m.oneIn(10)}
	switch c.Verb {
	case "halt":
		c.Verb, c.Requester = Use, m.requester()
	case Use:
		c.Requester, c.Rollback = m.requester(), !m.oneIn(5)
		if s.requester != "" && !m.oneIn(4) {
			c.Requester = s.requester
		}
		c.Items = m.items(s.uses)
	}
	if m.oneIn(3) {
		c.Instance = s.Instance
	}
	return c
}

func (m *sessionMachine) anySession() *Session {
	from := m.live()
	if acting := slices.DeleteFunc(slices.Clone(from), func(s *Session) bool { return s.State != active }); !m.oneIn(4) && len(acting) > 0 {
		from = acting
	}
	if len(from) == 0 || m.oneIn(15) {
		from = m.audit.all
	}
	if len(from) == 0 {
		return &Session{ID: "nobody", Instance: "nowhere"}
	}
	return pick(m, from...)
}

func (m *sessionMachine) anyCharge() Call {
	c := Call{Verb: Charge, Instance: pick(m, m.instances...), Requester: m.requester(), AllOrNothing: m.oneIn(2)}
	c.Items = m.items(nil)
	return c
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

// What time does.

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
	case 12, 13, 14, 15, 16, 17, 18, 19:
		if due := m.audit.Due(); due != 0 && due < now+period {
			now = max(now, due+pick(m, int64(0), 0, -1, 1))
		}
	default:
		now += int64(m.between(0, int(period/4)))
	}
	m.setClock(now)
	if !m.oneIn(4) {
		m.catchUp()
	}
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

// What the producer does.

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
	for id, l := range m.audit.lineItems {
		if id != pick(m, pick(m, sessionLineItems...)...) {
			continue
		}
		m.t.Logf("  %s", id)
		m.change(func(c *engine.Change) error { return c.DeleteLineItem(l.Instance, l.ID) })
		m.audit.DeletedLineItem(l.ID)
	}
}

func (m *sessionMachine) postTable() {
	m.addTable(m.anyTable(pick(m, "", "", "s", "t"), m.now()+pick(m, int64(0), -hour, hour, 90*60_000, 3*hour, day)))
}

func (m *sessionMachine) changePeriod() {
	minutes := pick(m, 10, 30, 60, 60, 61, 433, 24*60)
	m.configure(engine.SessionChargePeriod, fmt.Sprintf("PT%dM", minutes))
	m.audit.Period(int64(minutes) * 60_000)
}

// What goes wrong.

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
	m.audit.Started(m.now())
}

// crash goes on with the files as a kill would leave them, perhaps in the middle of what is due.
func (m *sessionMachine) crash() {
	if m.oneIn(2) {
		m.store.left.Store(int64(m.between(0, 2)))
		m.moveClock()
		m.catchUp()
	}
	m.files++
	crashed := filepath.Join(m.dir, fmt.Sprint(m.files, ".db"))
	for _, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(m.file + end)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			m.t.Fatal(err)
		}
		if err := os.WriteFile(crashed+end, content, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	m.close()
	m.file = crashed
	m.away()
	m.open()
	m.audit.Started(m.now())
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

// What is looked at.

// read returns the events of what was written since.
func (m *sessionMachine) read() (events []Event) {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	from := len(m.events)
	for _, r := range m.store.written {
		m.events = r.Events(m.events)
	}
	m.store.written = nil
	for i := from; i < len(m.events); i++ {
		events = append(events, eventOf(&m.events[i]))
	}
	return events
}

// record compares the record with what was written.
func (m *sessionMachine) record() {
	n := 0
	for from := (usage.Position{}); ; {
		page, next, err := m.engine.Events(ctx, from, &usage.Filter{}, m.between(100, 5000))
		if err != nil {
			m.t.Fatal(err)
		}
		for i := range page {
			if e := &page[i]; n >= len(m.events) || !sameEvent(e, &m.events[n]) {
				m.t.Fatalf("event %d in the record is not what was written: %+v", n, e)
			}
			n++
		}
		if next == nil {
			break
		}
		from = *next
	}
	if n != len(m.events) {
		m.t.Fatalf("%d events are in the record, %d were written", n, len(m.events))
	}
}

func sameEvent(a, b *usage.Event) bool {
	return a.ID == b.ID && a.Kind == b.Kind && a.UsageTimeMS == b.UsageTimeMS && a.SessionID == b.SessionID && a.LineItem == b.LineItem &&
		a.Tokens.Equal(b.Tokens) && a.Count.Equal(b.Count) && a.Used.Equal(b.Used)
}

// settle fails if the auditor has found anything, and compares balances from time to time.
func (m *sessionMachine) settle(t *rapid.T) {
	m.t = t
	if m.oneIn(6) {
		m.balances()
	}
	if faults := m.audit.Faults(); len(faults) > 0 {
		m.t.Fatalf("%s", faults[0])
	}
}

func (m *sessionMachine) balances() {
	uses := map[string]*big.Rat{}
	err := m.sqlite.View(ctx, func(r store.Reader) error {
		lineItems, err := r.LineItems("")
		for _, l := range lineItems {
			uses[l.ActivationID] = rat(l.Used)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.audit.Balances(uses)
}

// verify compares every session with what it is shown as, and lets the books prove themselves.
func (m *sessionMachine) verify() {
	live := map[string]int{}
	n := 0
	err := m.sqlite.View(ctx, func(r store.Reader) error {
		err := r.EachSession(func(s *access.Session) error {
			n++
			m.audit.Stands(s.ID, Shown{string(s.State), string(s.Reason), s.FromMS, s.UntilMS, s.HeartbeatDueMS}, rat(s.Net))
			if s.State != access.Terminated {
				live[s.InstanceID]++
			}
			return nil
		})
		if err != nil {
			return err
		}
		due, err := r.NextDue()
		if want := m.audit.Due(); err == nil && due != want {
			err = fmt.Errorf("something is due next at %d, it must be at %d", due, want)
		}
		for _, id := range m.instances {
			all, failed := r.LiveSessions(id, 0, 10_000)
			if err = errors.Join(err, failed); len(all) != live[id] {
				err = errors.Join(err, fmt.Errorf("%d live sessions are listed, there are %d", len(all), live[id]))
			}
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	if n != len(m.audit.all) {
		m.t.Fatalf("there are %d sessions, %d were created", n, len(m.audit.all))
	}
	proof, err := engine.Verify(ctx, m.sqlite)
	if err != nil || len(proof.Differences) > 0 {
		m.t.Fatalf("verify: %+v, %v", proof, err)
	}
	m.balances()
	m.settle(m.t)
}

// finish looks at everything, lets all sessions end, and looks again.
func (m *sessionMachine) finish() {
	m.verify()
	for range 4 { // a last charge, its heartbeat, and what the clock is behind
		m.setClock(m.now() + 32*day)
		m.catchUp()
	}
	m.verify()
	if left := m.live(); len(left) > 0 {
		m.t.Fatalf("it does not end: %s", left[0])
	}
	m.record()
}
