package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// simCall is a call of a customer's application. It is made again, with its key, until it is answered.
type simCall struct {
	of       *rulesMachine
	verb     string
	session  string
	request  *access.Request
	rollback bool
	key      string
	tries    int
	simTerms

	receipt *usage.Receipt
	err     error
}

// id is the key, with what it is a key of.
func (c *simCall) id() string {
	scope := c.session
	switch {
	case scope == "" && c.hold != nil:
		scope = c.hold.id
	case scope == "":
		scope = c.of.instance
	}
	return fmt.Sprintf("%x", usage.NewOnceID(scope, c.key))
}

func (c *simCall) make(e *engine.Engine) {
	once := &engine.Once{Key: c.key, Fingerprint: []byte(c.key)}
	ref := engine.SessionRef{ID: c.session}
	switch c.receipt = nil; c.verb {
	case Charge:
		c.receipt, _, c.err = e.Charge(&engine.Charge{InstanceID: c.of.instance, Request: c.request, Once: once})
	case Create:
		c.receipt, _, c.err = e.CreateSession(c.of.instance, once, nil)
	case Use:
		c.receipt, _, c.err = e.Ask(&engine.SessionRequest{Session: ref, Request: c.request, RollbackOnDeny: c.rollback, Once: once})
	case Close:
		_, c.err = e.CloseSession(ref, once, nil)
	case Heartbeat:
		_, c.err = e.Heartbeat(ref, false)
	default:
		c.makeHold(e)
	}
}

// charges returns the charges among calls, and the others.
func charges(calls []*simCall) (is, others []*simCall) {
	for _, c := range calls {
		if c.verb == Charge {
			is = append(is, c)
		} else {
			others = append(others, c)
		}
	}
	return is, others
}

func makeInBulk(e *engine.Engine, calls []*simCall) {
	all := make([]*engine.Charge, len(calls))
	for i, c := range calls {
		all[i] = &engine.Charge{InstanceID: c.of.instance, Request: c.request, Once: &engine.Once{Key: c.key, Fingerprint: []byte(c.key)}}
	}
	for i, done := range e.Bulk(all) {
		calls[i].receipt, calls[i].err = done.Receipt, done.Err
	}
}

// settle makes the customers, each with rules, limits and line items of its own, and who wants to be told of them.
func (s *simulated) settle() {
	s.watch()
	if s.ground.repeats() {
		s.must("the key of leases", putLeaseKey(s.store))
	}
	for i := range 6 {
		m := &rulesMachine{
			t: s.t, random: s.random, store: s.store, engine: s.engine, clock: &s.clock, name: fmt.Sprintf("c%d-", i), make: s.make, audit: NewRules(),
			actions: map[string][]ledger.Action{}, uses: map[string]bool{}, asked: map[string]token.Amount{},
		}
		m.alerts = s.alerts
		s.customers = append(s.customers, m)
		m.account = fmt.Sprint("account ", i%3)
		m.addInstance(m.account)
		s.of[m.instance] = m
	}
	first := s.customers[0]
	for _, m := range s.customers {
		m.peers = s.customers
	}
	first.configure()
	for _, m := range s.customers {
		m.audit.Tolerant = first.audit.Tolerant
	}
	first.change(func(c *engine.Change) error { return c.SetConfiguration(engine.UsageRetention, "P8D", "key") })
	for _, series := range []string{"", "s"} {
		first.addTable(series, dawn-day)
	}
	first.change(func(c *engine.Change) error {
		p := &engine.Pack{Name: "pack", Quantity: 10, Period: "P30D", OverdraftType: engine.OverdraftNumber, OverdraftLimit: 2}
		if err := p.Complete(); err != nil {
			return err
		}
		return c.PutPack(p)
	})
	for _, m := range s.customers {
		m.furnish()
	}
}

// putLeaseKey gives the service the key that it would make by chance.
func putLeaseKey(s store.Store) error {
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		return err
	}
	key := store.LeaseKey{ID: "key", PrivatePEM: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
	return s.Change(ctx, func(tx store.Tx) error { return tx.InsertLeaseKey(key) })
}

func (s *simulated) oneIn(n int) bool { return s.random.IntN(n) == 0 }

