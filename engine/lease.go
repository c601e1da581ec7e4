package engine

import (
	"context"
	"crypto"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// NewLease asks for a lease on an instance.
type NewLease struct {
	InstanceID string
	Lease      *access.NewLease
	TTL        time.Duration // from access.LeaseLeast to access.LeaseMost
	Once       *Once
	Source     *usage.Source // nil: not recorded
	Size       int           // of the request in bytes, about
}

// Lease keeps tokens back for a client that spends them by itself, and returns its receipt once that is durable. A refusal is a receipt too, without
// the id of a lease. It fails with a problem: NotFound (no such instance), Conflict (as many holds and leases are live there as may be),
// KeyReused or Unavailable, and then nothing is leased.
func (e *Engine) Lease(ctx context.Context, n *NewLease) (receipt *usage.Receipt, replayed bool, err error) {
	key, err := e.signer(ctx)
	if err != nil {
		return nil, false, err
	}
	o := e.do(&request{
		instanceID: n.InstanceID, requester: &n.Lease.Requester, once: n.Once, source: n.Source, size: n.Size,
		decide: func(d *decision) outcome {
			book := d.Books[n.InstanceID]
			if book == nil {
				return outcome{err: NoInstance(n.InstanceID)}
			}
			if book.LiveHolds() >= e.holdsMost {
				return outcome{err: problem.New(problem.Conflict, "%d holds and leases are live on this instance, and no more can be; settle or end some", e.holdsMost)}
			}
			lease, refused := d.on(n.InstanceID).MakeLease(e.newID(), key.ID, n.Lease, n.TTL, d.nowMS)
			request := n.Lease.Request()
			if lease != nil {
				request.Items = nil
			}
			return outcome{receipt: d.record(usage.NewLeaseReceipt(e.receiptID(d.nowMS), d.nowMS, book, request, lease, refused))}
		},
	})
	return o.receipt, o.replayed, o.err
}

// ReportLease books what a client used of a lease that was not booked before. One that tells nothing new does nothing: the receipt is nil then. It
// fails with a problem: NotFound, Invalid or Conflict (access.Hold.Report), KeyReused or Unavailable, and then nothing was booked.
func (e *Engine) ReportLease(m *HoldMove, report *access.Report) (receipt *usage.Receipt, replayed bool, err error) {
	return e.moveLease(m, func(d *decision, h *access.Hold) outcome {
		items, outcomes, changed, late, err := h.Report(&d.world, report, d.nowMS)
		if err != nil || !changed {
			return outcome{err: err}
		}
		return outcome{receipt: usage.NewHoldMoveReceipt(e.receiptID(d.nowMS), d.nowMS, d.world.Book, h, access.ReportLease, items, outcomes, late)}
	})
}

// EndLease has a lease be over now. To end one that is over does nothing: the receipt is nil then. It fails with a problem: NotFound, KeyReused or
// Unavailable.
func (e *Engine) EndLease(m *HoldMove) (receipt *usage.Receipt, replayed bool, err error) {
	return e.moveLease(m, func(d *decision, h *access.Hold) outcome {
		if !h.EndNow(&d.world, d.nowMS) {
			return outcome{}
		}
		return outcome{receipt: usage.NewHoldMoveReceipt(e.receiptID(d.nowMS), d.nowMS, d.world.Book, h, access.EndLease, nil, nil, false)}
	})
}

func (e *Engine) moveLease(m *HoldMove, move func(*decision, *access.Hold) outcome) (*usage.Receipt, bool, error) {
	return e.moveKept(m, e.LeaseByID, move)
}

// LeaseByID returns a lease as it was last written. It fails with a problem NotFound, also of a lease that was over for long.
func (e *Engine) LeaseByID(ctx context.Context, id string) (h *access.Hold, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		h, err = r.Hold(id)
		return err
	})
	if err == nil && (h == nil || h.Lease == nil) {
		return nil, problem.New(problem.NotFound, "there is no lease %q", id)
	}
	return h, err
}

// LeaseKeys returns the keys that sign leases, the oldest first; none before the first lease.
func (e *Engine) LeaseKeys(ctx context.Context) ([]*auth.Pair, error) {
	if keys := e.leaseKeys.Load(); keys != nil {
		return *keys, nil
	}
	return e.readLeaseKeys(ctx)
}

func (e *Engine) readLeaseKeys(ctx context.Context) (keys []*auth.Pair, err error) {
	err = e.View(ctx, func(r store.Reader) error {
		all, err := r.LeaseKeys()
		for _, k := range all {
			pair, wrong := auth.ParsePrivate([]byte(k.PrivatePEM))
			if wrong != nil {
				return problem.Wrap(problem.Internal, wrong, "the key %s of leases cannot be read", k.ID)
			}
			keys = append(keys, pair)
		}
		return err
	})
	if err == nil && len(keys) > 0 {
		e.leaseKeys.Store(&keys)
	}
	return keys, err
}

// signer returns the key that signs new leases; the first time it is made.
func (e *Engine) signer(ctx context.Context) (*auth.Pair, error) {
	keys, err := e.LeaseKeys(ctx)
	if err != nil || len(keys) > 0 {
		return last(keys), err
	}
	_, _, err = e.Change(ctx, "", nil, func(c *Change) (*store.Answer, error) {
		if all, err := c.tx.LeaseKeys(); err != nil || len(all) > 0 { // another server was faster
			return nil, err
		}
		pair, err := auth.NewPair()
		if err != nil {
			return nil, err
		}
		return nil, c.tx.InsertLeaseKey(store.LeaseKey{ID: pair.ID, CreatedMS: c.nowMS, PrivatePEM: string(pair.PrivatePEM)})
	})
	if err == nil {
		keys, err = e.readLeaseKeys(ctx)
	}
	return last(keys), err
}

func last(keys []*auth.Pair) *auth.Pair {
	if len(keys) == 0 {
		return nil
	}
	return keys[len(keys)-1]
}

// leaseKey returns a key that signs leases; nil if there is none of that id. What another server made since is looked for once.
func (e *Engine) leaseKey(ctx context.Context, id string) (*auth.Pair, error) {
	for _, read := range [...]func(context.Context) ([]*auth.Pair, error){e.LeaseKeys, e.readLeaseKeys} {
		keys, err := read(ctx)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if k.ID == id {
				return k, nil
			}
		}
	}
	return nil, nil
}

// SignLease signs the claims of a lease with the key that it was made with.
func (e *Engine) SignLease(ctx context.Context, keyID string, claims []byte) (string, error) {
	key, err := e.leaseKey(ctx, keyID)
	if err == nil && key == nil {
		err = problem.New(problem.Internal, "the key %s of leases is gone", keyID)
	}
	if err != nil {
		return "", err
	}
	return auth.SignLease(key, claims)
}

// VerifyLease returns the id of the lease that a text is, signed by us. It fails with a problem: Invalid, Forbidden or Unavailable.
func (e *Engine) VerifyLease(ctx context.Context, text string) (id string, err error) {
	var unread error
	id, err = auth.VerifyLease(text, func(keyID string) crypto.PublicKey {
		key, err := e.leaseKey(ctx, keyID)
		if unread = err; key == nil {
			return nil
		}
		return key.Private.Public()
	})
	if unread != nil {
		return "", unread
	}
	return id, err
}
