package server

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// decode reads a JSON body strictly: no unknown or repeated names, no invalid UTF-8, exactly the right types.
func decode(body []byte, into any, more ...json.Options) error {
	if len(body) == 0 {
		return problem.New(problem.Invalid, "the body is empty; it must be JSON")
	}
	if jsontext.Value(body).Kind() == 'n' { // or it would be an empty list, or an object without fields, and might delete or give back all there is
		return problem.New(problem.Invalid, "null found, %s expected", expected(reflect.TypeOf(into)))
	}
	err := json.Unmarshal(body, into, append(more, json.RejectUnknownMembers(true))...)
	if err == nil {
		return nil
	}
	field, what := explain(body, err)
	return &problem.Error{Kind: problem.Invalid, Field: field, Message: what, Cause: err}
}

// noNulls refuses null among strings in a list: it stands for a member that is left out, and a list has none of these.
var noNulls = json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, to *string) error {
	if kind, _ := dec.StackIndex(dec.StackDepth()); kind == '[' && dec.PeekKind() == 'n' {
		return &json.SemanticError{JSONKind: 'n', GoType: reflect.TypeFor[string]()}
	}
	return errors.ErrUnsupported // which leaves it to the usual way
}))

// explain says where a body is wrong, and how.
func explain(body []byte, err error) (field, what string) {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return path(e.JSONPointer), "is there twice"
		}
		return path(e.JSONPointer), fmt.Sprintf("the body is not valid JSON: %v at byte %d", e.Err, e.ByteOffset)
	}
	e, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return "", "the body cannot be read: " + err.Error()
	}
	if errors.Is(err, json.ErrUnknownName) {
		parent, name := e.JSONPointer.Parent(), e.JSONPointer.LastToken()
		return path(parent), fmt.Sprintf("property '%s' is not defined in the schema and the schema does not allow additional properties", name)
	}
	if e.GoType == reflect.TypeFor[token.Amount]() && e.Err != nil {
		return path(e.JSONPointer), e.Err.Error()
	}
	if errors.Is(e.Err, strconv.ErrRange) {
		return path(e.JSONPointer), fmt.Sprintf("is out of range: an integer is from %d to %d", math.MinInt64, math.MaxInt64)
	}
	return path(e.JSONPointer), fmt.Sprintf("%s found, %s expected", found(body, e), expected(e.GoType))
}

// found names what is there as the reference does: a number without a point and an exponent is an integer.
func found(body []byte, e *json.SemanticError) string {
	switch e.JSONKind {
	case '"':
		return "string"
	case '0':
		number := body[e.ByteOffset:]
		if end := bytes.IndexAny(number, ",]} \t\r\n"); end >= 0 {
			number = number[:end]
		}
		if bytes.ContainsAny(number, ".eE") {
			return "number"
		}
		return "integer"
	case 't', 'f':
		return "boolean"
	case '{':
		return "object"
	case '[':
		return "array"
	}
	return e.JSONKind.String()
}

func expected(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return "another type"
	case t == reflect.TypeFor[token.Amount]():
		return "number"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Slice:
		return "array"
	}
	return "object"
}

// pathBytes is about how much of a path is told: a body may be nested thousands of times.
const pathBytes = 256

// path writes a JSON pointer as people write it: requestedItems[0].count.
func path(p jsontext.Pointer) string {
	var text strings.Builder
	for name := range p.Tokens() {
		if text.Len() > pathBytes {
			text.WriteString("…")
			break
		}
		if _, err := strconv.Atoi(name); err == nil {
			fmt.Fprintf(&text, "[%s]", name)
			continue
		}
		if text.Len() > 0 {
			text.WriteByte('.')
		}
		text.WriteString(name)
	}
	return text.String()
}

// nameByPath gives what a body is about the name in the path, if that has one; a body may repeat it.
func (c *call) nameByPath(name *string) error {
	switch inPath := c.PathValue("name"); {
	case inPath == "":
	case *name == "":
		*name = inPath
	case *name != inPath:
		return problem.Field("name", "must be that of the path, or left out")
	}
	return nil
}
