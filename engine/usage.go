package engine

import (
	"context"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// looksMost bounds the receipts that one page of events may look at, so that a filter that selects little cannot hold a
// server up; the page is then short, and its position tells where to go on.
const looksMost = 100_000

// Page is a stretch of the record.
type Page struct {
	Events []usage.Event
	Next   usage.Position // where to go on, now or when there is more
	More   bool           // there is more now, as far as is known

	EarliestMS int64 // events before were removed; 0: none was
}

// PageOf returns up to limit usage events that a filter selects, in the order in which they happened.
func (e *Engine) PageOf(ctx context.Context, from usage.Position, filter *usage.Filter, limit int) (page *Page, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		page, err = ReadPage(r, from, filter, limit, looksMost)
		return err
	})
	return page, err
}

// ReadPage is PageOf on one state, looking at about bound receipts at most (0: all). It fails with a problem Invalid (cursor) when what
// follows a position was removed; from the zero position it goes on with what is there.
func ReadPage(r store.Reader, from usage.Position, filter *usage.Filter, limit, bound int) (*Page, error) {
	removed, err := r.Removed()
	if err != nil {
		return nil, err
	}
	if from != (usage.Position{}) && from.Before(removed.Next) {
		return nil, problem.Field("cursor", "goes on with events that were removed (usage.retention): those before %s are gone; leave it out to begin with "+
			"the earliest there are", exact(removed.EarliestMS))
	}
	page := &Page{Events: []usage.Event{}, Next: from, EarliestMS: removed.EarliestMS}
	var scratch []usage.Event
	next, err := r.Receipts(from, filter, bound, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
		skip := 0
		if at.Commit == from.Commit && at.Receipt == from.Receipt { // else the receipt that was begun is one the filter leaves out
			skip = from.Event
		}
		if filter.MatchReceipt(receipt.InstanceID, receipt.TimeMS) {
			scratch = receipt.Events(scratch[:0])
			for i := skip; i < len(scratch); i++ {
				if !filter.Match(&scratch[i]) {
					continue
				}
				if len(page.Events) == limit {
					at.Event = i
					page.Next, page.More = at, true
					return false, nil
				}
				page.Events = append(page.Events, scratch[i])
			}
		}
		page.Next = usage.Position{Commit: at.Commit, Receipt: at.Receipt + 1}
		return true, nil
	})
	if err == nil && !page.More && next != (usage.Position{}) {
		page.Next, page.More = next, true
	}
	return page, err
}

// Events is PageOf, with the position to go on from; nil when there is no more.
func (e *Engine) Events(ctx context.Context, from usage.Position, filter *usage.Filter, limit int) ([]usage.Event, *usage.Position, error) {
	return cut(e.PageOf(ctx, from, filter, limit))
}

// EventPage is ReadPage, with the position to go on from; nil when there is no more.
func EventPage(r store.Reader, from usage.Position, filter *usage.Filter, limit, bound int) ([]usage.Event, *usage.Position, error) {
	return cut(ReadPage(r, from, filter, limit, bound))
}

func cut(p *Page, err error) ([]usage.Event, *usage.Position, error) {
	switch {
	case err != nil:
		return nil, nil, err
	case !p.More:
		return p.Events, nil, nil
	}
	return p.Events, &p.Next, nil
}
