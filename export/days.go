package export

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Days writes the record into files by day of recording, in UTC: date=2026-01-31/usage-COMMIT-RECEIPT.parquet, which DuckDB, Spark
// and others read as partitions. A day is written when it is over, in files of up to DaysMost receipts. A file is named by the
// position it begins at and the record never changes, so that who writes it again, after a crash, writes over it: whatever
// happens, each event is in one file, once.
type Days struct {
	Bucket *Bucket
	Format Format
	Filter usage.Filter // the zero value: all events

	untilMS int64 // there is nothing to do before
}

// DaysMost is how many receipts one file has at most, and so how much is kept in memory.
const DaysMost = 10_000

// daysLate is how long after midnight a day is taken to be over: what was stamped before midnight has been committed by then.
const daysLate = time.Minute

// daysPatience is how long one file may take to be written.
const daysPatience = 5 * time.Minute

const dayMS = 24 * 60 * 60 * 1000

// Look says whether there may be something to write at a time.
func (d *Days) Look(nowMS int64) bool { return nowMS >= d.untilMS }

// Take writes the file that comes next, and returns how many of the receipts are in it; 0 when their day is not over.
func (d *Days) Take(ctx context.Context, batch *engine.Followed, nowMS int64) (taken int, err error) {
	day := batch.Receipts[0].MadeMS() / dayMS
	if over := (day+1)*dayMS + daysLate.Milliseconds(); nowMS < over {
		d.untilMS = over
		return 0, nil
	}
	for taken < len(batch.Receipts) && batch.Receipts[taken].MadeMS()/dayMS == day {
		taken++
	}
	var file bytes.Buffer
	n, err := d.write(&file, batch.Receipts[:taken])
	if err != nil || n == 0 {
		return taken, err
	}
	ctx, cancel := context.WithTimeout(ctx, daysPatience)
	defer cancel()
	return taken, d.Bucket.Put(ctx, d.name(day, batch.At[0]), file.Bytes(), d.Format.ContentType())
}

func (d *Days) write(file *bytes.Buffer, receipts []*usage.Receipt) (n int, err error) {
	w := NewWriter(d.Format, file)
	var events []usage.Event
	for i, r := range receipts {
		if i%64 == 63 {
			runtime.Gosched() // charges come first
		}
		events = r.Events(events[:0])
		for i := range events {
			if !d.Filter.Match(&events[i]) {
				continue
			}
			if err := w.Write(&events[i]); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, w.Close()
}

func (d *Days) name(day int64, from usage.Position) string {
	return fmt.Sprintf("date=%s/usage-%012d-%06d.%s", time.UnixMilli(day*dayMS).UTC().Format(time.DateOnly), from.Commit, from.Receipt, d.Format)
}

// Follower returns who writes the days of a served record. It remembers how far it has come with the books, under a name.
func (d *Days) Follower(name string, now func() int64) *engine.Follower {
	return &engine.Follower{
		Name: name, Most: DaysMost, Wait: daysWait, Look: d.Look,
		Take: func(ctx context.Context, batch *engine.Followed) (int, func(store.Tx) error, error) {
			taken, err := d.Take(ctx, batch, now())
			return taken, nil, err
		},
	}
}

// daysWait is how often a clock is looked at, which may be one that an administrator advances.
const daysWait = time.Second
