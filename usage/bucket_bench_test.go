package usage

import (
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// A bucket of the requests that docs/BENCHMARKS.md measures with: 1,000 line items, one item, 300 bytes of metadata.
func BenchmarkNewBucket(b *testing.B) {
	const receipts = 4096
	var events []Event
	for i := range receipts {
		n := i * 7919 % 1000
		r := &Receipt{CorrelationID: fmt.Sprint("c-", i), TimeMS: 1_767_225_600_000 + int64(i), AccountID: fmt.Sprint("account-", n), InstanceID: fmt.Sprint("i-", n),
			Requester: access.Requester{Type: "user", Value: fmt.Sprint("someone-", i%50)},
			Items: []Item{{Item: "render", Count: token.MustParse("1"), Tokens: token.MustParse("0.25"), Status: ledger.Granted,
				MetaData: jsontext.Value(`{"project":"alpha","job":"nightly-render","queue":"fast","host":"node-17"}`),
				Slices:   []Slice{{ActivationID: fmt.Sprint("A-", n), Number: int64(n), Rate: token.MustParse("0.25"), Tokens: token.MustParse("0.25"), Used: token.FromInt(int64(i)), Quantity: 1 << 40}}}}}
		events = r.Events(events)
	}
	b.ReportAllocs()
	for b.Loop() {
		NewBucket(events, Restless)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/receipts, "ns/event")
}
