package engine

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Usage events are folded into buckets behind the charges: a small bucket whenever enough has come together, and many small ones
// into a large one, so that a query opens few. Whoever asks in between reads what is not folded from the receipts.
const (
	foldName  = "fold"
	foldEvery = 250 * time.Millisecond

	foldLeast = 4096  // receipts that make a bucket
	foldMost  = 16384 // and that one is made of at a time
	eventMost = 32768 // but for events past these; one receipt may have thousands

	mergeParts = 16      // buckets of a level that become one of the next (more than one)
	mergeRows  = 1 << 20 // of a bucket that is merged no further
)

// foldSizes are those of foldLeast, foldMost and mergeParts; tests have smaller ones.
type foldSizes struct{ least, most, parts int }

// folder returns the follower that folds. Asked to finish, it folds what is left, too.
func (e *Engine) folder(least int, rest usage.Rest) *Follower {
	var room []usage.Event
	return &Follower{Name: foldName, Most: e.folding.most, Take: func(_ context.Context, f *Followed) (int, func(store.Tx) error, error) {
		if len(f.Receipts) < least && !f.More {
			return 0, nil, nil
		}
		taken, bucket := fold(f, &room, rest)
		return taken, func(tx store.Tx) error { return tx.InsertBucket(bucket) }, nil
	}}
}

// fold makes a bucket of the receipts that come next. Room is used again from bucket to bucket, if it is not that of a backlog.
func fold(f *Followed, room *[]usage.Event, rest usage.Rest) (taken int, bucket *usage.Bucket) {
	events := slices.Grow((*room)[:0], len(f.Receipts))
	defer func() {
		if *room = nil; cap(events) <= 2*foldLeast {
			clear(events) // or it would keep the receipts
			*room = events
		}
	}()
	for _, r := range f.Receipts {
		if taken > 0 && len(events) > eventMost {
			break
		}
		events = r.Events(events)
		if taken++; taken%64 == 0 {
			rest()
		}
	}
	bucket = usage.NewBucket(events, rest)
	bucket.Locate(f.At[:taken], f.Receipts[:taken])
	bucket.Header.From, bucket.Header.Next = f.At[0], f.Next(taken)
	return taken, bucket
}

// keepFolded folds whenever there is enough, until the engine stops. It looks by itself whether others have charged, now and then.
func (e *Engine) keepFolded() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-e.quit
		cancel()
	}()
	const look = int64(time.Minute / foldEvery)
	var seen int64
	rest := (&breather{quit: e.quit}).rest
	folder := e.folder(e.folding.least, rest)
	for idle := look; ; idle++ {
		if recorded := e.recorded.Load(); recorded-seen >= int64(e.folding.least) || idle >= look {
			seen, idle = recorded, 0
			if err := e.foldSome(ctx, folder, rest); err != nil && ctx.Err() == nil {
				slog.Warn("usage is not folded; trying again", logged(err))
				seen -= int64(e.folding.least)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(foldEvery):
		}
	}
}

// FoldUsage folds what is enough for a bucket, as an engine that serves does by itself. Errors are those of the store.
func (e *Engine) FoldUsage(ctx context.Context) error {
	return e.foldSome(ctx, e.folder(e.folding.least, usage.Restless), usage.Restless)
}

// foldSome folds all there is, down to fewer receipts than the folder takes. A fault of ours costs speed, not charges.
func (e *Engine) foldSome(ctx context.Context, folder *Follower, rest usage.Rest) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			slog.Error("fault in folding usage", "fault", fault, "stack", string(debug.Stack()))
		}
	}()
	for more := true; more && err == nil && ctx.Err() == nil; {
		if more, err = e.FollowOnce(ctx, folder); err == nil {
			err = e.mergeBuckets(ctx, rest)
		}
		rest()
	}
	return err
}

