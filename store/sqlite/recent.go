package sqlite

import (
	"math"
	"sync"

	"github.com/farebox/farebox/usage"
)

// recentBytes bounds what recentRows holds, by the size of its JSON.
const recentBytes = 16 << 20

// recentRows are the newest journal rows of this process as they were before they became bytes. Those who follow the record (folding,
// alerts, exports) read what was just written, and reading it back costs several times what writing it did.
type recentRows struct {
	mu    sync.Mutex
	rows  map[int64]recentRow
	first int64 // of those held; there is none missing up to last
	last  int64
	bytes int
}

type recentRow struct {
	receipts []*usage.Receipt
	bytes    int
}

// add holds a row that was committed.
func (r *recentRows) add(number int64, receipts []*usage.Receipt, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil || number != r.last+1 {
		r.rows, r.first, r.bytes = map[int64]recentRow{}, number, 0
	}
	r.rows[number], r.last, r.bytes = recentRow{receipts, bytes}, number, r.bytes+bytes
	for ; r.bytes > recentBytes && r.first < r.last; r.first++ {
		r.bytes -= r.rows[r.first].bytes
		delete(r.rows, r.first)
	}
}

// from returns the first row that is held.
func (r *recentRows) from() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		return math.MaxInt64
	}
	return r.first
}

// get returns a row's receipts, which nobody may change; nil if it is not held.
func (r *recentRows) get(number int64) []*usage.Receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rows[number].receipts
}
