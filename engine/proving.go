package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Proving is a check of the books that was asked of a running engine.
type Proving struct {
	StartedMS int64
	EndedMS   int64  // 0: it is under way
	Proof     *Proof // nil: it is under way, or was broken off
	Failure   string // why it was broken off
}

// provingMost is how long a check may take beside charges: while it reads, a store keeps what it would tidy up otherwise.
const provingMost = 15 * time.Minute

// proving is the last check, of which there is one at a time.
type proving struct {
	mu   sync.Mutex
	last *Proving
}

// Proving returns the check that is under way, or else the last one; nil: none was asked for since the engine started.
func (e *Engine) Proving() *Proving {
	e.proving.mu.Lock()
	defer e.proving.mu.Unlock()
	if e.proving.last == nil {
		return nil
	}
	last := *e.proving.last
	return &last
}

// Prove begins to check the books as Verify does, unless that is under way, and does not wait for the end. It fails with a problem Unavailable while the engine
// stops.
func (e *Engine) Prove() (*Proving, error) {
	e.stopping.RLock()
	defer e.stopping.RUnlock()
	if e.stopped.Load() {
		return nil, errStopping
	}
	e.proving.mu.Lock()
	defer e.proving.mu.Unlock()
	if last := e.proving.last; last == nil || last.EndedMS != 0 {
		e.proving.last = &Proving{StartedMS: e.Now()}
		e.running.Go(e.prove)
	}
	last := *e.proving.last
	return &last, nil
}

func (e *Engine) prove() {
	ctx, cancel := context.WithTimeout(context.Background(), provingMost)
	defer cancel()
	e.running.Go(func() {
		select {
		case <-e.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	proof, err := Verify(ctx, e.store)
	ended := Proving{EndedMS: e.Now(), Proof: proof}
	if err != nil {
		slog.Warn("a check of the books was broken off", logged(err))
		ended.Proof, ended.Failure = nil, "the books could not be read to their end: "+err.Error()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			ended.Failure = "it took more than " + provingMost.String() + "; run farebox verify on a copy"
		}
	}
	e.proving.mu.Lock()
	defer e.proving.mu.Unlock()
	ended.StartedMS = e.proving.last.StartedMS
	e.proving.last = &ended
}