// mergeBuckets makes large buckets of small ones, as long as there are enough of a level that follow each other.
func (e *Engine) mergeBuckets(ctx context.Context, rest usage.Rest) error {
	for {
		parts, err := e.mergeable(ctx)
		if err != nil || parts == nil {
			return err
		}
		merged, err := usage.MergeBuckets(parts, rest)
		if err != nil {
			return err
		}
		err = e.store.Change(ctx, func(tx store.Tx) error {
			there, err := tx.Buckets(0, 0)
			if err != nil {
				return err
			}
			if !allThere(parts, there) {
				return errOvertaken
			}
			for _, p := range parts {
				if err := tx.DeleteBucket(p.Header.Number); err != nil {
					return err
				}
			}
			return tx.InsertBucket(merged)
		})
		if err != nil && err != errOvertaken {
			return err
		}
	}
}

// mergeable reads the buckets that are to be merged next; nil if there are none.
func (e *Engine) mergeable(ctx context.Context) (parts []*usage.Bucket, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		headers, err := r.Buckets(0, 0)
		if err != nil {
			return err
		}
		var unremembered *columns // they are read once; and checked, as all are
		for _, h := range mergeNext(headers, e.folding.parts) {
			columns, err := unremembered.of(r, h.Number, h.ColumnNames())
			if err != nil {
				return err
			}
			parts = append(parts, &usage.Bucket{Header: h, Columns: columns})
		}
		return nil
	})
	return parts, err
}

// mergeNext chooses buckets of one level that follow each other, as all do: one follower makes them.
func mergeNext(headers []usage.BucketHeader, parts int) []usage.BucketHeader {
	run, rows := 0, 0
	for i := range headers {
		h := &headers[i]
		if i == 0 || headers[i-1].Level != h.Level {
			run, rows = i, 0
		}
		rows += h.Rows
		if i+1-run == parts && rows <= mergeRows {
			return headers[run : i+1]
		}
		if i+1-run == parts { // large enough
			rows -= headers[run].Rows
			run++
		}
	}
	return nil
}

func allThere(parts []*usage.Bucket, headers []usage.BucketHeader) bool {
	there := map[int64]bool{}
	for i := range headers {
		there[headers[i].Number] = true
	}
	for _, p := range parts {
		if !there[p.Header.Number] {
			return false
		}
	}
	return true
}

// RebuildUsage throws all buckets away and makes them anew, but for those of receipts that were removed. Queries go on meanwhile, and are as slow as what is not
// folded is long. Progress is told how many receipts this has folded by then, and the time of the last one.
func (e *Engine) RebuildUsage(ctx context.Context, progress func(receipts, atMS int64)) error {
	err := e.store.Change(ctx, forgetFolded)
	folder, folded := e.folder(1, usage.Restless), int64(0)
	take := folder.Take
	folder.Take = func(ctx context.Context, f *Followed) (int, func(store.Tx) error, error) {
		taken, write, err := take(ctx, f)
		if err != nil || taken == 0 {
			return taken, write, err
		}
		return taken, func(tx store.Tx) error {
			folded += int64(taken)
			progress(folded, f.Receipts[taken-1].TimeMS)
			return write(tx)
		}, nil
	}
	for more := true; more && err == nil; {
		if more, err = e.FollowOnce(ctx, folder); err == nil {
			err = e.mergeBuckets(ctx, usage.Restless)
		}
	}
	return err
}

// forgetFolded deletes the buckets that can be made again; folding then begins behind those that stay.
func forgetFolded(tx store.Tx) error {
	removed, err := tx.Removed()
	if err != nil {
		return err
	}
	headers, err := tx.Buckets(0, 0)
	if err != nil {
		return err
	}
	from := removed.Next
	for i := range headers {
		h := &headers[i]
		if h.From.Before(removed.Next) {
			if from.Before(h.Next) {
				from = h.Next
			}
			continue
		}
		if err := tx.DeleteBucket(h.Number); err != nil {
			return err
		}
	}
	if from == (usage.Position{}) {
		return tx.DeleteFollower(foldName)
	}
	return tx.PutFollower(store.Follower{Name: foldName, Position: from})
}
