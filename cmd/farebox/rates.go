package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

type ratesCmd struct {
	Apply    ratesApplyCmd    `cmd:"" help:"Post a rate table from a YAML, JSON or CSV file, after showing what it changes."`
	Import   ratesImportCmd   `cmd:"" help:"Post a rate table from a price list of another kind."`
	Simulate ratesSimulateCmd `cmd:"" help:"Replay recorded usage against a draft of a rate table."`
	List     ratesListCmd     `cmd:"" help:"List the rate tables."`
	Show     ratesShowCmd     `cmd:"" help:"Print the items of a rate table."`
}

// Help adds to --help.
func (*ratesCmd) Help() string {
	return `A table takes over at its date, and is never edited: what changes is a new version.

  farebox rates apply prices.yaml --dry-run
  farebox rates list`
}

type ratesImportCmd struct {
	Litellm ratesLitellmCmd `cmd:"" name:"litellm" help:"From a price list of language models in the LiteLLM schema."`
	Steps   ratesStepsCmd   `cmd:"" help:"From a CSV file of price steps, such as 1 to 8 jobs, 9 to 16 jobs."`
}

// Help adds to --help.
func (*ratesImportCmd) Help() string {
	return `What is read becomes a rate table, which is posted after showing what it changes.

  farebox rates import litellm model_prices.json --series models --tokens-per-usd 100`
}

// posting is what both ways of posting a table share.
type posting struct {
	Series    string `help:"The series; without one the table is of the tables without a series." placeholder:"NAME"`
	Revision  string `name:"as" help:"The table's version, for people; the file's own, or else its name." placeholder:"VERSION"`
	Effective moment `help:"From when on it prices: a date or a time such as 2026-01-31T08:00:00Z; now unless given." placeholder:"TIME"`
	DryRun    bool   `help:"Show what would change, and change nothing."`
	Most      int    `default:"20" help:"How many changes of a kind are listed; -1 lists all." placeholder:"N"`
	database  `embed:""`
}

type ratesApplyCmd struct {
	File    input `arg:"" type:"existingfile" help:"A rate table; its name ends in .yaml, .yml, .json or .csv. Or - for the standard input."`
	posting `embed:""`
}

// Help adds to --help.
func (*ratesApplyCmd) Help() string {
	return `A YAML or JSON file has series, version, effectiveFrom and items, each with name, version and rate. A CSV file has
the columns name, version and rate. Flags win over the file. A running server prices by the new table at once.

In place of a rate an item or a row may have a formula, as in a spreadsheet: price * quantity. Requests of v1.1 give the
values of its variables.

An item or a row may also have terms: freeSeconds, such as 300 (use in a session shorter than this costs nothing), or
window, such as P1D (one charge covers a requester's use of the item for so long). See examples/rates. And cost, such as
0.4: what one costs you, in your own money; nothing is priced by it.

The standard input has no name to tell the format by: what begins with { is JSON, with a line of column names CSV, and all
else is YAML. Its version is its own, or --as.

  farebox rates apply prices.yaml --dry-run
  farebox rates apply prices.csv --series 2026 --as 2 --effective 2026-07-01
  curl -s https://example.com/prices.json | farebox rates apply - --as 3`
}

// Run is the verb.
func (cmd *ratesApplyCmd) Run() error {
	content, err := cmd.File.read()
	if err != nil {
		return err
	}
	file, err := rate.ReadFile(cmd.File.name(), content)
	if err != nil {
		return err
	}
	return cmd.post(&file.Table, file.HasEffectiveFrom, cmd.File)
}

type ratesLitellmCmd struct {
	File         input  `arg:"" type:"existingfile" help:"A JSON file in the LiteLLM schema, or - for the standard input."`
	TokensPerUSD string `default:"1" name:"tokens-per-usd" help:"How many tokens a dollar of cost is; may have a fraction." placeholder:"N"`
	posting      `embed:""`
}

// Help adds to --help.
func (*ratesLitellmCmd) Help() string {
	return `Every cost of a model becomes an item: input_cost_per_token of claude-3-haiku is claude-3-haiku/input. What cannot be
taken is listed.

  farebox rates import litellm model_prices.json --series models --tokens-per-usd 1000`
}

