package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/term"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/server"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

type usageQueryCmd struct {
	From     string   `help:"What was used from this time on: a date such as 2026-01-31, or a time such as 2026-01-31T08:00:00Z." placeholder:"TIME"`
	To       string   `help:"Until before this time." placeholder:"TIME"`
	Interval string   `help:"A row for each hour, day, week (from Monday) or month." enum:",hour,day,week,month" default:"" placeholder:"INTERVAL"`
	Zone     string   `help:"The time zone in which days begin, such as Europe/Berlin; UTC unless given." placeholder:"ZONE"`
	By       []string `help:"A row for each value of this, such as item, accountId, instanceId, requester or metadata.KEY; up to three." placeholder:"NAME"`
	Top      int      `help:"Only so many groups, those with the most tokens, and the rest as one." placeholder:"N"`
	Distinct bool     `help:"Count the distinct requesters."`
	Where    []string `help:"Only what has this value; the same NAME again: any of them. NAME= is what has nothing there." placeholder:"NAME=VALUE" sep:"none"`
	Format   string   `enum:"table,csv,json" default:"table" help:"table, csv or json."`
	database `embed:""`
}

// Help adds to --help.
func (*usageQueryCmd) Help() string {
	var names strings.Builder
	for _, d := range usage.Dimensions {
		names.WriteString(string(d) + ", ")
	}
	return `Adds up one consistent state, also while the database is served. Sums are exact, and net of refunds.

Usage is told apart by ` + names.String() + `metadata.KEY and dictionary.KEY; activationId is the line item.

  farebox usage query --by item --from 2026-01-01
  farebox usage query --interval day --zone Europe/Berlin --where accountId=ACME
  farebox usage query --by metadata.project,item --top 10 --format csv > projects.csv`
}

// Run is the verb.
func (cmd *usageQueryCmd) Run() error {
	q, err := cmd.query()
	if err != nil {
		return ofFlags(err)
	}
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return err
	}
	ctx := context.Background()
	var report *usage.Report
	err = s.View(ctx, func(r store.Reader) error {
		report, err = engine.UsageReport(ctx, r, q, 0)
		return err
	})
	if err = errors.Join(err, s.Close()); err != nil {
		return ofFlags(err)
	}
	return cmd.print(q, report, os.Stdout)
}

func (cmd *usageQueryCmd) query() (*usage.Query, error) {
	q := &usage.Query{Interval: usage.Interval(cmd.Interval), Top: cmd.Top, Distinct: cmd.Distinct}
	if err := q.ReadZone(cmd.Zone); err != nil {
		return nil, err
	}
	for _, end := range []struct {
		name, text string
		ms         *int64
	}{{"from", cmd.From, &q.FromMS}, {"to", cmd.To, &q.ToMS}} {
		if end.text == "" {
			continue
		}
		t, err := momentIn(end.text, q.Zone)
		if err != nil {
			return nil, problem.Field(end.name, "%s", err)
		}
		*end.ms = t.UnixMilli()
	}
	if err := q.ReadBy(cmd.By); err != nil {
		return nil, err
	}
	for _, text := range cmd.Where {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return nil, problem.Field("where", "%q is not NAME=VALUE", text)
		}
		if err := q.ReadWhere(name, []string{value}); err != nil {
			return nil, problem.Field("where", "%s", err)
		}
	}
	return q, q.Validate()
}

// ofFlags names what is wrong with a query as the command line has it.
func ofFlags(err error) error {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Kind != problem.Invalid || p.Field == "" {
		return err
	}
	flag := map[string]string{"groupBy": "by", "timeZone": "zone"}
	return usageError(fmt.Sprintf("--%s: %s", cmp.Or(flag[p.Field], p.Field), p.Message))
}

func (cmd *usageQueryCmd) print(q *usage.Query, r *usage.Report, to *os.File) error {
	switch cmd.Format {
	case "json":
		if err := json.MarshalWrite(to, server.Usage(q, r), jsontext.Multiline(true), json.Deterministic(true)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(to)
		return err
	case "csv":
		return usageCSV(q, r, to)
	}
	width := 0
	if fd := int(to.Fd()); term.IsTerminal(fd) {
		if columns, _, err := term.GetSize(fd); err == nil {
			width = columns
		}
	}
	_, err := io.WriteString(to, usageTable(q, r, width))
	return err
}

// currencies returns those of a report, in order.
func currencies(r *usage.Report) (all []string) {
	for _, m := range r.Total.Money {
		all = append(all, m.Currency)
	}
	return all
}

func amountOf(money []usage.Money, currency string) string {
	at := slices.IndexFunc(money, func(m usage.Money) bool { return m.Currency == currency })
	if at < 0 {
		return ""
	}
	return money[at].Amount.String()
}

func usageCSV(q *usage.Query, r *usage.Report, to io.Writer) error {
	w := csv.NewWriter(to)
	head := []string{"FROM", "TO"}
	for _, d := range q.By {
		head = append(head, string(d))
	}
	head = append(head, "OTHER", "TOKENS", "OVERDRAFT", "COUNT", "REQUESTS", "DENIALS")
	if q.Distinct {
		head = append(head, "REQUESTERS")
	}
	for _, currency := range currencies(r) {
		head = append(head, "MONEY_"+currency)
	}
	_ = w.Write(head) // kept by the writer until Flush
	for i := range r.Rows {
		_ = w.Write(usageCSVRow(q, r, &r.Rows[i]))
	}
	w.Flush()
	return w.Error()
}

func usageCSVRow(q *usage.Query, r *usage.Report, row *usage.Row) []string {
	moment := func(ms int64) string {
		if ms == 0 && q.Interval == "" {
			return ""
		}
		return time.UnixMilli(ms).In(q.Zone).Format(time.RFC3339)
	}
	cells := []string{moment(row.FromMS), moment(row.ToMS)}
	for i := range q.By {
		text := ""
		if !row.Other {
			text = row.By[i].Text
		}
		cells = append(cells, text)
	}
	cells = append(cells, strconv.FormatBool(row.Other), row.Tokens.String(), row.Overdraft.String(), row.Count.String(),
		strconv.FormatInt(row.Requests, 10), strconv.FormatInt(row.Denials, 10))
	if q.Distinct {
		cells = append(cells, strconv.FormatInt(row.Requesters, 10))
	}
	for _, currency := range currencies(r) {
		cells = append(cells, amountOf(row.Money, currency))
	}
	return cells
}
