package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/store"
)

// Under load that never pauses the log must start over again and again, or it fills the disk.
func TestLogStartsOverUnderConstantLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busy.db")
	s := open(t, path, Options{Create: true})
	s.checkpoint.stop()
	s.checkpoint.every, s.checkpoint.long = time.Millisecond, 100
	setUp(t, s)
	s.checkpoint.start(s)
	var stop atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() { // readers that come and go must not keep the log from starting over
		for !stop.Load() {
			if err := s.View(ctx, func(r store.Reader) error { _, err := r.LineItem("a1"); return err }); err != nil {
				t.Error(err)
			}
		}
	})
	const page = 4096
	var longest, written int64
	charges := 0
	for deadline := time.Now().Add(20 * time.Second); written < 5000*page && time.Now().Before(deadline); charges++ {
		chargeOne(t, s, fmt.Sprint(charges))
		log, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		longest, written = max(longest, log.Size()), written+3*page // journal, once, balance, at the least
	}
	stop.Store(true)
	wait.Wait()
	if longest > 1500*page {
		t.Errorf("the log grew to %d pages while about %d were written; it must start over after about %d", longest/page, written/page, s.checkpoint.long)
	}
	sameTally(t, s, charges)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	sameTallyAfterReopening(t, path, charges)
}

func sameTallyAfterReopening(t *testing.T, path string, want int) {
	t.Helper()
	s := open(t, path, Options{})
	sameTally(t, s, want)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// logOf returns what tells a write-ahead log from the one before it in the same file: its salt, which is new whenever it starts over.
func logOf(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	salt := make([]byte, 8)
	if _, err := file.ReadAt(salt, 16); err != nil {
		t.Fatal(err)
	}
	return string(salt)
}

// A reader that stays keeps the log from starting over; once it has gone the log must.
func TestLogStartsOverAfterLongReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "read.db")
	s := open(t, path, Options{Create: true})
	s.checkpoint.stop()
	s.checkpoint.every, s.checkpoint.long = time.Millisecond, 20
	setUp(t, s)
	s.checkpoint.start(s)
	charges := 0
	err := s.View(ctx, func(r store.Reader) error {
		before, err := r.LineItem("a1")
		if err != nil {
			return err
		}
		for range 200 {
			chargeOne(t, s, fmt.Sprint(charges))
			charges++
		}
		after, err := r.LineItem("a1")
		if err == nil && !after.Used.Equal(before.Used) {
			t.Errorf("a reader saw the use move from %s to %s", before.Used, after.Used)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	long := logOf(t, path)
	for end := time.Now().Add(time.Minute); logOf(t, path) == long; charges++ {
		if time.Now().After(end) {
			t.Fatal("the log did not start over after its reader had gone")
		}
		chargeOne(t, s, fmt.Sprint(charges))
	}
	sameTally(t, s, charges)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
