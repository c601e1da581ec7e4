package sqlite

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// The write-ahead log is copied into the database in the background. A passive checkpoint never waits for writers, but
// under constant load it never catches up with them either, and the log can start over only when it has. So once the
// log is long, and all but its newest pages are copied already, writers are held for the moment that the rest takes.
const (
	checkpointEvery = 250 * time.Millisecond
	logPagesLong    = 8_000 // 32 MB
)

type checkpointer struct {
	every time.Duration // checkpointEvery, unless a test has its own
	long  int           // logPagesLong, likewise

	quit   chan struct{}
	done   chan struct{}
	writes atomic.Int64
}

// written tells that the log has grown.
func (c *checkpointer) written() { c.writes.Add(1) }

func (c *checkpointer) start(s *Store) {
	c.every, c.long = cmp.Or(c.every, checkpointEvery), cmp.Or(c.long, logPagesLong)
	c.quit, c.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(c.done)
		tick := time.NewTicker(c.every)
		defer tick.Stop()
		var seen int64
		for {
			select {
			case <-c.quit:
				return
			case <-tick.C:
			}
			if now := c.writes.Load(); now != seen {
				seen = now
				if err := s.copyLog(); err != nil {
					slog.Warn("checkpoint failed; the log grows until one succeeds", "error", err)
				}
			}
		}
	}()
}

func (c *checkpointer) stop() {
	if c.quit != nil {
		close(c.quit)
		<-c.done
		c.quit = nil
	}
}

func (s *Store) copyLog() error {
	pages, err := s.passiveCheckpoint()
	if err != nil || pages < s.checkpoint.long {
		return err
	}
	if _, err := s.passiveCheckpoint(); err != nil { // what was written during the first
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.passiveCheckpoint()
	return err
}

// passiveCheckpoint returns how many pages the log has.
func (s *Store) passiveCheckpoint() (int, error) {
	var busy, pages, copied int
	err := s.writes.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &copied)
	return pages, err
}
