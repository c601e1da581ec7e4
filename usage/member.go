package usage

import (
	"bytes"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// keysOf calls fn with the keys of an event's metadata and dictionary and their values: text as it is, everything else as its
// JSON, and null as nothing. An object with a key twice has none. The values are for fn alone: what comes next is read into their place.
func keysOf(e *Event, fn func(Dimension, []byte)) {
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
	text []byte
}

// namesKept bounds the names that are remembered: people choose them.
const namesKept = 1024

func (r *memberReader) read(prefix string, object jsontext.Value, fn func(Dimension, []byte)) {
	if object == nil || !r.plain(prefix, object) && !r.members(prefix, object) {
		return
	}
	for _, m := range r.found {
		fn(m.Dimension, m.text)
	}
}

// plain finds the members of an object as most are: texts without escapes, numbers and truths, each under a name of its own. It reports
// whether this is one; members is for all others.
func (r *memberReader) plain(prefix string, object []byte) bool {
	r.found = r.found[:0]
	rest, ok := after(object, '{')
	for first := true; ok; first = false {
		if end, ended := after(rest, '}'); ended && first {
			return len(trimmed(end)) == 0
		}
		var name, text []byte
		if name, rest, ok = plainText(rest); !ok {
			return false
		}
		if rest, ok = after(rest, ':'); !ok {
			return false
		}
		d := r.dimension(prefix, name)
		if slices.ContainsFunc(r.found, func(m member) bool { return m.Dimension == d }) {
			return false
		}
		if text, rest, ok = plainText(rest); ok {
			text = text[1 : len(text)-1]
		} else if text, rest, ok = plainWord(rest); !ok {
			return false
		}
		r.found = append(r.found, member{d, text})
		if end, ended := after(rest, '}'); ended {
			return len(trimmed(end)) == 0
		}
		rest, ok = after(rest, ',')
	}
	return false
}

func trimmed(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// after returns what follows a character, if that comes next.
func after(b []byte, c byte) ([]byte, bool) {
	if b = trimmed(b); len(b) == 0 || b[0] != c {
		return b, false
	}
	return b[1:], true
}

// plainText returns a string with its quotes, if one comes next that has no escapes.
func plainText(b []byte) (text, rest []byte, ok bool) {
	inside, ok := after(b, '"')
	if !ok {
		return nil, b, false
	}
	n := bytes.IndexByte(inside, '"')
	if n < 0 || bytes.IndexByte(inside[:n], '\\') >= 0 {
		return nil, b, false
	}
	b = trimmed(b)
	return b[:n+2], inside[n+1:], true
}

// plainWord returns a number or a truth, if one comes next.
func plainWord(b []byte) (word, rest []byte, ok bool) {
	b = trimmed(b)
	n := bytes.IndexAny(b, ",} \t\r\n")
	if n < 1 {
		return nil, b, false
	}
	word = b[:n]
	ok = string(word) == "true" || string(word) == "false" || len(bytes.Trim(word, "+-.0123456789eE")) == 0
	return word, b[n:], ok
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
			r.found = append(r.found, member{d, unquoted(value.Clone())})
		default:
			value = value.Clone()
			if value.Compact() == nil {
				r.found = append(r.found, member{d, value})
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
		d = Dimension(prefix + string(unquoted(name)))
		r.names[string(r.name)] = d
	}
	return d
}

// unquoted returns what a JSON string says. The decoder has seen to it that it is one.
func unquoted(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1]
	}
	plain, _ := jsontext.AppendUnquote(nil, text)
	return plain
}
