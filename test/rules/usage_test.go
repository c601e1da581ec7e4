package rules

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// usage: usage [as=TOKEN] [PARAMETER=VALUE|VALUE ...]; the parameters are those of the query of usage. It must be answered the same
// from receipts and from what is folded of them.
func (w *world) usage(a args) string {
	query := url.Values{}
	for name, value := range a.named {
		if name != "as" {
			query[name] = strings.Split(w.expand(value), "|")
		}
	}
	ask := request{method: http.MethodGet, path: "/farebox/v1/usage?" + query.Encode(), as: a.or("as", "admin")}
	answer := w.do(ask)
	if err := w.engine.RebuildUsage(context.Background(), func(int64, int64) {}); err != nil {
		w.Fatal(err)
	}
	if again := w.do(ask); again.status != answer.status || again.body != answer.body {
		w.Fatalf("%s was answered %d %s\nand, when it was folded, %d %s", ask.path, answer.status, answer.body, again.status, again.body)
	}
	if answer.status != http.StatusOK {
		return outcome(answer)
	}
	var out api.Usage
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	return w.usageTable(&out)
}

func (w *world) usageTable(u *api.Usage) string {
	if len(u.Rows) == 0 {
		return "nothing"
	}
	zone, err := time.LoadLocation(u.TimeZone)
	if err != nil {
		w.Fatal(err)
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	head := slices.Clone(u.GroupBy)
	if u.Interval != "" {
		head = slices.Concat([]string{"FROM", "HOURS"}, head)
	}
	fmt.Fprintln(table, strings.Join(append(head, "TOKENS", "OVERDRAFT", "COUNT", "REQUESTS", "DENIALS", "REQUESTERS", "MONEY"), "\t"))
	for i := range u.Rows {
		r := &u.Rows[i]
		var cells []string
		if u.Interval != "" {
			from := time.UnixMilli(r.From).In(zone)
			cells = append(cells, from.Format("2006-01-02T15:04-07:00"), fmt.Sprint(float64(r.To-r.From)/3_600_000))
		}
		cells = append(cells, w.groupCells(u.GroupBy, r)...)
		fmt.Fprintln(table, strings.Join(append(cells, sumCells(r)...), "\t"))
	}
	if err := table.Flush(); err != nil {
		w.Fatal(err)
	}
	w.usageTotal(u)
	return text.String()
}

// groupCells are the values of a row; those that are texts in quotes where they could be taken for something else.
func (w *world) groupCells(by []string, r *api.UsageRow) (cells []string) {
	for _, name := range by {
		value, there := r.By[name]
		switch {
		case r.Other:
			cells = append(cells, "(rest)")
		case !there:
			w.Fatalf("a row has no %s", name)
		case value == nil:
			cells = append(cells, "null")
		case *value == "" || *value == "null" || strings.Contains(*value, " "):
			cells = append(cells, fmt.Sprintf("%q", *value))
		default:
			cells = append(cells, w.readable(*value))
		}
	}
	return cells
}

func sumCells(r *api.UsageRow) []string {
	requesters, money := "-", "-"
	if r.Requesters != nil {
		requesters = fmt.Sprint(*r.Requesters)
	}
	for i, m := range r.Money {
		if i == 0 {
			money = ""
		}
		money += fmt.Sprintf("%s %s ", m.Currency, m.Amount)
	}
	return []string{
		r.Tokens.String(), r.Overdraft.String(), r.Count.String(), fmt.Sprint(r.Requests), fmt.Sprint(r.Denials), requesters, strings.TrimSpace(money),
	}
}

// usageTotal checks that the total is the sum of the rows; of requesters, that there are no more than in rows together.
func (w *world) usageTotal(u *api.Usage) {
	var tokens, count token.Amount
	money := map[string]token.Amount{}
	var requests, denials, requesters int64
	for i := range u.Rows {
		r := &u.Rows[i]
		tokens, count, requests, denials = tokens.Add(r.Tokens), count.Add(r.Count), requests+r.Requests, denials+r.Denials
		for _, m := range r.Money {
			money[m.Currency] = money[m.Currency].Add(m.Amount)
		}
		if r.Requesters != nil {
			requesters += *r.Requesters
		}
	}
	t := &u.Total
	if !t.Tokens.Equal(tokens) || !t.Count.Equal(count) || t.Requests != requests || t.Denials != denials || len(t.Money) != len(money) {
		w.Errorf("the total %+v is not the sum of the rows", *t)
	}
	for _, m := range t.Money {
		if !m.Amount.Equal(money[m.Currency]) {
			w.Errorf("the total is %s %s, the rows add up to %s", m.Currency, m.Amount, money[m.Currency])
		}
	}
	if t.Requesters != nil && *t.Requesters > requesters {
		w.Errorf("%d requesters in total, %d in rows", *t.Requesters, requesters)
	}
}

// auditUsage compares the query with the list of events: what every line item's events add up to.
func (w *world) auditUsage(events []usage.Event, sums map[string]token.Amount) {
	var out api.Usage
	w.get("/farebox/v1/usage?groupBy=activationId", &out)
	requests := map[string]int64{}
	for i := range events {
		requests[events[i].ActivationID] += int64(events[i].Requests)
	}
	if len(out.Rows) != len(requests) {
		w.Errorf("the query of usage knows %d line items, the events %d", len(out.Rows), len(requests))
	}
	for i := range out.Rows {
		id := ""
		if value := out.Rows[i].By["activationId"]; value != nil {
			id = *value
		}
		if r := &out.Rows[i]; !r.Tokens.Equal(sums[id]) || r.Requests != requests[id] {
			w.Errorf("line item %q: the query of usage says %s tokens in %d requests, its events %s in %d", id, r.Tokens, r.Requests, sums[id], requests[id])
		}
	}
}
