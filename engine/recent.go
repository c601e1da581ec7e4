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
	return e.recentReceipts(ctx, instanceIDs, before, limit, recentLooks)
}

func (e *Engine) recentReceipts(ctx context.Context, instanceIDs []string, before usage.Position, limit, looks int) (page []*Booked, next *usage.Position, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		v := &lookingBack{Reader: r, filter: &usage.Filter{InstanceIDs: instanceIDs}, columns: &e.columns, limit: limit, looks: looks}
		page, next, err = v.page(before)
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

// lookingBack reads the record backwards. What is folded tells in which commits an instance has receipts; the rest is looked through.
type lookingBack struct {
	store.Reader
	filter   *usage.Filter
	columns  *columns
	limit    int
	looks    int                  // receipts that are looked at
	buckets  []usage.BucketHeader // none if all instances are asked for
	earliest usage.Position
	found    []foundReceipt // newest first
	looked   int
}

type foundReceipt struct {
	at      usage.Position
	receipt *usage.Receipt
}

func (v *lookingBack) page(before usage.Position) ([]*Booked, *usage.Position, error) {
	before, err := v.begin(before)
	for commits := int64(stretchFirst); err == nil && v.goesOn() && v.earliest.Before(before); {
		var told bool
		if before, told, err = v.folded(before); told || err != nil {
			continue
		}
		from := usage.Position{Commit: max(before.Commit-commits, v.earliest.Commit)}
		err = v.stretch(from, before, 0)
		before, commits = from, min(2*commits, stretchMost)
	}
	if err != nil {
		return nil, nil, err
	}
	var next *usage.Position
	if len(v.found) > v.limit {
		v.found = v.found[:v.limit]
		next = &v.found[v.limit-1].at
	} else if v.earliest.Before(before) {
		next = &before
	}
	page := make([]*Booked, len(v.found))
	for i, f := range v.found {
		given, err := v.Given(f.receipt.CorrelationID)
		if err != nil {
			return nil, nil, err
		}
		page[i] = &Booked{f.receipt, given}
	}
	return page, next, nil
}

func (v *lookingBack) goesOn() bool { return len(v.found) < v.limit && v.looked < v.looks }

func (v *lookingBack) begin(before usage.Position) (usage.Position, error) {
	removed, err := v.Removed()
	if err != nil {
		return before, err
	}
	v.earliest.Commit = max(removed.Next.Commit, 1)
	if v.filter.InstanceIDs != nil {
		if v.buckets, err = v.Buckets(0, 0); err != nil {
			return before, err
		}
	}
	if before == (usage.Position{}) {
		last, err := v.LastCommit()
		return usage.Position{Commit: last + 1}, err
	}
	return before, nil
}

// bucket returns the bucket that ends at a position, or in which that is; nil if there is none. Between two buckets there are no receipts.
func (v *lookingBack) bucket(before usage.Position) *usage.BucketHeader {
	after := slices.IndexFunc(v.buckets, func(h usage.BucketHeader) bool { return !h.From.Before(before) })
	if after == 0 || len(v.buckets) == 0 {
		return nil
	}
	if after > 0 {
		return &v.buckets[after-1]
	}
	if last := &v.buckets[len(v.buckets)-1]; !last.Next.Before(before) {
		return last
	}
	return nil
}

// folded adds what the bucket before a position tells of, and returns the position it has come to; false if there is no such bucket, or it does not tell.
func (v *lookingBack) folded(before usage.Position) (at usage.Position, told bool, err error) {
	h := v.bucket(before)
	if h == nil {
		return before, false, nil
	}
	data, err := v.columns.of(v.Reader, h.Number, usage.ColumnsOfCommits)
	if err != nil {
		return before, false, err
	}
	commits, told, err := (&usage.Bucket{Header: *h, Columns: data}).Commits(v.filter.InstanceIDs)
	if err != nil || !told {
		return before, false, err
	}
	for _, c := range slices.Backward(commits) {
		from, to := usage.Position{Commit: c}, usage.Position{Commit: c + 1}
		if !from.Before(before) {
			continue
		}
		if from.Before(v.earliest) {
			return v.earliest, true, nil
		}
		if !v.goesOn() {
			return before, true, nil
		}
		if before.Before(to) {
			to = before
		}
		if err := v.stretch(from, to, 1); err != nil {
			return before, true, err
		}
		before = from
	}
	if h.From.Before(before) {
		before = h.From
	}
	return before, true, nil
}

// stretch adds what is between two positions; bound is 1 if that is one commit, and no more are to be read.
func (v *lookingBack) stretch(from, before usage.Position, bound int) error {
	var found []foundReceipt
	_, err := v.Receipts(from, v.filter, bound, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
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
