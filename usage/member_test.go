package usage

import (
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
)

// What requests carry is told apart by its members: text as it is, all else as JSON without white space, null as nothing.
func TestKeysOfWhatRequestsCarry(t *testing.T) {
	for _, c := range []struct {
		object string
		want   []string
	}{
		{``, nil},
		{`{}`, nil},
		{`[]`, nil},
		{`"text"`, nil},
		{`{"a":"x"}`, []string{"a=x"}},
		{` { "a" : "x" , "b" : 1.50 } `, []string{"a=x", "b=1.50"}},
		{`{"a":null,"b":true}`, []string{"b=true"}},
		{`{"a":-1.5e+3,"b":false,"c":"",` + "\n" + `"d":7}`, []string{"a=-1.5e+3", "b=false", "c=", "d=7"}},
		{`{"a":null,"a":1}`, nil},
		{`{"a":1,}`, nil},
		{`{"a":1 2}`, nil},
		{`{"a":x}`, nil},
		{`{,}`, nil},
		{`{"a":{ "b" : [1, 2] },"c":"d"}`, []string{`a={"b":[1,2]}`, "c=d"}},
		{`{"\u0061":"tab\tquote\""}`, []string{"a=tab\tquote\""}},
		{`{"":"empty","e":""}`, []string{"=empty", "e="}},
		{`{"a":"x","a":"y"}`, nil},
		{`{"a":"x","\u0061":"y"}`, nil},
		{`{"a":"x"`, nil},
	} {
		for range 2 { // names are remembered
			for prefix, e := range map[string]*Event{
				metaDataPrefix:   {MetaData: jsontext.Value(c.object)},
				dictionaryPrefix: {Requester: access.Requester{Dictionary: jsontext.Value(c.object)}},
			} {
				var got, want []string
				keysOf(e, func(d Dimension, text []byte) { got = append(got, string(d)+"="+string(text)) })
				for _, w := range c.want {
					want = append(want, prefix+w)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", c.object, got, want)
				}
			}
		}
	}
}
