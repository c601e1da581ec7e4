package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

func TestPrintItems(t *testing.T) {
	plain := rate.Item{Name: "render", Version: "2.0", Rate: token.MustParse("7.5")}
	seat := rate.Item{Name: "cad", Rate: token.FromInt(8), Window: 24 * time.Hour}
	editor := rate.Item{Name: "editor", Rate: token.FromInt(2), FreeSeconds: 300}
	solve := rate.Item{Name: "solve", Formula: parse(t, "price\n * quantity"), Window: 24 * time.Hour}
	fit := rate.Item{Name: "fit", Formula: parse(t, "a+b")}
	for want, items := range map[string][]rate.Item{
		"NAME    VERSION  RATE\nrender  2.0      7.5\n": {plain},
		"NAME    VERSION  RATE  TERMS\nrender  2.0      7.5   \ncad              8     window P1D\neditor           2     freeSeconds 300\n":     {plain, seat, editor},
		"NAME    VERSION  RATE  FORMULA\nrender  2.0      7.5   \nfit                    a+b\n":                                                  {plain, fit},
		"NAME   VERSION  RATE  TERMS       FORMULA\nsolve                 window P1D  price * quantity\nfit                               a+b\n": {solve, fit},
	} {
		var b strings.Builder
		if err := printItems(&b, items); err != nil || b.String() != want {
			t.Errorf("%v\n%swant\n%s", err, b.String(), want)
		}
	}
}

func parse(t *testing.T, text string) *formula.Formula {
	t.Helper()
	f, err := formula.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// stepsFile writes a file of steps.
func stepsFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jobs.csv")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestImportSteps(t *testing.T) {
	file := stepsFile(t, "name,up-to,tokens\nsolve,8,21\nsolve,16,40\n")
	d := database{DB: filepath.Join(t.TempDir(), "farebox.db")}
	for _, row := range []struct {
		beyond  string
		dryRun  bool
		version string
		want    string // what 17 jobs cost
	}{
		{"error", false, "jobs", "division by 0, at character 47"}, {"last", false, "last", "40"}, {"error", true, "dry", ""},
	} {
		cmd := ratesStepsCmd{File: input(file), Variable: "Jobs", Beyond: row.beyond, posting: posting{database: d, DryRun: row.dryRun, Revision: row.version, Most: 20}}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if err := d.withRates(func(rates *rate.Catalog, _ int64) error {
			table := rates.Find("", row.version)
			if row.dryRun || table == nil {
				if (table == nil) != row.dryRun {
					t.Errorf("%s: the table is %+v", row.version, table)
				}
				return nil
			}
			price, err := table.Item("solve", "").Price(rate.Variables{"jobs": token.FromInt(17)})
			got := price.String()
			if err != nil {
				got = err.Error()
			}
			if got != row.want {
				t.Errorf("%s: 17 jobs cost %s, want %s", row.version, got, row.want)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// Who tries a table out may have no database yet, and is told before posting that a version is taken.
func TestDryRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prices.yaml")
	if err := os.WriteFile(file, []byte("items: [{name: a, rate: 1}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := ratesApplyCmd{File: input(file), posting: posting{database: database{DB: filepath.Join(t.TempDir(), "farebox.db")}, DryRun: true}}
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(cmd.DB); err == nil {
		t.Error("a dry run made a database")
	}
	cmd.DryRun = false
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	cmd.DryRun = true
	if err := cmd.Run(); err == nil || err.Error() != `version "prices" is there already (no series); give this one another, such as with --as` {
		t.Error(err)
	}
}

func TestImportOfNoCosts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(file, []byte(`{"m": {"max_tokens": 5}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := ratesLitellmCmd{File: input(file), TokensPerUSD: "1", posting: posting{database: database{DB: filepath.Join(t.TempDir(), "farebox.db")}}}
	if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "no model has a cost") {
		t.Error(err)
	}
}

func TestImportStepsRefuses(t *testing.T) {
	file := stepsFile(t, "name,up-to,tokens\nsolve,8,21\nsolve,4,40\n")
	for variable, want := range map[string]string{
		"a b":  `--variable: "a b" cannot be the name of a variable`,
		"jobs": file + `: line 3: up-to: must be more than 8`,
	} {
		cmd := ratesStepsCmd{File: input(file), Variable: variable}
		if err := cmd.Run(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", variable, err, want)
		}
	}
}
