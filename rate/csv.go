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

// columns are those that a CSV file may have.
var columns = []string{"name", "version", "rate"}

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

// columnsOf says at which place of a row the columns are; -1 where there is none.
func columnsOf(header []string) (at map[string]int, err error) {
	at = map[string]int{"version": -1}
	for i, cell := range header {
		name := strings.ToLower(strings.TrimSpace(cell))
		switch first, twice := at[name]; {
		case !slices.Contains(columns, name) && strings.ContainsAny(name, ";\t"):
			return nil, problem.New(problem.Invalid, "the header is %.40q; separate the columns with commas", name)
		case !slices.Contains(columns, name):
			return nil, problem.New(problem.Invalid, "the column %.40q is not known; the columns are name, version and rate, and what holds "+
				"for the whole table is told to the command", name)
		case twice && first >= 0:
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
		if i := at[column]; i >= 0 {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	item := Item{Name: cell("name"), Version: cell("version")}
	rate := cell("rate")
	switch {
	case rate == "" && item.Name == "" && item.Version == "":
		return nil
	case rate == "":
		return onLine(line, problem.Field("rate", "is required; write 0 for what is free"))
	}
	if item.Rate, err = amount(rate); err != nil {
		return onLine(line, problem.Field("rate", "%v", err))
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
