package engine

import (
	"context"
	"slices"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// RecentReceipts returns receipts from before a position on (the zero position: from the newest), newest first, of some instances (nil: all), and the position to
// go on before; nil when there are no more. It looks at a bounded number of receipts, so a page may have fewer than limit, or none, and others follow.
func (e *Engine) RecentReceipts(ctx context.Context, instanceIDs []string, before usage.Position, limit int) (page []*Booked, next *usage.Position, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		page, next, err = recentReceipts(r, instanceIDs, before, limit, recentLooks)
		return err
	})
	return page, next, err
}

// A stretch of commits is looked through forwards; one that has too few is followed by one twice as long, up to the most. Not many receipts are looked
// at for one page: whoever turns pages waits.
const (
	stretchFirst = 8
	stretchMost  = 64
	recentLooks  = 10_000
)

func recentReceipts(r store.Reader, instanceIDs []string, before usage.Position, limit, looks int) ([]*Booked, *usage.Position, error) {
	removed, err := r.Removed()
	if err != nil {
		return nil, nil, err
	}
	if before == (usage.Position{}) {
		last, err := r.LastCommit()
		if err != nil {
			return nil, nil, err
		}
		before.Commit = last + 1
	}
	v := &lookingBack{Reader: r, filter: &usage.Filter{InstanceIDs: instanceIDs}}
	first := max(removed.Next.Commit, 1)
	for commits := int64(stretchFirst); len(v.found) < limit && v.looked < looks; commits = min(2*commits, stretchMost) {
		from := usage.Position{Commit: max(before.Commit-commits, first)}
		if err := v.stretch(from, before); err != nil {
			return nil, nil, err
		}
		before = from
		if from.Commit == first {
			break
		}
	}
	var next *usage.Position
	if len(v.found) > limit {
		v.found = v.found[:limit]
		next = &v.found[limit-1].at
	} else if before.Commit > first {
		next = &before
	}
	page := make([]*Booked, len(v.found))
	for i, f := range v.found {
		given, err := r.Given(f.receipt.CorrelationID)
		if err != nil {
			return nil, nil, err
		}
		page[i] = &Booked{f.receipt, given}
	}
	return page, next, nil
}

type lookingBack struct {
	store.Reader
	filter *usage.Filter
	found  []foundReceipt // newest first
	looked int
}

type foundReceipt struct {
	at      usage.Position
	receipt *usage.Receipt
}

// stretch adds what is between two positions.
func (v *lookingBack) stretch(from, before usage.Position) error {
	var found []foundReceipt
	_, err := v.Receipts(from, v.filter, 0, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
		if !at.Before(before) {
			return false, nil
		}
		v.looked++
		if v.filter.MatchReceipt(receipt.InstanceID, receipt.TimeMS) {
			found = append(found, foundReceipt{at, receipt})
		}
		return true, nil
	})
	slices.Reverse(found)
	v.found = append(v.found, found...)
	return err
}