// Run is the verb.
func (cmd *ratesLitellmCmd) Run() error {
	perUSD, err := token.Parse(cmd.TokensPerUSD)
	if err != nil {
		return usageError(fmt.Sprintf("--tokens-per-usd %v", err))
	}
	content, err := cmd.File.read()
	if err != nil {
		return err
	}
	items, leftOut, err := rate.ImportLiteLLM(content, perUSD)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File.name(), err)
	}
	if len(items) == 0 {
		return fmt.Errorf("%s: no model has a cost, such as input_cost_per_token; is it a price list in the LiteLLM schema?", cmd.File.name())
	}
	for _, line := range leftOut {
		fmt.Printf("note: %s\n", line)
	}
	return cmd.post(&rate.Table{Items: items}, false, cmd.File)
}

type ratesStepsCmd struct {
	File     input  `arg:"" type:"existingfile" help:"A CSV file with the columns name, version (may be left out), up-to or from, and tokens. Or - for the standard input."`
	Variable string `default:"quantity" help:"The name of the variable that requests give the value in."`
	Beyond   string `enum:"error,last" default:"error" help:"What is past the last up-to: error denies the request, last charges what the last step costs."`
	posting  `embed:""`
}

// Help adds to --help.
func (*ratesStepsCmd) Help() string {
	return `Each row is a step; the steps of an item are listed in rising order:

  name,up-to,tokens
  solve,8,21
  solve,16,40

Up to 8 costs 21 tokens, more than 8 and up to 16 costs 40. With the column from in place of up-to, a step begins with its value,
and the last one has no end. What is below the first step costs what that does. Each item gets a formula, which is compared with
the steps on both sides of every bound before it is posted. Its value is what a count of one costs: applications ask for

  {"item": "solve", "count": 1, "variables": {"jobs": 12}}

  farebox rates import steps jobs.csv --variable jobs --series solver --dry-run`
}

// Run is the verb.
func (cmd *ratesStepsCmd) Run() error {
	if err := rate.CheckVariable(cmd.Variable); err != nil {
		return usageError("--" + err.Error())
	}
	content, err := cmd.File.read()
	if err != nil {
		return err
	}
	items, err := rate.ImportSteps(content, cmd.Variable, cmd.Beyond == "last")
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File.name(), err)
	}
	return cmd.post(&rate.Table{Items: items}, false, cmd.File)
}

// post completes a table from flags, shows what it changes, and posts it.
func (p *posting) post(t *rate.Table, dated bool, file input) error {
	if p.Series != "" {
		t.Series = p.Series
	}
	switch {
	case p.Revision != "":
		t.Version = p.Revision
	case t.Version == "":
		if t.Version = file.version(); t.Version == "" {
			return errors.New("the table has no version, and the standard input no name to take one from; give it one with --as")
		}
	}
	p.Effective.setMS(&t.EffectiveFromMS)
	if err := t.Validate(); err != nil {
		return fmt.Errorf("%s: %w", file.name(), err)
	}
	if p.DryRun && p.missing() { // who tries a table out often has none
		if p.Effective.IsZero() && !dated {
			t.EffectiveFromMS = time.Now().UnixMilli()
		}
		slog.Warn("there is no such database yet", "db", p.DB)
		return p.tried(rate.NewCatalog(nil), t)
	}
	return p.withEngine(!p.DryRun, func(ctx context.Context, e *engine.Engine) error {
		if p.Effective.IsZero() && !dated {
			t.EffectiveFromMS = e.Now()
		}
		if p.DryRun {
			return p.tried(e.Settings().Rates, t)
		}
		if err := p.show(e.Settings().Rates, t); err != nil {
			return err
		}
		if err := change(ctx, e, func(tx *engine.Change) error { return tx.AddRateTable(t) }); err != nil {
			return err
		}
		fmt.Println("saved")
		return nil
	})
}

// tried ends a dry run.
func (p *posting) tried(rates *rate.Catalog, t *rate.Table) error {
	if err := p.show(rates, t); err != nil {
		return err
	}
	if rates.Find(t.Series, t.Version) != nil {
		return fmt.Errorf("version %q is there already (%s); give this one another, such as with --as", t.Version, seriesText(t.Series))
	}
	fmt.Println("dry run: nothing was changed")
	return nil
}

