package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
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

// Charge is a one-off access request on an instance.
type Charge struct {
	InstanceID string
	Request    *access.Request
	Once       *Once
	Size       int // of the request in bytes, about
}

// charge is a Charge on its way through a batch.
type charge struct {
	*Charge
	id   usage.OnceID // of Once
	done chan struct{}

	receipt  *usage.Receipt
	replayed bool
	err      error
}

// Charge prices, decides and books a request, and returns its receipt once that is durable. A refusal is a receipt too.
// Replayed tells that the request was booked before, under the same idempotency key, and that this is that receipt. It
// fails with a problem: NotFound (no such instance), KeyReused, or Unavailable, and then nothing was charged.
func (e *Engine) Charge(request *Charge) (receipt *usage.Receipt, replayed bool, err error) {
	c := &charge{Charge: request, done: make(chan struct{})}
	if c.Once != nil {
		c.id = usage.NewOnceID(c.InstanceID, c.Once.Key)
	}
	if err := e.enqueue(c); err != nil {
		return nil, false, err
	}
	<-c.done // whoever asked may hang up, but what is in a batch is decided with it
	return c.receipt, c.replayed, c.err
}

func (e *Engine) enqueue(c *charge) error {
	e.stopping.RLock()
	defer e.stopping.RUnlock()
	if e.stopped {
		return problem.New(problem.Unavailable, "the server is stopping; ask another, or again later")
	}
	e.queue <- c
	return nil
}

// A batch is whatever has come in while the one before was committed: no timer holds anybody back.
const (
	batchMost      = 1024    // requests
	batchBytesMost = 8 << 20 // of their bodies, about
)

func (e *Engine) commitBatches() {
	batch := make([]*charge, 0, batchMost)
	for c := range e.queue {
		batch = append(batch[:0], c)
		for size := c.Size; len(batch) < batchMost && size < batchBytesMost; {
			c, more := e.next()
			if !more {
				break
			}
			batch = append(batch, c)
			size += c.Size
		}
		e.commit(batch)
		for _, c := range batch {
			close(c.done)
		}
	}
}

// next takes what is waiting, without waiting for more.
func (e *Engine) next() (*charge, bool) {
	select {
	case c, open := <-e.queue:
		return c, open
	default:
		return nil, false
	}
}

// commit decides and books a batch in one transaction and leaves the results in its charges.
func (e *Engine) commit(batch []*charge) {
	started := time.Now()
	err := e.store.Commit(context.Background(), want(batch), func(loaded *store.Loaded) []*usage.Receipt {
		return e.decide(batch, loaded)
	})
	e.metrics.batch(len(batch), time.Since(started))
	if err != nil {
		slog.Error("a batch was not committed; nothing was charged", "requests", len(batch), "error", err, "cause", cause(err))
	}
	for _, c := range batch {
		if err != nil {
			c.receipt, c.replayed, c.err = nil, false, err
		} else if c.receipt != nil && !c.replayed {
			e.metrics.decided(c.receipt)
		}
	}
}

func want(batch []*charge) store.Want {
	w := store.Want{Instances: make([]string, len(batch))}
	for i, c := range batch {
		w.Instances[i] = c.InstanceID
		if c.Once != nil {
			w.Once = append(w.Once, c.id)
		}
	}
	return w
}

// decide returns the receipts of a batch. A fault of ours in one decision fails the batch, not the process: then
// nothing is booked, and the store forgets what was half done.
func (e *Engine) decide(batch []*charge, loaded *store.Loaded) (receipts []*usage.Receipt) {
	defer func() {
		if fault := recover(); fault != nil {
			slog.Error("fault in a decision; nothing was charged", "fault", fault, "stack", string(debug.Stack()))
			for _, c := range batch {
				c.receipt, c.replayed, c.err = nil, false, problem.New(problem.Internal, "this request could not be decided; nothing was charged")
			}
			receipts = nil
		}
	}()
	prices := &ledger.Prices{
		Catalog: loaded.Settings.Rates, NowMS: e.Now(), Tolerant: configured(loaded.Settings, TimezoneTolerant) == "true",
	}
	inBatch := map[usage.OnceID]*usage.Receipt{}
	receipts = make([]*usage.Receipt, 0, len(batch))
	for _, c := range batch {
		c.receipt, c.replayed, c.err = nil, false, nil
		earlier := loaded.Earlier[c.id]
		if earlier == nil {
			earlier = inBatch[c.id]
		}
		book := loaded.Books[c.InstanceID]
		switch {
		case book == nil:
			c.err = noInstance(c.InstanceID)
		case c.Once != nil && earlier != nil:
			c.receipt, c.replayed, c.err = replay(earlier, c.Once)
		default:
			c.receipt = e.book(c, book, prices)
			receipts = append(receipts, c.receipt)
			if c.Once != nil {
				inBatch[c.id] = c.receipt
			}
		}
	}
	return receipts
}

func (e *Engine) book(c *charge, book *ledger.Book, prices *ledger.Prices) *usage.Receipt {
	outcomes := access.Decide(book, prices, c.Request)
	receipt := usage.NewReceipt(e.newID(), prices.NowMS, book, c.Request, outcomes)
	if c.Once != nil {
		receipt.Key, receipt.Fingerprint = c.Once.Key, c.Once.Fingerprint
	}
	return receipt
}

func replay(earlier *usage.Receipt, once *Once) (*usage.Receipt, bool, error) {
	if !bytes.Equal(earlier.Fingerprint, once.Fingerprint) {
		return nil, false, keyReused(once.Key)
	}
	return earlier, true, nil
}

func keyReused(key string) error {
	return &problem.Error{Kind: problem.KeyReused, Field: "Idempotency-Key", Message: fmt.Sprintf(
		"%q was used before with another request; use a new key for a new request", key)}
}

func noInstance(id string) error { return problem.New(problem.NotFound, "there is no instance %q", id) }

// cause returns what lies under a problem, for logs.
func cause(err error) error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Cause
	}
	return nil
}
