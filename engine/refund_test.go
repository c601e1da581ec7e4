package engine_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// ten charges ten tokens.
func (w *world) ten() *usage.Receipt {
	w.Helper()
	receipt, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: &access.Request{
		Requester: access.Requester{Type: "USER", Value: "ann"}, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(10)}}},
	}})
	w.must(err)
	return receipt
}

// TestRefundsAtOnce refunds more than a charge took in many parts at the same time: no more goes back than it took.
func TestRefundsAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.ten()
	charge := w.ten()
	var refunded, refused atomic.Int64
	var all sync.WaitGroup
	for range 25 {
		all.Go(func() {
			one := token.FromInt(1)
			_, _, err := w.Refund(ctx, &engine.Refund{Of: charge.CorrelationID, Parts: []usage.BackOf{{Tokens: &one}}, By: "key"})
			switch problem.KindOf(err) {
			case problem.Conflict:
				refused.Add(1)
			default:
				w.must(err)
				refunded.Add(1)
			}
		})
	}
	all.Wait()
	if refunded.Load() != 10 || refused.Load() != 15 {
		t.Errorf("%d refunds of 1 token of 10 were made, %d refused", refunded.Load(), refused.Load())
	}
	if used := w.used(); used != "10" {
		t.Errorf("used is %s after all, not that of the other charge", used)
	}
	if p := w.proof(); len(p.Differences) > 0 {
		t.Error(p.Differences)
	}
}

// TestVerifySeesRefunds changes what the books say of a refund.
func TestVerifySeesRefunds(t *testing.T) {
	w := newWorld(t, nil)
	charge := w.ten()
	_, _, err := w.Refund(ctx, &engine.Refund{Of: charge.CorrelationID, By: "key"})
	w.must(err)
	w.expectDifference(`UPDATE given SET body = CAST('{"time":0,"by":"other","items":[]}' AS BLOB)`, "is not in the books as its receipt has it")
	w.expectDifference("DELETE FROM given", "0 refunds of charges are in the books, and the receipts of 1")
}
