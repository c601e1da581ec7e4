package access

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/farebox/farebox/ledger"
)

func TestDictionary(t *testing.T) {
	for _, row := range []struct {
		rule, object string
		want         ledger.Dictionary
	}{
		{"text", `{"a":"b"}`, ledger.Dictionary{"a": {"b"}}},
		{"numbers as written", `{"a":1.0,"b":-1e3}`, ledger.Dictionary{"a": {"1.0"}, "b": {"-1e3"}}},
		{"truths", `{"a":true,"b":false}`, ledger.Dictionary{"a": {"true"}, "b": {"false"}}},
		{"lists", `{"a":["b",2,true]}`, ledger.Dictionary{"a": {"b", "2", "true"}}},
		{"with spaces", "{ \"a\" :\t[ \"b\" , 2 ] , \"c\" : 3 }", ledger.Dictionary{"a": {"b", "2"}, "c": {"3"}}},
		{"escapes", `{"\u0061":"\u0062"}`, ledger.Dictionary{"a": {"b"}}},
		{"the empty text", `{"":""}`, ledger.Dictionary{"": {""}}},
		{"an empty list", `{"a":[]}`, ledger.Dictionary{}},
		{"null is not compared", `{"a":null,"b":[null,"c"]}`, ledger.Dictionary{"b": {"c"}}},
		{"nor is an object", `{"a":{"b":"c"},"b":[{"c":"d"}]}`, ledger.Dictionary{}},
		{"nor a list in a list", `{"a":[["b"],"c"]}`, ledger.Dictionary{"a": {"c"}}},
		{"no dictionary", ``, nil},
	} {
		var object jsontext.Value
		if row.object != "" {
			object = jsontext.Value(row.object)
		}
		if diff := cmp.Diff(row.want, dictionary(object)); diff != "" {
			t.Errorf("D21: %s (-want +got)\n%s", row.rule, diff)
		}
	}
}

// The requester of scripts is of the department "sales".
func TestSessionRules(t *testing.T) {
	run(t, []script{
		{"D12: an allocation gets its part back", "a 100 allow sales/5; b 100", `
			0    ask x:4  -> 0 ask: x 4: a 4 | until 1h, net 4
			30m  ask x:4  -> 30m ask: back x 2: a 2; x 4: a 3 b 1 | until 1h30m, net 6
			30m  close    -> 30m close: back x 4: b 1 a 3 | CLOSED, net 2`},
		{"D12: and so does a limit, of the line item drawn last first", "a 100 limit 5/DAY; b 100", `
			0    ask x:6  -> 0 ask: x 6: a 5 b 1 | until 1h, net 6
			30m  ask x:5  -> 30m ask: back x 3: b 1 a 2; x 5: a 2 b 3 | until 1h30m, net 8`},
		{"rules hold for automatic charges", "a 100 allow sales/3", `
			0    ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			1h   catch    -> 1h charge: x 302 | NOT_COVERED, net 2`},
		{"and so do limits", "a 100 limit 3/DAY", `
			0    ask x:2  -> 0 ask: x 2: a 2 | until 1h, net 2
			1h   catch    -> 1h charge: x 303 | NOT_COVERED, net 2`},
		{"a limit's next period", "a 100 limit 3/DAY", `
			23h  ask x:2  -> 23h ask: x 2: a 2 | until 24h, net 2
			24h  catch    -> 24h charge: x 2: a 2 | until 25h, beat by 24h30m, net 4
			24h15m ask x:2 -> 24h15m ask: back x 1.5: a 1.5; x 2: a 2 | until 25h15m, net 4.5
			24h15m ask x:4 -> 24h15m ask: x 303 | until 25h15m, net 4.5`},
		{"what was consumed in the period before is not given back in the next", "a 100 limit 3/DAY", `
			23h30m ask x:2 -> 23h30m ask: x 2: a 2 | until 24h30m, net 2
			24h    ask x:3 -> 24h ask: back x 1: a 1; x 3: a 3 | until 25h, net 4
			24h    ask x:4 -> 24h ask: x 303 | until 25h, net 4`},
		{"a denied request across periods leaves what was consumed before", "a 100 limit 3/DAY; b 2", `
			23h    ask x:3     -> 23h ask: x 3: a 3 | until 24h, net 3
			23h30m ask x:3 y   -> 23h30m ask: x 102; y 303 | until 24h, net 3
			23h30m ask x:3     -> 23h30m ask: back x 1.5: a 1.5; x 3: a 1.5 b 1.5 | until 24h30m, net 4.5`},
		{"an allowance that is over takes no refund", "a 10 recurs DAY", `
			23h30m ask x:10 -> 23h30m ask: x 10: a 10 | until 24h30m, net 10
			24h    ask x:10 -> 24h ask: back x 5: a 5; x 10: a 10 | until 25h, net 15
			24h    ask x:11 -> 24h ask: x 306 | until 25h, net 15`},
		{"neither denied nor granted requests change what is left of the next", "a 10 recurs DAY", `
			23h30m ask x:9  -> 23h30m ask: x 9: a 9 | until 24h30m, net 9
			24h    ask x:11 -> 24h ask: x 306 | until 24h30m, net 9
			24h    ask x:10 -> 24h ask: back x 4.5: a 4.5; x 10: a 10 | until 25h, net 14.5`},
		{"the next charge is of the next allowance", "a 10 recurs DAY", `
			23h    ask x:10 -> 23h ask: x 10: a 10 | until 24h, net 10
			24h    catch    -> 24h charge: x 10: a 10 | until 25h, beat by 24h30m, net 20
			24h10m beat     -> beat | until 25h, net 20
			25h    catch    -> 25h charge: x 306 | NOT_COVERED, net 20`},
	})
}

func TestForecastOfRules(t *testing.T) {
	for _, row := range []struct{ rule, lineItems, steps, want string }{
		{"until the allocation is used up", "a 100 allow sales/9", "0 ask x:2", "2 at 1h, 3 periods, beat by 1h30m"},
		{"until the limit is reached", "a 100 limit 9/DAY", "0 ask x:2", "2 at 1h, 3 periods, beat by 1h30m"},
		{"the price, whatever the rules leave", "a 100 allow sales/3", "0 ask x:2", "2 at 1h, 0 periods, beat by 1h30m"},
		{"the price, whatever the limit leaves", "a 100 limit 3/DAY", "0 ask x:2", "2 at 1h, 0 periods, beat by 1h30m"},
		{"a limit that begins anew before it is reached", "a 100 limit 48/DAY", "0 ask x:2", "2 at 1h, 49 periods, beat by 1h30m"},
		{"an allowance that begins anew before it is used up", "a 48 recurs DAY", "0 ask x:2", "2 at 1h, 47999 periods, beat by 1h30m"},
		{"an allowance that does not last", "a 47 recurs DAY", "0 ask x:2", "2 at 1h, 22 periods, beat by 1h30m"},
	} {
		st := newStage(t, row.lineItems)
		st.do(row.steps)
		if got := forecastText(st.s.Forecast(&st.w)); got != row.want {
			t.Errorf("%s: the forecast is %q, want %q", row.rule, got, row.want)
		}
	}
}
