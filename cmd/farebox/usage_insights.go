package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

type usageInsightsCmd struct {
	Name     string `arg:"" optional:"" help:"Which insight; without it, all are listed."`
	From     moment `help:"From this time on: a date or a time such as 2026-01-01T00:00:00Z; else the last 30 days." placeholder:"TIME"`
	To       moment `help:"Until before this time." placeholder:"TIME"`
	Interval string `enum:"day,week,month" default:"month" help:"Of adoption, what a row is of: day, week or month."`
	Order    string `enum:"growth,decline" default:"growth" help:"Of growth, what comes first: growth or decline."`
	Days     int64  `default:"14" help:"How many days running-out looks ahead, and unused-purchases and tried-once look back." placeholder:"NUMBER"`
	Top      int    `default:"100" help:"How many rows are printed." placeholder:"NUMBER"`
	Format   string `enum:"table,csv" default:"table" help:"table or csv."`
	database `embed:""`
}

// Help adds to --help.
func (*usageInsightsCmd) Help() string {
	return `docs/INSIGHTS.md defines each of them and its columns.

  farebox usage insights
  farebox usage insights growth --order decline --top 10
  farebox usage insights adoption --from 2026-01-01T00:00:00Z --to 2026-07-01T00:00:00Z --format csv > adoption.csv`
}

// Run is the verb.
func (cmd *usageInsightsCmd) Run() error {
	if cmd.Name == "" {
		return listInsights(os.Stdout)
	}
	insight, err := engine.FindInsight(cmd.Name)
	if err != nil || cmd.Top < 1 {
		return usageError(errorText(err, "--top must be at least 1"))
	}
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return err
	}
	var t *usage.Table
	var total int
	err = s.View(context.Background(), func(r store.Reader) error {
		nowMS, err := nowOf(r)
		if err == nil {
			t, total, err = insight.On(context.Background(), r, cmd.parameters(), nowMS, 0)
		}
		return err
	})
	if err = errors.Join(err, s.Close()); err != nil {
		if problem.KindOf(err) == problem.Invalid {
			return usageError(err.Error())
		}
		return err
	}
	return cmd.print(os.Stdout, t, total)
}

func errorText(err error, otherwise string) string {
	if err != nil {
		return err.Error()
	}
	return otherwise
}

func listInsights(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, i := range engine.Insights {
		fmt.Fprintf(w, "%s\t%s\n", i.Name, i.Question)
	}
	return w.Flush()
}

func (cmd *usageInsightsCmd) parameters() engine.InsightParameters {
	p := engine.InsightParameters{Interval: usage.Interval(cmd.Interval), Order: cmd.Order, Days: cmd.Days, Limit: cmd.Top}
	cmd.From.setMS(&p.FromMS)
	cmd.To.setMS(&p.ToMS)
	return p
}

// print writes rows; times as people read them.
func (cmd *usageInsightsCmd) print(out io.Writer, t *usage.Table, total int) error {
	cells := func(row []any) []string {
		texts := make([]string, len(row))
		for i, cell := range row {
			texts[i] = fmt.Sprint(cell)
			if ms, ok := cell.(int64); ok && isTime(t.Columns[i]) {
				texts[i] = time.UnixMilli(ms).UTC().Format(time.DateOnly)
			}
		}
		return texts
	}
	if cmd.Format == "csv" {
		w := csv.NewWriter(out)
		_ = w.Write(t.Columns) // kept by the writer until flush
		for _, row := range t.Rows {
			_ = w.Write(cells(row))
		}
		w.Flush()
		return w.Error()
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(t.Columns, "\t"))
	for _, row := range t.Rows {
		fmt.Fprintln(w, strings.Join(cells(row), "\t"))
	}
	if more := total - len(t.Rows); more > 0 {
		fmt.Fprintf(w, "… and %d more\n", more)
	}
	return w.Flush()
}

// isTime reports whether a column has times.
func isTime(column string) bool {
	switch column {
	case "firstUse", "interval", "start", "end":
		return true
	}
	return false
}
