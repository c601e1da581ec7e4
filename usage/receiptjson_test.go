package usage

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/token"
)

// The books keep receipts as AppendJSON writes them, which is as json.Marshal does: whatever fields there are, also those that come
// later.
func TestReceiptsAreWrittenAsJSONDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := new(Receipt)
		fill(t, reflect.ValueOf(r).Elem())
		got, err := r.AppendJSON([]byte("before "))
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		err = json.MarshalWrite(&want, r, json.Deterministic(true), jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true))
		if err != nil {
			t.Fatal(err)
		}
		if want := "before " + want.String(); string(got) != want {
			t.Fatalf("%s\nwant\n%s", got, want)
		}
	})
}

var raws = []string{``, `{}`, `{"a":1}`, ` { "a" : "b c",` + "\n\t" + `"d":[1, 2] } `, `{"a":1.0e5,"a":"\u0041"}`, `{"a":"\n \u2028 <&>"}`}

// fill draws a value for everything there is in one.
func fill(t *rapid.T, v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *token.Amount:
		*p = token.MustParse(rapid.SampledFrom([]string{"0", "1", "-0.25", "0.000000000001", "9999999999999999999"}).Draw(t, "amount"))
		return
	case *jsontext.Value:
		if raw := rapid.SampledFrom(raws).Draw(t, "raw"); raw != "" {
			*p = jsontext.Value(raw)
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.SampledFrom([]string{"", "a", "ä\n\"<&>\\ ", "\u2028"}).Draw(t, "text"))
	case reflect.Int64:
		v.SetInt(rapid.SampledFrom([]int64{0, 1, -1, 1 << 62}).Draw(t, "number"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, "byte")))
	case reflect.Int:
		v.SetInt(int64(rapid.Int16().Draw(t, "int")))
	case reflect.Slice:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "length"), 3))
		}
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Map:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.MakeMap(v.Type()))
			if rapid.Bool().Draw(t, "one") {
				value := reflect.New(v.Type().Elem()).Elem()
				fill(t, value)
				v.SetMapIndex(reflect.ValueOf("name").Convert(v.Type().Key()), value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i))
			}
		}
	default:
		t.Fatalf("a receipt has a %s, of which this test knows nothing", v.Type())
	}
}
