package rate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/problem"
)

// readCSV reads a header and an item a row.
func readCSV(content []byte) (*File, error) {
	s, err := openSheet(content, "name,version,rate", "name", "version", "rate", "formula", "freeSeconds", "window", "cost")
	if err != nil {
		return nil, err
	}
	if err := s.require("name"); err != nil {
		return nil, err
	}
	if err := s.require("rate", "formula"); err != nil {
		return nil, err
	}
	var e entries
	for {
		if more, err := s.next(); err != nil {
			return nil, err
		} else if !more {
			return &File{Table: Table{Items: e.items}}, nil
		}
		item, err := s.item()
		if err != nil {
			return nil, onLine(s.line, err)
		}
		if err := e.add(item, "", s.line); err != nil {
			return nil, err
		}
	}
}

// item reads the present row.
func (s *sheet) item() (item Item, err error) {
	item = Item{Name: s.cell("name"), Version: s.cell("version")}
	rate, text := s.cell("rate"), s.cell("formula")
	if why := OnePrice(rate != "", text != ""); why != nil {
		return item, why
	}
	if text != "" {
		if item.Formula, err = formula.Parse(text); err != nil {
			return item, problem.Field("formula", "%v", err)
		}
	} else if item.Rate, err = amount(rate); err != nil {
		return item, problem.Field("rate", "%v", err)
	}
	if item.FreeSeconds, err = seconds(s.cell("freeSeconds")); err != nil {
		return item, problem.Field("freeSeconds", "%v", err)
	}
	if item.Window, err = window(s.cell("window")); err != nil {
		return item, problem.Field("window", "%v", err)
	}
	if item.Cost, err = cost(s.cell("cost")); err != nil {
		return item, problem.Field("cost", "%v", err)
	}
	return item, nil
}

// sheet is a CSV file with a header, of which one row at a time is read. Capital letters in the header do not count, nor do
// spaces around a cell, nor rows without content, which spreadsheets like to leave behind.
type sheet struct {
	r       *csv.Reader
	example string         // of a header
	at      map[string]int // by column in lower case: its place in a row
	row     []string
	line    int
}

func openSheet(content []byte, example string, columns ...string) (*sheet, error) {
	s := &sheet{r: csv.NewReader(bytes.NewReader(content)), example: example, at: make(map[string]int)}
	header, err := s.r.Read()
	if err != nil {
		return nil, s.problem(err)
	}
	known := func(name string) bool {
		return slices.ContainsFunc(columns, func(column string) bool { return strings.ToLower(column) == name })
	}
	last := len(columns) - 1
	for i, cell := range header {
		name := strings.ToLower(strings.TrimSpace(cell))
		switch _, twice := s.at[name]; {
		case !known(name) && strings.ContainsAny(name, ";\t"):
			return nil, onLine(1, problem.New(problem.Invalid, "the header is %.40q; separate the columns with commas", name))
		case !known(name):
			return nil, onLine(1, problem.New(problem.Invalid, "the column %.40q is not known; the columns are %s and %s, and what holds for the "+
				"whole table is told to the command", name, strings.Join(columns[:last], ", "), columns[last]))
		case twice:
			return nil, onLine(1, problem.New(problem.Invalid, "the column %q is there twice; remove one of the two", name))
		}
		s.at[name] = i
	}
	return s, nil
}

func (s *sheet) has(column string) bool {
	_, there := s.at[strings.ToLower(column)]
	return there
}

// require wants one of several columns.
func (s *sheet) require(columns ...string) error {
	if slices.ContainsFunc(columns, s.has) {
		return nil
	}
	return onLine(1, problem.New(problem.Invalid, `the column "%s" is missing; the first line names the columns, such as %s`,
		strings.Join(columns, `" or "`), s.example))
}

// next goes on to the next row that has content, and reports whether there is one.
func (s *sheet) next() (more bool, err error) {
	for {
		if s.row, err = s.r.Read(); err == io.EOF {
			return false, nil
		} else if err != nil {
			return false, s.problem(err)
		}
		s.line, _ = s.r.FieldPos(0)
		if strings.TrimSpace(strings.Join(s.row, "")) != "" {
			return true, nil
		}
	}
}

// cell returns what the present row has in a column, which may be missing.
func (s *sheet) cell(column string) string {
	if i, there := s.at[strings.ToLower(column)]; there {
		return strings.TrimSpace(s.row[i])
	}
	return ""
}

func (s *sheet) problem(err error) error {
	e, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case !ok:
		return onLine(1, problem.New(problem.Invalid, "the file is empty; the first line names the columns, such as %s", s.example))
	case errors.Is(e.Err, csv.ErrFieldCount):
		return onLine(e.Line, problem.New(problem.Invalid, "this row has more or fewer cells than the header; put a cell that has a comma in quotes"))
	}
	return onLine(e.StartLine, problem.New(problem.Invalid, "this is not CSV: %v; put a cell that has quotes in quotes and double those inside", e.Err))
}
