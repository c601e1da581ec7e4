package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/statement"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

type usageStatementCmd struct {
	Account  string `arg:"" help:"The account, as its instances name it."`
	Month    string `arg:"" help:"Such as 2026-01."`
	Format   string `enum:"table,csv,json,html" default:"table" help:"table, csv, json or html; the page prints well."`
	TimeZone string `default:"UTC" help:"Where the month begins and ends, such as Europe/Berlin." placeholder:"NAME"`
	database `embed:""`
}

// Help adds to --help.
func (*usageStatementCmd) Help() string {
	return `What an account bought, used, lost and has left, line item by line item. docs/STATEMENTS.md defines every column.

  farebox usage statement ACME 2026-01
  farebox usage statement ACME 2026-01 --format html > acme-2026-01.html`
}

// Run is the verb.
func (cmd *usageStatementCmd) Run() error {
	month, err := engine.ParseMonth(cmd.Month, cmd.TimeZone)
	if err != nil {
		return usageError(err.Error())
	}
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return err
	}
	var made *engine.Statement
	err = s.View(context.Background(), func(r store.Reader) error {
		nowMS, err := nowOf(r)
		if err == nil {
			made, err = engine.AccountStatement(context.Background(), r, cmd.Account, month, nowMS, 0)
		}
		return err
	})
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	return printStatement(os.Stdout, statement.Wire(made), cmd.Format)
}

// nowOf returns the time of a database, in milliseconds since 1970: of its test clock, if it has one, or else the world's.
func nowOf(r store.Reader) (int64, error) {
	clock, err := r.Clock()
	if err == nil && clock != nil && clock.Test {
		return clock.NowMS, nil
	}
	return time.Now().UnixMilli(), err
}

func printStatement(out io.Writer, s *api.Statement, format string) (err error) {
	var body []byte
	switch format {
	case "csv":
		body = statement.CSV(s)
	case "html":
		body, err = statement.Page(s)
	case "json":
		body, err = json.Marshal(s, jsontext.WithIndent("  "))
		body = append(body, '\n')
	default:
		return statementTable(out, s)
	}
	if err == nil {
		_, err = out.Write(body)
	}
	return err
}

func statementTable(out io.Writer, s *api.Statement) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "LINE ITEM\tOPENING\tPURCHASED\tGRANTED\tUSED\tREFUNDED\tEXPIRED\tWITHDRAWN\tCLOSING\tOVERDRAFT TO BILL\t\n")
	row := func(name string, f *usage.Flows) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", name, f.Opening, f.Purchased, f.Granted, f.Used, f.Refunded, f.Expired, f.Withdrawn, f.Closing,
			f.OverdraftToBill)
	}
	for i := range s.Instances {
		for j := range s.Instances[i].LineItems {
			l := &s.Instances[i].LineItems[j]
			row(l.ActivationID, &l.Tokens)
			for _, item := range l.Items {
				fmt.Fprintf(w, "%s\t\t\t\t%s\t%s\t\t\t\t\t\n", item.Item, item.Used, item.Refunded)
			}
		}
	}
	row("total", &s.Total)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, m := range s.Paid.Money {
		fmt.Fprintf(out, "%s: recognised %s, deferred %s, breakage %s, overdraft to bill %s\n", m.Currency, m.Recognised, m.Deferred, m.Breakage, m.Overdraft)
	}
	if s.Preliminary {
		fmt.Fprintln(out, "preliminary: the month is not over")
	}
	return nil
}
