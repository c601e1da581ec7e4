package rate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	yamltoken "github.com/goccy/go-yaml/token"

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

// ReadFile reads the rate table in a file, whose format follows from the end of its name: .yaml, .yml, .json or .csv. It
// refuses what it does not know (fields, columns), what is there twice, and items that Validate would refuse; rates are
// taken digit by digit as they are written. The table as a whole is still to be validated, once the caller has filled in
// what the file leaves open. Errors are problems of the kind Invalid or TooLarge behind "name:line: ".
func ReadFile(name string, content []byte) (*File, error) {
	read := formatOf(name)
	if read == nil {
		return nil, problem.New(problem.Invalid, "%s: the format is not known; end the file's name in .yaml, .yml, .json or .csv", name)
	}
	if len(content) > FileBytes {
		return nil, problem.New(problem.TooLarge, "%s: the file has %d bytes, at most %d are allowed", name, len(content), FileBytes)
	}
	content, err := utf8Text(content)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
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

// node is a value of a YAML or JSON document, with its text as it is written: nothing passes through binary numbers.
type node struct {
	kind   kind
	text   string // of a scalar; of a JSON string without its quotes and escapes
	line   int
	fields []field // of an object
	list   []*node // of a list
}

type field struct {
	name  string
	line  int
	value *node
}

// kind is what a value is, in the words of a message.
type kind string

const (
	object  kind = "an object"
	list    kind = "a list"
	null    kind = "null"
	boolean kind = "true or false"
	number  kind = "a number"
	quoted  kind = "a string"
	plain   kind = "text" // a scalar of YAML: a number or a string, as the reader wishes, so that version 2.10 stays 2.10
)

func (n *node) refuse(name, format string, args ...any) error {
	return onLine(n.line, problem.Field(name, format, args...))
}

// check refuses what is not an object and fields that it should not have or that it has twice.
func (n *node) check(prefix string, known ...string) error {
	if n.kind != object {
		return n.refuse(strings.TrimSuffix(prefix, "."), "%s found, expected an object with the fields %s", n.kind, strings.Join(known, ", "))
	}
	for i, f := range n.fields {
		if !slices.Contains(known, f.name) {
			return onLine(f.line, problem.Field(prefix+printable(f.name), "is not known here; the fields are %s", strings.Join(known, ", ")))
		}
		for _, earlier := range n.fields[:i] {
			if earlier.name == f.name {
				return onLine(f.line, problem.Field(prefix+f.name, "is there twice, first on line %d; remove one of the two", earlier.line))
			}
		}
	}
	return nil
}

// get returns a field's value; nil if it is missing or null.
func (n *node) get(name string) *node {
	for _, f := range n.fields {
		if f.name == name && f.value.kind != null {
			return f.value
		}
	}
	return nil
}

// words returns a field's text, which is empty if there is none.
func (n *node) words(prefix, name string) (string, error) {
	v := n.get(name)
	switch {
	case v == nil:
		return "", nil
	case v.kind != plain && v.kind != quoted:
		return "", v.refuse(prefix+name, "%s found, expected a string; put it in quotes", v.kind)
	}
	return v.text, nil
}

// readTree reads the table in a document. It takes a reader's results, error included, so that calls nest.
func readTree(root *node, err error) (*File, error) {
	if err != nil {
		return nil, err
	}
	if err := root.check("", "series", "version", "effectiveFrom", "items"); err != nil {
		return nil, err
	}
	f := &File{}
	if f.Series, err = root.words("", "series"); err != nil {
		return nil, err
	}
	if f.Version, err = root.words("", "version"); err != nil {
		return nil, err
	}
	if at := root.get("effectiveFrom"); at != nil {
		if f.EffectiveFromMS, err = instant(at.text); err != nil {
			return nil, at.refuse("effectiveFrom", "%v", err)
		}
		f.HasEffectiveFrom = true
	}
	f.Items, err = readItems(root.get("items"))
	return f, err
}

func readItems(all *node) ([]Item, error) {
	if all == nil {
		return nil, nil
	}
	if all.kind != list {
		return nil, all.refuse("items", "%s found, expected a list of items", all.kind)
	}
	var e entries
	for i, n := range all.list {
		prefix := fmt.Sprintf("items[%d].", i)
		item, err := readItem(n, prefix)
		if err == nil {
			err = e.add(item, prefix, n.line)
		}
		if err != nil {
			return nil, err
		}
	}
	return e.items, nil
}

func readItem(n *node, prefix string) (item Item, err error) {
	if err := n.check(prefix, "name", "version", "rate"); err != nil {
		return item, err
	}
	rate := n.get("rate")
	switch {
	case n.get("name") == nil:
		return item, n.refuse(prefix+"name", "is required; if the name is null, put it in quotes")
	case rate == nil: // a rate that was forgotten must not be 0
		return item, n.refuse(prefix+"rate", "is required; write 0 for what is free")
	case rate.kind != plain && rate.kind != number:
		return item, rate.refuse(prefix+"rate", "%s found, expected a number", rate.kind)
	}
	if item.Name, err = n.words(prefix, "name"); err != nil {
		return item, err
	}
	if item.Version, err = n.words(prefix, "version"); err != nil {
		return item, err
	}
	if item.Rate, err = amount(rate.text); err != nil {
		return item, rate.refuse(prefix+"rate", "%v", err)
	}
	return item, nil
}

// readYAML reads the one document of a YAML file.
func readYAML(content []byte) (*node, error) {
	tokens := lexer.Tokenize(string(content))
	if err := simple(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // node.check says it better, with both lines
	if err != nil {
		return nil, yamlProblem(err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			body = doc.Body
		}
	}
	if body == nil {
		return nil, onLine(1, problem.New(problem.Invalid, "the file is empty; it must have a version and items"))
	}
	return fromYAML(body)
}

func yamlProblem(err error) error {
	const text = "this is not YAML: %v; check the signs and the indentation here"
	e, ok := errors.AsType[yaml.Error](err)
	if !ok || e.GetToken() == nil {
		return onLine(1, problem.New(problem.Invalid, text, err))
	}
	return onLine(e.GetToken().Position.Line, problem.New(problem.Invalid, text, e.GetMessage()))
}

// simple refuses what makes YAML more than one document of fields, lists and texts, since a price should be where one
// reads it, and nesting so deep that reading it costs more than its length.
func simple(tokens yamltoken.Tokens) error {
	depth, begun := 0, false
	for _, t := range tokens {
		switch t.Type {
		case yamltoken.DocumentHeaderType:
			if begun {
				return onLine(t.Position.Line, problem.New(problem.Invalid, "a second document begins here; put each table in a file of its own"))
			}
		case yamltoken.MappingStartType, yamltoken.SequenceStartType:
			depth++
		case yamltoken.MappingEndType, yamltoken.SequenceEndType:
			depth--
		case yamltoken.AnchorType, yamltoken.AliasType, yamltoken.TagType, yamltoken.MergeKeyType, yamltoken.DirectiveType,
			yamltoken.MappingKeyType, yamltoken.LiteralType, yamltoken.FoldedType:
			return notSimple(t)
		}
		if depth > 16 || t.Type == yamltoken.SequenceEntryType && t.Position.Column > 100 {
			return onLine(t.Position.Line, problem.New(problem.Invalid, "this is nested too deeply; a table has items, and an item has fields"))
		}
		begun = begun || t.Type != yamltoken.CommentType
	}
	return nil
}

func notSimple(t *yamltoken.Token) error {
	return onLine(t.Position.Line, problem.New(problem.Invalid, "%.40q: anchors, tags, directives, complex keys and blocks of text are not for "+
		"rate tables; write the value out on one line, in quotes if it is text", t.Value))
}

func fromYAML(n ast.Node) (*node, error) {
	t := n.GetToken()
	at := &node{line: t.Position.Line}
	switch n := n.(type) {
	case *ast.NullNode:
		at.kind = null
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		at.kind, at.text = plain, t.Value // what the parser made of a number is not looked at
	case *ast.SequenceNode:
		at.kind = list
		for _, v := range n.Values {
			child, err := fromYAML(v)
			if err != nil {
				return nil, err
			}
			at.list = append(at.list, child)
		}
	case *ast.MappingNode:
		return fieldsOf(at, n.Values...)
	case *ast.MappingValueNode:
		return fieldsOf(at, n)
	default:
		return nil, notSimple(t)
	}
	return at, nil
}

func fieldsOf(at *node, values ...*ast.MappingValueNode) (*node, error) {
	at.kind = object
	for _, v := range values {
		child, err := fromYAML(v.Value)
		if err != nil {
			return nil, err
		}
		name := v.Key.GetToken()
		at.fields = append(at.fields, field{name.Value, name.Position.Line, child})
	}
	if len(at.fields) > 0 {
		at.line = at.fields[0].line
	}
	return at, nil
}

// readJSON reads a JSON document. Names that are there twice are left to who reads the nodes.
func readJSON(content []byte) (*node, error) {
	r := jsonReader{content: content, line: 1, dec: jsontext.NewDecoder(bytes.NewBuffer(content), jsontext.AllowDuplicateNames(true))}
	root, err := r.value()
	if err != nil {
		return nil, r.problem(err)
	}
	if _, err := r.dec.ReadToken(); err == nil {
		return nil, onLine(r.here(), problem.New(problem.Invalid, "the document has ended, and there is more; remove what follows"))
	} else if err != io.EOF {
		return nil, r.problem(err)
	}
	return root, nil
}

type jsonReader struct {
	dec     *jsontext.Decoder
	content []byte
	line    int // of the byte at counted
	counted int
}

// here returns the line of what was read last.
func (r *jsonReader) here() int { return r.lineAt(r.dec.InputOffset()) }

func (r *jsonReader) lineAt(offset int64) int {
	if to := min(int(offset), len(r.content)); to > r.counted {
		r.line += bytes.Count(r.content[r.counted:to], []byte("\n"))
		r.counted = to
	}
	return r.line
}

func (r *jsonReader) problem(err error) error {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return onLine(r.lineAt(e.ByteOffset), problem.New(problem.Invalid, "this is not JSON: %v (at byte %d)", e.Err, e.ByteOffset))
	}
	return onLine(1, problem.New(problem.Invalid, "the file is empty; JSON begins with {"))
}

func (r *jsonReader) value() (*node, error) {
	t, err := r.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	n := &node{line: r.here()}
	switch t.Kind() {
	case '{':
		n.kind = object
		return n, r.members(n)
	case '[':
		n.kind = list
		return n, r.elements(n)
	case 'n':
		n.kind = null
	case '0':
		n.kind, n.text = number, t.String()
	case '"':
		n.kind, n.text = quoted, t.String()
	default:
		n.kind, n.text = boolean, t.String()
	}
	return n, nil
}

func (r *jsonReader) members(n *node) error {
	for r.dec.PeekKind() != '}' {
		name, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		f := field{name: name.String(), line: r.here()}
		if f.value, err = r.value(); err != nil {
			return err
		}
		n.fields = append(n.fields, f)
	}
	_, err := r.dec.ReadToken()
	return err
}

func (r *jsonReader) elements(n *node) error {
	for r.dec.PeekKind() != ']' {
		v, err := r.value()
		if err != nil {
			return err
		}
		n.list = append(n.list, v)
	}
	_, err := r.dec.ReadToken()
	return err
}

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
