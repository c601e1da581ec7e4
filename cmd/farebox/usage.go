package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/usage"
)

type usageCmd struct {
	Query     usageQueryCmd     `cmd:"" help:"Add usage up: by time, item, customer, requester or what requests carry."`
	Events    usageEventsCmd    `cmd:"" help:"Print usage events as CSV or NDJSON."`
	Statement usageStatementCmd `cmd:"" help:"Print an account's statement of a month."`
	Insights  usageInsightsCmd  `cmd:"" help:"Answer questions about customers: who adopts what, who grows, who is near the end."`
	Rebuild   usageRebuildCmd   `cmd:"" help:"Make anew what queries are answered from; seldom needed."`
	Backtest  usageBacktestCmd  `cmd:"" help:"See how well forecasts would have done on what was recorded."`
}

type usageEventsCmd struct {
	Format        string    `enum:"csv,ndjson" default:"csv" help:"csv or ndjson."`
	Instance      []string  `help:"Only of this instance; may be repeated." placeholder:"ID" sep:"none"`
	LineItem      string    `help:"Only of this line item." placeholder:"ACTIVATION-ID"`
	Item          string    `help:"Only of this item." placeholder:"NAME"`
	Requester     string    `help:"Only by this requester (its value)." placeholder:"VALUE"`
	RequesterType string    `help:"Only by this type of requester." placeholder:"TYPE"`
	Kind          string    `help:"Only of this kind: CHARGE, AUTOMATIC_CHARGE, REFUND or DENIAL." enum:",CHARGE,AUTOMATIC_CHARGE,REFUND,DENIAL" default:""`
	From          time.Time `help:"From this time on, such as 2026-01-31T08:00:00Z." placeholder:"TIME"`
	To            time.Time `help:"Until before this time." placeholder:"TIME"`
	database      `embed:""`
}

// Help adds to --help.
func (*usageEventsCmd) Help() string {
	return `Prints one consistent state, oldest first, also while the database is served.

  farebox usage events --kind CHARGE --from 2026-01-01T00:00:00Z > january.csv
  farebox usage events --format ndjson --item render | jq .tokens`
}

// Run is the verb.
func (cmd *usageEventsCmd) Run() error {
	s, err := cmd.open(sqlite.Options{Read: true})
	if err != nil {
		return err
	}
	out := newEventWriter(cmd.Format, os.Stdout)
	err = s.View(context.Background(), func(r store.Reader) error { return eachEvent(r, cmd.filter(), out.write) })
	return errors.Join(err, out.flush(), s.Close())
}

func (cmd *usageEventsCmd) filter() *usage.Filter {
	f := &usage.Filter{
		InstanceIDs: cmd.Instance, ActivationID: cmd.LineItem, Item: cmd.Item, RequesterValue: cmd.Requester, RequesterType: cmd.RequesterType,
		Kind: usage.Kind(cmd.Kind),
	}
	if !cmd.From.IsZero() {
		f.FromMS = cmd.From.UnixMilli()
	}
	if !cmd.To.IsZero() {
		f.ToMS = cmd.To.UnixMilli()
	}
	return f
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

type eventWriter struct {
	out io.Writer
	csv *csv.Writer // nil: NDJSON
}

func newEventWriter(format string, out io.Writer) *eventWriter {
	w := &eventWriter{out: out}
	if format == "csv" {
		w.csv = csv.NewWriter(out)
		_ = w.csv.Write(usage.Columns) // kept by the writer until flush
	}
	return w
}

func (w *eventWriter) write(e *usage.Event) error {
	if w.csv != nil {
		return w.csv.Write(e.Row())
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = fmt.Fprintf(w.out, "%s\n", line)
	}
	return err
}

func (w *eventWriter) flush() error {
	if w.csv == nil {
		return nil
	}
	w.csv.Flush()
	return w.csv.Error()
}
