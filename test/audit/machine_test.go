package audit

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var ctx = context.Background()

// The engine on a real store and the twin go through the same random history: two processes on one database that crash and
// restart, callers that ask alone or all at once and try again, a producer who changes everything, a clock that jumps.
// After every step the balances agree, and at the end the events, the auditor and Verify.
func TestEngineAgreesWithTwin(t *testing.T) {
	onEveryStore(t, func(t *testing.T, place func() place) {
		check(t, func(rt *rapid.T) { agreesWithTwin(rt, place()) })
	})
}

func agreesWithTwin(rt *rapid.T, place place) {
	m := newMachine(rt, place)
	defer m.close()
	rt.Repeat(map[string]func(*rapid.T){
		"":                m.balances,
		"ask":             m.ask,
		"ask again":       m.ask,
		"ask a third":     m.ask,
		"burst":           m.burst,
		"repeat":          m.repeat,
		"put":             m.put,
		"put another":     m.put,
		"delete":          m.delete,
		"post table":      m.postTable,
		"withdraw table":  m.withdrawTable,
		"configure":       m.configure,
		"move the clock":  m.moveClock,
		"restart":         m.restart,
		"crash":           m.crash,
		"look at records": m.records,
	})
	m.t = rt
	m.finish()
}

// process is one that has the database open.
type process struct {
	store  store.Store
	engine *engine.Engine
}

// machine is the product and its twin.
type machine struct {
	t         *rapid.T
	place     place
	processes []process
	clock     atomic.Int64
	ids       atomic.Int64

	instances []string // the last does not exist
	twin      *Twin
	auditor   *Auditor
	past      []asked // requests with keys
}

// asked is a request that was made.
type asked struct {
	request Request
	key     string
}

func newMachine(t *rapid.T, place place) *machine {
	m := &machine{t: t, place: place, twin: NewTwin(dawn), auditor: NewAuditor()}
	m.clock.Store(dawn)
	m.open(2)
	for _, name := range []string{"one", "two"} {
		m.change("", "", "", func(c *engine.Change) error {
			i, err := c.CreateInstance(name, "account")
			m.instances = append(m.instances, i.ID)
			return err
		})
		m.twin.Instances[m.instances[len(m.instances)-1]] = true
	}
	m.instances = append(m.instances, "nobody")
	for _, series := range []string{"", "s"} {
		m.addTable(&Table{Series: series, Version: "base", From: dawn - 2*day, Rates: map[[2]string]*big.Rat{
			{"x", ""}: R(anyRate.Draw(t, "base rate")), {"y", ""}: R("2"), {"x", "2"}: R("0.5"),
		}})
	}
	for range 3 {
		m.put(t)
	}
	return m
}

func (m *machine) open(processes int) {
	for len(m.processes) < processes {
		s, err := m.place.open()
		if err != nil {
			m.t.Fatal(err)
		}
		e := engine.New(s, engine.Options{
			Now:   func() time.Time { return time.UnixMilli(m.clock.Load()) },
			NewID: func() string { return fmt.Sprintf("00000000-0000-7000-8000-%012x", m.ids.Add(1)) },
		})
		m.processes = append(m.processes, process{s, e})
	}
}

func (m *machine) close() {
	for _, p := range m.processes {
		p.engine.Stop()
		if err := p.store.Close(); err != nil {
			m.t.Error(err)
		}
	}
	m.processes = nil
}

func (m *machine) any(t *rapid.T) *engine.Engine {
	m.t = t
	return m.processes[rapid.IntRange(0, len(m.processes)-1).Draw(t, "process")].engine
}

// same fails when the engine and the twin end a verb in different ways.
func (m *machine) same(what, got, want string) {
	if got != want {
		m.t.Fatalf("%s ends %q, want %q\n%s", what, got, want, m.twin)
	}
}

