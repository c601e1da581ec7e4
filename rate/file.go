package rate

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// FileBytes is how long a file with a rate table may be (decisions.md D32).
const FileBytes = 32 << 20

// File is a rate table as a file has it. What the file does not tell is zero in the table: a CSV file has items alone.
type File struct {
	Table
	HasEffectiveFrom bool // false: the file does not tell; 1970 is a date too, so a zero cannot say it
}

// Unnamed is the name of what has none, such as what is piped into a command. Its format follows from how it begins.
const Unnamed = "standard input"

// ReadFile reads the rate table in a file, whose format follows from the end of its name: .yaml, .yml, .json or .csv. It
// refuses what it does not know (fields, columns), what is there twice, and items that Validate would refuse; rates are
// taken digit by digit as they are written. The table as a whole is still to be validated, once the caller has filled in
// what the file leaves open. Errors are problems of the kind Invalid or TooLarge behind "name:line: ".
func ReadFile(name string, content []byte) (*File, error) {
	read := formatOf(name)
	if read == nil && name != Unnamed {
		return nil, problem.New(problem.Invalid, "%s: the format is not known; end the file's name in .yaml, .yml, .json or .csv", name)
	}
	if len(content) > FileBytes {
		return nil, problem.New(problem.TooLarge, "%s: the file has %d bytes, at most %d are allowed", name, len(content), FileBytes)
	}
	content, err := utf8Text(content)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	if read == nil {
		read = formatOf(endingOf(content))
	}
	f, err := read(content)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	return f, nil
}

func formatOf(name string) func([]byte) (*File, error) {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml":
		return func(content []byte) (*File, error) { return readTree(readYAML(content)) }
	case ".json":
		return func(content []byte) (*File, error) { return readTree(readJSON(content)) }
	case ".csv":
		return readCSV
	}
	return nil
}

// endingOf returns how the name of a file would end that begins like this: JSON with its object, CSV with a header, in which nothing is
// that YAML begins with.
func endingOf(content []byte) string {
	content = bytes.TrimSpace(content)
	first, _, _ := bytes.Cut(content, []byte("\n"))
	switch {
	case bytes.HasPrefix(content, []byte("{")) || bytes.HasPrefix(content, []byte("[")):
		return ".json"
	case bytes.ContainsAny(first, ":#%") || bytes.HasPrefix(first, []byte("-")):
		return ".yaml"
	}
	return ".csv"
}

// utf8Text returns content without a byte order mark. Names end up in JSON and in databases, which take UTF-8 only.
func utf8Text(content []byte) ([]byte, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	for rest, line := content, 1; len(rest) > 0; line++ {
		text, after, _ := bytes.Cut(rest, []byte("\n"))
		if !utf8.Valid(text) {
			return nil, onLine(line, problem.New(problem.Invalid, "this is not UTF-8 text; save the file in UTF-8"))
		}
		rest = after
	}
	return content, nil
}

// onLine puts the line before a problem; ReadFile puts the file's name before that.
func onLine(line int, err error) error { return fmt.Errorf("%d: %w", line, err) }

// entries gathers a file's items in their order and refuses the second of two that are the same.
type entries struct {
	items []Item
	lines map[key]int
}

func (e *entries) add(item Item, prefix string, line int) error {
	if err := item.validate(prefix); err != nil {
		return onLine(line, err)
	}
	k := key{item.Name, item.Version}
	if first, twice := e.lines[k]; twice {
		return onLine(line, problem.Field(prefix+"name", "%s is listed on line %d already; remove one of the two", k, first))
	}
	if e.lines == nil {
		e.lines = make(map[key]int)
	}
	e.lines[k] = line
	e.items = append(e.items, item)
	return nil
}

func amount(text string) (token.Amount, error) {
	a, err := token.Parse(text)
	switch {
	case err != nil:
	case len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9':
		err = errors.New("begins with a needless 0, which some read as an octal number") // YAML 1.1 does
	}
	if err != nil {
		return a, fmt.Errorf("%.40q %w; write it like 12, 0.5 or 0.000003", text, err)
	}
	return a, nil
}

// cost reads what one of an item costs; what is not told is written as no text, unlike 0.
func cost(text string) (*token.Amount, error) {
	if text == "" {
		return nil, nil
	}
	a, err := amount(text)
	return &a, err
}

// seconds reads freeSeconds; none are written as 0 or not at all.
func seconds(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text { // no plus, and no needless 0, which some read as an octal number
		return 0, fmt.Errorf("%.40q is not a whole number of seconds from 0 to %d (a day); write it like 300", text, FreeSecondsMost)
	}
	return n, nil
}

// window reads a period; none is written as no text.
func window(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return period.Parse(text)
}

// instant reads a time of the file in one of its three forms. What is finer than a millisecond is cut off.
func instant(text string) (ms int64, err error) {
	if ms, err = strconv.ParseInt(text, 10, 64); err == nil {
		return ms, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("%.40q is not a time; write a date such as 2026-01-31 (midnight UTC), a time such as 2026-01-31T18:00:00Z, or "+
		"milliseconds since 1970", text)
}
