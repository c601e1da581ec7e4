package engine

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// receiptsMost bounds a query that is asked over HTTP. What is folded is read at once; receipts are read for what is not folded yet,
// and for keys that seldom repeat.
const receiptsMost = 500_000

// Usage adds up what a query asks for, with every charge that was acknowledged before. It fails with a problem: Invalid, also when
// more would have to be read than a server has time for; Unavailable while others ask.
func (e *Engine) Usage(ctx context.Context, q *usage.Query) (report *usage.Report, err error) {
	err = e.question(ctx, "from", func(ctx context.Context, r store.Reader) error {
		report, err = usageReport(ctx, r, &e.columns, q, receiptsMost)
		return err
	})
	return report, err
}

// UsageReport is Usage on one state, reading at most about so many receipts (0: any number).
func UsageReport(ctx context.Context, r store.Reader, q *usage.Query, receiptsMost int) (*usage.Report, error) {
	return usageReport(ctx, r, nil, q, receiptsMost)
}

func usageReport(ctx context.Context, r store.Reader, c *columns, q *usage.Query, receiptsMost int) (*usage.Report, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	buckets := make(chan *usage.Bucket, 1)
	adders := make([]*usage.Adder, max(1, runtime.GOMAXPROCS(0)))
	for i := range adders {
		adders[i] = usage.NewAdder(q)
		group.Go(func() error {
			for b := range buckets {
				if err := adders[i].Add(b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(buckets)
		reading := &usageReading{ctx: ctx, Reader: r, columns: c, query: q, left: receiptsMost, bounded: receiptsMost > 0, to: buckets}
		return reading.all()
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, a := range adders[1:] {
		adders[0].Merge(a)
	}
	return adders[0].Report()
}

// usageReading reads what a query is added up from: buckets as they are, and receipts as buckets made for it.
type usageReading struct {
	store.Reader
	ctx     context.Context
	columns *columns
	query   *usage.Query
	left    int // receipts that may still be read
	bounded bool
	to      chan<- *usage.Bucket
}

func (u *usageReading) all() error {
	folded, err := u.Follower(foldName)
	if err != nil {
		return err
	}
	headers, err := u.Buckets(u.query.FromMS, u.query.ToMS)
	if err != nil {
		return err
	}
	names := u.query.Columns()
	for i := range headers {
		h := &headers[i]
		if key := h.Misses(u.query); key != "" {
			if err := u.receipts(h.From, &h.Next, key); err != nil {
				return err
			}
			continue
		}
		data, err := u.columns.of(u.Reader, h.Number, names)
		if err != nil {
			return err
		}
		if err := u.send(&usage.Bucket{Header: *h, Columns: data}); err != nil {
			return err
		}
	}
	var from usage.Position
	if folded != nil {
		from = folded.Position
	}
	return u.receipts(from, nil, "")
}

func (u *usageReading) send(b *usage.Bucket) error {
	select {
	case u.to <- b:
		return nil
	case <-u.ctx.Done():
		return u.ctx.Err()
	}
}

// receipts reads receipts from a position to another (nil: to the end). Key is why, if it is not that they are not folded.
func (u *usageReading) receipts(from usage.Position, to *usage.Position, key usage.Dimension) error {
	if key != "" {
		removed, err := u.Removed()
		if err == nil && from.Before(removed.Next) && u.query.FromMS < removed.EarliestMS {
			err = problem.Field("groupBy", "%s has so many different values that every request has to be read, and requests before %s were removed "+
				"(usage.retention); ask from then on, or look into what was exported", key, exact(removed.EarliestMS))
		}
		if err != nil {
			return err
		}
	}
	filter := &usage.Filter{FromMS: u.query.FromMS, ToMS: u.query.ToMS}
	var events []usage.Event
	flush := func() error {
		if len(events) == 0 {
			return nil
		}
		b := u.query.Bucket(events)
		events = events[:0]
		return u.send(b)
	}
	_, err := u.Receipts(from, filter, 0, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
		if to != nil && !at.Before(*to) {
			return false, nil
		}
		if u.left--; u.left < 0 && u.bounded {
			return false, tooManyReceipts(key)
		}
		if !filter.MatchReceipt(receipt.InstanceID, receipt.TimeMS) {
			return true, nil
		}
		events = receipt.Events(events)
		if len(events) >= eventMost {
			return true, flush()
		}
		return true, u.ctx.Err()
	})
	if err != nil {
		return err
	}
	return flush()
}

func tooManyReceipts(key usage.Dimension) error {
	if key == "" {
		return problem.New(problem.Unavailable, "usage is still being made ready for queries; try again in a minute, or ask for less time")
	}
	return problem.Field("groupBy", "%s has so many different values that every request has to be read, and there are more than %d in this time; "+
		"ask for less time, or export the events", key, receiptsMost)
}