// change makes a change through the engine, in the name of an idempotency key, and says how it ended.
func (m *machine) change(scope, key, fingerprint string, fn func(*engine.Change) error) (ended string, replayed bool) {
	e := m.any(m.t)
	var once *engine.Once
	if key != "" {
		once = &engine.Once{Key: key, Fingerprint: []byte(fingerprint)}
	}
	_, replayed, err := e.Change(ctx, scope, once, func(c *engine.Change) (*store.Answer, error) {
		if err := fn(c); err != nil {
			return nil, err
		}
		return &store.Answer{Status: 204}, nil
	})
	return how(err), replayed
}

func (m *machine) put(t *rapid.T) {
	m.t = t
	l := anyLineItem(m.instances).Draw(t, "line item")
	key, fingerprint := anyKey.Draw(t, "key"), fmt.Sprintf("%+v", l)
	got, replayed := m.change(l.Instance, key, fingerprint, func(c *engine.Change) error {
		_, err := c.PutLineItem(l.real())
		return err
	})
	want, again := m.twin.Change(l.Instance, key, fingerprint, func() string {
		how := m.twin.Put(l)
		if how == Done {
			m.auditor.LineItem(l)
		}
		return how
	})
	m.same(fmt.Sprintf("PUT of %+v with key %q", l, key), fmt.Sprint(got, replayed), fmt.Sprint(want, again))
}

func (m *machine) delete(t *rapid.T) {
	m.t = t
	instance, id := rapid.SampledFrom(m.instances).Draw(t, "instance"), anyActivation.Draw(t, "id")
	key, fingerprint := anyKey.Draw(t, "key"), "delete "+id
	got, replayed := m.change(instance, key, fingerprint, func(c *engine.Change) error { return c.DeleteLineItem(instance, id) })
	want, again := m.twin.Change(instance, key, fingerprint, func() string {
		how := m.twin.Delete(instance, id)
		if how == Done {
			m.auditor.DeletedLineItem(id)
		}
		return how
	})
	m.same(fmt.Sprintf("DELETE of %s on %s with key %q", id, instance, key), fmt.Sprint(got, replayed), fmt.Sprint(want, again))
}

func (m *machine) postTable(t *rapid.T) {
	m.t = t
	m.addTable(anyTable().Draw(t, "table"))
}

func (m *machine) addTable(table *Table) {
	got, _ := m.change("", "", "", func(c *engine.Change) error { return c.AddRateTable(table.real()) })
	want := m.twin.AddTable(table)
	if want == Done {
		m.auditor.Table(table)
	}
	m.same(fmt.Sprintf("POST of table %q %q", table.Series, table.Version), got, want)
}

func (m *machine) withdrawTable(t *rapid.T) {
	m.t = t
	series, version := anySeries.Draw(t, "series"), rapid.StringMatching(`v[1-6]`).Draw(t, "version")
	got, _ := m.change("", "", "", func(c *engine.Change) error { return c.DeleteRateTable(series, version) })
	want := m.twin.DeleteTable(series, version)
	if want == Done {
		m.auditor.DeletedTable(series, version)
	}
	m.same(fmt.Sprintf("DELETE of table %q %q", series, version), got, want)
}

func (m *machine) configure(t *rapid.T) {
	m.t = t
	yes := rapid.Bool().Draw(t, "tolerant")
	got, _ := m.change("", "", "", func(c *engine.Change) error {
		return c.SetConfiguration(engine.TimezoneTolerant, fmt.Sprint(yes), "key")
	})
	m.twin.SetTolerant(yes)
	m.auditor.Tolerant(yes)
	m.same("configuration", got, Done)
}

func (m *machine) moveClock(t *rapid.T) {
	m.twin.Now += rapid.SampledFrom([]int64{1, hour, 6 * hour, 12 * hour, 12*hour - 1, -hour, -1}).Draw(t, "by")
	m.clock.Store(m.twin.Now)
}

