package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// DecideClock decides how time passes in a database that is about to be served: as it ever did there, or, the first time, as is
// asked for. Test is where a test clock begins; nil asks for the time of the world. The error is for the operator.
func DecideClock(ctx context.Context, s store.Store, test *time.Time) (*store.Clock, error) {
	clock := &store.Clock{Test: test != nil}
	if test != nil {
		clock.NowMS = test.UnixMilli()
	}
	err := s.Change(ctx, func(tx store.Tx) error {
		before, err := tx.Clock()
		switch {
		case err != nil:
			return err
		case before == nil:
			return tx.PutClock(*clock)
		case before.Test && !clock.Test:
			return fmt.Errorf("this database has a test clock, which stands at %s; serve it with --test-clock, or take another --db", instant(before.NowMS))
		case !before.Test && clock.Test:
			return fmt.Errorf("this database was served without a test clock before; take another --db for --test-clock")
		}
		clock = before
		return nil
	})
	return clock, err
}

func instant(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// exact is an instant to the millisecond, where one more or less matters.
func exact(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// HasTestClock reports whether time passes by AdvanceClock alone.
func (e *Engine) HasTestClock() bool { return e.test }

// AdvanceClock sets a test clock forward, to a time that follows from where it stands, and returns what answer makes of the new
// time and of how many automatic charges, deadlines and lapses that made, all of which are durable by then, in their order.
// Once is as for Change. It fails with a problem: NotFound (the clock is the world's), Invalid (it would go back),
// KeyReused or Unavailable; then the clock stands where it stood, and advancing it again makes the rest.
func (e *Engine) AdvanceClock(ctx context.Context, once *Once, to func(nowMS int64) int64, answer func(nowMS int64, made int) (*store.Answer, error)) (*store.Answer, bool, error) {
	if !e.test {
		return nil, false, NoTestClock()
	}
	e.advancing.Lock()
	defer e.advancing.Unlock()
	if once != nil { // what was advanced before is not advanced again
		earlier, replayed, err := e.Change(ctx, "", once, func(*Change) (*store.Answer, error) { return nil, errNew })
		if !errors.Is(err, errNew) {
			return earlier, replayed, err
		}
	}
	nowMS, toMS := e.Now(), to(e.Now())
	if toMS < nowMS {
		return nil, false, problem.Field("now", "is before the clock's time, %d; time does not go back", nowMS)
	}
	if toMS > period.LatestMS {
		return nil, false, problem.Field("now", "is after the year 9999")
	}
	made, err := e.CatchUp(toMS)
	if err != nil {
		return nil, false, err
	}
	given, replayed, err := e.Change(ctx, "", once, func(c *Change) (*store.Answer, error) {
		if err := c.tx.PutClock(store.Clock{Test: true, NowMS: toMS}); err != nil {
			return nil, err
		}
		return answer(toMS, made)
	})
	if err == nil {
		e.testMS.Store(toMS)
		if late := e.LookAtAlerts(ctx); late != nil { // which they are then, but the clock stands where it was set to
			slog.Warn("alerts are held up; trying again", logged(late))
		}
	}
	return given, replayed, err
}

// errNew says that a request was not made before.
var errNew = errors.New("not made before")

// NoTestClock is the problem of a server whose time is the world's.
func NoTestClock() error {
	return problem.New(problem.NotFound, "this server has no test clock; `farebox serve --test-clock 2026-01-01T00:00:00Z` starts one that has, on a new database")
}