// show prints what a table changes against the one that it takes over from.
func (p *posting) show(rates *rate.Catalog, t *rate.Table) error {
	older := rates.Effective(t.Series, t.EffectiveFromMS)
	against := "the first of its series"
	if older != nil {
		against = "against version " + older.Version
	}
	fmt.Printf("%s, version %s, from %s, %d items, %s:\n", seriesText(t.Series), t.Version, timeText(t.EffectiveFromMS), len(t.Items), against)
	diff := rate.Compare(older, t)
	if older != nil && diff.Same() {
		fmt.Println("it prices everything as before")
	}
	return diff.Print(os.Stdout, p.Most)
}

func seriesText(name string) string {
	if name == "" {
		return "no series"
	}
	return "series " + name
}

type ratesListCmd struct {
	database `embed:""`
}

// Help adds to --help.
func (*ratesListCmd) Help() string {
	return `Marks the version of each series that prices now.

  farebox rates list --db ./farebox.db`
}

// Run is the verb.
func (cmd *ratesListCmd) Run() error {
	return cmd.withRates(func(rates *rate.Catalog, nowMS int64) error {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SERIES\tVERSION\tEFFECTIVE FROM\tCREATED\tITEMS\t")
		for _, t := range rates.Tables() {
			mark := ""
			if rates.Effective(t.Series, nowMS) == t {
				mark = "effective"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", t.Series, t.Version, timeText(t.EffectiveFromMS), timeText(t.CreatedMS), len(t.Items), mark)
		}
		return w.Flush()
	})
}

// withRates opens a database to read its rate tables, at its time.
func (d *database) withRates(fn func(rates *rate.Catalog, nowMS int64) error) error {
	s, err := d.open(opening{read: true})
	if err != nil {
		return err
	}
	nowMS, err := timeOf(context.Background(), s)
	if err == nil {
		err = fn(s.Settings().Rates, nowMS)
	}
	return errors.Join(err, s.Close())
}

type ratesShowCmd struct {
	Series   string `help:"The series; without one, of the tables without a series." placeholder:"NAME"`
	Revision string `name:"as" help:"The version; the effective one unless given." placeholder:"VERSION"`
	Item     string `help:"Only items whose name has this in it." placeholder:"TEXT"`
	database `embed:""`
}

// Help adds to --help.
func (*ratesShowCmd) Help() string {
	return `Of the version that prices now, or of the one that --as names.

  farebox rates show --series models --item claude`
}

// Run is the verb.
func (cmd *ratesShowCmd) Run() error {
	return cmd.withRates(func(rates *rate.Catalog, nowMS int64) error {
		t := rates.Effective(cmd.Series, nowMS)
		if cmd.Revision != "" {
			t = rates.Find(cmd.Series, cmd.Revision)
		}
		if t == nil {
			return fmt.Errorf("%s has no such table; `farebox rates list` shows what there is", seriesText(cmd.Series))
		}
		slog.Info("rate table", "series", t.Series, "version", t.Version, "effective", timeText(t.EffectiveFromMS))
		return printItems(os.Stdout, slices.DeleteFunc(slices.Clone(t.Items), func(item rate.Item) bool {
			return !strings.Contains(item.Name, cmd.Item)
		}))
	})
}

// printItems has columns of terms and formulas only where there are some: most tables have none. Formulas may be long, and so
// come last.
func printItems(to io.Writer, items []rate.Item) error {
	terms := slices.ContainsFunc(items, func(item rate.Item) bool { return item.Terms() != "" })
	formulas := slices.ContainsFunc(items, func(item rate.Item) bool { return item.Formula != nil })
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	header := "NAME\tVERSION\tRATE"
	if terms {
		header += "\tTERMS"
	}
	if formulas {
		header += "\tFORMULA"
	}
	fmt.Fprintln(w, header)
	for _, item := range items {
		price := item.Rate.String()
		if item.Formula != nil {
			price = ""
		}
		line := fmt.Sprintf("%s\t%s\t%s", item.Name, item.Version, price)
		if terms {
			line += "\t" + item.Terms()
		}
		if formulas {
			line += "\t" + item.FormulaText()
		}
		fmt.Fprintln(w, line)
	}
	return w.Flush()
}
