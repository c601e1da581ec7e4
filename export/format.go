// Package export is how usage events leave Farebox: as CSV, NDJSON and Parquet, in files by day in a folder or an object store,
// and one by one to those who listen. It reads the record; it never touches a charge.
package export

import (
	"encoding/csv"
	"io"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/usage"
)

// Format is how events are written.
type Format string

// The formats. The columns of CSV and Parquet are usage.Columns; NDJSON has an event a line, as GET /farebox/v1/usage/events has it.
const (
	CSV     Format = "csv"
	NDJSON  Format = "ndjson"
	Parquet Format = "parquet"
)

// Formats are all formats.
var Formats = []Format{CSV, NDJSON, Parquet}

// ContentType returns a format's media type.
func (f Format) ContentType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8; header=present"
	case NDJSON:
		return "application/x-ndjson"
	}
	return "application/vnd.apache.parquet"
}

// Writer writes events. It holds a bounded number of them at a time.
type Writer interface {
	Write(*usage.Event) error
	// Close writes what is left, and the end that a format may have. It does not close what it writes to.
	Close() error
}

// NewWriter returns a writer of a format, of those in Formats. CSV begins with its header.
func NewWriter(format Format, to io.Writer) Writer {
	switch format {
	case CSV:
		w := newRows(to)
		_ = w.csv.Write(usage.Columns) // kept by the writer until it is full or closed
		return w
	case NDJSON:
		return &lines{to: to}
	}
	return newParquet(to)
}

// NewAppender is NewWriter for what goes on where another writer of the format was closed: without a header. Parquet cannot go on.
func NewAppender(format Format, to io.Writer) Writer {
	if format == CSV {
		return newRows(to)
	}
	return NewWriter(format, to)
}

type rows struct{ csv *csv.Writer }

func newRows(to io.Writer) rows { return rows{csv.NewWriter(to)} }

func (w rows) Write(e *usage.Event) error { return w.csv.Write(e.Row()) }

func (w rows) Close() error {
	w.csv.Flush()
	return w.csv.Error()
}

type lines struct {
	to   io.Writer
	line []byte
}

func (w *lines) Write(e *usage.Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	w.line = append(append(w.line[:0], line...), '\n')
	_, err = w.to.Write(w.line)
	return err
}

func (*lines) Close() error { return nil }
