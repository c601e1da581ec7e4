package rate

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/problem"
)

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
