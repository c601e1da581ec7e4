package audit

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/test/simulation"
	"github.com/farebox/farebox/usage"
)

// Many customers live for weeks with everything there is, on a store that fails, is slow and loses answers: a file, on a disk that fails, is
// full, and loses what was not synced when power goes, at any moment; or PostgreSQL, which two servers share, and whose connections are cut and
// which crashes. Callers try again. After every step the auditors have seen all receipts, and what was told of them; at the end they hold the
// record to what callers were told, and what receivers of webhooks got to the alerts.
//
// On a file a seed is a history, whatever else the machine does. A usual run has a few that are always the same, and fresh ones.
// FAREBOX_SEED=N lives through one alone; FAREBOX_SIMULATE=10m goes on with fresh ones for so long; FAREBOX_AUDIT_STEPS=150 makes each so long.
func TestSimulation(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the store fails on purpose here
	t.Run("sqlite", func(t *testing.T) { simulations(t, newSQLiteGround, usualSteps, []uint64{1, 7, 19}, 1) })
	t.Run("postgres", func(t *testing.T) {
		c := cluster.Own(t, "fsync = off") // it is processes that crash
		simulations(t, func(t *testing.T) ground { return newPostgresGround(t, c) }, usualSteps/2, nil, 2)
	})
}

func simulations(t *testing.T, ground func(*testing.T) ground, steps int, usual []uint64, fresh int) {
	seen := map[string]int{}
	live := func(seed uint64) bool {
		return t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			for what, n := range simulate(t, ground(t), seed, stepsOf(t, steps)).seen {
				seen[what] += n
			}
		})
	}
	defer func() { t.Logf("seen: %v", seen) }()
	if seed, err := strconv.ParseUint(os.Getenv("FAREBOX_SEED"), 10, 64); err == nil {
		live(seed)
		return
	}
	if length, err := time.ParseDuration(os.Getenv("FAREBOX_SIMULATE")); err == nil {
		for began := time.Now(); time.Since(began) < length && live(rand.Uint64N(1e9)); {
		}
		return
	}
	if raceEnabled { // which makes it ten times as slow: make runs all without it
		usual, fresh = nil, 1
	}
	for _, seed := range usual {
		live(seed)
	}
	for _, what := range troubles {
		if usual != nil && seen[what] == 0 {
			t.Errorf("nothing met with %q: the usual seeds have lost what they are for", what)
		}
	}
	for range fresh {
		live(rand.Uint64N(1e9))
	}
}

// troubles are what has to be seen in the usual seeds.
var troubles = []string{
	"commit fails", "commit's answer is lost", "commit is slow", "change fails", "change's answer is lost", "view fails", "store fails",
	"power cut", "power cut, nothing is lost", "power cut, all is lost", "power cut, the tail is lost", "power cut, anything is lost",
	"restart", "answered at a retry", "given up", "retained", "late", "sale", "several in a commit", "folded",
	string(usage.Charge), string(usage.AutomaticCharge), string(usage.Refund), string(usage.Denial),
	"alert BALANCE_BELOW", "alert EXHAUSTED", "alert OVERDRAFT", "alert ENDING", "alert RUNNING_OUT", "alert DENIALS", "alert PACE",
	string(usage.Settlement), string(usage.LeaseReport), string(usage.Adjustment),
	"hold", "hold is refused", "settle", "settled late", "settle is refused", "lease", "lease is refused", "report", "reported late", "refund", "top-up", "transfer",
	"top-up asked for", "top-up sold", "delivery DELIVERED", "receiver fails", "receiver asks for time", "receiver's answer is lost",
}

// The same seed is the same history on a file, to the last answer and to the last write to disk.
func TestSimulationRepeats(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	seed := rand.Uint64N(1e9)
	hash := func() string { return simulate(t, newSQLiteGround(t), seed, stepsOf(t, usualSteps/2)).hash() }
	if first, second := hash(), hash(); first != second {
		t.Errorf("seed %d: the trace is %s, and %s the second time", seed, first, second)
	}
}

