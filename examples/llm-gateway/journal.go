package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/gofrs/flock"
)

// journal is a file that has what was passed on and is not settled yet, a line a step, so that another process can settle it after this one was killed. What was
// written survives the process at once, and the machine from the end of an answer on.
type journal struct {
	mu   sync.Mutex
	file *os.File
	lock *flock.Flock
	size int64
	open map[string]*entry // by hold
	ours map[string]bool   // holds that are being worked on
}

// entry is how a hold stands. Used is nil while nothing was passed on.
type entry struct {
	Hold  string  `json:"hold"`
	Model string  `json:"model,omitzero"`
	Used  *counts `json:"used,omitempty"`
	Done  bool    `json:"done,omitzero"`
}

// journalUsual is the size in bytes from which a journal without open entries is emptied.
const journalUsual = 1 << 20

// openJournal reads what an earlier process has left. Two processes cannot have one journal.
func openJournal(path string) (*journal, error) {
	j := &journal{lock: flock.New(path + ".lock"), open: map[string]*entry{}, ours: map[string]bool{}}
	if got, err := j.lock.TryLock(); err != nil || !got {
		return nil, errors.Join(fmt.Errorf("%s is in use by another gateway", path), err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(err, j.lock.Close())
	}
	j.file = file
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadString('\n')
		j.size += int64(len(line))
		if errors.Is(err, io.EOF) { // a line that was not finished tells of nothing that was passed on
			if line != "" {
				_, err = file.WriteString("\n")
				return j, err
			}
			return j, nil
		}
		if err != nil {
			return nil, errors.Join(err, j.close())
		}
		var e entry
		if json.Unmarshal([]byte(strings.TrimSpace(line)), &e) == nil && e.Hold != "" {
			j.take(&e)
		}
	}
}

func (j *journal) close() error { return errors.Join(j.file.Close(), j.lock.Close()) }

// take applies a line.
func (j *journal) take(e *entry) {
	switch known := j.open[e.Hold]; {
	case e.Done:
		delete(j.open, e.Hold)
	case known == nil:
		j.open[e.Hold] = e
	default:
		known.Used = e.Used
	}
}

func (j *journal) write(e *entry, sync bool) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	n, err := j.file.Write(append(line, '\n')) // one write: it is there whole or, after a crash, not finished
	j.size += int64(n)
	if err == nil && sync {
		err = j.file.Sync()
	}
	if err == nil {
		j.take(e)
	}
	return err
}

// begin says that a request is about to be passed on.
func (j *journal) begin(hold, model string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ours[hold] = true
	return j.write(&entry{Hold: hold, Model: model}, false)
}

// used says what an answer has come to before more of it is passed on.
func (j *journal) used(hold string, n counts, whole bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.write(&entry{Hold: hold, Used: &n}, whole)
}

// done says that a hold was settled or released. If that cannot be written it is settled again, which counts once.
func (j *journal) done(hold string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.ours, hold)
	err := j.write(&entry{Hold: hold, Done: true}, false)
	if err == nil && len(j.open) == 0 && j.size > journalUsual {
		if err = j.file.Truncate(0); err == nil {
			j.size = 0
		}
	}
	if err != nil {
		slog.Error("the journal cannot be written", "error", err)
	}
}

// left is what nobody works on any more and was not settled.
func (j *journal) left() (all []entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for hold, e := range j.open {
		if !j.ours[hold] {
			all = append(all, *e)
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.Hold, b.Hold) })
	return all
}

// leave has an unsettled hold be settled later.
func (j *journal) leave(hold string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.ours, hold)
}
