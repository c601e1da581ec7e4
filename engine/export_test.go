package engine

import (
	"context"

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

// SmallBuckets has buckets made of so many receipts, and so many merged into one. It is not for an engine that folds by itself.
func (e *Engine) SmallBuckets(most, parts int) { e.folding.most, e.folding.parts = most, parts }
func init()                                    { retainMost = 7 } // so that a pass has many portions

// Tick ends a second for those who watch, as time does.
func (e *Engine) Tick() { e.live.tick() }
