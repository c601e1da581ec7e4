package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// load sends requests over some connections: as fast as answers come (a closed loop), or at a fixed rate, where each request is due at
// its time whether or not those before it were answered, and its latency counts from then (an open loop, no coordinated omission).
type load struct {
	connections int
	perSecond   float64 // 0: as fast as answers come
	dial        func(connection int) (Sender, error)
	pause       func() (pause, error)
	senders     []Sender
}

// pause waits until a time, as exactly as the machine can.
type pause interface {
	until(time.Time)
	close()
}

// How bad things may get.
const (
	patience      = 30 * time.Second // for answers that are still owed at the end
	failuresMost  = 100              // on one connection, one after the other, before the load gives up
	tellEvery     = 500 * time.Millisecond
	errorsKept    = 5
	saturatedMost = 1 // how many times its duration an open loop may go on to send what was due
)

func (l *load) open() error {
	for c := range l.connections {
		s, err := l.dial(c)
		if err != nil {
			l.close()
			return fmt.Errorf("connection %d: %w", c+1, err)
		}
		l.senders = append(l.senders, s)
	}
	return nil
}

func (l *load) close() {
	for _, s := range l.senders {
		_ = s.Close()
	}
	l.senders = nil
}

// run sends for so long (as fast as answers come at least a request a connection), and waits for the answers. It ends early with ctx.
func (l *load) run(ctx context.Context, duration time.Duration, tell func(*tally)) *tally {
	t := newTally()
	if duration <= 0 {
		return t
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var fatal atomic.Pointer[error]
	t.started = time.Now()
	stop := t.started.Add(duration)
	due, pacing := l.schedule(ctx, t, stop)
	done := make(chan struct{})
	go func() {
		var wg sync.WaitGroup
		for c, s := range l.senders {
			wg.Go(func() {
				if err := connection(s, t.shard(c), due); err != nil {
					fatal.CompareAndSwap(nil, &err)
					end()
				}
			})
		}
		wg.Wait()
		end()
		pacing()
		close(done)
	}()
	l.await(ctx, t, done, stop, tell)
	t.ended = time.Now()
	t.count, _, _ = t.answered()
	if err := fatal.Load(); err != nil {
		t.fatal = *err
	}
	t.fatal = errors.Join(t.pacing, t.fatal)
	return t
}

// await waits for the end, and cuts off those whose answers do not come.
func (l *load) await(ctx context.Context, t *tally, done chan struct{}, stop time.Time, tell func(*tally)) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	last := stop.Add(patience)
	if l.perSecond > 0 {
		last = last.Add(saturatedMost * stop.Sub(t.started))
	}
	ended := ctx.Done()
	for {
		select {
		case <-done:
			return
		case <-ended:
			ended, last = nil, time.Now().Add(patience)
		case now := <-tick.C:
			if now.After(last) {
				for _, s := range l.senders {
					_ = s.Close()
				}
				<-done
				return
			}
			if tell != nil {
				tell(t)
			}
		}
	}
}

// schedule returns the function that gives a connection the time at which its next request is due, and what ends the schedule.
func (l *load) schedule(ctx context.Context, t *tally, stop time.Time) (due func(first bool) (time.Time, bool), wait func()) {
	if l.perSecond == 0 {
		return func(first bool) (time.Time, bool) {
			now := time.Now()
			return now, (first || now.Before(stop)) && ctx.Err() == nil
		}, func() {}
	}
	requests := make(chan time.Time)
	go l.pace(ctx, t, stop, requests)
	return func(bool) (time.Time, bool) {
			at, more := <-requests
			return at, more
		}, func() {
			for range requests { // none is left, or nobody takes it
				t.missed.Add(1)
			}
		}
}

// pace hands out requests at their times. If all connections are busy it waits for one; the times stay as they were.
func (l *load) pace(ctx context.Context, t *tally, stop time.Time, requests chan<- time.Time) {
	defer close(requests)
	wait, err := l.pause()
	if err != nil {
		t.pacing = err
		return
	}
	defer wait.close()
	gap := float64(time.Second) / l.perSecond
	last := stop.Add(saturatedMost * stop.Sub(t.started))
	for n := 0; ; n++ {
		at := t.started.Add(time.Duration(float64(n) * gap))
		if !at.Before(stop) || ctx.Err() != nil {
			return
		}
		now := time.Now()
		if now.After(last) {
			t.missed.Add(int64(float64(stop.Sub(at)) / gap))
			return
		}
		if at.After(now) {
			wait.until(at)
		}
		select {
		case requests <- at:
		case <-ctx.Done():
			return
		}
	}
}

// connection sends requests when they are due. It fails when nothing works any more.
func connection(s Sender, shard *shard, due func(first bool) (time.Time, bool)) error {
	failures := 0
	for first := true; ; first = false {
		since, more := due(first)
		if !more {
			return nil
		}
		items, err := s.Send()
		shard.record(time.Since(since), items, err)
		if err == nil {
			failures = 0
			continue
		}
		if failures++; failures == failuresMost {
			return fmt.Errorf("%d requests of a connection failed one after the other, the last with: %w", failures, err)
		}
	}
}
