package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Follower reads the record at its own pace, off the path of charges, each receipt once and in order. How far it has come is kept
// with the books.
type Follower struct {
	Name string
	Most int           // receipts taken at a time; fewer if they have many items
	Wait time.Duration // how long it looks away when there is nothing to read

	// Look says whether there is anything to read for, given the engine's time; nil: always. It spares reading what would not be taken.
	Look func(nowMS int64) bool

	// Take is given the receipts that come next, and what the follower has remembered. It returns what is to be written, in the
	// transaction that moves the follower on: so what is written counts once, whatever fails. What Take itself does outside of
	// the store may be done again. An error has the same receipts taken again, later. Taken nothing (0) waits for more to come.
	Take func(ctx context.Context, batch *Followed) (taken int, write func(store.Tx) error, err error)
}

// Followed is what a follower reads next.
type Followed struct {
	From     usage.Position   // where the follower has come to
	At       []usage.Position // where the receipts are
	Receipts []*usage.Receipt
	More     bool   // there are more behind them
	Body     []byte // what the follower has remembered; what Take leaves in it is remembered
}

// Next returns the position behind the first n receipts.
func (f *Followed) Next(n int) usage.Position {
	p := f.At[n-1]
	return usage.Position{Commit: p.Commit, Receipt: p.Receipt + 1}
}

// Follow has a follower read until ctx ends or the engine stops. What goes wrong is logged, measured and tried again, less and less
// often while it goes on going wrong.
func (e *Engine) Follow(ctx context.Context, f *Follower) {
	failures := 0
	for wait := time.Duration(0); ; {
		select {
		case <-e.quit:
			return
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = f.Wait
		if f.Look != nil && !f.Look(e.Now()) {
			continue
		}
		more, err := e.FollowOnce(ctx, f)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			wait = max(f.Wait, patience(failures))
			slog.Warn("what follows the record is held up; nothing is lost, it is tried again", "follower", f.Name, "retrySeconds", wait.Seconds(), logged(err))
			continue
		case failures > 0:
			slog.Info("what follows the record goes on", "follower", f.Name, "failures", failures)
		}
		failures = 0
		if more {
			wait = 0
		}
	}
}

// patience is how long is waited after a number of failures in a row: from a second to a minute.
func patience(failures int) time.Duration {
	return min(time.Second<<min(failures-1, 6), time.Minute)
}

// FollowOnce has a follower take what comes next, and reports whether there is more.
func (e *Engine) FollowOnce(ctx context.Context, f *Follower) (more bool, err error) {
	var batch Followed
	upTo := int64(0)
	defer func() { e.metrics.followed(f.Name, upTo, err) }()
	err = e.View(ctx, func(r store.Reader) error {
		was, err := r.Follower(f.Name)
		if err != nil {
			return err
		}
		if was != nil {
			batch.From, batch.Body = was.Position, was.Body
		}
		return batch.Read(r, f.Most)
	})
	if err != nil || len(batch.Receipts) == 0 {
		return false, err
	}
	taken, write, err := f.Take(ctx, &batch)
	if err != nil || taken == 0 {
		return false, err
	}
	// Also when ctx has ended: what was taken should not be taken again.
	err = e.store.Change(context.WithoutCancel(ctx), func(tx store.Tx) error {
		is, err := tx.Follower(f.Name)
		if err != nil {
			return err
		}
		if is != nil && is.Position != batch.From || is == nil && batch.From != (usage.Position{}) {
			return errOvertaken // another server took them, or was told to begin anew
		}
		if write != nil {
			if err := write(tx); err != nil {
				return err
			}
		}
		return tx.PutFollower(store.Follower{Name: f.Name, Position: batch.Next(taken), Body: batch.Body})
	})
	if err == errOvertaken {
		return true, nil
	}
	if err == nil {
		upTo = batch.Receipts[taken-1].MadeMS()
	}
	return err == nil && (batch.More || taken < len(batch.Receipts)), err
}

var errOvertaken = problem.New(problem.Conflict, "another follower of this name was faster")

// itemsRead is past how many items no more receipts are read at a time: one receipt may have a thousand.
const itemsRead = 32768

// Read reads up to most receipts, from From on.
func (f *Followed) Read(r store.Reader, most int) error {
	items := 0
	_, err := r.Receipts(f.From, nil, 0, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
		if len(f.Receipts) == most || items >= itemsRead {
			f.More = true
			return false, nil
		}
		items += len(receipt.Refunds) + len(receipt.Items)
		f.At, f.Receipts = append(f.At, at), append(f.Receipts, receipt)
		return true, nil
	})
	return err
}
