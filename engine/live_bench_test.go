package engine

import (
	"strconv"
	"testing"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// BenchmarkLive counts batches of 100 charges on 1,000 instances, as a commit does, while nobody watches and while somebody does.
func BenchmarkLive(b *testing.B) {
	var batches [10][]*usage.Receipt
	for i := range 1000 {
		batches[i%10] = append(batches[i%10], &usage.Receipt{
			InstanceID: strconv.Itoa(i), AccountID: "account", Items: []usage.Item{{Status: ledger.Granted, Tokens: token.FromInt(5)}},
		})
	}
	for name, watched := range map[string]bool{"nobody watches": false, "somebody watches": true} {
		b.Run(name, func(b *testing.B) {
			e := new(Engine)
			if watched {
				if _, err := e.Watch(nil, LiveByInstance); err != nil {
					b.Fatal(err)
				}
			}
			i := 0
			for b.Loop() {
				e.live.record(batches[i%10])
				i++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/charge")
		})
	}
}
