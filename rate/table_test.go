package rate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

func TestValidate(t *testing.T) {
	long := strings.Repeat("x", problem.NameBytes)
	good := func() *Table {
		table := priced("view 0", "view@1 9999999999999999999.999999999999", "view@01 1", "VIEW 1")
		table.Items[0].Name, table.Version, table.Series = long, long, long
		return table
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Table){
		"version: is required":                func(t *Table) { t.Version = "" },
		"version: is longer than 256 bytes":   func(t *Table) { t.Version += "x" },
		"version: \"1\\n\" has a control":     func(t *Table) { t.Version = "1\n" },
		"series: is longer than 256 bytes":    func(t *Table) { t.Series += "x" },
		"series: is not UTF-8":                func(t *Table) { t.Series = "\xff" },
		"effectiveFrom: must be milliseconds": func(t *Table) { t.EffectiveFromMS = -1 },
		"effectiveFrom: must be milliseconds since 1970, not negative and not after the year 9999": func(t *Table) { t.EffectiveFromMS = period.LatestMS + 1 },
		"items: must have at least one":                                  func(t *Table) { t.Items = nil },
		"items: has 100001 items, at most 100000":                        func(t *Table) { t.Items = make([]Item, ItemsMost+1) },
		"items[1].name: is required":                                     func(t *Table) { t.Items[1].Name = "" },
		"items[0].name: is longer than 256 bytes":                        func(t *Table) { t.Items[0].Name += "x" },
		"items[2].name: \"a\\x00\" has a control":                        func(t *Table) { t.Items[2].Name = "a\x00" },
		"items[2].version: is longer than 256":                           func(t *Table) { t.Items[2].Version = long + "x" },
		"items[1].rate: must not be negative, and is -0.5 for \"view\" ": func(t *Table) { t.Items[1].Rate = token.MustParse("-0.5") },
		"items[2].name: \"view\" version \"1\" is items[1] already":      func(t *Table) { t.Items[2].Version = "1" },
		"items[3].name: \"view\" is items[0] already":                    func(t *Table) { t.Items[0].Name, t.Items[3].Name = "view", "view" },
	} {
		table := good()
		spoil(table)
		if err := table.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) || problem.KindOf(err) != problem.Invalid {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestValidateTerms(t *testing.T) {
	for _, row := range []struct {
		freeSeconds int64
		window      time.Duration
		want        string // empty: it is good
	}{
		{0, 0, ""},
		{1, 0, ""},
		{FreeSecondsMost, 0, ""},
		{-1, 0, `freeSeconds: must be from 0 to 86400 (a day), and is -1 for "view" version "2"`},
		{FreeSecondsMost + 1, 0, `freeSeconds: must be from 0 to 86400 (a day), and is 86401 for "view" version "2"`},
		{0, WindowLeast, ""},
		{0, WindowMost, ""},
		{0, WindowLeast - time.Second, `window: must be from PT1M to P366D, and is PT59S for "view" version "2"`},
		{0, WindowMost + time.Second, `window: must be from PT1M to P366D, and is P366DT1S for "view" version "2"`},
		{0, -WindowLeast, `window: must be from PT1M to P366D`},
		{1, WindowLeast, `window: contradicts freeSeconds: what a charge covers cannot be given back; leave one of them out for "view" version "2"`},
	} {
		table := priced("store 1", "view@2 5")
		table.Items[1].FreeSeconds, table.Items[1].Window = row.freeSeconds, row.window
		err := table.Validate()
		if row.want == "" && err == nil {
			continue
		}
		if err == nil || row.want == "" || !strings.HasPrefix(err.Error(), "items[1]."+row.want) || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%d seconds free and a window of %s: got %v, want %q", row.freeSeconds, row.window, err, row.want)
		}
	}
}

func TestValidateFormula(t *testing.T) {
	table := priced("a 1", "b =price*quantity window=P1D")
	if err := table.Validate(); err != nil {
		t.Fatal(err)
	}
	table.Items[1].Rate = token.FromInt(1)
	const want = `items[1].formula: contradicts rate: "b" has one or the other; leave one of them out`
	if err := table.Validate(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestValidateNamesTheField(t *testing.T) {
	table := priced("view 1")
	table.Items[0].Name = ""
	var p *problem.Error
	if err := table.Validate(); !errors.As(err, &p) || p.Field != "items[0].name" {
		t.Errorf("got %v", err)
	}
}

func TestValidateTakesTheMostItems(t *testing.T) {
	items := make([]Item, ItemsMost)
	for i := range items {
		items[i].Name = fmt.Sprint(i)
	}
	if err := (&Table{Version: "1", Items: slices.Clip(items)}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestItemMatchesNameAndVersionExactly(t *testing.T) {
	table := priced("view 1", "view@2 3", "render@1.2 5")
	NewCatalog([]*Table{table})
	for _, row := range []struct{ name, version, want string }{
		{"view", "", "1"}, {"view", "2", "3"}, {"render", "1.2", "5"},
		{"render", "", "none"}, {"render", "1.20", "none"}, {"View", "", "none"}, {"view ", "", "none"}, {"view", "3", "none"}, {"", "", "none"},
	} {
		got := "none"
		if item := table.Item(row.name, row.version); item != nil {
			got = item.Rate.String()
		}
		if got != row.want {
			t.Errorf("%q version %q costs %s, want %s", row.name, row.version, got, row.want)
		}
	}
	if (*Table)(nil).Item("view", "") != nil {
		t.Error("no table prices something")
	}
}

func TestItemHasItsTerms(t *testing.T) {
	table := priced("view 1", "cad 8 window=P1D", "tool 2 freeSeconds=300")
	NewCatalog([]*Table{table})
	for name, want := range map[string]string{"view": "", "cad": "window P1D", "tool": "freeSeconds 300"} {
		if got := table.Item(name, "").Terms(); got != want {
			t.Errorf("the terms of %s are %q, want %q", name, got, want)
		}
	}
}