// step is one thing that happens, and what follows it.
func (s *simulated) step() {
	s.ground.arm(s)
	s.turn(s.random.IntN(len(s.engines)))
	m := s.customers[s.random.IntN(len(s.customers))]
	switch n := s.random.IntN(32); {
	case n < 9:
		s.burst()
	case n < 11:
		s.beat()
	case n < 16:
		s.move()
	case n < 18:
		s.reconfigure(m.putSomething)
	case n < 19:
		s.reconfigure(func() { s.sell(m) })
	case n < 21:
		s.archive()
	case n < 23:
		s.housekeep()
	case n < 24:
		s.restart()
	case n < 25:
		s.ground.pass(time.Second) // the log is copied into the database
	case n < 27:
		s.tellOfAlerts()
		s.lookAtTopUps()
	case n < 30:
		s.deliver()
		s.reconfigure(s.sellMore)
	default:
		s.reconfigure(func() { s.fund(m) })
	}
	s.revive()
	s.ground.calm()
	s.look()
}

// look tells the auditors what is new, and hears what is wrong.
func (s *simulated) look() {
	s.news(false)
	s.judge()
	for _, m := range s.customers {
		if s.oneIn(8) {
			s.untroubled(m.compareShown)
			s.untroubled(m.compareHeld)
		}
		for _, wrong := range m.audit.Complaints() {
			s.t.Fatal(wrong)
		}
	}
}

// burst makes some calls: new ones, and those that were not answered, in whatever order, as far as the store is slow in one commit.
func (s *simulated) burst() {
	calls := s.calls
	for range 1 + s.random.IntN(8) {
		calls = append(calls, s.newCall())
	}
	s.random.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	s.together(calls, s.oneIn(4))
}

func (s *simulated) newCall() *simCall {
	m := s.customers[s.random.IntN(len(s.customers))]
	c := &simCall{of: m, rollback: !s.oneIn(4)}
	switch n := s.random.IntN(18); {
	case n >= 10 && m.newHoldCall(c):
	case n < 5:
		c.verb, c.request = Charge, m.request(false, "x", "y", "f", "w", "n", "x")
	case n < 7 || len(m.sessions) == 0:
		c.verb = Create
	default:
		c.verb, c.session = Use, m.sessions[s.random.IntN(len(m.sessions))]
		c.request = m.request(true, "x", "y", "f", "w", "n")
		switch s.random.IntN(6) {
		case 0:
			c.request.Items = nil
		case 1:
			c.verb, c.request = Close, nil
		}
	}
	s.keys++
	c.key = fmt.Sprint("key ", s.keys)
	if c.verb == Lease {
		m.asked[c.key] = c.lease.Tokens
	}
	s.acknowledged.Sent(c.id())
	return c
}

// together makes calls one after the other; those that come while a commit is slow are in the next. What is due may be made first.
func (s *simulated) together(calls []*simCall, due bool) {
	var all sync.WaitGroup
	var err error
	if due {
		all.Go(func() { _, err = s.engine.CatchUp(s.clock.Load()) })
		s.ground.quiet()
	}
	alone := calls
	if s.keys%3 == 0 { // some of the time charges come as a bulk
		var bulk []*simCall
		if bulk, alone = charges(calls); len(bulk) > 0 {
			all.Go(func() { makeInBulk(s.engine, bulk) })
			s.ground.quiet()
		}
	}
	for i, c := range alone {
		e := s.engines[i%len(s.engines)]
		all.Go(func() { c.make(e) })
		s.ground.quiet()
	}
	all.Wait()
	s.must("what is due", err)
	s.calls = nil
	for _, c := range calls {
		s.answered(c)
	}
}

func (s *simulated) answered(c *simCall) {
	s.note("%s %s of %q ends %s", c.verb, c.key, c.session, how(c.err))
	m := c.of
	switch {
	case c.err != nil && problem.KindOf(c.err) == problem.Ended:
		m.sessions = slices.DeleteFunc(m.sessions, func(id string) bool { return id == c.session })
	case c.err != nil && problem.KindOf(c.err) == problem.Unavailable:
		if c.verb == Heartbeat || s.oneIn(10) {
			s.saw("given up")
			return
		}
		c.tries++
		s.calls = append(s.calls, c)
	case c.err != nil && c.session == "" && c.verb != Charge && refusal(c.err):
		s.refused = append(s.refused, c)
	case c.err != nil:
		s.t.Fatalf("%s with %s: %v", c.verb, c.key, c.err)
	case c.receipt == nil && (c.verb == Charge || c.verb == Create || c.verb == Use):
		s.t.Fatalf("%s with %s is answered by nothing", c.verb, c.key)
	default:
		if c.tries > 0 {
			s.saw("answered at a retry")
		}
		if c.receipt != nil {
			s.note("%s", receiptText(c.receipt))
			s.acknowledged.Told(c.id(), receiptText(c.receipt))
		}
		switch c.verb {
		case Create, Use, Close, Heartbeat:
		case Charge:
			c.remember()
		default:
			s.holdAnswered(c)
		}
		if c.verb == Create && !slices.Contains(m.sessions, c.receipt.Session.ID) {
			m.sessions = append(m.sessions, c.receipt.Session.ID)
		}
		if c.verb == Close {
			m.sessions = slices.DeleteFunc(m.sessions, func(id string) bool { return id == c.session })
		}
	}
}

