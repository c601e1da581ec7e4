// Package bench measures how fast a Farebox is: it makes the workload of docs/BENCHMARKS.md, sends it over HTTP to servers in processes of
// their own, in turns, and says what came of it. It talks to them as anybody does, by HTTP and by the command line, and imports nothing
// that charges.
package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Options of a run.
type Options struct {
	Rounds      int           // each contender is measured once in a round
	Connections int           // requests in flight, at most
	Warmup      time.Duration // under load before each measurement
	Duration    time.Duration // of each measurement
	Rate        Rate          // zero: as fast as answers come
	DiskIn      string        // the folder in which syncing is measured once a round; empty: not
	Live        func(Live)    // is told how it goes, some times a second; nil: nobody asks
}

// Contender is one of those who are measured in turns.
type Contender struct {
	Name     string
	Baseline string // the contender whose rate, in the same round, this one's is divided by; empty: none
	Start    func(context.Context) (Target, error)
}

// Target is a contender that runs.
type Target interface {
	// Dial makes the sender of one connection.
	Dial(connection int) (Sender, error)
	// Use tells what the target has used since it was started; zero where it cannot be told.
	Use() Use
	// Started is how long it took from the start to the first answer; 0 if it ran already.
	Started() time.Duration
	// Stop ends the target and waits for its end. charged is what was acknowledged since it was started, by which it may judge its books.
	Stop(charged Count) (Stopped, error)
}

// Use is what a process has used.
type Use struct {
	Processor  time.Duration
	PeakMemory int64 // bytes
}

// Count is what was sent and answered as it should be. Items are what requests asked for, one by one.
type Count struct {
	Requests, Items int64
}

// Stopped is what can be told of a target when it has ended.
type Stopped struct {
	DiskBytes int64  // by how much its files grew since the start
	Verified  string // what `farebox verify` said; empty: it was not asked
}

// Sender is one connection's side of a contender.
type Sender interface {
	// Send sends the next request, waits for the whole answer and checks it. It returns how many items were answered as they should be.
	// After an error the next call makes a new connection if it needs one.
	Send() (items int, err error)
	// Close may be called beside Send, which then ends with an error.
	Close() error
}

// ErrStopped is returned with what was measured until then.
var ErrStopped = errors.New("stopped before its end")

// Run measures contenders in turns. With an error it returns what was measured so far, too.
func Run(ctx context.Context, o Options, contenders []Contender) (*Report, error) {
	r := &Report{Machine: thisMachine(), Started: time.Now().UTC(), Connections: o.Connections, WarmupSeconds: o.Warmup.Seconds(), DurationSeconds: o.Duration.Seconds()}
	err := r.rounds(ctx, &o, contenders)
	if ctx.Err() != nil {
		err = ErrStopped
	}
	r.summarize(contenders)
	r.Complete = err == nil
	return r, err
}

func (r *Report) rounds(ctx context.Context, o *Options, contenders []Contender) error {
	for round := 1; round <= o.Rounds && ctx.Err() == nil; round++ {
		if o.DiskIn != "" {
			live(o, Live{Round: round, Contender: "disk", Phase: "syncing"})
			settle()
			disk, err := measureDisk(ctx, o.DiskIn, min(o.Duration, diskMost))
			if err != nil {
				return fmt.Errorf("measuring how fast %s syncs: %w", o.DiskIn, err)
			}
			disk.Round = round
			r.Disk = append(r.Disk, disk)
		}
		for i := range contenders {
			if ctx.Err() != nil {
				return nil
			}
			all, err := turn(ctx, o, &contenders[i], round)
			r.Measurements = append(r.Measurements, all...)
			if err != nil {
				return fmt.Errorf("%s: %w", contenders[i].Name, err)
			}
		}
	}
	return nil
}

// turn measures one contender in one round: as fast as answers come, at a fixed rate, or both if the rate is a share of the first.
func turn(ctx context.Context, o *Options, c *Contender, round int) (all []Measurement, err error) {
	live(o, Live{Round: round, Contender: c.Name, Phase: "starting"})
	target, err := c.Start(ctx)
	if err != nil {
		return nil, err
	}
	settle()
	var count Count
	perSecond := o.Rate.PerSecond
	if perSecond == 0 {
		m, err := measure(ctx, o, c, target, round, 0, &count)
		all = append(all, m...)
		if err != nil {
			_, stop := target.Stop(count)
			return all, errors.Join(err, stop)
		}
		if len(m) > 0 {
			perSecond = o.Rate.Share * m[0].RequestsPerSecond
		}
	}
	if perSecond > 0 && ctx.Err() == nil {
		m, fault := measure(ctx, o, c, target, round, perSecond, &count)
		all, err = append(all, m...), fault
	}
	live(o, Live{Round: round, Contender: c.Name, Phase: "stopping"})
	stopped, fault := target.Stop(count)
	for i := range all {
		all[i].StartMillis = millis(target.Started())
		all[i].Verified = stopped.Verified
		if stopped.DiskBytes > 0 && count.Items > 0 {
			all[i].DiskBytesPerItem = float64(stopped.DiskBytes) / float64(count.Items)
		}
	}
	return all, errors.Join(err, fault)
}

// measure is one measurement; none if it was stopped before anything was answered.
func measure(ctx context.Context, o *Options, c *Contender, target Target, round int, perSecond float64, count *Count) ([]Measurement, error) {
	l := load{connections: o.Connections, perSecond: perSecond, dial: target.Dial, pause: newPause}
	if err := l.open(); err != nil {
		return nil, err
	}
	defer l.close()
	told := func(phase string) func(*tally) {
		return func(t *tally) {
			live(o, Live{Round: round, Contender: c.Name, Phase: phase, PerSecond: t.perSecond(), P99Millis: t.latency().P99, Errors: t.errors()})
		}
	}
	warm := l.run(ctx, o.Warmup, told("warming up"))
	count.add(warm)
	if warm.fatal != nil {
		return nil, warm.fatal
	}
	server, client, machine := target.Use(), ownProcessor(), machineNow()
	t := l.run(ctx, o.Duration, told("measuring"))
	count.add(t)
	after, stolen := target.Use(), machineNow().stolenSince(machine)
	if t.count.Requests == 0 && t.errors() == 0 {
		return nil, t.fatal
	}
	m := t.measurement()
	m.Contender, m.Round, m.AskedPerSecond, m.CutShort = c.Name, round, perSecond, ctx.Err() != nil
	m.PeakMemoryBytes, m.StolenShare = after.PeakMemory, stolen
	if n := float64(t.count.Requests); n > 0 {
		m.ServerMicros = float64((after.Processor - server.Processor).Microseconds()) / n
		m.ClientMicros = float64((ownProcessor() - client).Microseconds()) / n
	}
	return []Measurement{m}, t.fatal
}

func (c *Count) add(t *tally) {
	c.Requests += t.count.Requests
	c.Items += t.count.Items
}

// Live says what is going on.
type Live struct {
	Round     int
	Contender string
	Phase     string
	PerSecond float64 // requests, since the phase began
	P99Millis float64
	Errors    int64
}

func live(o *Options, l Live) {
	if o.Live != nil {
		o.Live(l)
	}
}
