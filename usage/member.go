package usage

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// keysOf calls fn with the keys of an event's metadata and dictionary and their values: text as it is, everything else as its
// JSON, and null as nothing. An object with a key twice has none.
func keysOf(e *Event, fn func(Dimension, Value)) {
	r := memberReaders.Get().(*memberReader)
	defer memberReaders.Put(r)
	r.read(metaDataPrefix, e.MetaData, fn)
	r.read(dictionaryPrefix, e.Requester.Dictionary, fn)
}

var memberReaders = sync.Pool{New: func() any { return &memberReader{names: map[string]Dimension{}} }}

// memberReader reads the members of JSON objects that mostly have the same names.
type memberReader struct {
	text    bytes.Buffer
	decoder jsontext.Decoder
	names   map[string]Dimension // by prefix and name, as JSON
	name    []byte
	found   []member
}

type member struct {
	Dimension
	Value
}

// namesKept bounds the names that are remembered: people choose them.
const namesKept = 1024

func (r *memberReader) read(prefix string, object jsontext.Value, fn func(Dimension, Value)) {
	if object == nil || !r.members(prefix, object) {
		return
	}
	for _, m := range r.found {
		fn(m.Dimension, m.Value)
	}
}

// members finds the members of an object and reports whether it is one.
func (r *memberReader) members(prefix string, object jsontext.Value) bool {
	r.found = r.found[:0]
	r.text.Reset()
	r.text.Write(object)
	r.decoder.Reset(&r.text)
	if begin, err := r.decoder.ReadToken(); err != nil || begin.Kind() != '{' {
		return false
	}
	for r.decoder.PeekKind() == '"' {
		name, err := r.decoder.ReadValue()
		if err != nil {
			return false
		}
		d := r.dimension(prefix, name)
		value, err := r.decoder.ReadValue()
		if err != nil {
			return false
		}
		switch value.Kind() {
		case 'n':
		case '"':
			r.found = append(r.found, member{d, Value{Text: unquoted(value)}})
		default:
			value = value.Clone()
			if value.Compact() == nil {
				r.found = append(r.found, member{d, Value{Text: string(value)}})
			}
		}
	}
	_, err := r.decoder.ReadToken()
	return err == nil
}

func (r *memberReader) dimension(prefix string, name jsontext.Value) Dimension {
	r.name = append(append(r.name[:0], prefix...), name...)
	d, known := r.names[string(r.name)]
	if !known {
		if len(r.names) == namesKept {
			clear(r.names)
		}
		d = Dimension(prefix + unquoted(name))
		r.names[string(r.name)] = d
	}
	return d
}

// unquoted returns what a JSON string says. The decoder has seen to it that it is one.
func unquoted(text jsontext.Value) string {
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text[1 : len(text)-1])
	}
	plain, _ := jsontext.AppendUnquote(nil, text)
	return string(plain)
}