// receiptText is all of a receipt.
func receiptText(r *usage.Receipt) string {
	text, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// insist makes calls until all are answered.
func (s *simulated) insist() {
	for len(s.calls) > 0 {
		s.together(s.calls, false)
		s.revive()
	}
}

// catchUp has what is due made, all of it.
func (s *simulated) catchUp() {
	for {
		_, err := s.engine.CatchUp(s.clock.Load())
		s.must("what is due", err)
		s.revive()
		if err == nil {
			return
		}
	}
}

// beat sends the heartbeats of nearly all sessions.
func (s *simulated) beat() {
	var calls []*simCall
	for _, m := range s.customers {
		for _, id := range m.sessions {
			if !s.oneIn(8) {
				calls = append(calls, &simCall{of: m, verb: Heartbeat, session: id})
			}
		}
	}
	waiting := s.calls
	s.together(calls, false)
	s.calls = append(s.calls, waiting...)
}

// move lets time pass. What comes due is made at once, or later.
func (s *simulated) move() {
	by := []int64{1, 600_000, hour / 2, hour, hour, 3 * hour, 3 * hour, day, 2 * day, 9 * day}[s.random.IntN(10)]
	if by >= day {
		s.insist()
	}
	s.clock.Add(by)
	if s.oneIn(3) {
		s.burst() // before what is due is made, as after an outage
		s.revive()
	}
	if !s.oneIn(4) {
		_, err := s.engine.CatchUp(s.clock.Load())
		s.must("what is due", err)
	}
}

// reconfigure changes something, at a time of its own and when nothing is due.
func (s *simulated) reconfigure(put func()) {
	s.tick()
	put()
	s.tick()
}

func (s *simulated) tick() {
	s.clock.Add(1)
	s.catchUp()
	s.news(false)
}

// sell sells packs.
func (s *simulated) sell(m *rulesMachine) {
	if len(m.lineItems) > 8 {
		return
	}
	s.saw("sale")
	id, packs, now := fmt.Sprint(m.name, "p", len(m.lineItems)), int64(1+s.random.IntN(5)), s.clock.Load()
	m.change(func(c *engine.Change) error {
		_, l, _, err := c.Sell(&engine.Order{OrderNumber: id, Pack: "pack", InstanceID: m.instance, Quantity: packs, Start: &now})
		if err == nil {
			m.audit.Numbers[l.Number] = id
		}
		return err
	})
	l := LineItem{
		ID: id, Instance: m.instance, State: deployed, Quantity: 10 * packs, Start: now, End: now + 30*day, Elastic: true, Overdraft: number, Limit: 2 * packs,
	}
	m.audit.LineItem(l, string(ledger.Paid), "")
	m.alerts.LineItem(l, "", now)
	m.lineItems = append(m.lineItems, l)
}

// archive takes some of the record elsewhere, as an export does.
func (s *simulated) archive() (taken int) {
	_, err := s.engine.FollowOnce(ctx, &engine.Follower{Name: "archive", Most: 1 + s.random.IntN(200),
		Take: func(_ context.Context, f *engine.Followed) (int, func(store.Tx) error, error) {
			for i, r := range f.Receipts {
				text := receiptText(r)
				if before, again := s.archived[f.At[i]]; again && before != text {
					s.t.Errorf("%+v was taken as\n%s\nand again as\n%s", f.At[i], before, text)
				}
				s.archived[f.At[i]] = text
			}
			taken = len(f.Receipts)
			return taken, nil, nil
		}})
	s.must("archive", err)
	return taken
}

// housekeep does what goes on behind the charges.
func (s *simulated) housekeep() {
	s.must("folding", s.engine.FoldUsage(ctx))
	switch s.random.IntN(5) {
	case 0, 1:
		s.archive()
		done, err := s.engine.Retain(ctx, []string{"archive"})
		s.must("retention", err)
		if done.Receipts > 0 {
			s.saw("retained")
		}
	case 2:
		s.must("folding anew", s.engine.RebuildUsage(ctx, func(int64, int64) {}))
	case 3:
		for _, m := range s.customers {
			m.forgot = s.clock.Load()
		}
		s.must("forgetting", s.engine.Forget(ctx))
	case 4:
		s.untroubled(s.compareUsage)
	}
}

// compareUsage holds what is reported, from buckets and receipts, to the record: all of it, and by item and kind.
func (s *simulated) compareUsage() {
	report, err := s.engine.Usage(ctx, &usage.Query{By: []usage.Dimension{usage.ByItem, usage.ByKind}})
	s.must("a report", err)
	if err != nil {
		return
	}
	s.news(false)
	var tokens token.Amount
	want, got := map[string]token.Amount{}, map[string]token.Amount{}
	for _, text := range s.record {
		r := new(usage.Receipt)
		if err := json.Unmarshal([]byte(text), r); err != nil {
			s.t.Fatal(err)
		}
		for _, e := range r.Events(nil) {
			tokens = tokens.Add(e.Tokens)
			group := e.Item + " " + string(e.Kind)
			want[group] = want[group].Add(e.Tokens)
		}
	}
	if !report.Total.Tokens.Equal(tokens) {
		s.t.Errorf("%s tokens are reported, the events add up to %s", report.Total.Tokens, tokens)
	}
	for _, row := range report.Rows {
		got[row.By[0].Text+" "+row.By[1].Text] = row.Tokens
	}
	if len(got) != len(want) {
		s.t.Errorf("%v is reported, the events add up to %v", got, want)
	}
	for group, sum := range want {
		if !got[group].Equal(sum) {
			s.t.Errorf("%s tokens of %s are reported, the events add up to %s", got[group], group, sum)
		}
	}
	s.must("the buckets", s.store.View(ctx, func(r store.Reader) error {
		buckets, err := r.Buckets(0, 0)
		if len(buckets) > 0 {
			s.saw("folded")
		}
		return err
	}))
}

// news reads what is new in the record, and tells the auditors; or all of it, to see whether what was there is there still.
func (s *simulated) news(whole bool) {
	from, next := s.last, -1
	if whole {
		from = usage.Position{}
	}
	var fresh []*usage.Receipt
	err := s.store.View(ctx, func(r store.Reader) error {
		_, err := r.Receipts(from, nil, 0, func(at usage.Position, r *usage.Receipt) (bool, error) {
			text := receiptText(r)
			place, known := s.places[at]
			switch {
			case known && s.record[place] != text:
				s.t.Fatalf("%+v was\n%s\nand is\n%s", at, s.record[place], text)
			case known && next >= 0 && place != next, !known && next >= 0 && next != len(s.record):
				s.t.Fatalf("the record goes on with receipt %d, %d is gone", place, next)
			case !known:
				place = len(s.record)
				s.places[at], s.record, fresh = place, append(s.record, text), append(fresh, r)
				if at.Receipt == 1 {
					s.saw("several in a commit")
				}
			}
			s.last, next = at, place+1
			return true, nil
		})
		return err
	})
	if err != nil && s.ground.off() {
		s.revive()
		return
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if next != len(s.record) && len(s.record) > 0 {
		s.t.Fatalf("the record ends before receipt %d of %d", next, len(s.record))
	}
	for _, r := range fresh {
		s.tell(r)
	}
}

func (s *simulated) tell(r *usage.Receipt) {
	s.note("recorded %s", receiptText(r))
	if id, has := r.OnceID(); has {
		s.acknowledged.Recorded(fmt.Sprintf("%x", id), receiptText(r))
	}
	m := s.of[r.InstanceID]
	if r.TimeMS < m.latest {
		s.saw("late")
	}
	for _, e := range r.Events(nil) {
		s.saw(string(e.Kind))
	}
	m.tell(r)
}

// finish looks at everything once more.
func (s *simulated) finish() {
	s.insist()
	s.catchUp()
	s.restart()
	s.look()
	for s.archive() > 0 {
	}
	for at, place := range s.places {
		if text := s.archived[at]; text != s.record[place] {
			s.t.Errorf("receipt %d was taken elsewhere as\n%s\nit is\n%s", place, text, s.record[place])
		}
	}
	for _, m := range s.customers {
		m.compareShown()
		m.compareHeld()
	}
	s.compareUsage()
	s.finishTelling()
	s.verify()
	for _, wrong := range s.acknowledged.Complaints() {
		s.t.Error(wrong)
	}
	s.seen["receipts"] += len(s.record)
	s.note("%d receipts", len(s.record))
}
