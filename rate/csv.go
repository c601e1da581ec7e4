package rate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/farebox/farebox/problem"
)

// columns are those that a CSV file may have, in lower case: capital letters do not count.
var columns = []string{"name", "version", "rate", "freeseconds", "window"}

// readCSV reads a header and an item a row. Spaces around a cell do not count, nor do rows without content, which
// spreadsheets like to leave behind.
func readCSV(content []byte) (*File, error) {
	r := csv.NewReader(bytes.NewReader(content))
	header, err := r.Read()
	if err != nil {
		return nil, csvProblem(err)
	}
	at, err := columnsOf(header)
	if err != nil {
		return nil, onLine(1, err)
	}
	var e entries
	for {
		row, err := r.Read()
		if err == io.EOF {
			return &File{Table: Table{Items: e.items}}, nil
		}
		if err != nil {
			return nil, csvProblem(err)
		}
		line, _ := r.FieldPos(0)
		if err := e.addRow(row, at, line); err != nil {
			return nil, err
		}
	}
}

// columnsOf says at which place of a row the columns are.
func columnsOf(header []string) (at map[string]int, err error) {
	at = make(map[string]int)
	for i, cell := range header {
		name := strings.ToLower(strings.TrimSpace(cell))
		switch _, twice := at[name]; {
		case !slices.Contains(columns, name) && strings.ContainsAny(name, ";\t"):
			return nil, problem.New(problem.Invalid, "the header is %.40q; separate the columns with commas", name)
		case !slices.Contains(columns, name):
			return nil, problem.New(problem.Invalid, "the column %.40q is not known; the columns are name, version, rate, freeSeconds and "+
				"window, and what holds for the whole table is told to the command", name)
		case twice:
			return nil, problem.New(problem.Invalid, "the column %q is there twice; remove one of the two", name)
		}
		at[name] = i
	}
	for _, required := range []string{"name", "rate"} {
		if _, there := at[required]; !there {
			return nil, problem.New(problem.Invalid, "the column %q is missing; the first line names the columns, such as name,version,rate", required)
		}
	}
	return at, nil
}

func (e *entries) addRow(row []string, at map[string]int, line int) (err error) {
	cell := func(column string) string {
		if i, there := at[column]; there {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	if strings.TrimSpace(strings.Join(row, "")) == "" {
		return nil
	}
	item := Item{Name: cell("name"), Version: cell("version")}
	rate := cell("rate")
	if rate == "" {
		return onLine(line, problem.Field("rate", "is required; write 0 for what is free"))
	}
	if item.Rate, err = amount(rate); err != nil {
		return onLine(line, problem.Field("rate", "%v", err))
	}
	if item.FreeSeconds, err = seconds(cell("freeseconds")); err != nil {
		return onLine(line, problem.Field("freeSeconds", "%v", err))
	}
	if item.Window, err = window(cell("window")); err != nil {
		return onLine(line, problem.Field("window", "%v", err))
	}
	return e.add(item, "", line)
}

func csvProblem(err error) error {
	e, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case !ok:
		return onLine(1, problem.New(problem.Invalid, "the file is empty; the first line names the columns, such as name,version,rate"))
	case errors.Is(e.Err, csv.ErrFieldCount):
		return onLine(e.Line, problem.New(problem.Invalid, "this row has more or fewer cells than the header; put a cell that has a comma in quotes"))
	}
	return onLine(e.StartLine, problem.New(problem.Invalid, "this is not CSV: %v; put a cell that has quotes in quotes and double those inside", e.Err))
}
