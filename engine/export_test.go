package engine

import (
	"context"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Fold is FoldSome with buckets as SmallBuckets has them.
func (e *Engine) Fold(ctx context.Context, least, most, parts int) error {
	e.SmallBuckets(most, parts)
	return e.FoldSome(ctx, least)
}

// FoldSome folds what there is, down to fewer receipts than least.
func (e *Engine) FoldSome(ctx context.Context, least int) error {
	return e.foldSome(ctx, e.folder(least, usage.Restless), usage.Restless)
}

// RecentReceiptsOf is RecentReceipts that looks at so many receipts.
func (e *Engine) RecentReceiptsOf(ctx context.Context, instanceIDs []string, before usage.Position, limit, looks int) ([]*Booked, *usage.Position, error) {
	return e.recentReceipts(ctx, instanceIDs, before, limit, looks)
}

// ForgetCommits makes some buckets, about every other one, those of a former version: they do not tell where receipts are.
func (e *Engine) ForgetCommits(ctx context.Context, random func(int) int) error {
	return e.store.Change(ctx, func(tx store.Tx) error {
		headers, err := tx.Buckets(0, 0)
		for _, h := range headers {
			if err != nil || random(2) == 0 {
				continue
			}
			var columns map[string][]byte
			if columns, err = tx.BucketColumns(h.Number, h.ColumnNames()); err != nil {
				return err
			}
			delete(columns, usage.ColumnsOfCommits[0])
			if err = tx.DeleteBucket(h.Number); err == nil {
				err = tx.InsertBucket(&usage.Bucket{Header: h, Columns: columns})
			}
		}
		return err
	})
}

// SmallBuckets has buckets made of so many receipts, and so many merged into one. It is not for an engine that folds by itself.
func (e *Engine) SmallBuckets(most, parts int) { e.folding.most, e.folding.parts = most, parts }
func init()                                    { retainMost = 7 } // so that a pass has many portions

// Waiting is how many requests are in line for the next batch.
func (e *Engine) Waiting() int { return len(e.queue) }

// Tick ends a second for those who watch, as time does.
func (e *Engine) Tick() { e.live.tick() }
