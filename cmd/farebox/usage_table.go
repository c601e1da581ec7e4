package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// usageTable draws a report for people. On a terminal of so many columns (0: it is none), bars stand beside it where there is room.
func usageTable(q *usage.Query, r *usage.Report, width int) string {
	head := usageTime(q)
	if len(r.Rows) == 0 {
		return head + "no usage was found: nothing was used then, or the filters select none of it\n"
	}
	t := &textTable{}
	t.begin(q, r)
	for i := range r.Rows {
		t.row(q, r, &r.Rows[i], width > 0)
	}
	if len(r.Rows) > 1 {
		t.total(q, r)
	}
	lines := t.lines()
	room := width - utf8.RuneCountInString(lines[0]) - 3 // a line that is full would begin another
	for i, bar := range tokenBars(r.Rows, min(room, barsMost)) {
		lines[i+1] += "  " + bar
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return head + strings.Join(lines, "\n") + "\n"
}

// usageTime tells of what time a report is; nothing if it is of all.
func usageTime(q *usage.Query) string {
	text := ""
	if q.FromMS != 0 {
		text += "from " + time.UnixMilli(q.FromMS).In(q.Zone).Format(time.RFC3339) + " "
	}
	if q.ToMS != 0 {
		text += "to " + time.UnixMilli(q.ToMS).In(q.Zone).Format(time.RFC3339) + " "
	}
	if text != "" {
		text = strings.TrimSpace(text) + "\n"
	}
	return text
}

// textTable is lines of cells, of which numbers stand to the right.
type textTable struct {
	cells [][]string
	left  int // how many columns are no numbers
}

func (t *textTable) begin(q *usage.Query, r *usage.Report) {
	var head []string
	if q.Interval != "" {
		head = append(head, strings.ToUpper(string(q.Interval)))
	}
	for _, d := range q.By {
		head = append(head, printable(string(d), false))
	}
	t.left = len(head)
	head = append(head, "TOKENS")
	if !r.Total.Overdraft.IsZero() {
		head = append(head, "OVERDRAFT")
	}
	head = append(head, "COUNT", "REQUESTS", "DENIALS")
	if q.Distinct {
		head = append(head, "REQUESTERS")
	}
	t.cells = append(t.cells, append(head, currencies(r)...))
}

func (t *textTable) row(q *usage.Query, r *usage.Report, row *usage.Row, short bool) {
	var cells []string
	if q.Interval != "" {
		cells = append(cells, time.UnixMilli(row.FromMS).In(q.Zone).Format(intervalLayout[q.Interval]))
	}
	for i := range q.By {
		switch {
		case row.Other && i == 0:
			cells = append(cells, "(all others)")
		case row.Other:
			cells = append(cells, "")
		case row.By[i].None:
			cells = append(cells, "-")
		default:
			cells = append(cells, printable(row.By[i].Text, short))
		}
	}
	t.cells = append(t.cells, append(cells, sumCells(q, r, &row.Sums)...))
}

var intervalLayout = map[usage.Interval]string{
	usage.Hourly: "2006-01-02 15:04 -07:00", usage.Daily: "2006-01-02", usage.Weekly: "2006-01-02", usage.Monthly: "2006-01",
}

func (t *textTable) total(q *usage.Query, r *usage.Report) {
	cells := make([]string, t.left)
	cells[0] = "total" // more rows than one have something that tells them apart
	t.cells = append(t.cells, append(cells, sumCells(q, r, &r.Total)...))
}

func sumCells(q *usage.Query, r *usage.Report, s *usage.Sums) []string {
	cells := []string{s.Tokens.String()}
	if !r.Total.Overdraft.IsZero() {
		cells = append(cells, s.Overdraft.String())
	}
	cells = append(cells, s.Count.String(), strconv.FormatInt(s.Requests, 10), strconv.FormatInt(s.Denials, 10))
	if q.Distinct {
		cells = append(cells, strconv.FormatInt(s.Requesters, 10))
	}
	for _, currency := range currencies(r) {
		cells = append(cells, amountOf(s.Money, currency))
	}
	return cells
}

// lines aligns the cells; all lines are equally long.
func (t *textTable) lines() []string {
	widths := make([]int, len(t.cells[0]))
	for _, row := range t.cells {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, len(t.cells))
	for n, row := range t.cells {
		var line strings.Builder
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < t.left {
				line.WriteString(cell + gap)
			} else {
				line.WriteString(gap + cell)
			}
		}
		lines[n] = line.String()
	}
	return lines
}

// cellMost is how long a value may be on a terminal.
const cellMost = 40

// printable makes a value harmless to a terminal: callers choose what stands in metadata.
func printable(text string, short bool) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(text) {
		text = strconv.QuoteToGraphic(text)
	}
	if runes := []rune(text); short && len(runes) > cellMost {
		text = string(runes[:cellMost-1]) + "…"
	}
	return text
}

const (
	barsMost  = 40 // columns
	barsLeast = 6
)

// tokenBars draws the tokens of rows as bars of up to so many columns; nothing if those are too few, nor for all others together.
func tokenBars(rows []usage.Row, columns int) []string {
	if columns < barsLeast {
		return nil
	}
	var most token.Amount
	for i := range rows {
		if !rows[i].Other && most.Less(rows[i].Tokens) { // all others together say nothing of anybody
			most = rows[i].Tokens
		}
	}
	if most.IsZero() {
		return nil
	}
	bars := make([]string, len(rows))
	for i := range rows {
		if rows[i].Other {
			continue
		}
		eighths := int(float(rows[i].Tokens) / float(most) * float64(8*columns))
		if rows[i].Tokens.Sign() > 0 {
			eighths = max(eighths, 1) // something was used
		}
		if eighths > 0 {
			bars[i] = strings.Repeat("█", eighths/8) + strings.TrimSpace(string([]rune(" ▏▎▍▌▋▊▉")[eighths%8]))
		}
	}
	return bars
}

// float is for drawing alone.
func float(a token.Amount) (f float64) {
	_, _ = fmt.Sscan(a.String(), &f)
	return f
}
