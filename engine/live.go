package engine

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// LiveCounts are of items that were decided: charged, settlements of holds and reports of leases included, or denied. Refunds and corrections are left aside.
type LiveCounts struct {
	Charges int64
	Denials int64
	Tokens  token.Amount // charged
}

func (c *LiveCounts) add(o *LiveCounts) {
	c.Charges, c.Denials, c.Tokens = c.Charges+o.Charges, c.Denials+o.Denials, c.Tokens.Add(o.Tokens)
}

// LiveRow is what was decided on an instance, or with an account: then InstanceID is empty.
type LiveRow struct {
	InstanceID, AccountID string
	LiveCounts
}

// LiveBy says by what a watch counts besides the total.
type LiveBy string

// What there is to count by.
const (
	LiveTotal      LiveBy = ""
	LiveByInstance LiveBy = "instance"
	LiveByAccount  LiveBy = "account"
)

// LiveNews is what a watch has come to since it was last asked.
type LiveNews struct {
	NowMS   int64
	Seconds int64 // that it is of; more than usual for whoever was slow to ask
	Total   LiveCounts
	Rows    []LiveRow // those with most items first
}

// live counts what this engine decides, for those who watch. A charge adds to one map, and only while somebody watches: it waits for nobody who reads.
// What one who is slow has not taken is added up, so that nobody is told less, and memory is bounded by the number of instances.
type live struct {
	watchers atomic.Int32

	mu  sync.Mutex
	now map[string]*LiveRow // by instance, of the second that runs

	watchesMu sync.Mutex
	watches   map[*Watch]bool
	stopped   bool
}

// Watch is somebody who watches. Its methods are for one goroutine.
type Watch struct {
	// Ready has a value when a second has passed; it is closed when the engine stops.
	Ready chan struct{}

	engine    *Engine
	instances map[string]bool // nil: all
	by        LiveBy

	mu   sync.Mutex
	news LiveNews
	rows map[string]*LiveRow
}

// Watch begins to count what this engine decides from now on, on some instances (nil: all). End it. What other servers on the same database decide
// it does not know. It fails with a problem Unavailable while the engine stops.
func (e *Engine) Watch(instanceIDs []string, by LiveBy) (*Watch, error) {
	w := &Watch{Ready: make(chan struct{}, 1), engine: e, by: by, rows: map[string]*LiveRow{}}
	if instanceIDs != nil {
		w.instances = make(map[string]bool, len(instanceIDs))
		for _, id := range instanceIDs {
			w.instances[id] = true
		}
	}
	l := &e.live
	l.watchesMu.Lock()
	defer l.watchesMu.Unlock()
	if l.stopped {
		return nil, errStopping
	}
	if l.watches == nil {
		l.watches = map[*Watch]bool{}
	}
	l.watches[w] = true
	l.watchers.Store(int32(len(l.watches)))
	return w, nil
}

// End ends a watch. It may be called twice.
func (w *Watch) End() {
	l := &w.engine.live
	l.watchesMu.Lock()
	defer l.watchesMu.Unlock()
	delete(l.watches, w)
	l.watchers.Store(int32(len(l.watches)))
}

// Take returns what there is since the last time, of the rows at most so many.
func (w *Watch) Take(rowsMost int) LiveNews {
	w.mu.Lock()
	news, rows := w.news, w.rows
	w.news, w.rows = LiveNews{}, map[string]*LiveRow{}
	w.mu.Unlock()
	news.NowMS = w.engine.Now()
	news.Rows = make([]LiveRow, 0, len(rows))
	for _, row := range rows {
		news.Rows = append(news.Rows, *row)
	}
	slices.SortFunc(news.Rows, func(a, b LiveRow) int {
		return cmp.Or(cmp.Compare(b.Charges+b.Denials, a.Charges+a.Denials), cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.InstanceID, b.InstanceID))
	})
	news.Rows = news.Rows[:min(rowsMost, len(news.Rows))]
	return news
}

// record counts what was committed.
func (l *live) record(receipts []*usage.Receipt) {
	if l.watchers.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		l.now = map[string]*LiveRow{}
	}
	for _, r := range receipts {
		if r.Correction != nil || len(r.Items) == 0 {
			continue
		}
		row := l.now[r.InstanceID]
		if row == nil {
			row = &LiveRow{InstanceID: r.InstanceID, AccountID: r.AccountID}
			l.now[r.InstanceID] = row
		}
		for i := range r.Items {
			if item := &r.Items[i]; item.Status == ledger.Granted {
				row.Charges, row.Tokens = row.Charges+1, row.Tokens.Add(item.Tokens)
			} else {
				row.Denials++
			}
		}
	}
}

// tellLive tells those who watch, every second.
func (e *Engine) tellLive() {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-e.quit:
			e.live.stop()
			return
		case <-second.C:
			e.live.tick()
		}
	}
}

// tick ends a second.
func (l *live) tick() {
	l.mu.Lock()
	was := l.now
	l.now = nil
	l.mu.Unlock()
	l.watchesMu.Lock()
	defer l.watchesMu.Unlock()
	for w := range l.watches {
		w.tell(was)
		select {
		case w.Ready <- struct{}{}:
		default: // it has not asked since the last time
		}
	}
}

func (l *live) stop() {
	l.watchesMu.Lock()
	defer l.watchesMu.Unlock()
	l.stopped = true
	for w := range l.watches {
		close(w.Ready)
	}
	l.watches = nil
	l.watchers.Store(0)
}

func (w *Watch) tell(second map[string]*LiveRow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news.Seconds++
	if len(w.instances) < len(second) && w.instances != nil {
		for id := range w.instances {
			w.count(second[id])
		}
		return
	}
	for id, row := range second {
		if w.instances == nil || w.instances[id] {
			w.count(row)
		}
	}
}

func (w *Watch) count(row *LiveRow) {
	if row == nil {
		return
	}
	w.news.Total.add(&row.LiveCounts)
	key, name := row.InstanceID, LiveRow{InstanceID: row.InstanceID, AccountID: row.AccountID}
	switch w.by {
	case LiveTotal:
		return
	case LiveByAccount:
		key, name.InstanceID = row.AccountID, ""
	}
	if w.rows[key] == nil {
		w.rows[key] = &name
	}
	w.rows[key].add(&row.LiveCounts)
}

// ReadLiveBy reads by what to count. It fails with a problem Invalid (by).
func ReadLiveBy(text string) (LiveBy, error) {
	switch by := LiveBy(text); by {
	case LiveTotal, LiveByInstance, LiveByAccount:
		return by, nil
	}
	return "", problem.Field("by", "must be %s or %s, or left out", LiveByInstance, LiveByAccount)
}
