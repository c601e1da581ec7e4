package audit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Sessions live through random months: applications use more and less, halt, close, send heartbeats or forget to; line items run
// dry, end and are topped up; prices and the charge period change; the clock jumps, the store fails, the server is stopped or
// killed and away for a while. After every step an auditor accounts for every event and every answer.
func TestSessionsAreAccountedFor(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the store fails on purpose here
	onEveryStore(t, func(t *testing.T, place func() place) {
		seen := map[string]int{}
		checkTimes(t, 7, func(rt *rapid.T) {
			m := newSessionMachine(rt, place())
			defer m.close()
			for range 4 { // a single one would be short too often
				rt.Repeat(map[string]func(*rapid.T){"do": m.do, "": m.settle})
			}
			m.finish()
			for what, n := range m.audit.seen {
				seen[what] += n
			}
		})
		t.Logf("seen: %v", seen)
	})
}

// sessionMachine is the product, and what is known of it.
type sessionMachine struct {
	t      *rapid.T
	salt   uint64
	random *rand.Rand // of one step, so that a step does the same when those before it are left out
	place  place
	books  store.Store // which store fails at will
	store  *failingStore
	engine *engine.Engine
	clock  atomic.Int64
	test   bool // the database has a test clock
	ids    atomic.Int64

	audit     *Sessions
	instances []string
	tables    int
	events    []usage.Event // all of them
	keyed     []keyedCall
	crowded   bool
	steps     int
	most      int // steps
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

func newSessionMachine(t *rapid.T, place place) *sessionMachine {
	m := &sessionMachine{t: t, place: place, audit: NewSessions(hour)}
	m.clock.Store(dawn)
	steps, err := strconv.Atoi(flag.Lookup("rapid.steps").Value.String())
	if err != nil {
		t.Fatal(err)
	}
	m.most = 2 * steps
	m.salt = rapid.Uint64().Draw(t, "salt")
	m.random = rand.New(rand.NewPCG(m.salt, 0))
	m.test = m.oneIn(6)
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
	s, err := m.place.open()
	if err != nil {
		m.t.Fatal(err)
	}
	m.books, m.store = s, &failingStore{Store: s}
	m.store.left.Store(-1)
	options := engine.Options{
		Now:   func() time.Time { return time.UnixMilli(m.clock.Load()) },
		NewID: func() string { return fmt.Sprintf("id-%d", m.ids.Add(1)) },
	}
	began := m.now()
	if m.test {
		start := time.UnixMilli(dawn)
		if options.Clock, err = engine.DecideClock(ctx, s, &start); err != nil {
			m.t.Fatal(err)
		}
		began = 0 // nobody misses anything while such a clock stands
	}
	m.engine = engine.New(m.store, options)
	if m.engine.Now() != m.now() {
		m.t.Fatalf("the clock stands at %d, it stood at %d", m.engine.Now(), m.now())
	}
	m.audit.Started(began)
}

func (m *sessionMachine) close() {
	if m.engine == nil {
		return
	}
	m.engine.Stop()
	m.engine = nil
	if err := m.books.Close(); err != nil {
		m.t.Error(err)
	}
}

func (m *sessionMachine) oneIn(n int) bool         { return m.random.IntN(n) == 0 }
func (m *sessionMachine) between(from, to int) int { return from + m.random.IntN(to-from+1) }

func pick[T any](m *sessionMachine, from ...T) T { return from[m.random.IntN(len(from))] }

func (m *sessionMachine) now() int64 { return m.clock.Load() }

func (m *sessionMachine) setClock(now int64) {
	was := m.now()
	m.t.Logf("  the clock is set from %d by %s", was, time.Duration(now-was)*time.Millisecond)
	if !m.test {
		m.clock.Store(now)
		return
	}
	if now < was || m.engine == nil || m.store.left.Load() >= 0 {
		return
	}
	_, _, err := m.engine.AdvanceClock(ctx, nil, func(int64) int64 { return now }, func(_ int64, made int) (*store.Answer, error) {
		m.audit.Recorded(m.read())
		m.audit.CaughtUp(was, now, made, true)
		return &store.Answer{}, nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.clock.Store(now)
}

// change makes a change, sometimes as the command line does: in another process.
func (m *sessionMachine) change(fn func(*engine.Change) error) {
	e := m.engine
	if m.oneIn(12) {
		s, err := m.place.open()
		if err != nil {
			m.t.Fatal(err)
		}
		defer s.Close()
		e = engine.New(s, engine.Options{Now: func() time.Time { return time.UnixMilli(m.now()) }})
		defer e.Stop()
	}
	_, _, err := e.Change(ctx, "", nil, func(c *engine.Change) (*store.Answer, error) { return &store.Answer{}, fn(c) })
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

// call makes calls at the same time.
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
		receipt, _, err = m.engine.CreateSession(c.Instance, once, nil)
	case Use:
		receipt, _, err = m.engine.Ask(&engine.SessionRequest{
			Session: ref, Request: c.real(), RollbackOnDeny: c.Rollback, Forecast: c.Forecast, Once: once,
		})
	case Heartbeat:
		state, err = m.engine.Heartbeat(ref, c.Forecast)
	case Close:
		_, err = m.engine.CloseSession(ref, once, nil)
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
	err := m.books.View(ctx, func(r store.Reader) error {
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
	err := m.books.View(ctx, func(r store.Reader) error {
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
	proof, err := engine.Verify(ctx, m.books)
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
