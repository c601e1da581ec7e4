package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/postgres"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/test/simulation"
)

// ground is what the books of a simulated history stand on, and what happens to it.
type ground interface {
	live(t *testing.T, history func(*testing.T)) // in time as it passes there
	repeats() bool                               // a seed is the same history
	quiet()                                      // waits until nobody does anything but wait for time to pass
	pass(time.Duration)                          // time that is simulated elsewhere, too

	open(*simulated) (servers []store.Store, auditors store.Store, err error)
	arm(*simulated) // draws what happens next
	calm()          // nothing more does
	off() bool      // power has gone: nothing works until restored
	restore(*simulated)
	close()
}

// sqliteGround is a file on a simulated disk. Time is that of a bubble, so that a history is the same to the last write.
type sqliteGround struct {
	dir, folder string
	folders     int
	disk        *simulation.Disk
}

func newSQLiteGround(t *testing.T) ground { return &sqliteGround{dir: t.TempDir()} }

func (g *sqliteGround) live(t *testing.T, history func(*testing.T)) { synctest.Test(t, history) }

func (g *sqliteGround) repeats() bool { return true }

func (g *sqliteGround) quiet() { synctest.Wait() }

func (g *sqliteGround) pass(d time.Duration) { time.Sleep(d) }

func (g *sqliteGround) mount(s *simulated) {
	g.folders++
	g.folder = filepath.Join(g.dir, fmt.Sprint(g.folders))
	if err := os.Mkdir(g.folder, 0o700); err != nil {
		s.t.Fatal(err)
	}
	var err error
	if g.disk, err = simulation.NewDisk(g.folder); err != nil {
		s.t.Fatal(err)
	}
}

func (g *sqliteGround) open(s *simulated) ([]store.Store, store.Store, error) {
	if g.disk == nil {
		g.mount(s)
	}
	books, err := sqlite.Open(filepath.Join(g.folder, "f.db"), sqlite.Options{Create: true, Serve: true})
	if err != nil {
		return nil, nil, err
	}
	time.Sleep(100 * time.Millisecond) // or the engine would look around just when the log is copied, and chance decide which is first
	return []store.Store{books}, books, nil
}

func (g *sqliteGround) arm(s *simulated) {
	if s.fate.IntN(8) == 0 {
		g.disk.FailAt(1 + s.fate.IntN(10))
	}
	if s.fate.IntN(6) == 0 {
		g.disk.CutAt(1 + s.fate.IntN(30))
	}
}

func (g *sqliteGround) calm() {
	g.disk.FailAt(0)
	g.disk.CutAt(0)
}

func (g *sqliteGround) off() bool { return g.disk.Off() }

// restore goes on with what a power cut has left.
func (g *sqliteGround) restore(s *simulated) {
	loss := simulation.Loss(s.fate.IntN(int(simulation.Losses)))
	s.saw("power cut")
	s.saw(fmt.Sprintf("power cut, %s is lost", loss))
	s.note("power is cut after %d changes, %s is lost", g.disk.Changes(), loss)
	old := g.disk
	old.Remove()
	g.mount(s)
	if err := old.After(loss, s.fate, g.folder); err != nil {
		s.t.Fatal(err)
	}
	if s.troubled && s.fate.IntN(4) == 0 {
		g.disk.CutAt(1 + s.fate.IntN(12)) // while it recovers
	}
}

func (g *sqliteGround) close() { g.disk.Remove() }

// postgresGround is a database in PostgreSQL, which two servers share, each behind a proxy that cuts their connections. PostgreSQL crashes now and
// then. Time of the world passes as it does: what is asked at once is asked at once. So a seed is one history for what is asked first and for
// the dice, not for who is faster.
type postgresGround struct {
	cluster *cluster.Cluster
	direct  string
	urls    []string // of the servers
	saw     func(string)
	t       *testing.T

	mu    sync.Mutex
	asked int64 // pieces of what is asked of PostgreSQL, of which some are cut
	cutAt int64 // 0: none
	how   cluster.Cut
	crash bool // instead, PostgreSQL does
	down  bool // it is about to start again
}

func newPostgresGround(t *testing.T, c *cluster.Cluster) ground {
	g := &postgresGround{cluster: c, direct: c.URL(t), t: t}
	for range 2 {
		g.urls = append(g.urls, cluster.NewProxy(t, c, g.cut).Through(t, g.direct))
	}
	return g
}

func (g *postgresGround) live(t *testing.T, history func(*testing.T)) { history(t) }

func (g *postgresGround) repeats() bool { return false }

func (g *postgresGround) quiet() {}

func (g *postgresGround) pass(time.Duration) {}

// open opens the database for the servers, and for the auditors, whose connections nobody cuts. Another attempt finds nothing in its way.
func (g *postgresGround) open(s *simulated) (servers []store.Store, auditors store.Store, err error) {
	g.mu.Lock() // a connection of before may still ask
	g.saw = s.saw
	g.mu.Unlock()
	defer func() {
		if err != nil {
			g.calm()
			err = errors.Join(err, closeAll(servers))
		}
	}()
	for _, url := range g.urls {
		one, err := postgres.Open(url, postgres.Options{})
		if err != nil {
			return servers, nil, err
		}
		servers = append(servers, one)
	}
	auditors, err = postgres.Open(g.direct, postgres.Options{})
	return servers, auditors, err
}

func closeAll(stores []store.Store) (err error) {
	for _, s := range stores {
		err = errors.Join(err, s.Close())
	}
	return err
}

// cut is asked by the proxies.
func (g *postgresGround) cut(commits bool) cluster.Cut {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	// It crashes over a commit, when no auditor looks: servers that look around commit nothing.
	if g.down || g.cutAt == 0 || g.asked < g.cutAt || g.crash && !commits {
		return cluster.None
	}
	g.cutAt = 0
	if g.crash {
		g.saw("PostgreSQL crashes")
		g.down = true
		g.mu.Unlock() // or it would wait, for a minute, for those who have just connected to say who they are
		g.cluster.Crash(g.t)
		g.cluster.Start(g.t)
		g.mu.Lock()
		g.down = false
		return cluster.Unheard
	}
	what := "a question"
	if commits {
		what = "a commit"
	}
	g.saw(map[cluster.Cut]string{cluster.Unheard: "unheard", cluster.Unanswered: "unanswered", cluster.Raced: "raced"}[g.how] + ", " + what)
	return g.how
}

func (g *postgresGround) arm(s *simulated) {
	s.writing.Lock()
	defer s.writing.Unlock() // the dice are thrown by deliveries, too
	if s.fate.IntN(3) > 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		return
	}
	g.how, g.crash = cluster.Unheard+cluster.Cut(s.fate.IntN(3)), s.fate.IntN(12) == 0
	g.cutAt = g.asked + 1 + s.fate.Int64N(12)
}

func (g *postgresGround) calm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cutAt = 0
}

func (g *postgresGround) off() bool { return false }

func (g *postgresGround) restore(*simulated) {}

func (g *postgresGround) close() {}
