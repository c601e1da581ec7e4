package client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/usage"
)

// EventFilter says which usage events are meant; what is empty allows all.
type EventFilter struct {
	InstanceID, ActivationID, Item, Requester, RequesterType string
	Kind                                                     string // such as CHARGE or REFUND
	From, To                                                 time.Time
	Cursor                                                   string // go on behind here
	Limit                                                    int64  // on a page, or in an export; 0: as the server likes
}

func (f *EventFilter) query() map[string][]string {
	return query("instanceId", f.InstanceID, "activationId", f.ActivationID, "item", f.Item, "requester", f.Requester, "requesterType", f.RequesterType,
		"kind", f.Kind, "from", moment(f.From), "to", moment(f.To), "cursor", f.Cursor, "limit", number(f.Limit))
}

// Events are usage events, oldest first.
func (c *Client) Events(ctx context.Context, f EventFilter) iter.Seq2[usage.Event, error] {
	first := get(fareboxRoot+"/usage/events", f.query())
	return pages(ctx, c, first, func(p *api.Events) ([]usage.Event, *call) { return p.Events, first.turned("cursor", p.Next) })
}

// EventsPage is one page of usage events. Its Cursor goes on behind it, now or when more has been recorded.
func (c *Client) EventsPage(ctx context.Context, f EventFilter) (*api.Events, error) {
	return read[*api.Events](ctx, c, get(fareboxRoot+"/usage/events", f.query()))
}

// ExportEvents writes usage events to w, as csv, ndjson or parquet, and returns the cursor with which the next export goes on. When there is an error, what was
// written is not whole: throw it away and ask again with the same filter, which gives the same.
func (c *Client) ExportEvents(ctx context.Context, w io.Writer, format string, f EventFilter) (cursor string, err error) {
	q := f.query()
	q["format"] = []string{format}
	answer, err := c.stream(ctx, get(fareboxRoot+"/usage/export", q))
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(w, answer.Body); err != nil {
		return "", fmt.Errorf("the export broke off: %w", err)
	}
	cursor = answer.Trailer.Get("Farebox-Next-Cursor")
	if cursor == "" {
		return "", fmt.Errorf("the export broke off: it has no Farebox-Next-Cursor: %w", io.ErrUnexpectedEOF)
	}
	return cursor, nil
}

// UsageQuery asks for usage, added up. What is empty is left out.
type UsageQuery struct {
	From, To           time.Time
	Interval           string // hour, day, week, month
	TimeZone           string // of the intervals, such as Europe/Berlin; else UTC
	GroupBy            []string
	Top                int64
	DistinctRequesters bool
	Where              map[string]string // filters: dimensions by name, such as item or metadata.project
}

// Usage is what was used, added up as asked.
func (c *Client) Usage(ctx context.Context, u UsageQuery) (*api.Usage, error) {
	q := query("from", moment(u.From), "to", moment(u.To), "interval", u.Interval, "timeZone", u.TimeZone, "top", number(u.Top))
	if u.DistinctRequesters {
		q.Set("distinctRequesters", "true")
	}
	for _, dimension := range u.GroupBy {
		q.Add("groupBy", dimension)
	}
	for dimension, value := range u.Where { // an empty value means events that have nothing there
		q.Set(dimension, value)
	}
	return read[*api.Usage](ctx, c, get(fareboxRoot+"/usage", q))
}

// Insights are the questions that can be asked.
func (c *Client) Insights(ctx context.Context) ([]api.InsightName, error) {
	all, err := read[api.Insights](ctx, c, get(fareboxRoot+"/insights", nil))
	return all.Insights, err
}

// Insight answers a question; with says what it is asked with, such as days or order.
func (c *Client) Insight(ctx context.Context, name string, with map[string]string) (*api.Insight, error) {
	q := query()
	for parameter, value := range with {
		q.Set(parameter, value)
	}
	return read[*api.Insight](ctx, c, get(path(fareboxRoot+"/insights", name), q))
}

// Month is a calendar month of a statement, in a time zone such as Europe/Berlin; an empty one is UTC.
type Month struct {
	Year     int
	Month    time.Month
	TimeZone string
}

func (m *Month) call(root, id, format string) *call {
	return get(path(root, id, "statements", fmt.Sprintf("%04d-%02d", m.Year, m.Month)), query("timeZone", m.TimeZone, "format", format))
}

// Statement is the part of an account's statement that is about one instance.
func (c *Client) Statement(ctx context.Context, instanceID string, m Month) (*api.Statement, error) {
	return read[*api.Statement](ctx, c, m.call(fareboxRoot+"/instances", instanceID, ""))
}

// AccountStatement says what became of an account's tokens in a month.
func (c *Client) AccountStatement(ctx context.Context, accountID string, m Month) (*api.Statement, error) {
	return read[*api.Statement](ctx, c, m.call(fareboxRoot+"/accounts", accountID, ""))
}

// StatementAs is Statement as csv or html.
func (c *Client) StatementAs(ctx context.Context, instanceID string, m Month, format string) ([]byte, error) {
	return c.do(ctx, m.call(fareboxRoot+"/instances", instanceID, format))
}

// AccountStatementAs is AccountStatement as csv or html.
func (c *Client) AccountStatementAs(ctx context.Context, accountID string, m Month, format string) ([]byte, error) {
	return c.do(ctx, m.call(fareboxRoot+"/accounts", accountID, format))
}

// TestClock is the time of a server with a test clock.
func (c *Client) TestClock(ctx context.Context) (*api.TestClock, error) {
	return read[*api.TestClock](ctx, c, get(fareboxRoot+"/test-clock", nil))
}

// AdvanceTestClock sets a test clock forward, and answers once all that is due by then has been made.
func (c *Client) AdvanceTestClock(ctx context.Context, by time.Duration, with ...With) (*api.TestClock, error) {
	text := "PT" + strconv.FormatInt(int64(by/time.Second), 10) + "S"
	return read[*api.TestClock](ctx, c, send(http.MethodPost, fareboxRoot+"/test-clock", api.ClockAdvance{Advance: &text}, with))
}

// Health fails unless the server runs.
func (c *Client) Health(ctx context.Context) error { return c.done(ctx, get("/healthz", nil)) }

// Ready fails unless the server can answer requests.
func (c *Client) Ready(ctx context.Context) error { return c.done(ctx, get("/readyz", nil)) }

// Document is the server's OpenAPI document, in YAML.
func (c *Client) Document(ctx context.Context) ([]byte, error) {
	return c.do(ctx, get("/openapi.yaml", nil))
}

// Metrics are the server's metrics, as Prometheus reads them.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) { return c.do(ctx, get("/metrics", nil)) }
