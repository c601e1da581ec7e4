package audit

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/simulation"
	"github.com/farebox/farebox/usage"
)

// Many customers live for weeks with everything there is, on a store that fails, is slow and loses answers, and on a disk that fails, is
// full, and loses what was not synced when power goes, at any moment. Callers try again. After every step the auditors have seen
// all receipts; at the end they hold the record to what callers were told.
//
// A seed is a history, whatever else the machine does. A usual run has a few that are always the same, and fresh ones.
// FAREBOX_SEED=N lives through one alone; FAREBOX_SIMULATE=10m goes on with fresh ones for so long; FAREBOX_AUDIT_STEPS=150 makes each so long.
func TestSimulation(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the store fails on purpose here
	seen := map[string]int{}
	live := func(seed uint64) bool {
		return t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			for what, n := range simulate(t, seed).seen {
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
	for seed := range uint64(3) {
		live(seed)
	}
	for _, what := range troubles {
		if seen[what] == 0 {
			t.Errorf("nothing met with %q: the usual seeds have lost what they are for", what)
		}
	}
	for range 2 {
		live(rand.Uint64N(1e9))
	}
}

// troubles are what has to be seen in the usual seeds.
var troubles = []string{
	"commit fails", "commit's answer is lost", "commit is slow", "change fails", "change's answer is lost", "view fails", "disk fails",
	"power cut", "power cut, nothing is lost", "power cut, all is lost", "power cut, the tail is lost", "power cut, anything is lost",
	"restart", "answered at a retry", "given up", "retained", "late", "sale", "several in a commit",
	string(usage.Charge), string(usage.AutomaticCharge), string(usage.Refund), string(usage.Denial),
}

// The same seed is the same history, to the last answer and to the last write to disk.
func TestSimulationRepeats(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	seed := rand.Uint64N(1e9)
	if first, second := simulate(t, seed).hash(), simulate(t, seed).hash(); first != second {
		t.Errorf("seed %d: the trace is %s, and %s the second time", seed, first, second)
	}
}

// simulated is the product in its world.
type simulated struct {
	t           *testing.T
	random      *rand.Rand // of those who use the product
	fate        *rand.Rand // of the world around it
	writing     sync.Mutex // for trace, seen and fate: a request may look at the store while a commit is slow
	trace       hash.Hash
	seen        map[string]int
	dir, folder string
	folders     int

	disk     *simulation.Disk
	sqlite   *sqlite.Store
	engine   *engine.Engine
	clock    atomic.Int64
	ids      atomic.Int64
	troubled bool // the script is followed

	customers    []*rulesMachine
	of           map[string]*rulesMachine // by instance
	calls        []*simCall               // that were not answered
	keys         int
	acknowledged *Acknowledged
	record       []string               // all receipts there ever were
	places       map[usage.Position]int // of them
	last         usage.Position
	archived     map[usage.Position]string
}

func simulate(t *testing.T, seed uint64) *simulated {
	s := &simulated{
		random: rand.New(rand.NewPCG(seed, 1)), fate: rand.New(rand.NewPCG(seed, 2)), trace: sha256.New(), seen: map[string]int{},
		dir: t.TempDir(), of: map[string]*rulesMachine{}, acknowledged: NewAcknowledged(), places: map[usage.Position]int{},
		archived: map[usage.Position]string{},
	}
	synctest.Test(t, func(t *testing.T) {
		s.t = t
		s.clock.Store(dawn)
		s.mount()
		defer s.close()
		s.open()
		s.settle()
		s.troubled = true
		for range stepsOf(t) {
			s.step()
		}
		s.troubled = false
		s.finish()
	})
	return s
}

// usualSteps are those of a usual run, which the race detector makes ten times as slow.
const usualSteps = 70

func stepsOf(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("FAREBOX_AUDIT_STEPS"), strconv.Itoa(usualSteps)))
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

func (s *simulated) file() string { return filepath.Join(s.folder, "f.db") }

func (s *simulated) mount() {
	s.folders++
	s.folder = filepath.Join(s.dir, fmt.Sprint(s.folders))
	if err := os.Mkdir(s.folder, 0o700); err != nil {
		s.t.Fatal(err)
	}
	var err error
	if s.disk, err = simulation.NewDisk(s.folder); err != nil {
		s.t.Fatal(err)
	}
}

// open serves the database, and has all of it proved. Power may go meanwhile.
func (s *simulated) open() {
	for {
		var err error
		if s.sqlite, err = sqlite.Open(s.file(), sqlite.Options{Create: true, Serve: true}); err == nil {
			break
		}
		if !s.disk.Off() {
			s.t.Fatalf("the file does not open: %v", err)
		}
		s.afterCut()
	}
	time.Sleep(100 * time.Millisecond) // or the engine would look around just when the log is copied, and chance decide which is first
	s.engine = engine.New(&simulation.Store{Store: s.sqlite, Script: s.script, Wait: s.wait, Done: s.done}, engine.Options{
		Now:   func() time.Time { return time.UnixMilli(s.clock.Load()) },
		NewID: func() string { return fmt.Sprintf("id-%06d", s.ids.Add(1)) },
	})
	for _, m := range s.customers {
		m.engine, m.store = s.engine, s.sqlite
	}
	s.verify()
	s.news(true)
	s.revive()
}

func (s *simulated) close() {
	if s.engine != nil {
		s.engine.Stop()
		s.engine = nil
		if err := s.sqlite.Close(); err != nil && !s.disk.Off() {
			s.t.Error(err)
		}
	}
	s.disk.Remove()
}

func (s *simulated) restart() {
	s.seen["restart"]++
	s.engine.Stop()
	s.engine = nil
	if err := s.sqlite.Close(); err != nil && !s.disk.Off() {
		s.t.Error(err)
	}
	s.open()
}

// revive starts anew if power has gone.
func (s *simulated) revive() {
	if !s.disk.Off() {
		return
	}
	s.engine.Stop()
	s.engine = nil
	_ = s.sqlite.Close() // fails, as it must
	s.afterCut()
	s.open()
}

// afterCut goes on with what a power cut has left.
func (s *simulated) afterCut() {
	loss := simulation.Loss(s.fate.IntN(int(simulation.Losses)))
	s.seen["power cut"]++
	s.seen[fmt.Sprintf("power cut, %s is lost", loss)]++
	s.note("power is cut after %d changes, %s is lost", s.disk.Changes(), loss)
	old := s.disk
	old.Remove()
	s.mount()
	if err := old.After(loss, s.fate, s.folder); err != nil {
		s.t.Fatal(err)
	}
	if s.troubled && s.fate.IntN(4) == 0 {
		s.disk.CutAt(1 + s.fate.IntN(12)) // while it recovers
	}
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
	time.Sleep(d)
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
	case err != nil && problem.KindOf(err) == problem.Unavailable && !s.disk.Off():
		s.seen["disk fails"]++
	}
}

// arm draws what the disk does in the next step.
func (s *simulated) arm() {
	if s.troubled && s.fate.IntN(8) == 0 {
		s.disk.FailAt(1 + s.fate.IntN(10))
	}
	if s.troubled && s.fate.IntN(6) == 0 {
		s.disk.CutAt(1 + s.fate.IntN(30))
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
	proof, err := engine.Verify(ctx, s.sqlite)
	if err != nil && !s.disk.Off() {
		s.t.Fatal(err)
	}
	if err == nil && len(proof.Differences) > 0 {
		s.t.Fatalf("verify: %v", proof.Differences)
	}
}
