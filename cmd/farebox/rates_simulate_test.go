package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/server"
	"github.com/farebox/farebox/token"
)

func TestPrintSimulation(t *testing.T) {
	s := server.Simulation(&engine.Simulation{FromMS: 1767225600000, ToMS: 1767312000000, Requests: 5, Notes: []string{"all is not known"}, Rows: []engine.SimulatedRow{
		{AccountID: "ACME", Item: "preview", Version: "2", Charges: 1, Count: token.FromInt(1), OldTokens: token.FromInt(2), Refused: 1, RefusedStatus: ledger.NotFound, RefusedTokens: token.FromInt(2)},
		{AccountID: "ACME", Item: "render", Charges: 3, Count: token.FromInt(4), OldTokens: token.FromInt(20), NewTokens: token.FromInt(24), Denied: 1},
	}})
	for _, c := range []struct {
		format string
		most   int
		want   string
	}{
		{"table", -1, `from 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z, 5 requests, 4 charges at rates of the series
ACCOUNT  ITEM     VERSION  CHARGES  OLD  NEW  DIFFERENCE  REFUSED
ACME     render            3        20   24   +4          -
ACME     preview  2        1        2    0    -2          1 (Item not found in any effective rate table)
not priced: preview 2
note: all is not known
22 tokens were charged, 24 would have been (+2); 1 charges of 2 tokens would have been refused
`},
		{"table", 1, `from 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z, 5 requests, 4 charges at rates of the series
ACCOUNT  ITEM    VERSION  CHARGES  OLD  NEW  DIFFERENCE  REFUSED
ACME     render           3        20   24   +4          -
… and 1 more; --most -1 lists all
not priced: preview 2
note: all is not known
22 tokens were charged, 24 would have been (+2); 1 charges of 2 tokens would have been refused
`},
		{"csv", 0, `ACCOUNT_ID,ITEM,ITEM_VERSION,CHARGES,COUNT,OLD_TOKENS,NEW_TOKENS,DIFFERENCE,REFUSED,REFUSED_TOKENS,REFUSED_STATUS,DENIED,DENIED_UNPRICED
ACME,preview,2,1,1,2,0,-2,1,2,1201,0,0
ACME,render,,3,4,20,24,4,0,0,,1,0
`},
	} {
		var b strings.Builder
		if err := (&ratesSimulateCmd{Format: c.format, Most: c.most}).print(s, &b); err != nil || b.String() != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.format, err, b.String(), c.want)
		}
	}
	var b strings.Builder
	if err := (&ratesSimulateCmd{Format: "json"}).print(s, &b); err != nil || !strings.Contains(b.String(), `"notPriced": [`) || !strings.HasSuffix(b.String(), "}\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestProgress(t *testing.T) {
	const at, end = " 1970-01-01T00:00:00Z", "  50%"
	bar := func(full, empty int) string {
		return "[" + strings.Repeat("#", full) + strings.Repeat(".", empty) + "]"
	}
	for _, row := range []struct {
		atMS  int64
		width int
		want  string
	}{
		{0, 200, bar(0, 40) + "   0%" + at}, {50, 200, bar(20, 20) + end + at}, {1000, 200, bar(40, 0) + " 100% 1970-01-01T00:00:01Z"},
		{-5, 69, bar(0, 40) + "   0% 1969-12-31T23:59:59Z"},
		{50, 68, bar(20, 20) + end + at}, {50, 67, bar(19, 20) + end + at}, {50, 39, bar(5, 6) + end + at}, {50, 31, " 50%" + at}, {50, 25, " 50%" + at}, {50, 24, bar(8, 9) + end}, {50, 9, " 50%"}, {50, 3, " 50%"},
	} {
		if got := progress(0, 100, row.atMS, row.width); got != row.want {
			t.Errorf("at %d in %d columns: %q, want %q", row.atMS, row.width, got, row.want)
		}
	}
	if got := progress(5, 5, 5, 80); !strings.Contains(got, "  0%") {
		t.Errorf("of no time: %q", got)
	}
}

func TestNoProgressInFiles(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := newBar(f, 100)
	b.show(50)
	b.clear()
	if info, err := f.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v", info, err)
	}
}
