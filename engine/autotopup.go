package engine

import (
	"bytes"
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// topUpName is the follower that automatic top-ups are asked for by.
const topUpName = "top-ups"

// askMost is how many automatic top-ups are looked at in one transaction, while charges wait.
const askMost = 32

// AutoTopUp is the automatic top-up of a line item.
type AutoTopUp struct {
	InstanceID   string
	ActivationID string
	notify.TopUp
	State      notify.TopUpState
	CreatedMS  int64
	ModifiedMS int64 // when the terms last changed

	lineItem int64

	// How it stands, where it was asked for.
	Standing notify.TopUpStanding
	DueMS    int64 // when time alone changes that; 0: never

	AskedThisMonth int64
}

// autoTopUpBody is what the books keep of an automatic top-up.
type autoTopUpBody struct {
	InstanceID   string            `json:"instanceId"`
	ActivationID string            `json:"activationId"`
	Terms        notify.TopUp      `json:"terms"`
	State        notify.TopUpState `json:"state"`
	CreatedMS    int64             `json:"created"`
	ModifiedMS   int64             `json:"modified"`
}

func autoTopUpOf(kept *store.AutoTopUp) (*AutoTopUp, error) {
	var b autoTopUpBody
	if err := json.Unmarshal(kept.Body, &b); err != nil {
		return nil, fmt.Errorf("the automatic top-up of line item %d: %w", kept.LineItem, err)
	}
	return &AutoTopUp{
		InstanceID: b.InstanceID, ActivationID: b.ActivationID, TopUp: b.Terms, State: b.State, CreatedMS: b.CreatedMS, ModifiedMS: b.ModifiedMS, lineItem: kept.LineItem,
	}, nil
}

func putAutoTopUp(tx store.Tx, a *AutoTopUp, dueMS int64) error {
	body, err := json.Marshal(autoTopUpBody{a.InstanceID, a.ActivationID, a.TopUp, a.State, a.CreatedMS, a.ModifiedMS})
	return orErr(err, tx.PutAutoTopUp(store.AutoTopUp{LineItem: a.lineItem, DueMS: dueMS, Body: body}))
}

// look says how an automatic top-up stands at a time, and how many tokens are to be asked for. The line item is nil when it is gone.
func (a *AutoTopUp) look(l *ledger.LineItem, nowMS int64) (tokens int64) {
	a.AskedThisMonth = a.State.AskedIn(nowMS)
	if l == nil || l.Number != a.lineItem || l.Deleted {
		a.Standing, a.DueMS = notify.TopUpOver, 0
		return 0
	}
	l.At(nowMS)
	a.Standing, tokens, a.DueMS = a.Look(&a.State, l, nowMS)
	return tokens
}

// AutoTopUpOf returns the automatic top-up of a line item as it stands at a time. It fails with a problem NotFound.
func AutoTopUpOf(r store.Reader, instanceID, activationID string, nowMS int64) (*AutoTopUp, error) {
	l, err := LineItem(r, instanceID, activationID)
	if err != nil {
		return nil, err
	}
	kept, err := r.AutoTopUp(l.Number)
	if err == nil && kept == nil {
		err = problem.New(problem.NotFound, "line item %q has no automatic top-up", activationID)
	}
	if err != nil {
		return nil, err
	}
	a, err := autoTopUpOf(kept)
	if err == nil {
		a.look(l, nowMS)
	}
	return a, err
}

// AutoTopUps returns automatic top-ups as they stand at a time, in the order of when their line items were made, from after a number on (0: from the first),
// and the number to go on after; 0 when there are no more.
func AutoTopUps(r store.Reader, after int64, limit int, nowMS int64) (all []*AutoTopUp, next int64, err error) {
	kept, err := r.AutoTopUps(after, limit+1)
	if err != nil {
		return nil, 0, err
	}
	if len(kept) > limit {
		kept, next = kept[:limit], kept[limit-1].LineItem
	}
	all = make([]*AutoTopUp, len(kept))
	for i := range kept {
		a, err := autoTopUpOf(&kept[i])
		if err != nil {
			return nil, 0, err
		}
		l, err := r.LineItem(a.ActivationID)
		if err != nil {
			return nil, 0, err
		}
		a.look(l, nowMS)
		all[i] = a
	}
	return all, next, nil
}

// PutAutoTopUp sets the terms of a line item's automatic top-up. Other terms than before are off until they are acknowledged; what is open, and what was
// asked for in this month, stays. It fails with a problem: NotFound, Invalid, or Conflict of a line item that recurs.
func (c *Change) PutAutoTopUp(instanceID, activationID string, terms notify.TopUp) (*AutoTopUp, error) {
	if err := terms.Validate(); err != nil {
		return nil, err
	}
	l, err := LineItem(c.tx, instanceID, activationID)
	if err != nil {
		return nil, err
	}
	if l.Recurs != "" {
		return nil, problem.New(problem.Conflict, "line item %q is an allowance that recurs: a top-up would come again every time; sell another line item", activationID)
	}
	a := &AutoTopUp{InstanceID: instanceID, ActivationID: activationID, CreatedMS: c.nowMS, lineItem: l.Number}
	kept, err := c.tx.AutoTopUp(l.Number)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		if a, err = autoTopUpOf(kept); err != nil {
			return nil, err
		}
	}
	if kept == nil || !a.Below.Equal(terms.Below) || a.Tokens != terms.Tokens || a.MonthMost != terms.MonthMost {
		a.TopUp, a.ModifiedMS = terms, max(c.nowMS, a.ModifiedMS+1) // so that no two terms are of one time
		a.State.AcknowledgedMS, a.State.By = 0, ""
	}
	a.look(l, c.nowMS)
	return a, putAutoTopUp(c.tx, a, 0)
}

