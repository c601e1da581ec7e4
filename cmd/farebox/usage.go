package main

import (
	"context"
	"errors"
	"os"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/export"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

type usageCmd struct {
	Query     usageQueryCmd     `cmd:"" help:"Add usage up: by time, item, customer, requester or what requests carry."`
	Events    usageEventsCmd    `cmd:"" help:"Print usage events as CSV or NDJSON."`
	Export    usageExportCmd    `cmd:"" help:"Export usage events as CSV, NDJSON or Parquet, once or as they come."`
	Statement usageStatementCmd `cmd:"" help:"Print an account's statement of a month."`
	Insights  usageInsightsCmd  `cmd:"" help:"Answer questions about customers: who adopts what, who grows, who is near the end."`
	Followers usageFollowersCmd `cmd:"" help:"See how far targets have come, and forget those that are gone."`
	Rebuild   usageRebuildCmd   `cmd:"" help:"Make anew what queries are answered from; seldom needed."`
	Backtest  usageBacktestCmd  `cmd:"" help:"See how well forecasts would have done on what was recorded."`
}

// Help adds to --help.
func (*usageCmd) Help() string {
	return `All of it works beside a server, too.

  farebox usage query --by item --from 2026-01-01
  farebox usage events --format ndjson`
}

type usageEventsCmd struct {
	Format     string `enum:"csv,ndjson" default:"csv" help:"csv or ndjson."`
	To         moment `help:"Until before this time." placeholder:"TIME"`
	eventFlags `embed:""`
	database   `embed:""`
}

// Help adds to --help.
func (*usageEventsCmd) Help() string {
	return `Prints one consistent state, oldest first, also while the database is served.

  farebox usage events --kind CHARGE --from 2026-01-01T00:00:00Z > january.csv
  farebox usage events --format ndjson --item render | jq .tokens`
}

// Run is the verb.
func (cmd *usageEventsCmd) Run() error {
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return err
	}
	out := export.NewWriter(export.Format(cmd.Format), os.Stdout)
	err = s.View(context.Background(), func(r store.Reader) error { return eachEvent(r, cmd.filterUntil(cmd.To), out.Write) })
	return errors.Join(err, out.Close(), s.Close())
}

// eachEvent calls fn with every event that a filter selects.
func eachEvent(r store.Reader, filter *usage.Filter, fn func(*usage.Event) error) error {
	for from := (usage.Position{}); ; {
		events, next, err := engine.EventPage(r, from, filter, 1000, 0)
		if err != nil {
			return err
		}
		for i := range events {
			if err := fn(&events[i]); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		from = *next
	}
}
