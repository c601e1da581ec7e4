package engine

import (
	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/usage"
)

// Charge is a one-off access request on an instance.
type Charge struct {
	InstanceID string
	Request    *access.Request
	Once       *Once
	Source     *usage.Source // nil: not recorded
	Size       int           // of the request in bytes, about
}

// Charge prices, decides and books a request, and returns its receipt once that is durable. A refusal is a receipt too.
// Replayed tells that the request was booked before, under the same idempotency key, and that this is that receipt. It
// fails with a problem: NotFound (no such instance), KeyReused, or Unavailable, and then nothing was charged.
func (e *Engine) Charge(c *Charge) (receipt *usage.Receipt, replayed bool, err error) {
	o := e.do(e.charging(c))
	return o.receipt, o.replayed, o.err
}

// charging returns the request that makes a charge.
func (e *Engine) charging(c *Charge) *request {
	return &request{
		instanceID: c.InstanceID, requester: &c.Request.Requester, once: c.Once, source: c.Source, size: c.Size,
		decide: func(d *decision) outcome {
			book := d.Books[c.InstanceID]
			if book == nil {
				return outcome{err: NoInstance(c.InstanceID)}
			}
			d.world.Prices.NowMS = d.nowMS
			var standing *ledger.Standing // nobody asks for it otherwise
			if book.Ruled() || d.world.Prices.Catalog.HasWindows() {
				standing = d.standing(c.Request.Requester.Key(c.InstanceID))
			}
			outcomes := d.room.Decide(book, &d.world.Prices, standing, c.Request)
			return outcome{receipt: d.record(usage.NewReceipt(e.receiptID(d.nowMS), d.nowMS, book, c.Request, outcomes))}
		},
	}
}

// NoInstance is the problem of an instance that there is not.
func NoInstance(id string) error { return problem.New(problem.NotFound, "there is no instance %q", id) }
