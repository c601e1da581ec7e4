package engine

import (
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// eachUsed calls fn with the usage events that a filter selects, as far as buckets tell of them (usage.Bucket.EachRow), in no order: those
// that are folded from their columns, the rest from receipts, of which it looks at a number at most (0: all).
func eachUsed(r store.Reader, filter *usage.Filter, receiptsMost int, fn func(*usage.Event)) error {
	folded, err := r.Follower(foldName)
	if err != nil {
		return err
	}
	headers, err := r.Buckets(filter.FromMS, filter.ToMS)
	if err != nil {
		return err
	}
	var forgetful *columns // what is read here is seldom asked for again
	for i := range headers {
		data, err := forgetful.of(r, headers[i].Number, usage.RowColumns())
		if err != nil {
			return err
		}
		if err := (&usage.Bucket{Header: headers[i], Columns: data}).EachRow(filter, fn); err != nil {
			return err
		}
	}
	var from usage.Position
	if folded != nil {
		from = folded.Position
	}
	return eachUnfolded(r, from, filter, receiptsMost, fn)
}

func eachUnfolded(r store.Reader, from usage.Position, filter *usage.Filter, most int, fn func(*usage.Event)) error {
	var events []usage.Event
	looked := 0
	_, err := r.Receipts(from, filter, 0, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
		if looked++; most > 0 && looked > most {
			return false, problem.New(problem.Unavailable, "usage is still being made ready for questions; try again in a minute")
		}
		events = receipt.Events(events[:0])
		for i := range events {
			if filter.Match(&events[i]) {
				fn(&events[i])
			}
		}
		return true, nil
	})
	return err
}
