package engine

import (
	"context"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// FollowerState is how far somebody has come who follows the record.
type FollowerState struct {
	Name    string
	SinceMS int64 // when the first receipt was made that they have not taken; 0: they have taken all
}

// Followers returns how far all have come who follow the record of a state, by name; those of targets that are not served any more, too.
func Followers(r store.Reader) ([]FollowerState, error) {
	all, err := r.Followers()
	if err != nil {
		return nil, err
	}
	states := make([]FollowerState, len(all))
	for i, f := range all {
		states[i].Name = f.Name
		next := Followed{From: f.Position}
		if err := next.Read(r, 1); err != nil {
			return nil, err
		}
		if len(next.Receipts) > 0 {
			states[i].SinceMS = next.Receipts[0].MadeMS()
		}
	}
	return states, nil
}

// ForgetFollower forgets how far somebody has come, so that nothing waits for them any more (usage.retention does): if they come back,
// they begin with the earliest receipt there is. It fails with a problem: NotFound, or Invalid (they are our own).
func ForgetFollower(ctx context.Context, s store.Store, name string) error {
	switch name {
	case foldName:
		return problem.New(problem.Invalid, "%s makes what queries are answered from; `farebox usage rebuild` makes that anew", name)
	case topUpName:
		return problem.New(problem.Invalid, "%s are asked for by it; delete the automatic top-ups that are not wanted", name)
	case watcherName:
		return problem.New(problem.Invalid, "%s are fired by it; delete the alerts that are not wanted", name)
	}
	return s.Change(ctx, func(tx store.Tx) error {
		f, err := tx.Follower(name)
		if err == nil && f == nil {
			err = problem.New(problem.NotFound, "nobody follows by the name %q; `farebox usage followers list` has the names", name)
		}
		if err != nil {
			return err
		}
		return tx.DeleteFollower(name)
	})
}
