package server

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/pb33f/libopenapi/datamodel/high/base"
)

// TestBoundsOfRequests breaks every schema of a request in every way that the schema can tell, one at a time; the server must
// refuse it with 400. So what the document forbids is forbidden.
func TestBoundsOfRequests(t *testing.T) {
	for _, version := range []string{"/v1.0/", "/v1.1/"} {
		s := openShop(t)
		s.charging = true
		s.open(t)
		for _, p := range places(version, false) {
			if p.RequestBody == nil {
				continue
			}
			t.Run(p.OperationId, func(t *testing.T) {
				schema := p.body().Schema.Schema()
				for _, body := range s.bodies(p) {
					var tree any
					if err := json.Unmarshal([]byte(body), &tree); err != nil {
						t.Fatal(err)
					}
					b := breaker{root: tree, try: func(what string, broken string) {
						if got := s.ask(t, p.method, s.fill(p, true), s.admin, broken); got.status != http.StatusBadRequest && !(p.inLines() && strings.Contains(got.body, `"status":400`)) {
							t.Errorf("%s was answered %d, not 400\nrequest: %.1000s\nanswer: %.1000s", what, got.status, broken, got.body)
						}
					}}
					b.value(schema, tree, "the body", func(v any) { b.root = v })
				}
			})
		}
	}
}

// breaker tries a JSON value with one thing broken at a time.
type breaker struct {
	root any
	try  func(what, broken string)
}

// with tries the root with another value in one place, and puts it back.
func (b *breaker) with(what string, old, bad any, set func(any)) {
	set(bad)
	text, err := json.Marshal(b.root, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	set(old)
	b.try(what, string(text))
}

func (b *breaker) value(s *base.Schema, v any, where string, set func(any)) {
	bad := func(what string, value any) { b.with(where+" "+what, v, value, set) }
	if len(s.Type) == 0 { // it is one of several
		for _, one := range s.OneOf {
			if _, isArray := v.([]any); isArray == slices.Contains(one.Schema().Type, "array") {
				s = one.Schema()
			}
		}
	}
	if slices.Contains(s.Type, "string") {
		bad("of another type", 12)
	} else {
		bad("of another type", "text")
	}
	if len(s.Enum) > 0 || s.Pattern != "" {
		bad("of another choice", "?")
	}
	switch v := v.(type) {
	case string:
		if s.MaxLength != nil {
			bad("too long", strings.Repeat("x", int(*s.MaxLength)+1))
			bad("too long in bytes", strings.Repeat("é", int(*s.MaxLength)/2+1))
		}
		if s.MinLength != nil {
			bad("empty", "")
		}
	case float64:
		b.number(s, bad)
	case []any:
		b.array(s, v, where, bad)
	case map[string]any:
		b.object(s, v, where)
	}
}

func (b *breaker) number(s *base.Schema, bad func(string, any)) {
	if slices.Contains(s.Type, "integer") {
		bad("broken", 1.5)
	}
	if s.Minimum != nil {
		bad("too small", *s.Minimum-1)
	}
	if s.Maximum != nil {
		bad("too large", *s.Maximum+1)
	}
	if s.ExclusiveMinimum != nil {
		bad("too small", s.ExclusiveMinimum.B)
	}
	if s.ExclusiveMaximum != nil {
		bad("too large", s.ExclusiveMaximum.B)
		bad("too precise", 1e-13)
	}
}

func (b *breaker) array(s *base.Schema, v []any, where string, bad func(string, any)) {
	if s.MinItems != nil {
		bad("empty", []any{})
	}
	if s.MaxItems != nil && *s.MaxItems <= 1000 && len(v) > 0 { // more takes too long
		bad("too long", slices.Repeat(v[:1], int(*s.MaxItems)+1))
	}
	for i := range v {
		b.value(s.Items.A.Schema(), v[i], fmt.Sprintf("%s[%d]", where, i), func(e any) { v[i] = e })
	}
}

func (b *breaker) object(s *base.Schema, v map[string]any, where string) {
	for _, name := range s.Required {
		old := v[name]
		delete(v, name)
		b.with(where+" without "+name, nil, old, func(any) {})
		v[name] = old
		b.with(where+" with null as "+name, old, nil, func(e any) { v[name] = e })
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.IsB() && !s.AdditionalProperties.B {
		v["unknown"] = 1
		b.with(where+" with an unknown field", nil, nil, func(any) {})
		delete(v, "unknown")
	}
	if s.Properties == nil {
		return // the caller's own JSON
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if property := s.Properties.GetOrZero(name); property != nil {
			b.value(property.Schema(), v[name], where+"."+name, func(e any) { v[name] = e })
		}
	}
}
