package storetest

import (
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/token"
)

// filled returns a T with something in every field, however deep, and nothing twice: what is lost or mixed up shows.
func filled[T any]() *T {
	f := new(T)
	n := 0
	fill(reflect.ValueOf(f).Elem(), &n)
	return f
}

func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case token.Amount:
		v.Set(reflect.ValueOf(amount(fmt.Sprintf("%d.%012d", *n, *n))))
		return
	case jsontext.Value:
		v.Set(reflect.ValueOf(jsontext.Value(fmt.Sprintf(`{"%d":%d.0}`, *n, *n))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, n)
			fill(value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic(fmt.Sprintf("nothing to fill a %s with", v.Type()))
	}
}