// AcknowledgeAutoTopUp has the terms that were set at a time be in force. It fails with a problem: NotFound, or Conflict when they are others by now.
func (c *Change) AcknowledgeAutoTopUp(instanceID, activationID string, modifiedMS int64, by string) (*AutoTopUp, error) {
	a, err := AutoTopUpOf(c.tx, instanceID, activationID, c.nowMS)
	if err != nil {
		return nil, err
	}
	if a.ModifiedMS != modifiedMS {
		return nil, problem.New(problem.Conflict, "modified: the terms are those of %d by now; read them before you acknowledge them", a.ModifiedMS)
	}
	if err := c.followTopUps(); err != nil {
		return nil, err
	}
	a.State.Acknowledge(by, c.nowMS)
	return c.lookAgain(a)
}

// DeclineTopUp says that nothing is sold on a request. It fails with a problem: NotFound, or Conflict when the request is not open.
func (c *Change) DeclineTopUp(instanceID, activationID, requestID, reason string) (*AutoTopUp, error) {
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	a, err := AutoTopUpOf(c.tx, instanceID, activationID, c.nowMS)
	if err == nil {
		err = a.State.Decline(requestID, reason, c.nowMS)
	}
	if err != nil {
		return nil, err
	}
	return c.lookAgain(a)
}

// grantTopUp says that tokens were sold on a request.
func (c *Change) grantTopUp(instanceID, activationID, requestID string, tokens int64) error {
	a, err := AutoTopUpOf(c.tx, instanceID, activationID, c.nowMS)
	if err == nil {
		err = a.State.Grant(requestID, tokens, c.nowMS)
	}
	if err != nil {
		return err
	}
	_, err = c.lookAgain(a)
	return err
}

// lookAgain writes an automatic top-up down, and has it looked at soon.
func (c *Change) lookAgain(a *AutoTopUp) (*AutoTopUp, error) {
	l, err := c.tx.LineItem(a.ActivationID)
	if err != nil {
		return nil, err
	}
	a.look(l, c.nowMS)
	return a, putAutoTopUp(c.tx, a, c.nowMS)
}

// DeleteAutoTopUp has nothing more be asked for. It fails with a problem NotFound.
func (c *Change) DeleteAutoTopUp(instanceID, activationID string) error {
	a, err := AutoTopUpOf(c.tx, instanceID, activationID, c.nowMS)
	if err != nil {
		return err
	}
	return c.dropAutoTopUp(a.lineItem)
}

func (c *Change) dropAutoTopUp(lineItem int64) error {
	if err := c.tx.DeleteAutoTopUp(lineItem); err != nil {
		return err
	}
	left, err := c.tx.AutoTopUps(0, 1)
	if err != nil || len(left) > 0 {
		return err
	}
	return c.tx.DeleteFollower(topUpName) // so that nothing waits for it
}

// toldOfTopUp has the automatic top-up of a line item that was told to be otherwise looked at, if it has one.
func (c *Change) toldOfTopUp(l *ledger.LineItem) error {
	kept, err := c.tx.AutoTopUp(l.Number)
	if err != nil || kept == nil {
		return err
	}
	if l.Deleted {
		return c.dropAutoTopUp(l.Number)
	}
	kept.DueMS = c.nowMS
	return c.tx.PutAutoTopUp(*kept)
}