func (m *machine) ask(t *rapid.T) {
	e := m.any(t)
	a := asked{anyRequest(m.instances).Draw(t, "request"), anyKey.Draw(t, "key")}
	m.remember(a)
	m.compare(a, m.charge(e, a))
}

func (m *machine) repeat(t *rapid.T) {
	e := m.any(t)
	if len(m.past) == 0 {
		t.Skip("nothing to repeat")
	}
	a := rapid.SampledFrom(m.past).Draw(t, "request")
	m.compare(a, m.charge(e, a))
}

func (m *machine) remember(a asked) {
	if a.key != "" {
		m.past = append(m.past, a)
	}
}

// charged is what the engine made of a request.
type charged struct {
	receipt  *usage.Receipt
	replayed bool
	err      error
}

func (m *machine) charge(e *engine.Engine, a asked) (c charged) {
	var once *engine.Once
	if a.key != "" {
		once = &engine.Once{Key: a.key, Fingerprint: []byte(a.request.String())}
	}
	c.receipt, c.replayed, c.err = e.Charge(&engine.Charge{InstanceID: a.request.Instance, Request: a.request.real(), Once: once})
	return c
}

// compare lets the twin answer the same request and holds the real answer to it.
func (m *machine) compare(a asked, got charged) {
	really := &Answer{}
	if got.err == nil {
		really = answerOf(got.receipt)
	} else {
		for range a.request.Items {
			really.Items = append(really.Items, AnsweredItem{Count: zero})
		}
	}
	want, replayed, word := m.twin.Charge(a.request, a.key, a.request.String(), really)
	what := fmt.Sprintf("request %s with key %q", a.request.String(), a.key)
	m.same(what, fmt.Sprint(how(got.err), got.replayed), fmt.Sprint(word, replayed))
	if got.err != nil {
		return
	}
	if really.CorrelationID != want.CorrelationID || answerText(really) != answerText(want) {
		m.t.Fatalf("%s is answered by %s\n%s\nwant %s\n%s\n%s", what, really.CorrelationID, answerText(really), want.CorrelationID, answerText(want), m.twin)
	}
	m.auditor.Answered(got.receipt.TimeMS, a.request, really)
}

// burst makes requests at the same time. The record says in which order they were booked.
func (m *machine) burst(t *rapid.T) {
	m.t = t
	calls := make([]asked, rapid.IntRange(2, 8).Draw(t, "requests"))
	engines := make([]*engine.Engine, len(calls))
	for i := range calls {
		calls[i] = asked{anyRequest(m.instances).Draw(t, "request"), anyKey.Draw(t, "key")}
		if i > 0 && rapid.IntRange(0, 3).Draw(t, "same again") == 0 {
			calls[i] = calls[i-1]
		}
		m.remember(calls[i])
		engines[i] = m.any(t)
	}
	results := make([]charged, len(calls))
	var wait sync.WaitGroup
	for i := range calls {
		wait.Go(func() { results[i] = m.charge(engines[i], calls[i]) })
	}
	wait.Wait()
	places := map[string]int{}
	for i, r := range m.receipts() {
		places[r.CorrelationID] = i
	}
	place := func(i int) int { // those that booked nothing come last
		if r := results[i]; r.err != nil || r.replayed {
			return len(places)
		}
		return places[results[i].receipt.CorrelationID]
	}
	order := make([]int, len(calls))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return place(i) - place(j) })
	for _, i := range order {
		m.compare(calls[i], results[i])
	}
}

func (m *machine) view(fn func(store.Reader) error) {
	if err := m.any(m.t).View(ctx, fn); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) receipts() (all []*usage.Receipt) {
	m.view(func(r store.Reader) error {
		_, err := r.Receipts(usage.Position{}, nil, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
			all = append(all, receipt)
			return true, nil
		})
		return err
	})
	return all
}

