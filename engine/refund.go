package engine

import (
	"context"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// reasonMost bounds what is said of a correction, in bytes.
const reasonMost = 1024

// Refund gives back what an earlier request was charged.
type Refund struct {
	Of     string         // the correlation id of that request
	Parts  []usage.BackOf // empty: all that is left
	By     string         // the id of the key whose token asks for it
	Reason string
	Once   *Once
	Source *usage.Source // nil: not recorded
	Size   int           // of the request in bytes, about
}

// Refund returns the refund's receipt once that is durable. It replays the charge backwards (decisions.md D12), whatever the line items are fit for
// now. It fails with a problem: NotFound (no such receipt), Invalid, Conflict (there is not as much left to refund), KeyReused or Unavailable, and
// then nothing was refunded.
func (e *Engine) Refund(ctx context.Context, f *Refund) (receipt *usage.Receipt, replayed bool, err error) {
	if err := checkReason(f.Reason); err != nil {
		return nil, false, err
	}
	charge, err := e.Receipt(ctx, f.Of)
	if err != nil {
		return nil, false, err
	}
	if err := e.View(ctx, func(r store.Reader) error { return settled(r, charge.Receipt) }); err != nil {
		return nil, false, err
	}
	o := e.do(&request{
		instanceID: charge.InstanceID, requester: &charge.Requester, refundOf: f.Of, once: f.Once, source: f.Source, size: f.Size,
		decide: func(d *decision) outcome { return d.refund(f, charge.Receipt) },
	})
	return o.receipt, o.replayed, o.err
}

func checkReason(reason string) error {
	if len(reason) > reasonMost {
		return problem.Field("reason", "is %d bytes long, at most %d are kept", len(reason), reasonMost)
	}
	return nil
}

func (d *decision) refund(f *Refund, charge *usage.Receipt) outcome {
	if charge.Correction != nil || charge.Session != nil && len(charge.Items) == 0 {
		return outcome{err: problem.New(problem.Conflict, "%s is not the receipt of a charge", charge.CorrelationID)}
	}
	book, given := d.Books[charge.InstanceID], d.Given[f.Of]
	back, err := charge.Back(given, f.Parts)
	if err != nil {
		return outcome{err: err}
	}
	book.At(d.nowMS)
	standing := d.standing(charge.Requester.Key(charge.InstanceID))
	outcomes := make([]ledger.Outcome, len(back))
	for i, b := range back {
		paid := charge.Items[b.Place].Shares(book)
		left := ledger.Rest(paid, &ledger.Outcome{Tokens: usage.TokensBack(given, b.Place)})
		outcomes[i] = ledger.Refund(book, standing, left, b.Tokens)
		outcomes[i].Status = ledger.Granted
		outcomes[i].Apply()
	}
	receipt := usage.NewRefund(d.engine.receiptID(d.nowMS), d.nowMS, book, charge, back, outcomes, &usage.Correction{By: f.By, Reason: f.Reason})
	if d.Given == nil {
		d.Given = map[string][]usage.GivenBack{}
	}
	d.Given[f.Of] = append(given, *receipt.GivesBack())
	return outcome{receipt: d.record(receipt)}
}

// Adjustment moves tokens of a line item for no item: what is used becomes more, or less with Tokens below 0.
type Adjustment struct {
	InstanceID, ActivationID string

	Tokens token.Amount // not 0
	By     string       // the id of the key whose token asks for it
	Reason string
	Once   *Once
	Source *usage.Source // nil: not recorded
	Size   int           // of the request in bytes, about
}

// Adjust returns the adjustment's receipt once that is durable. It fails with a problem: NotFound, Invalid, Conflict (see ledger.Adjust), KeyReused or
// Unavailable, and then nothing was moved.
func (e *Engine) Adjust(a *Adjustment) (receipt *usage.Receipt, replayed bool, err error) {
	if err := checkReason(a.Reason); err != nil {
		return nil, false, err
	}
	if a.Tokens.IsZero() {
		return nil, false, problem.Field("tokens", "must not be 0: more than 0 are used, less are given back")
	}
	o := e.do(&request{instanceID: a.InstanceID, once: a.Once, source: a.Source, size: a.Size, decide: func(d *decision) outcome {
		book := d.Books[a.InstanceID]
		if book == nil {
			return outcome{err: NoInstance(a.InstanceID)}
		}
		l := book.Find(a.ActivationID)
		if l == nil {
			return outcome{err: NoLineItem(a.ActivationID)}
		}
		book.At(d.nowMS)
		adjusted, err := ledger.Adjust(l, d.nowMS, a.Tokens)
		if err != nil {
			return outcome{err: err}
		}
		adjusted.Apply()
		why := &usage.Correction{By: a.By, Reason: a.Reason}
		return outcome{receipt: d.record(usage.NewAdjustment(d.engine.receiptID(d.nowMS), d.nowMS, book, &adjusted, why))}
	}})
	return o.receipt, o.replayed, o.err
}
