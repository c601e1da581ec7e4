package engine

import "time"

// breather makes room for charges: after every half a millisecond of work it sleeps for twice as long as that took, so that its work takes a third of one processor
// and no charge waits for all of it. To let others run (runtime.Gosched) is not enough: the system, too, has others to run on the same processors.
type breather struct {
	quit  <-chan struct{} // from then on work is to end soon
	since time.Time
}

const (
	breath     = 500 * time.Microsecond
	breathMost = 10 * time.Millisecond // it may have waited meanwhile, for a commit or for work
)

func (b *breather) rest() {
	worked := time.Since(b.since)
	if worked < breath {
		return
	}
	select {
	case <-b.quit:
	case <-time.After(2 * min(worked, breathMost)):
	}
	b.since = time.Now()
}
