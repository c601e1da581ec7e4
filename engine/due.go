package engine

import (
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// catchUp is the making of everything that is due for sessions by a time, over as many batches as it takes.
type catchUp struct {
	byMS int64
	more bool
	made int
	done chan struct{}
	err  error
}

// Of what is due a batch takes a portion.
const (
	dueMost   = 256  // sessions claimed
	stepsMost = 1024 // made for them
)

// faultRetry is how long a session waits after a fault of ours.
const faultRetry = time.Hour

// CatchUp makes every automatic charge, deadline and lapse that is due by a time, in the order in which they are due, and
// returns how many there were.
func (e *Engine) CatchUp(byMS int64) (made int, err error) {
	c := &catchUp{byMS: byMS, done: make(chan struct{})}
	select {
	case e.dues <- c:
	case <-e.quit:
		return 0, errStopping
	}
	select {
	case <-c.done:
		return c.made, c.err
	case <-e.quit:
		return 0, errStopping
	}
}

// makeDue watches for what is due.
func (e *Engine) makeDue() {
	ctx := context.Background()
	for wait := time.Duration(0); ; {
		select {
		case <-e.quit:
			return
		case <-time.After(wait):
		}
		wait = refreshEvery
		var next int64
		err := e.View(ctx, func(r store.Reader) (err error) {
			next, err = r.NextDue()
			return err
		})
		if now := e.Now(); err == nil && next != 0 && next <= now {
			_, err = e.CatchUp(now)
			e.metrics.late(now - next)
			wait = 0
		} else if next != 0 {
			wait = min(wait, time.Duration(next-now)*time.Millisecond)
		}
		if err != nil && problem.KindOf(err) != problem.Unavailable { // which the batch has logged
			slog.Warn("what is due for sessions could not be made; trying again", logged(err))
		}
		if err != nil {
			wait = refreshEvery
		}
	}
}

// catchUp makes what is due by a time for the sessions that were claimed, and reports whether there may be more. Nothing is
// made before what is due earlier, claimed or not.
func (d *decision) catchUp(byMS int64) (more bool) {
	more = len(d.Due) == dueMost
	if more {
		byMS = d.Due[dueMost-1].Due()
	}
	queue := dueQueue(slices.Clone(d.Due))
	heap.Init(&queue)
	for len(queue) > 0 {
		s := queue[0]
		if due := s.Due(); due == 0 || due > byMS {
			heap.Pop(&queue)
			continue
		}
		if d.made == stepsMost {
			return true
		}
		d.step(s)
		d.made++
		heap.Fix(&queue, 0)
	}
	return more
}

// dueQueue is a heap of sessions, the one due first in front and those that have ended last.
type dueQueue []*access.Session

func (q dueQueue) Len() int { return len(q) }
func (q dueQueue) Less(i, j int) bool {
	a, b := q[i].Due(), q[j].Due()
	switch {
	case a == b:
		return q[i].Number < q[j].Number
	case a == 0 || b == 0:
		return b == 0
	}
	return a < b
}
func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(x any)   { *q = append(*q, x.(*access.Session)) }
func (q *dueQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// step makes what is due next for one session. A fault of ours leaves that session as it was, for a later time, and keeps
// nobody else waiting.
func (d *decision) step(s *access.Session) {
	book := d.Books[s.InstanceID]
	if book == nil {
		panic(fmt.Sprintf("session %s is of an instance that does not exist", s.ID))
	}
	was := *s
	was.Items = slices.Clone(s.Items)
	before := book.Clone()
	key := s.Requester.Key(s.InstanceID)
	standing := d.standing(key).Clone()
	defer func() {
		if fault := recover(); fault != nil {
			slog.Error("fault in a session; it is tried again later", "session", s.ID, "fault", fault, "stack", string(debug.Stack()))
			*s = was
			s.RetryMS = d.nowMS + faultRetry.Milliseconds()
			book.Restore(before)
			*d.Standings[key] = *standing
		}
	}()
	d.touch(s)
	if move := s.Catch(d.on(s.InstanceID)); move != nil {
		d.record(usage.NewMoveReceipt(d.engine.receiptID(d.nowMS), d.nowMS, book, s, move))
	}
}
