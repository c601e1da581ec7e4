package engine

import (
	"math"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
)

// Moved is a line item before and after its quantity changed.
type Moved struct{ Before, After *ledger.LineItem }

// TopUp adds bought tokens to a line item: its quantity grows. With a requestID it answers that request of the line item's automatic top-up, which is
// answered once. It fails with a problem: NotFound, Invalid, or Conflict of one that is OBSOLETE, or when the request is not open.
func (c *Change) TopUp(instanceID, activationID string, tokens int64, requestID string) (*Moved, error) {
	if tokens < 1 {
		return nil, problem.Field("tokens", "must be a whole number of at least 1")
	}
	l, err := c.present(instanceID, activationID)
	if err != nil {
		return nil, err
	}
	if l.State == ledger.Obsolete {
		return nil, problem.New(problem.Conflict, "line item %q is OBSOLETE for good; sell another one", activationID)
	}
	moved, err := c.requantify(l, tokens)
	if err == nil && requestID != "" {
		err = c.grantTopUp(instanceID, activationID, requestID, tokens)
	}
	return moved, err
}

// Transfer says from where to where unused tokens go.
type Transfer struct {
	FromInstance, From string // line items by activationId
	ToInstance, To     string
	Tokens             int64
}

// Transfer moves unused tokens between line items of one account: what one loses of its quantity the other gains. It fails with a problem: NotFound,
// Invalid, or Conflict (other accounts, not as many unused, a line item that is OBSOLETE or would be left with none).
func (c *Change) Transfer(t *Transfer) (from, to *Moved, err error) {
	if t.Tokens < 1 {
		return nil, nil, problem.Field("tokens", "must be a whole number of at least 1")
	}
	if t.From == t.To {
		return nil, nil, problem.Field("to.activationId", "is the line item that the tokens come from")
	}
	giver, err := c.present(t.FromInstance, t.From)
	if err != nil {
		return nil, nil, err
	}
	taker, err := c.present(t.ToInstance, t.To)
	if err != nil {
		return nil, nil, err
	}
	if err := c.sameAccount(t.FromInstance, t.ToInstance); err != nil {
		return nil, nil, err
	}
	unused, most := giver.Balance(), giver.Quantity-1
	if n, ok := unused.Whole(); ok {
		most = min(most, n)
	}
	switch {
	case giver.State == ledger.Obsolete || taker.State == ledger.Obsolete:
		return nil, nil, problem.New(problem.Conflict, "a line item that is OBSOLETE neither gives nor takes")
	case giver.Recurs != "" || taker.Recurs != "":
		return nil, nil, problem.New(problem.Conflict, "an allowance that recurs is not moved: it would be every time; change the quantities instead")
	case t.Tokens > most:
		return nil, nil, problem.New(problem.Conflict, "tokens: of %s at most %d can be moved (%s are unused, and a line item has at least one)", t.From, most, unused)
	}
	if from, err = c.requantify(giver, -t.Tokens); err != nil {
		return nil, nil, err
	}
	to, err = c.requantify(taker, t.Tokens)
	return from, to, err
}

func (c *Change) sameAccount(instanceID, other string) error {
	a, err := c.tx.Instance(instanceID)
	if err != nil {
		return err
	}
	b, err := c.tx.Instance(other)
	if err == nil && a.AccountID != b.AccountID {
		err = problem.New(problem.Conflict, "the line items are of two accounts, %q and %q", a.AccountID, b.AccountID)
	}
	return err
}

// present returns a line item of an instance as of now, with what holds keep of it; a problem NotFound if there is none.
func (c *Change) present(instanceID, activationID string) (*ledger.LineItem, error) {
	book, err := bookOf(c.tx, instanceID, c.nowMS)
	if err != nil {
		return nil, err
	}
	book.At(c.nowMS)
	l := book.Find(activationID)
	if l == nil {
		return nil, NoLineItem(activationID)
	}
	return l, nil
}

func (c *Change) requantify(l *ledger.LineItem, tokens int64) (*Moved, error) {
	if tokens > math.MaxInt64-l.Quantity {
		return nil, problem.Field("tokens", "are more than a line item can have")
	}
	next := *l
	next.Quantity += tokens
	for _, why := range next.Validate() {
		return nil, problem.Field("tokens", "%s: %s", why.Field, why.Message)
	}
	if err := c.tx.PutLineItem(&next); err != nil {
		return nil, err
	}
	return &Moved{l, &next}, c.told(l, &next)
}
