package main

import (
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
	for at, want := range map[int64]string{
		0:    "[" + strings.Repeat(".", 40) + "]   0% ",
		50:   "[" + strings.Repeat("#", 20) + strings.Repeat(".", 20) + "]  50% ",
		1000: "[" + strings.Repeat("#", 40) + "] 100% ",
	} {
		if got := progress(0, 100, at); !strings.HasPrefix(got, want) {
			t.Errorf("at %d: %q, want %q", at, got, want)
		}
	}
	if got := progress(5, 5, 5); !strings.Contains(got, "  0%") {
		t.Errorf("of no time: %q", got)
	}
}
