package engine

import (
	"context"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// looksMost bounds the receipts that one page of events may look at, so that a filter that selects little cannot hold a
// server up; the page is then short, and its position tells where to go on.
const looksMost = 100_000

// Events returns up to limit usage events that a filter selects, in the order in which they happened, and the position to
// go on from; nil when there is no more.
func (e *Engine) Events(ctx context.Context, from usage.Position, filter *usage.Filter, limit int) (events []usage.Event, next *usage.Position, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		events, next, err = EventPage(r, from, filter, limit, looksMost)
		return err
	})
	return events, next, err
}

// EventPage is Events on one state, looking at about bound receipts at most (0: all).
func EventPage(r store.Reader, from usage.Position, filter *usage.Filter, limit, bound int) ([]usage.Event, *usage.Position, error) {
	events := []usage.Event{}
	var full *usage.Position
	var scratch []usage.Event
	next, err := r.Receipts(from, filter, bound, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
		if !filter.MatchReceipt(receipt.InstanceID, receipt.TimeMS) {
			return true, nil
		}
		scratch = receipt.Events(scratch[:0])
		skip := 0
		if at.Commit == from.Commit && at.Receipt == from.Receipt { // else the receipt that was begun is one the filter leaves out
			skip = from.Event
		}
		for i := skip; i < len(scratch); i++ {
			if !filter.Match(&scratch[i]) {
				continue
			}
			if len(events) == limit {
				at.Event = i
				full = &at
				return false, nil
			}
			events = append(events, scratch[i])
		}
		return true, nil
	})
	if full != nil || err != nil || next == (usage.Position{}) {
		return events, full, err
	}
	return events, &next, nil
}
