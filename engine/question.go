package engine

import (
	"context"
	"errors"
	"time"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// Questions about usage (queries, insights, statements, forecasts) read much: they are bounded in time, and few are answered at once, so
// that charges and short reads always find a connection and a core.
const (
	questionTime  = 20 * time.Second
	questionsMost = 2 // each has all cores anyway
)

// question answers a question about usage on one state. It fails with a problem besides what fn fails with: Unavailable (others ask), or
// Invalid: there is more to read than there is time for; field is what to ask less with.
func (e *Engine) question(ctx context.Context, field string, fn func(context.Context, store.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	select {
	case e.questions <- struct{}{}:
		defer func() { <-e.questions }()
	case <-ctx.Done():
		return problem.New(problem.Unavailable, "other questions about usage are being answered; try again")
	}
	err := e.View(ctx, func(r store.Reader) error { return fn(ctx, r) })
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return problem.Field(field, "asks for more than can be read in %v; ask for less time, or export the events", questionTime)
	}
	return err
}