// uses returns the use of all line items, deleted ones too.
func (m *machine) uses() map[string]*big.Rat {
	all := map[string]*big.Rat{}
	m.view(func(r store.Reader) error {
		lineItems, err := r.LineItems("")
		for _, l := range lineItems {
			all[l.ActivationID] = rat(l.Used)
			if twin, there := m.twin.LineItem(l.ActivationID); there == l.Deleted || there && twin.Instance != l.InstanceID {
				m.t.Fatalf("%s is %+v, want %+v %v", l.ActivationID, l, twin, there)
			}
		}
		return err
	})
	return all
}

func (m *machine) balances(t *rapid.T) {
	m.t = t
	uses := m.uses()
	for id, want := range m.twin.Used {
		if got := uses[id]; got == nil || !same(got, want) {
			t.Fatalf("%s of %s is used, want %s\n%s", text(got), id, text(want), m.twin)
		}
	}
	for id := range m.twin.lineItems {
		if uses[id] == nil {
			t.Fatalf("line item %s is not there", id)
		}
	}
}

func (m *machine) restart(t *rapid.T) {
	m.t = t
	m.close()
	m.open(rapid.IntRange(1, 3).Draw(t, "processes"))
}

// crash goes on with the files as a kill of all processes would leave them.
func (m *machine) crash(t *rapid.T) {
	m.t = t
	if err := m.place.crash(m.close); err != nil {
		t.Fatal(err)
	}
	m.open(2)
}

// events reads all events a filter selects, in pages of random sizes.
func (m *machine) events(filter *usage.Filter) (all []Event) {
	m.view(func(r store.Reader) error {
		for from := (usage.Position{}); ; {
			page := rapid.IntRange(1, 20).Draw(m.t, "page")
			events, next, err := engine.EventPage(r, from, filter, page, rapid.IntRange(0, 3).Draw(m.t, "bound"))
			if err != nil {
				return err
			}
			if len(events) > page {
				m.t.Fatalf("a page of %d has %d events", page, len(events))
			}
			for i := range events {
				all = append(all, eventOf(&events[i]))
			}
			if next == nil {
				return nil
			}
			from = *next
		}
	})
	return all
}

func (m *machine) records(t *rapid.T) {
	m.t = t
	filter := &usage.Filter{}
	selects := func(*Event) bool { return true }
	switch rapid.IntRange(0, 4).Draw(t, "filter") {
	case 0:
		filter.InstanceIDs = m.instances[:1]
		selects = func(e *Event) bool { return e.Instance == m.instances[0] }
	case 1:
		filter.Kind = usage.Denial
		selects = func(e *Event) bool { return e.Kind == "DENIAL" }
	case 2:
		filter.ActivationID = anyActivation.Draw(t, "activation")
		selects = func(e *Event) bool { return e.LineItem == filter.ActivationID }
	case 3:
		filter.FromMS, filter.ToMS = dawn+hour, dawn+day
		selects = func(e *Event) bool { return dawn+hour <= e.Time && e.Time < dawn+day }
	}
	var want []*Event
	for i := range m.twin.Events {
		if e := &m.twin.Events[i]; selects(e) {
			want = append(want, e)
		}
	}
	got := m.events(filter)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			t.Fatalf("%d events, want %d by %+v", len(got), len(want), filter)
		}
		if got, want := eventText(&got[i]), eventText(want[i]); got != want {
			t.Fatalf("event %d by %+v is\n%s\nwant\n%s", i, filter, got, want)
		}
	}
}

func (m *machine) finish() {
	m.balances(m.t)
	m.records(m.t)
	for _, wrong := range m.auditor.Audit(m.events(&usage.Filter{}), m.uses()) {
		m.t.Errorf("audit: %s", wrong)
	}
	for _, p := range m.processes {
		proof, err := engine.Verify(ctx, p.store)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, difference := range proof.Differences {
			m.t.Errorf("verify: %s", difference)
		}
		if int(proof.Events) != len(m.twin.Events) {
			m.t.Errorf("verify counts %d events, want %d", proof.Events, len(m.twin.Events))
		}
	}
}