// followTopUps begins to follow the record, if nobody does.
func (c *Change) followTopUps() error {
	f, err := c.tx.Follower(topUpName)
	if err != nil || f != nil {
		return err
	}
	last, err := c.tx.LastCommit()
	if err != nil {
		return err
	}
	return c.tx.PutFollower(store.Follower{Name: topUpName, Position: usage.Position{Commit: last + 1}})
}

// LookAtTopUps asks for all automatic top-ups that are to be asked for by now. How a line item stands is seen in the transaction that writes the request
// down and has it sent, so that it does not matter who looks, how often, and at what.
func (e *Engine) LookAtTopUps(ctx context.Context) error {
	for {
		more, err := e.followTopUpsOnce(ctx)
		if err != nil || e.stopped.Load() {
			return err
		}
		if !more {
			break
		}
	}
	for n := askMost; n == askMost && !e.stopped.Load(); {
		var due []store.AutoTopUp
		nowMS := e.Now()
		err := e.View(ctx, func(r store.Reader) (err error) {
			due, err = r.DueAutoTopUps(nowMS, askMost)
			return err
		})
		if n = len(due); err != nil || n == 0 {
			return err
		}
		err = e.store.Change(ctx, func(tx store.Tx) error {
			for i := range due {
				if err := e.askTopUp(tx, due[i].LineItem); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// followTopUpsOnce looks at line items that were charged.
func (e *Engine) followTopUpsOnce(ctx context.Context) (more bool, err error) {
	followed := false
	err = e.View(ctx, func(r store.Reader) error {
		f, err := r.Follower(topUpName)
		followed = f != nil
		return err
	})
	if err != nil || !followed {
		return false, err
	}
	asked := false
	more, err = e.FollowOnce(ctx, &Follower{Name: topUpName, Most: watchMost, Take: func(ctx context.Context, batch *Followed) (int, func(store.Tx) error, error) {
		before := bytes.Clone(batch.Body)
		var short []int64
		err := e.View(ctx, func(r store.Reader) (err error) {
			short, err = e.shortOf(r, batch.Receipts)
			return err
		})
		return len(batch.Receipts), func(tx store.Tx) error {
			if f, err := tx.Follower(topUpName); err != nil || f == nil || !bytes.Equal(f.Body, before) {
				return orErr(err, errOvertaken) // there is none any more
			}
			for _, number := range short {
				if err := e.askTopUp(tx, number); err != nil {
					return err
				}
			}
			asked = len(short) > 0
			return nil
		}, err
	}})
	if asked {
		e.hint()
	}
	return more, err
}

// shortOf returns the line items that receipts charged and that have to be asked for, as they stand now.
func (e *Engine) shortOf(r store.Reader, receipts []*usage.Receipt) (short []int64, err error) {
	seen := map[int64]bool{}
	nowMS := e.Now()
	for _, receipt := range receipts {
		for i := range receipt.Items {
			for j := range receipt.Items[i].Slices {
				number := receipt.Items[i].Slices[j].Number
				if seen[number] {
					continue
				}
				seen[number] = true
				kept, err := r.AutoTopUp(number)
				if err != nil {
					return nil, err
				}
				if kept == nil {
					continue
				}
				a, err := autoTopUpOf(kept)
				if err != nil {
					return nil, err
				}
				l, err := r.LineItem(a.ActivationID)
				if err != nil {
					return nil, err
				}
				if tokens := a.look(l, nowMS); tokens > 0 || a.DueMS != kept.DueMS {
					short = append(short, number)
				}
			}
		}
	}
	return short, nil
}

// askTopUp looks at the automatic top-up of a line item, and asks for it if it is time.
func (e *Engine) askTopUp(tx store.Tx, lineItem int64) error {
	kept, err := tx.AutoTopUp(lineItem)
	if err != nil || kept == nil {
		return err
	}
	a, err := autoTopUpOf(kept)
	if err != nil {
		return err
	}
	l, err := tx.LineItem(a.ActivationID)
	if err != nil {
		return err
	}
	nowMS := e.Now()
	tokens := a.look(l, nowMS)
	if tokens == 0 {
		return putAutoTopUp(tx, a, a.DueMS)
	}
	i, err := tx.Instance(a.InstanceID)
	if err != nil {
		return err
	}
	r := a.Ask(&a.State, e.newID(), l, tokens, nowMS)
	if err := putAutoTopUp(tx, a, 0); err != nil {
		return err
	}
	hooks, err := Webhooks(tx)
	if err != nil {
		return err
	}
	return e.publishTo(tx, hooks, notify.TopUpAsk, nowMS, a.Requested(r, i.AccountID, l))
}
