package engine

import (
	"context"
	"slices"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// PutLimit limits what every single requester may consume from a line item, from now on. What was consumed under the limit
// before counts only if its period began when the new one's did.
func (c *Change) PutLimit(instanceID, activationID string, next ledger.Limit) (*ledger.Limit, error) {
	if err := checkLimit(&next); err != nil {
		return nil, err
	}
	l, err := LineItem(c.tx, instanceID, activationID)
	if err != nil {
		return nil, err
	}
	if !next.Continues(l.Limit, c.nowMS) {
		if err := c.tx.ForgetConsumed(l.Number); err != nil {
			return nil, err
		}
	}
	l.Limit = &next
	return c.limitNow(&next), c.tx.PutLineItem(l)
}

func checkLimit(l *ledger.Limit) error {
	switch {
	case l.Tokens.Sign() <= 0:
		return problem.Field("limit", "must be more than 0; to stop all use, make the line item INACTIVE")
	case !slices.Contains(period.Frequencies, l.Period):
		return problem.Field("period", "must be DAY, WEEK, MONTH, QUARTER or YEAR")
	case l.NextResetMS < 0 || l.NextResetMS > period.LatestMS:
		return problem.Field("nextReset", "must be milliseconds since 1970, from 0 to %d", int64(period.LatestMS))
	}
	return nil
}

// limitNow returns a limit with its next reset.
func (c *Change) limitNow(l *ledger.Limit) *ledger.Limit {
	now := *l
	_, now.NextResetMS = l.Around(c.nowMS)
	return &now
}

// DeleteLimit removes the limit of a line item, and forgets what was consumed.
func (c *Change) DeleteLimit(instanceID, activationID string) error {
	l, err := LineItem(c.tx, instanceID, activationID)
	if err != nil {
		return err
	}
	if l.Limit == nil {
		return noLimit(activationID)
	}
	l.Limit = nil
	if err := c.tx.ForgetConsumed(l.Number); err != nil {
		return err
	}
	return c.tx.PutLineItem(l)
}

func noLimit(activationID string) error {
	return problem.New(problem.NotFound, "line item %q has no consumption limit", activationID)
}

// LimitState is a limit with its next reset, and a page of what requesters have consumed since the last one.
type LimitState struct {
	ledger.Limit
	Consumed []ledger.Consumed
	Next     *ledger.RequesterKey // after whom to go on; nil: there is no more
}

// Limit returns how the limit of a line item stands now, with a page of requesters from after one on (nil: from the first).
// It fails with a problem NotFound.
func (e *Engine) Limit(ctx context.Context, instanceID, activationID string, after *ledger.RequesterKey, size int) (*LimitState, error) {
	var state *LimitState
	err := e.View(ctx, func(r store.Reader) error {
		l, err := LineItem(r, instanceID, activationID)
		if err != nil {
			return err
		}
		if l.Limit == nil {
			return noLimit(activationID)
		}
		state = &LimitState{Limit: *l.Limit}
		var sinceMS int64
		sinceMS, state.NextResetMS = l.Limit.Around(e.Now())
		page, err := r.Consumed(ledger.PeriodKey{Number: l.Number, SinceMS: sinceMS}, after, size+1)
		if err != nil {
			return err
		}
		if len(page) > size {
			page = page[:size]
			state.Next = &page[size-1].RequesterKey
		}
		state.Consumed = page
		return nil
	})
	return state, err
}
