package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/forecast"
	"github.com/farebox/farebox/store"
)

type usageBacktestCmd struct {
	Every     int    `default:"7" help:"How many days there are between two tries." placeholder:"DAYS"`
	Generated int    `help:"Try this many made-up customers of 400 days instead of a database." placeholder:"CUSTOMERS"`
	Seed      uint64 `default:"1" help:"What made-up customers are drawn from; the same seed makes the same ones." placeholder:"NUMBER"`
	Days      input  `help:"Try a file with the tokens of one day a line instead of a database; - is the standard input." placeholder:"FILE" type:"existingfile"`
	database  `embed:""`
}

// Help adds to --help.
func (*usageBacktestCmd) Help() string {
	return `How well forecasts would have done on what was recorded: it goes back in time, forecasts when a balance runs out, and
looks how long it took. A range should hold 80 of 100. docs/FORECASTS.md says more.

  farebox usage backtest --db ./farebox.db
  farebox usage backtest --generated 100`
}

// Run is the verb.
func (cmd *usageBacktestCmd) Run() error {
	if cmd.Every < 1 || cmd.Generated < 0 {
		return usageError("--every must be at least 1, --generated at least 0")
	}
	series, err := cmd.series()
	if err != nil {
		return err
	}
	scores := forecast.Backtest(series, cmd.Every)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "DAYS AHEAD\tTRIED\tERROR\tOF 30-DAY AVERAGE\tIN RANGE\tBEFORE\tAFTER\t\n")
	tried := 0
	for _, s := range scores {
		tried += s.Tried
		if s.Tried > 0 {
			fmt.Fprintf(w, "%d\t%d\t%.1f%%\t%.1f%%\t%.1f%%\t%.1f%%\t%.1f%%\t\n", s.HorizonDays, s.Tried, 100*s.Error, 100*s.Naive, 100*s.Covered, 100*s.Early, 100*s.Late)
		}
	}
	if tried == 0 {
		return errors.New("too little history: it takes an instance with 21 whole days since its first use")
	}
	return w.Flush()
}

func (cmd *usageBacktestCmd) series() (series [][]float64, err error) {
	switch {
	case cmd.Generated > 0:
		for i := range cmd.Generated {
			series = append(series, forecast.Traffic(cmd.Seed*1_000_000+uint64(i), 400))
		}
		return series, nil
	case cmd.Days != "":
		days, err := readDays(cmd.Days)
		return [][]float64{days}, err
	}
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return nil, err
	}
	err = s.View(context.Background(), func(r store.Reader) error {
		nowMS, err := nowOf(r)
		if err != nil {
			return err
		}
		days, err := engine.InstanceDays(r, nowMS)
		for _, one := range days {
			series = append(series, forecast.Floats(one))
		}
		return err
	})
	return series, errors.Join(err, s.Close())
}

// readDays reads a number a line.
func readDays(file input) (days []float64, err error) {
	content, err := file.read()
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		day, err := strconv.ParseFloat(strings.TrimSpace(lines.Text()), 64)
		if err != nil || day < 0 || day > 1e18 {
			return nil, fmt.Errorf("%s, line %d: must be the tokens of one day, such as 1250", file.name(), len(days)+1)
		}
		days = append(days, day)
	}
	return days, lines.Err()
}
