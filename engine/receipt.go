package engine

import (
	"context"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Booked is a receipt, and what became of it since.
type Booked struct {
	*usage.Receipt
	Given []usage.GivenBack // by refunds, in their order
}

// Receipt returns a receipt by its correlation id. It fails with a problem NotFound: there is none, or it was removed from the record.
func (e *Engine) Receipt(ctx context.Context, correlationID string) (b *Booked, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		b, err = bookedOf(r, correlationID)
		return err
	})
	if err == nil && b == nil {
		err = problem.New(problem.NotFound, "there is no receipt %q, or it is no longer kept", correlationID)
	}
	return b, err
}

// bookedOf returns nil if there is no such receipt.
func bookedOf(r store.Reader, correlationID string) (*Booked, error) {
	ms, ok := madeMS(correlationID)
	if !ok {
		return nil, nil
	}
	receipt, err := r.Receipt(correlationID, ms)
	if err != nil || receipt == nil {
		return nil, err
	}
	given, err := r.Given(correlationID)
	return &Booked{receipt, given}, err
}

// settled fails with a problem Conflict if a session is still going to refund what a receipt charged, or has done so in part: then it is not known here
// how much of it is left.
func settled(r store.Reader, charge *usage.Receipt) error {
	if charge.Session == nil {
		return nil
	}
	s, err := r.Session(charge.Session.ID)
	if err != nil {
		return err
	}
	if s != nil && s.State == access.Active && s.FromMS <= charge.TimeMS {
		return problem.New(problem.Conflict, "session %s is still using what this charge paid for; halt or close it, which refunds the rest of the period, and then adjust the line item", s.ID)
	}
	back := false
	filter := &usage.Filter{InstanceIDs: []string{charge.InstanceID}, FromMS: charge.TimeMS, ToMS: max(charge.Session.UntilMS, charge.TimeMS) + 1}
	_, err = r.Receipts(usage.Position{}, filter, 0, func(_ usage.Position, later *usage.Receipt) (bool, error) {
		back = later.Session != nil && later.Session.ID == charge.Session.ID && later.CorrelationID != charge.CorrelationID && len(later.Refunds) > 0
		return !back, nil
	})
	if err == nil && back {
		err = problem.New(problem.Conflict, "session %s has refunded a part of this charge itself; adjust the line item instead", charge.Session.ID)
	}
	return err
}
