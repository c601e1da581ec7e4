package engine

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Once makes a request count once: its idempotency key, and a fingerprint that tells whether a request that comes with the
// same key is the same one. Nil: the request had no key.
type Once struct {
	Key         string
	Fingerprint []byte
}

// request is one request on its way through a batch: what it needs, how it is decided, and what became of it.
type request struct {
	instanceID string            // whose book it needs; empty: its session's
	sessionID  string            // the session it needs; empty: none
	holdID     string            // the hold it needs; empty: none
	requester  *access.Requester // whose standing it needs; nil: nobody's
	refundOf   string            // the receipt whose earlier refunds it needs; empty: none
	source     *usage.Source     // where it came from; nil: not recorded
	once       *Once
	onceID     usage.OnceID // of once
	size       int          // in bytes, about
	decide     func(*decision) outcome
	with       []*request // more that are decided after it, in the same batch

	done chan struct{} // nil of those that are with another
	outcome
}

// outcome is what became of a request.
type outcome struct {
	receipt  *usage.Receipt
	session  *usage.Session // as a heartbeat left it
	replayed bool
	err      error
}

// do takes a request through a batch and returns once what it did is durable. If it fails nothing was done.
func (e *Engine) do(r *request) outcome {
	r.done = make(chan struct{})
	r.identify()
	for _, other := range r.with {
		other.identify()
	}
	if err := e.enqueue(r); err != nil {
		r.fail(err)
		return r.outcome
	}
	<-r.done // whoever asked may hang up, but what is in a batch is decided with it
	return r.outcome
}

func (r *request) identify() {
	if r.once != nil {
		r.onceID = usage.NewOnceID(cmp.Or(r.sessionID, r.holdID, r.instanceID), r.once.Key)
	}
}

// fail has a request, and those with it, end with an error.
func (r *request) fail(err error) {
	r.outcome = outcome{err: err}
	for _, other := range r.with {
		other.outcome = outcome{err: err}
	}
}

func (e *Engine) enqueue(r *request) error {
	e.stopping.RLock()
	defer e.stopping.RUnlock()
	if e.stopped.Load() {
		return errStopping
	}
	e.queue <- r
	return nil
}

var errStopping = problem.New(problem.Unavailable, "the server is stopping; ask another, or again later")

// A batch is whatever has come in while the one before was committed: no timer holds anybody back. What is due for
// sessions joins it, in portions, so that a million sessions do not keep requests waiting.
const (
	batchMost      = 1024    // requests; twice as many if a bulk comes last
	batchBytesMost = 8 << 20 // of their bodies, about
)

func (e *Engine) commitBatches() {
	batch := make([]*request, 0, batchMost)
	var due *catchUp
	for {
		batch = batch[:0]
		if due == nil {
			select {
			case r, open := <-e.queue:
				if !open {
					return
				}
				batch = append(append(batch, r), r.with...)
			case due = <-e.dues:
			}
		}
		e.letOthersJoin()
		batch = e.gather(batch)
		e.commit(batch, due)
		for _, r := range batch {
			if r.done != nil {
				close(r.done)
			}
		}
		if due != nil && due.more && e.stopped.Load() { // the rest of a backlog is for whoever serves next
			due.err, due.more = errStopping, false
		}
		if due != nil && !due.more {
			close(due.done)
			due = nil
		}
	}
}

// letOthersJoin lets run what is about to ask, as long as more come: a commit costs the same for few and for many. Where the processor
// is idle nobody is about to, and this takes no time.
func (e *Engine) letOthersJoin() {
	for waiting := -1; waiting < len(e.queue); {
		waiting = len(e.queue)
		runtime.Gosched()
	}
}

// gather adds what is waiting, without waiting for more.
func (e *Engine) gather(batch []*request) []*request {
	size := 0
	for _, r := range batch {
		size += r.size
	}
	for len(batch) < batchMost && size < batchBytesMost {
		select {
		case r, open := <-e.queue:
			if !open {
				return batch
			}
			batch = append(append(batch, r), r.with...)
			size += r.size
			for _, other := range r.with {
				size += other.size
			}
			continue
		default:
		}
		break
	}
	return batch
}

// commit decides and books a batch in one transaction and leaves the results in its requests.
func (e *Engine) commit(batch []*request, due *catchUp) {
	started := time.Now()
	e.notice()
	if e.failing { // nobody could reach us until now
		e.awakeMS.Store(e.Now())
	}
	var last *decision
	err := e.store.Commit(context.Background(), e.want(batch, due), func(loaded *store.Loaded) store.Decided {
		last = e.decide(batch, due, loaded)
		return last.Decided
	})
	e.failing = err != nil
	e.metrics.batch(len(batch), time.Since(started))
	if err != nil {
		slog.Error("a batch was not committed; nothing was charged", "requests", len(batch), logged(err))
		for _, r := range batch {
			r.outcome = outcome{err: err}
		}
		if due != nil {
			due.err, due.more = err, false
		}
		return
	}
	e.metrics.decided(last.Receipts)
	e.live.record(last.Receipts)
	e.recorded.Add(int64(len(last.Receipts)))
	if due != nil {
		due.made += last.made
	}
}

