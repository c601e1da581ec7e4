package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
)

type usageFollowersCmd struct {
	List   usageFollowersListCmd   `cmd:"" help:"List who follows, and since when they have events to take."`
	Forget usageFollowersForgetCmd `cmd:"" help:"Forget a target that is not served any more."`
}

// Help adds to --help.
func (*usageFollowersCmd) Help() string {
	return `The targets of serve --export-to and --events-to follow the record at their own pace,
and so do alerts, automatic top-ups (top-ups) and what makes usage ready for queries (fold). What
usage.retention removes has been taken by all of them: forget those that will not come back.

  farebox usage followers list`
}

type usageFollowersListCmd struct {
	database `embed:""`
}

// Help adds to --help.
func (*usageFollowersListCmd) Help() string {
	return `Since when: the time of the first request that they have not taken.

  farebox usage followers list`
}

// Run is the verb.
func (cmd *usageFollowersListCmd) Run() error {
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return err
	}
	var all []engine.FollowerState
	err = s.View(context.Background(), func(r store.Reader) (err error) {
		all, err = engine.Followers(r)
		return err
	})
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FOLLOWER\tNOT TAKEN SINCE")
	for _, f := range all {
		since := "has taken all"
		if f.SinceMS != 0 {
			since = timeText(f.SinceMS)
		}
		fmt.Fprintf(w, "%s\t%s\n", f.Name, since)
	}
	return w.Flush()
}

type usageFollowersForgetCmd struct {
	Name     string `arg:"" help:"As the list has it."`
	database `embed:""`
}

// Help adds to --help.
func (*usageFollowersForgetCmd) Help() string {
	return `Stop serving the target before. If it is served again, it begins with the earliest event there is.

  farebox usage followers forget 'export-to s3://old-bucket'`
}

// Run is the verb.
func (cmd *usageFollowersForgetCmd) Run() error {
	s, err := cmd.open(opening{})
	if err != nil {
		return err
	}
	return errors.Join(engine.ForgetFollower(context.Background(), s, cmd.Name), s.Close())
}