// simulated is the product in its world.
type simulated struct {
	t       *testing.T
	seed    uint64
	random  *rand.Rand // of those who use the product
	fate    *rand.Rand // of the world around it
	writing sync.Mutex // for trace, seen and fate: a request may look at the store while a commit is slow
	trace   hash.Hash
	seen    map[string]int
	ground  ground

	stores   []store.Store // of the servers
	store    store.Store   // of the auditors
	engines  []*engine.Engine
	engine   *engine.Engine // of the server whose turn it is
	clock    atomic.Int64
	ids      atomic.Int64
	troubled bool // the script is followed

	customers    []*rulesMachine
	of           map[string]*rulesMachine // by instance
	calls        []*simCall               // that were not answered
	refused      []*simCall               // that were, and are to be judged
	nothing      []*simCall               // that did nothing, or not all they say
	keys         int
	acknowledged *Acknowledged
	record       []string               // all receipts there ever were
	places       map[usage.Position]int // of them
	last         usage.Position
	archived     map[usage.Position]string

	alerts     *Alerts
	topUps     *TopUps
	deliveries *Deliveries
	purchases  []purchase // that receivers were asked for
	hooks      []*engine.Webhook
	noticed    int64 // the last entry of the log of alerts that was seen
	receivers  receivers
}

func simulate(t *testing.T, ground ground, seed uint64, steps int) *simulated {
	s := &simulated{
		seed: seed, random: rand.New(rand.NewPCG(seed, 1)), fate: rand.New(rand.NewPCG(seed, 2)), trace: sha256.New(), seen: map[string]int{},
		ground: ground, of: map[string]*rulesMachine{}, acknowledged: NewAcknowledged(), places: map[usage.Position]int{},
		archived: map[usage.Position]string{}, topUps: NewTopUps(),
	}
	ground.live(t, func(t *testing.T) {
		s.t = t
		s.receivers = receivers{of: s, tries: map[string]int{}}
		s.clock.Store(dawn)
		defer s.close()
		s.open()
		s.settle()
		s.troubled = true
		for range steps {
			s.step()
		}
		s.troubled = false
		s.finish()
	})
	return s
}

// usualSteps are those of a usual run.
const usualSteps = 100

func stepsOf(t *testing.T, usual int) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("FAREBOX_AUDIT_STEPS"), strconv.Itoa(usual)))
	if err != nil {
		t.Fatalf("FAREBOX_AUDIT_STEPS: %v", err)
	}
	return n
}

func (s *simulated) hash() string { return fmt.Sprintf("%x", s.trace.Sum(nil)) }

// note adds a line to the trace.
func (s *simulated) note(format string, args ...any) {
	s.writing.Lock()
	defer s.writing.Unlock()
	fmt.Fprintf(s.trace, format+"\n", args...)
}

// saw counts something.
func (s *simulated) saw(what string) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.seen[what]++
}

// open serves the database, and has all of it proved. Power may go meanwhile.
func (s *simulated) open() {
	for attempt := 0; ; attempt++ {
		var err error
		if s.stores, s.store, err = s.ground.open(s); err == nil {
			break
		}
		switch {
		case s.ground.off():
			s.ground.restore(s)
		case !s.troubled || attempt == 1:
			s.t.Fatalf("the database does not open: %v", err)
		}
	}
	for _, books := range s.stores {
		s.engines = append(s.engines, engine.New(&simulation.Store{Store: books, Script: s.script, Wait: s.wait, Done: s.done}, engine.Options{
			Now:             func() time.Time { return time.UnixMilli(s.clock.Load()) },
			NewID:           func() string { return fmt.Sprintf("00000000-0000-7000-8000-%012x", s.ids.Add(1)) },
			PrivateWebhooks: true, Receivers: &s.receivers, SmallBuckets: true,
		}))
	}
	s.turn(0)
	s.verify()
	s.news(true)
	s.revive()
}

