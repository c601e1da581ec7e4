package engine

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Retention.
const (
	retainEvery = time.Hour        // by the engine's clock
	retainLook  = time.Second      // how often that clock is looked at
	retainAgain = 10 * time.Second // when something stood in the way
)

// retainMost is about how many receipts are removed at a time, so that charges get in between. Tests have less.
var retainMost = int64(10_000)

// retention returns for how long receipts are kept; 0: for ever.
func retention(s *store.Settings) time.Duration {
	age, err := period.Parse(configured(s, UsageRetention))
	if err != nil {
		return 0
	}
	return age
}

// KeepRetained removes receipts that are past usage.retention, every hour, until ctx ends or the engine stops. Followers are those that
// must have taken a receipt before it goes, besides all that the books know: the ones that write it elsewhere, above all.
func (e *Engine) KeepRetained(ctx context.Context, followers []string) {
	var nextMS int64
	held := ""
	for wait := retainLook; ; {
		select {
		case <-e.quit:
			return
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = retainLook
		nowMS := e.Now()
		if nowMS < nextMS {
			continue
		}
		done, err := e.Retain(ctx, followers)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = time.Minute
			slog.Error("no usage is removed; trying again", logged(err))
		case done.Held != "":
			wait = retainAgain
			if held != done.Held {
				slog.Warn("usage that is past its time is not removed before it was taken; `farebox usage followers` tells more", "follower", done.Held)
			}
		default:
			nextMS = nowMS + retainEvery.Milliseconds()
		}
		held = done.Held
		if done.Receipts > 0 {
			slog.Info("usage past its time was removed", "receipts", done.Receipts, "before", instant(done.EarliestMS))
		}
	}
}

// Retained is what a pass of retention did.
type Retained struct {
	Receipts   int64  // that were removed
	EarliestMS int64  // all receipts are there since; 0: no receipt was removed
	Held       string // the follower that has not taken what could go else; empty: none
}

// Retain removes the receipts that are past usage.retention, oldest first and in portions, and keeps what they came to instead. It removes
// whole commits that are folded, that every follower of the books has taken, and so have those that are named. What it returns was done
// also when it fails: with a problem Conflict when the record does not add up, of which then nothing more goes, or with that of the store.
func (e *Engine) Retain(ctx context.Context, followers []string) (done Retained, err error) {
	age := retention(e.store.Settings())
	if age == 0 {
		return done, nil
	}
	p := &retaining{followers: append(slices.Clone(followers), foldName), nowMS: e.Now(), beforeMS: e.Now() - age.Milliseconds()}
	for more, folded := true, false; more && err == nil && ctx.Err() == nil; {
		more, err = p.portion(ctx, e.store)
		if err == nil && p.held == foldName && !folded { // what is past its time is less than a bucket is worth
			folded, more, err = true, true, e.foldSome(ctx, e.folder(1, usage.Restless), usage.Restless)
		}
	}
	return Retained{p.receipts, p.at.EarliestMS, p.held}, err
}

// retaining is a pass of retention.
type retaining struct {
	followers []string
	nowMS     int64
	beforeMS  int64 // what was made before may go

	rebuilt  *rebuilt // what was removed so far; nil: to be read
	at       store.Removed
	receipts int64
	held     string
}

// portion removes the receipts that come next, and reports whether there may be more.
func (p *retaining) portion(ctx context.Context, s store.Store) (more bool, err error) {
	var next store.Removed
	var n int64
	err = s.View(ctx, func(r store.Reader) (err error) {
		if p.rebuilt == nil {
			if err := p.begin(r); err != nil {
				return err
			}
		}
		next, n, more, err = p.collect(r)
		return err
	})
	if err == nil && n > 0 {
		err = p.write(ctx, s, next)
	}
	if err == errOvertaken { // another server removes, or what is folded is made anew
		p.rebuilt = nil
		return true, nil
	}
	if err == nil && n > 0 {
		p.at, p.receipts = next, p.receipts+n
	}
	return more, err
}

// begin reads what was removed before.
func (p *retaining) begin(r store.Reader) (err error) {
	if p.at, err = r.Removed(); err != nil {
		return err
	}
	if p.rebuilt, err = openingOf(r); err != nil {
		return err
	}
	return p.rebuilt.forget(r, p.nowMS)
}

// collect follows the receipts that are to go next: whole commits, and never the newest.
func (p *retaining) collect(r store.Reader) (next store.Removed, n int64, more bool, err error) {
	next, p.held = p.at, ""
	taken, name, err := p.taken(r)
	if err != nil {
		return next, 0, false, err
	}
	lineItems, err := lineItemsByNumber(r)
	if err != nil {
		return next, 0, false, err
	}
	var proof Proof
	var last usage.Position
	var commit []*usage.Receipt // what was read of the one at hand
	_, err = r.Receipts(p.at.Next, nil, 0, func(at usage.Position, receipt *usage.Receipt) (bool, error) {
		if len(commit) > 0 && at.Commit != last.Commit {
			next.Next = usage.Position{Commit: last.Commit, Receipt: last.Receipt + 1}
			for _, r := range commit {
				next.EarliestMS = max(next.EarliestMS, r.TimeMS+1)
				proof.follow(r, lineItems, p.rebuilt)
			}
			n, commit = n+int64(len(commit)), commit[:0]
			if more = n >= retainMost; more {
				return false, nil
			}
		}
		if receipt.MadeMS() >= p.beforeMS {
			return false, nil
		}
		if !at.Before(taken) {
			p.held = name
			return false, nil
		}
		commit, last = append(commit, receipt), at
		return true, nil
	})
	if err == nil && len(proof.Differences) > 0 {
		err = problem.New(problem.Conflict, "usage past its time is kept, since it does not add up: %s. Run `farebox verify`", proof.Differences[0])
	}
	return next, n, more, err
}

// taken returns up to where everybody has taken the record, and who has come least far.
func (p *retaining) taken(r store.Reader) (least usage.Position, name string, err error) {
	all, err := r.Followers()
	if err != nil {
		return least, "", err
	}
	for _, f := range p.followers {
		if !slices.ContainsFunc(all, func(known store.Follower) bool { return known.Name == f }) {
			return usage.Position{}, f, nil
		}
	}
	slowest := slices.MinFunc(all, func(a, b store.Follower) int { return a.Position.Compare(b.Position) })
	return slowest.Position, slowest.Name, nil
}

// write removes what was collected, if nothing has come in between.
func (p *retaining) write(ctx context.Context, s store.Store, next store.Removed) error {
	opening, err := p.rebuilt.opening()
	if err != nil {
		return err
	}
	return s.Change(ctx, func(tx store.Tx) error {
		at, err := tx.Removed()
		if err != nil {
			return err
		}
		taken, _, err := p.taken(tx)
		if err != nil {
			return err
		}
		if at != p.at || taken.Before(next.Next) {
			return errOvertaken
		}
		return tx.RemoveReceipts(next, opening)
	})
}
