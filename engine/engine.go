// Package engine holds the verbs of the product. It alone owns the clock, ids, batches and the store: it stamps the time,
// joins concurrent requests into one commit, and answers when that is durable.
package engine

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/notify/webhook"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// Options of an engine. The zero value is right for a server.
type Options struct {
	Now     func() time.Time // the clock; time.Now unless a test has its own
	NewID   func() string    // makes UUIDv7; tests have their own
	Metrics *Metrics         // nil: not measured

	// Serve makes what is due for sessions, when it is due; CatchUp does it otherwise. Only one who answers requests should.
	Serve bool
	// Clock is how time passes in the database; nil: as Now tells. Tokens (JWT) are judged by Now in any case.
	Clock *store.Clock
	// PrivateWebhooks allows events to be sent to addresses that are not public, and by http.
	PrivateWebhooks bool
	// Receivers stands in for those whom events are sent to; nil: they are reached over the network.
	Receivers http.RoundTripper
	// SmallBuckets has usage folded into buckets of few receipts, so that a short history has many.
	SmallBuckets bool
	// HoldsMost is how many holds may be live on one instance; 0: access.HoldsMost.
	HoldsMost int
}

// Engine runs on one store. Its methods are safe for concurrent use.
type Engine struct {
	store   store.Store
	now     func() time.Time
	newID   func() string
	metrics *Metrics

	verifier *auth.Verifier
	known    atomic.Pointer[store.Settings] // whose keys the verifier has

	holdsMost int
	leaseKeys atomic.Pointer[[]*auth.Pair] // those that were read last; nil: none

	test      bool         // the clock is a test clock ...
	testMS    atomic.Int64 // ... and stands here
	advancing sync.Mutex

	serve   bool
	seenMS  atomic.Int64 // when we were last seen at work
	awakeMS atomic.Int64 // when we were last out of reach, to its end
	failing bool         // the last commit failed; of commitBatches alone, as the next
	wanted  store.Want   // what the last batch needed

	columns   columns
	questions chan struct{} // has room for those that may be answered at a time
	recorded  atomic.Int64  // receipts that this engine has booked
	folding   foldSizes
	watcher   *watcher
	deliverer *deliverer
	live      live
	proving   proving

	queue    chan *request
	dues     chan *catchUp
	quit     chan struct{}
	stopping sync.RWMutex // held for reading by those who put into queue
	stopped  atomic.Bool
	running  sync.WaitGroup
}

// enableRandPool is for the whole process; two engines that start at once must not both do it.
var enableRandPool = sync.OnceFunc(uuid.EnableRandPool)