// turn gives one of the servers its turn.
func (s *simulated) turn(server int) {
	s.engine = s.engines[server]
	for _, m := range s.customers {
		m.engine, m.store = s.engine, s.store
	}
}

func (s *simulated) stop() {
	for _, e := range s.engines {
		e.Stop()
	}
	if len(s.stores) > 0 && s.store != s.stores[0] {
		s.stores = append(s.stores, s.store)
	}
	if err := closeAll(s.stores); err != nil && !s.ground.off() {
		s.t.Error(err)
	}
	s.engines, s.stores = nil, nil
}

func (s *simulated) close() {
	s.stop()
	s.ground.close()
}

func (s *simulated) restart() {
	s.saw("restart")
	s.stop()
	s.open()
	s.untroubled(s.compareUsage)
}

// revive starts anew if power has gone.
func (s *simulated) revive() {
	if !s.ground.off() {
		return
	}
	s.stop()
	s.ground.restore(s)
	s.open()
}

// script is what happens to the calls of the store.
func (s *simulated) script(op simulation.Op) (f simulation.Fault) {
	if !s.troubled {
		return f
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	oneIn := func(n int) bool { return s.fate.IntN(n) == 0 }
	switch op {
	case simulation.Commit:
		if oneIn(2) {
			f.Slow = time.Duration(1 + s.fate.IntN(20_000_000_000))
		}
		f.Fails, f.Lost = oneIn(12), oneIn(12)
	case simulation.Change:
		f.Fails, f.Lost = oneIn(8), oneIn(8)
	case simulation.View:
		f.Fails = oneIn(40)
	}
	return f
}

// wait lets time pass, for everybody.
func (s *simulated) wait(d time.Duration) {
	s.clock.Add(d.Milliseconds())
	s.ground.pass(d)
}

func (s *simulated) done(op simulation.Op, f simulation.Fault, err error) {
	s.note("%s %+v ends %s", op, f, how(err))
	s.writing.Lock()
	defer s.writing.Unlock()
	switch {
	case f.Slow > 0:
		s.seen[string(op)+" is slow"]++
	case f.Fails:
		s.seen[string(op)+" fails"]++
	case f.Lost:
		s.seen[string(op)+"'s answer is lost"]++
	case err != nil && problem.KindOf(err) == problem.Unavailable && !s.ground.off():
		s.seen["store fails"]++
	}
}

// untroubled lets an auditor look.
func (s *simulated) untroubled(look func()) {
	was := s.troubled
	s.troubled = false
	look()
	s.troubled = was
}

// must fails unless something worked, but for trouble of the store.
func (s *simulated) must(what string, err error) {
	s.note("%s ends %s", what, how(err))
	if err != nil && problem.KindOf(err) != problem.Unavailable {
		s.t.Fatalf("%s: %v", what, err)
	}
}

// make makes a change, again and again until it is acknowledged. The time stands still meanwhile, so that it is known of when the change is.
func (s *simulated) make(fn func(*engine.Change) error) error {
	s.keys++
	once := &engine.Once{Key: fmt.Sprint("change ", s.keys), Fingerprint: []byte("the same")}
	for {
		_, _, err := s.engine.Change(ctx, "", once, func(c *engine.Change) (*store.Answer, error) { return &store.Answer{Status: 204}, fn(c) })
		s.note("change %d ends %s", s.keys, how(err))
		s.revive()
		if err == nil || problem.KindOf(err) != problem.Unavailable {
			return err
		}
	}
}

// verify has the books prove themselves.
func (s *simulated) verify() {
	proof, err := engine.Verify(ctx, s.store)
	if err != nil && !s.ground.off() {
		s.t.Fatal(err)
	}
	if err == nil && len(proof.Differences) > 0 {
		s.t.Fatalf("verify: %v", proof.Differences)
	}
}
