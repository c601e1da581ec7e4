package server

import (
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Answers are written as json.Marshal writes the types of the API.
func TestAnswersAreWrittenAsJSONDoes(t *testing.T) {
	texts := rapid.SampledFrom([]string{"", "render", "ä\n\"<&>\\ ", "\u2028"})
	dictionaries := rapid.SampledFrom([]string{``, `{}`, `{"a":1.0e5,"b":["<&>", null]}`, ` { "a" : "b c",` + "\n\t" + `"d":[1, 2] } `,
		`{"a":"\u0041\" \\","b" : "\n \u2028"}`, "{\"\u2028\":\"ä/\"}"})
	amounts := rapid.SampledFrom([]string{"0", "1", "-0.25", "0.000000000001", "9999999999999999999"})
	statuses := rapid.SampledFrom([]ledger.Status{ledger.Granted, ledger.NotFound, ledger.LimitReached})
	rapid.Check(t, func(t *rapid.T) {
		text := func() string { return texts.Draw(t, "text") }
		amount := func() token.Amount { return token.MustParse(amounts.Draw(t, "amount")) }
		r := &usage.Receipt{CorrelationID: text(), Requester: access.Requester{Type: text(), Value: text()}}
		if d := dictionaries.Draw(t, "dictionary"); d != "" {
			r.Requester.Dictionary = jsontext.Value(d)
		}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			item := usage.Item{Item: text(), Version: text(), Count: amount(), Tokens: amount(), Status: statuses.Draw(t, "status"), Detail: text()}
			item.CoveredUntilMS = rapid.SampledFrom([]int64{0, 1 << 41}).Draw(t, "covered until")
			for range rapid.IntRange(0, 3).Draw(t, "slices") {
				item.Slices = append(item.Slices, usage.Slice{ActivationID: text(), Rate: amount(), Tokens: amount()})
			}
			r.Items = append(r.Items, item)
		}
		for _, f := range []family{v10, v11, farebox} {
			got, err := accessAnswer(f, r)
			if err != nil {
				t.Fatal(err)
			}
			want, err := json.Marshal(wireAccessAnswer(f, r))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Fatalf("%s\nwant\n%s", got, want)
			}
		}
	})
}

func BenchmarkAnswerJSON(b *testing.B) {
	one := token.MustParse("1")
	r := &usage.Receipt{
		CorrelationID: "0197d2c4-0000-7000-8000-000000000000", Requester: access.Requester{Type: "user", Value: "mia"},
		Items: []usage.Item{{Item: "render", Count: one, Tokens: token.MustParse("0.25"), Status: ledger.Granted,
			Slices: []usage.Slice{{ActivationID: "A-1", Rate: token.MustParse("0.25"), Tokens: token.MustParse("0.25")}}}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := accessAnswer(v11, r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRequestJSON(b *testing.B) {
	body := []byte(`{"requester":{"type":"user","value":"mia"},"requestedItems":[{"item":"render","count":1,"metaData":` +
		`{"project":"titles","job":"7f1d6c0e-5b0a-4c47-9f0e-0d3c5a1b2e4f","host":"render-17.example","frames":"0001-0240"}}]}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := decodeAccessRequest(v11, body); err != nil {
			b.Fatal(err)
		}
	}
}