// New starts an engine on a store. Stop it before the store is closed.
func New(s store.Store, options Options) *Engine {
	e := &Engine{
		store: s, now: options.Now, newID: options.NewID, metrics: options.Metrics,
		queue: make(chan *request, batchMost), dues: make(chan *catchUp), quit: make(chan struct{}),
		questions: make(chan struct{}, questionsMost),
		folding:   foldSizes{foldLeast, foldMost, mergeParts},
	}
	e.verifier = auth.NewVerifier(e.holdsLink)
	if e.now == nil {
		e.now = time.Now
	}
	if e.newID == nil {
		enableRandPool()
		e.newID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if e.metrics == nil {
		e.metrics = NewMetrics()
	}
	if options.Clock != nil && options.Clock.Test {
		e.test = true
		e.testMS.Store(options.Clock.NowMS)
	} else {
		e.awakeMS.Store(e.Now())
		e.serve = options.Serve
	}
	if options.SmallBuckets {
		e.folding = foldSizes{8, 32, 4}
	}
	e.seenMS.Store(e.Now())
	e.holdsMost = cmp.Or(options.HoldsMost, access.HoldsMost)
	e.watcher, e.deliverer = &watcher{engine: e}, newDeliverer(e, webhook.NewSender(options.PrivateWebhooks, options.Receivers))
	e.adoptKeys()
	e.running.Go(e.commitBatches)
	e.running.Go(e.lookAround)
	e.running.Go(e.tellLive)
	if e.serve {
		e.running.Go(e.makeDue)
	}
	if options.Serve {
		e.running.Go(e.keepFolded)
		e.running.Go(e.watchAlerts)
		e.running.Go(e.deliver)
	}
	return e
}

// Stop finishes the requests that were accepted and refuses later ones.
func (e *Engine) Stop() {
	e.stopping.Lock()
	already := e.stopped.Swap(true)
	e.stopping.Unlock()
	if already {
		return
	}
	close(e.queue)
	close(e.quit)
	e.running.Wait()
}

// Now returns the engine's time in milliseconds since 1970.
func (e *Engine) Now() int64 {
	if e.test {
		return e.testMS.Load()
	}
	return e.now().UnixMilli()
}

// Authenticate returns who the value of an Authorization header speaks for. It fails with a problem: Unauthenticated, or Unavailable.
func (e *Engine) Authenticate(header string) (*auth.Principal, error) {
	return e.verifier.Authenticate(header, e.now())
}

// View runs fn on one consistent, committed state.
func (e *Engine) View(ctx context.Context, fn func(store.Reader) error) error {
	return e.store.View(ctx, fn)
}

// Settings returns the rate tables, configuration and keys in force.
func (e *Engine) Settings() *store.Settings { return e.store.Settings() }

// Backup writes a consistent copy of the books to a new file.
func (e *Engine) Backup(ctx context.Context, file string) error { return e.store.Backup(ctx, file) }

// Ready reports nil when the store answers.
func (e *Engine) Ready(ctx context.Context) error {
	return e.View(ctx, func(r store.Reader) error {
		_, err := r.Instances(0, 1)
		return err
	})
}

// Periods of what is done beside requests: well inside the 10 seconds within which a key saved elsewhere must work
// (decisions.md D30), and often enough for keys that are kept for days.
const (
	refreshEvery = time.Second
	forgetEvery  = time.Hour
)

// lookAround takes notice of what other processes change, and forgets what is past its time.
func (e *Engine) lookAround() {
	refresh, forget := time.NewTicker(refreshEvery), time.NewTicker(forgetEvery)
	defer refresh.Stop()
	defer forget.Stop()
	ctx := context.Background()
	for {
		var err error
		select {
		case <-e.quit:
			return
		case <-refresh.C:
			e.notice()
			err = e.store.Refresh(ctx)
			e.adoptKeys()
		case <-forget.C:
			err = orErr(e.Forget(ctx), e.forgetNotices(ctx))
		}
		if err != nil {
			slog.Warn("the store is not well; trying again", logged(err))
		}
	}
}

// settle is how long ago nothing is charged as of any more when nothing is due from then: clocks step back, and a session that
// waits after a fault of ours says that it is due later than it is.
const settle = 24 * time.Hour

// Forget drops what nobody asks for any more; it is done every hour. Errors are those of the store.
func (e *Engine) Forget(ctx context.Context) error {
	now := e.Now()
	settled := now - settle.Milliseconds()
	err := e.View(ctx, func(r store.Reader) error {
		next, err := r.NextDue()
		if next != 0 {
			settled = min(settled, next)
		}
		return err
	})
	if err != nil {
		return err
	}
	return e.store.Forget(ctx, min(now-store.OnceRetention.Milliseconds(), settled), settled)
}

// asleep is how long nothing may be heard of us until sessions are owed a new deadline for their heartbeat.
const asleep = 10 * time.Second

// notice says that we are at work, and notices when we were not: the process or the machine stood still, or the clock was set
// forward. All of these are outages to an application that sends heartbeats (decisions.md D20).
func (e *Engine) notice() {
	now := e.Now()
	if last := e.seenMS.Swap(now); e.serve && now-last > asleep.Milliseconds() {
		slog.Warn("time went by without us; heartbeats that were due meanwhile get a new deadline", "seconds", (now-last)/1000)
		e.awakeMS.Store(now)
	}
}

// adoptKeys gives the verifier the keys of the settings in force, if it does not have them.
func (e *Engine) adoptKeys() {
	if s := e.store.Settings(); s != nil && e.known.Swap(s) != s {
		e.verifier.SetKeys(s.Keys)
	}
}

// logged is an error as logs have it: what people are told, and what lies under it, if anything does.
func logged(err error) slog.Attr {
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Cause != nil {
		return slog.Group("", "error", err, "cause", p.Cause)
	}
	return slog.Any("error", err)
}
