package engine

import (
	"context"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// NewHold asks for a hold on an instance.
type NewHold struct {
	InstanceID string
	Request    *access.Request // all or nothing, whatever it says
	TTL        time.Duration   // from access.HoldLeast to access.HoldMost
	Once       *Once
	Source     *usage.Source // nil: not recorded
	Size       int           // of the request in bytes, about
}

// Hold keeps tokens back for work that is about to begin, and returns its receipt once that is durable. A refusal is a receipt too, without
// the id of a hold. It fails with a problem: NotFound (no such instance), Conflict (as many holds are live there as may be), KeyReused
// or Unavailable, and then nothing is held.
func (e *Engine) Hold(h *NewHold) (receipt *usage.Receipt, replayed bool, err error) {
	o := e.do(&request{
		instanceID: h.InstanceID, requester: &h.Request.Requester, once: h.Once, source: h.Source, size: h.Size,
		decide: func(d *decision) outcome {
			book := d.Books[h.InstanceID]
			if book == nil {
				return outcome{err: NoInstance(h.InstanceID)}
			}
			if book.LiveHolds() >= e.holdsMost {
				return outcome{err: problem.New(problem.Conflict, "%d holds are live on this instance, and no more can be; settle or release some", e.holdsMost)}
			}
			hold, outcomes := access.NewHold(e.newID(), d.on(h.InstanceID), h.Request, h.TTL, d.nowMS)
			return outcome{receipt: d.record(usage.NewHoldReceipt(e.receiptID(d.nowMS), d.nowMS, book, h.Request, hold, outcomes))}
		},
	})
	return o.receipt, o.replayed, o.err
}

// HoldMove asks something of a hold.
type HoldMove struct {
	HoldID string
	Known  *access.Hold // as HoldByID or LeaseByID has just returned it: where it is and whose never changes; nil: it is read
	Once   *Once
	Source *usage.Source // nil: not recorded
	Size   int           // of the request in bytes, about
}

// ExtendHold has a hold live for a time from now, if that is longer than it would. It fails with a problem: NotFound, Conflict (it has
// ended or lapsed), KeyReused or Unavailable.
func (e *Engine) ExtendHold(m *HoldMove, ttl time.Duration) (receipt *usage.Receipt, replayed bool, err error) {
	return e.moveHold(m, func(d *decision, h *access.Hold) outcome {
		if err := h.Extend(&d.world, ttl, d.nowMS); err != nil {
			return outcome{err: err}
		}
		return outcome{receipt: usage.NewHoldMoveReceipt(e.receiptID(d.nowMS), d.nowMS, d.world.Book, h, access.ExtendHold, nil, nil, false)}
	})
}

// SettleHold books what finished work came to, in full. What items leave out they have from the hold. It fails with a problem: NotFound,
// Conflict (it has ended), Invalid (an item has no price, or comes to more than can be booked), KeyReused or Unavailable, and then
// nothing was booked.
func (e *Engine) SettleHold(m *HoldMove, items []access.Item, final bool) (receipt *usage.Receipt, replayed bool, err error) {
	return e.moveHold(m, func(d *decision, h *access.Hold) outcome {
		items := h.Complete(items)
		outcomes, late, err := h.Settle(&d.world, items, final, d.nowMS)
		if err != nil {
			return outcome{err: err}
		}
		return outcome{receipt: usage.NewHoldMoveReceipt(e.receiptID(d.nowMS), d.nowMS, d.world.Book, h, access.SettleHold, items, outcomes, late)}
	})
}

// ReleaseHold gives back all that a hold keeps. To release one again does nothing: the receipt is nil then. It fails with a problem: NotFound,
// Conflict (it was settled for good), KeyReused or Unavailable.
func (e *Engine) ReleaseHold(m *HoldMove) (receipt *usage.Receipt, replayed bool, err error) {
	return e.moveHold(m, func(d *decision, h *access.Hold) outcome {
		changed, err := h.Release(&d.world, d.nowMS)
		if err != nil || !changed {
			return outcome{err: err}
		}
		return outcome{receipt: usage.NewHoldMoveReceipt(e.receiptID(d.nowMS), d.nowMS, d.world.Book, h, access.ReleaseHold, nil, nil, false)}
	})
}

// moveHold makes a move of a hold.
func (e *Engine) moveHold(m *HoldMove, move func(*decision, *access.Hold) outcome) (*usage.Receipt, bool, error) {
	return e.moveKept(m, e.HoldByID, move)
}

// moveKept makes a move of a hold or a lease, which find reads if it is not known.
func (e *Engine) moveKept(
	m *HoldMove, find func(context.Context, string) (*access.Hold, error), move func(*decision, *access.Hold) outcome,
) (receipt *usage.Receipt, replayed bool, err error) {
	known := m.Known
	if known == nil {
		if known, err = find(context.Background(), m.HoldID); err != nil {
			return nil, false, err
		}
	}
	o := e.do(&request{
		instanceID: known.InstanceID, holdID: m.HoldID, requester: &known.Requester, once: m.Once, source: m.Source, size: m.Size,
		decide: func(d *decision) outcome {
			h := d.Loaded.Holds[m.HoldID]
			if h == nil {
				return outcome{err: NoHold(m.HoldID)}
			}
			d.on(h.InstanceID)
			o := move(d, h)
			if o.receipt != nil {
				d.record(o.receipt)
			}
			return o
		},
	})
	return o.receipt, o.replayed, o.err
}

// NoHold is the problem of a hold that there is not, or not where the caller may look for it.
func NoHold(id string) error { return problem.New(problem.NotFound, "there is no hold %q", id) }

// HoldByID returns a hold as it was last written. It fails with a problem NotFound, also of a hold that was over for long.
func (e *Engine) HoldByID(ctx context.Context, id string) (h *access.Hold, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		h, err = r.Hold(id)
		return err
	})
	if err == nil && (h == nil || h.Lease != nil) {
		return nil, NoHold(id)
	}
	return h, err
}

// LiveHolds returns the holds of an instance, leases or others, that have neither ended nor lapsed, newest first, from before a number on (0: from the
// newest).
func (e *Engine) LiveHolds(ctx context.Context, instanceID string, leases bool, before int64, limit int) (all []*access.Hold, nowMS int64, err error) {
	nowMS = e.Now()
	err = e.View(ctx, func(r store.Reader) error {
		i, err := r.Instance(instanceID)
		if err == nil && i == nil {
			err = NoInstance(instanceID)
		}
		if err == nil {
			all, err = r.LiveHolds(instanceID, leases, nowMS, before, limit)
		}
		return err
	})
	return all, nowMS, err
}
