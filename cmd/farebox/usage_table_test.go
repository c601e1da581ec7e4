package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

func someReport() (*usage.Query, *usage.Report) {
	sums := func(tokens, money string, requests int64) usage.Sums {
		s := usage.Sums{Tokens: token.MustParse(tokens), Count: token.MustParse("2"), Requests: requests, Denials: 1}
		if money != "" {
			s.Money = []usage.Money{{Currency: "EUR", Amount: token.MustParse(money)}}
		}
		return s
	}
	march := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	row := func(by usage.Value, s usage.Sums) usage.Row {
		return usage.Row{FromMS: march, ToMS: march + 86_400_000, By: []usage.Value{by}, Sums: s}
	}
	q := &usage.Query{FromMS: march, Interval: usage.Daily, Zone: time.UTC, By: []usage.Dimension{"metadata.project"}}
	r := &usage.Report{Rows: []usage.Row{
		row(usage.Value{Text: "apollo"}, sums("1200.5", "600.25", 31)), row(usage.Value{None: true}, sums("8", "", 2)),
		row(usage.Value{Text: "\x1b[31mred"}, sums("0", "", 1)), row(usage.Value{}, sums("-3", "", 1)),
		{FromMS: march, ToMS: march + 86_400_000, Other: true, Sums: sums("1", "", 4)},
	}, Total: sums("1206.5", "600.25", 39)}
	return q, r
}

func TestUsageTable(t *testing.T) {
	q, r := someReport()
	want := `from 2026-03-01T00:00:00Z
DAY         metadata.project  TOKENS  COUNT  REQUESTS  DENIALS     EUR
2026-03-01  apollo            1200.5      2        31        1  600.25
2026-03-01  -                      8      2         2        1
2026-03-01  "\x1b[31mred"          0      2         1        1
2026-03-01  ""                    -3      2         1        1
2026-03-01  (all others)           1      2         4        1
total                         1206.5      2        39        1  600.25
`
	if got := usageTable(q, r, 0); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := usageTable(q, &usage.Report{}, 80); got != "from 2026-03-01T00:00:00Z\nno usage was found: nothing was used then, or the filters select none of it\n" {
		t.Errorf("of nothing: %q", got)
	}
}

// Bars fill what is left of a terminal's lines and are not there where nothing is.
func TestUsageBars(t *testing.T) {
	q, r := someReport()
	for width := 40; width < 140; width++ {
		lines := strings.Split(usageTable(q, r, width), "\n")
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n >= width && strings.ContainsAny(line, "█▏▎▍▌▋▊▉") {
				t.Errorf("a line with a bar has %d columns of %d: %s", n, width, line)
			}
		}
		bar := strings.Count(lines[2], "█")
		if want := min(width-70-3, barsMost); bar != want && (bar != 0 || want >= barsLeast) {
			t.Errorf("the longest bar in %d columns has %d, want %d", width, bar, want)
		}
		if bar > 0 && (!strings.ContainsAny(lines[3], "▏▎") || strings.ContainsAny(lines[4]+lines[5]+lines[7], "█▏▎▍▌▋▊▉")) {
			t.Errorf("in %d columns\n%s", width, strings.Join(lines, "\n"))
		}
	}
}

func TestUsageCSV(t *testing.T) {
	q, r := someReport()
	var out strings.Builder
	if err := usageCSV(q, r, &out); err != nil {
		t.Fatal(err)
	}
	const day = "2026-03-01T00:00:00Z,2026-03-02T00:00:00Z,"
	want := "FROM,TO,metadata.project,OTHER,TOKENS,OVERDRAFT,COUNT,REQUESTS,DENIALS,MONEY_EUR\n" + day + "apollo,false,1200.5,0,2,31,1,600.25\n" +
		day + ",false,8,0,2,2,1,\n" + day + "\x1b[31mred,false,0,0,2,1,1,\n" + day + ",false,-3,0,2,1,1,\n" + day + ",true,1,0,2,4,1,\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestUsageQueryFlags(t *testing.T) {
	for _, c := range []struct {
		cmd  usageQueryCmd
		says string
	}{
		{usageQueryCmd{By: []string{"items"}}, `--by: "items" is nothing that usage is told apart by`},
		{usageQueryCmd{By: []string{"item,kind", "status", "currency"}}, "--by: has 4 dimensions, at most 3"},
		{usageQueryCmd{Zone: "Middle/Earth"}, `--zone: "Middle/Earth" is not the name of a time zone`},
		{usageQueryCmd{Zone: "Local"}, `--zone: "Local"`},
		{usageQueryCmd{From: "yesterday"}, `--from: must be a date`},
		{usageQueryCmd{From: "2026-02-01", To: "2026-01-01"}, "--to: must be after from"},
		{usageQueryCmd{Where: []string{"item"}}, `--where: "item" is not NAME=VALUE`},
		{usageQueryCmd{Where: []string{"kind=charge"}}, "--where: kind: must be CHARGE, AUTOMATIC_CHARGE, REFUND, SETTLEMENT, LEASE_REPORT, ADJUSTMENT, DENIAL"},
		{usageQueryCmd{Top: 3}, "--top: needs a groupBy"},
	} {
		if _, err := c.cmd.query(); err == nil || !strings.Contains(ofFlags(err).Error(), c.says) {
			t.Errorf("%+v: %v, want %s", c.cmd, err, c.says)
		}
	}
	q, err := (&usageQueryCmd{From: "2026-03-29", To: "2026-03-30", Zone: "Europe/Berlin"}).query()
	if err != nil || q.ToMS-q.FromMS != 23*3_600_000 {
		t.Errorf("the day on which the clock is set forward has %d ms, %v", q.ToMS-q.FromMS, err)
	}
}

// All others together are mostly more than anybody alone: a bar of theirs would leave none for the rest.
func TestUsageBarsLeaveOutAllOthers(t *testing.T) {
	rows := []usage.Row{{Sums: usage.Sums{Tokens: token.FromInt(10)}}, {Sums: usage.Sums{Tokens: token.FromInt(5)}}, {Other: true, Sums: usage.Sums{Tokens: token.FromInt(1000)}}}
	bars := tokenBars(rows, 8)
	if len(bars) != 3 || bars[0] != "████████" || bars[1] != "████" || bars[2] != "" {
		t.Errorf("the bars are %q", bars)
	}
}