// want says what a batch needs, in the room of the one before.
func (e *Engine) want(batch []*request, due *catchUp) store.Want {
	was := &e.wanted
	w := store.Want{Instances: was.Instances[:0], Once: was.Once[:0], Sessions: was.Sessions[:0], Requesters: was.Requesters[:0], NowMS: e.Now()}
	defer func() { *was = w }()
	for _, r := range batch {
		if r.instanceID != "" {
			w.Instances = append(w.Instances, r.instanceID)
		}
		if r.sessionID != "" {
			w.Sessions = append(w.Sessions, r.sessionID)
		}
		if r.holdID != "" {
			w.Holds = append(w.Holds, r.holdID)
		}
		if r.once != nil {
			w.Once = append(w.Once, r.onceID)
		}
		if r.requester != nil && r.instanceID != "" {
			w.Requesters = append(w.Requesters, r.requester.Key(r.instanceID))
		}
		if r.refundOf != "" {
			w.Charges = append(w.Charges, r.refundOf)
		}
	}
	switch {
	case due != nil:
		w.Due = &store.Due{ByMS: due.byMS, Most: dueMost}
	case len(w.Sessions) > 0: // nobody's session gets ahead of what was due before
		w.Due = &store.Due{ByMS: w.NowMS, Most: dueMost}
	}
	return w
}

// decision is a batch in the making. It may be made again, on freshly loaded books.
type decision struct {
	*store.Loaded
	store.Decided
	engine  *Engine
	nowMS   int64
	world   access.World
	inBatch map[usage.OnceID]*usage.Receipt
	seen    map[*access.Session]bool // those that are in Decided
	made    int                      // steps of due sessions
	room    access.Room
}

func (e *Engine) newDecision(loaded *store.Loaded) *decision {
	d := &decision{
		Loaded: loaded, engine: e, nowMS: e.Now(), inBatch: map[usage.OnceID]*usage.Receipt{}, seen: map[*access.Session]bool{},
	}
	d.world = access.World{
		Prices: *pricesAt(loaded.Settings, d.nowMS), AwakeMS: e.awakeMS.Load(),
	}
	for _, book := range loaded.Books {
		book.HoldsAt(d.nowMS)
	}
	d.world.Period, _ = period.Parse(configured(loaded.Settings, SessionChargePeriod)) // was checked when it was set
	return d
}

// decide decides on a batch. A fault of ours in one decision fails the batch, not the process: then nothing is booked,
// and the store forgets what was half done.
func (e *Engine) decide(batch []*request, due *catchUp, loaded *store.Loaded) (d *decision) {
	d = e.newDecision(loaded)
	defer func() {
		if fault := recover(); fault != nil {
			slog.Error("fault in a decision; nothing was charged", "fault", fault, "stack", string(debug.Stack()))
			for _, r := range batch {
				r.outcome = outcome{err: problem.New(problem.Internal, "this request could not be decided; nothing was charged")}
			}
			if due != nil {
				due.err, due.more = problem.New(problem.Internal, "what is due could not be made; nothing was charged"), false
			}
			d = e.newDecision(loaded)
		}
	}()
	d.Receipts = make([]*usage.Receipt, 0, len(batch))
	switch {
	case due != nil:
		due.more = d.catchUp(due.byMS)
	case len(loaded.Due) > 0:
		d.catchUp(d.nowMS)
	}
	for _, r := range batch {
		r.outcome = d.answer(r)
	}
	return d
}

// touch has a session written.
func (d *decision) touch(s *access.Session) {
	if !d.seen[s] {
		d.seen[s] = true
		d.Decided.Sessions = append(d.Decided.Sessions, s)
	}
}

func (d *decision) answer(r *request) outcome {
	if r.once != nil {
		earlier := d.Earlier[r.onceID]
		if earlier == nil {
			earlier = d.inBatch[r.onceID]
		}
		if earlier != nil && r.sessionID != "" && r.instanceID != "" && earlier.InstanceID != r.instanceID {
			return outcome{err: NoSession(r.sessionID)} // a replay, too, tells nobody about another instance
		}
		if earlier != nil {
			return replay(earlier, r.once)
		}
	}
	o := r.decide(d)
	if o.receipt != nil {
		o.receipt.Source = r.source
	}
	if o.receipt != nil && r.once != nil {
		o.receipt.Key, o.receipt.Fingerprint = r.once.Key, r.once.Fingerprint
		d.inBatch[r.onceID] = o.receipt
	}
	return o
}

// record adds a receipt.
func (d *decision) record(r *usage.Receipt) *usage.Receipt {
	d.Receipts = append(d.Receipts, r)
	return r
}

// standing returns what a requester has behind it on an instance, by now.
func (d *decision) standing(key ledger.RequesterKey) *ledger.Standing {
	s := d.Standings[key]
	if s == nil {
		s = ledger.NewStanding(key)
		d.Standings[key] = s
	}
	return s
}

// on has the world's moves made on an instance's book.
func (d *decision) on(instanceID string) *access.World {
	d.world.Book = d.Books[instanceID]
	d.world.Standing = func(r *access.Requester) *ledger.Standing { return d.standing(r.Key(instanceID)) }
	return &d.world
}

func replay(earlier *usage.Receipt, once *Once) outcome {
	if !bytes.Equal(earlier.Fingerprint, once.Fingerprint) {
		return outcome{err: keyReused(once.Key)}
	}
	return outcome{receipt: earlier, replayed: true}
}

func keyReused(key string) error {
	return &problem.Error{Kind: problem.KeyReused, Field: "Idempotency-Key", Message: fmt.Sprintf(
		"%q was used before with another request; use a new key for a new request", key)}
}
