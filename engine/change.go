package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Change is everything but a charge that writes, in one durable transaction.
type Change struct {
	tx    store.Tx
	nowMS int64
	newID func() string

	private bool // webhooks may be
}

// Change runs fn in a transaction and returns its answer. With once, an answer given before under the same key is returned
// again instead, and replayed is true; scope is the instance's id, or empty. Problems that fn returns undo all that it
// did, and leave the key unused.
func (e *Engine) Change(ctx context.Context, scope string, once *Once, fn func(*Change) (*store.Answer, error)) (answer *store.Answer, replayed bool, err error) {
	err = e.store.Change(ctx, func(tx store.Tx) error {
		answer, replayed, err = e.change(tx, scope, once, fn)
		return err
	})
	e.adoptKeys()
	return answer, replayed, err
}

func (e *Engine) change(tx store.Tx, scope string, once *Once, fn func(*Change) (*store.Answer, error)) (*store.Answer, bool, error) {
	c := &Change{tx: tx, nowMS: e.Now(), newID: e.newID, private: e.deliverer.sender.Private()}
	if once == nil {
		answer, err := fn(c)
		return answer, false, err
	}
	id := usage.NewOnceID(scope, once.Key)
	earlier, err := tx.Answer(id)
	if err != nil {
		return nil, false, err
	}
	if charged, err := tx.Earlier(id); err != nil || charged != nil {
		return nil, false, orErr(err, keyReused(once.Key))
	}
	if earlier != nil {
		if !bytes.Equal(earlier.Fingerprint, once.Fingerprint) {
			return nil, false, keyReused(once.Key)
		}
		return earlier, true, nil
	}
	answer, err := fn(c)
	if err != nil {
		return nil, false, err
	}
	answer.TimeMS, answer.Fingerprint = c.nowMS, once.Fingerprint
	return answer, false, tx.PutAnswer(id, answer)
}

func orErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// CreateInstance makes an instance; the first of an account is its default.
func (c *Change) CreateInstance(shortName, accountID string) (*store.Instance, error) {
	for _, f := range [...]struct{ name, value string }{{"shortName", shortName}, {"accountId", accountID}} {
		if why := problem.Unnamed(f.value); why != "" {
			return nil, problem.Field(f.name, "%s", why)
		}
	}
	first, err := c.tx.DefaultInstance(accountID)
	if err != nil {
		return nil, err
	}
	i := &store.Instance{
		ID: c.newID(), ShortName: shortName, AccountID: accountID, Default: first == nil, CreatedMS: c.nowMS, ModifiedMS: c.nowMS,
	}
	return i, c.tx.InsertInstance(i)
}

// PutLineItem maps a line item to its instance, or replaces all that it was told before. Its use never changes by it
// (decisions.md D25).
func (c *Change) PutLineItem(next ledger.LineItem) (*ledger.LineItem, error) {
	if err := c.instanceExists(next.InstanceID); err != nil {
		return nil, err
	}
	old, err := c.tx.LineItem(next.ActivationID)
	if err != nil {
		return nil, err
	}
	kept, err := ledger.Replace(old, next, c.nowMS)
	if err != nil {
		return nil, err
	}
	if err := c.tx.PutLineItem(&kept); err != nil {
		return nil, err
	}
	err = c.told(old, &kept)
	kept.At(c.nowMS)
	return &kept, err
}

// told remembers how a line item was told to be, if it was told anything new.
func (c *Change) told(old, next *ledger.LineItem) error {
	if old != nil && old.SameTerms(next) {
		return nil
	}
	if err := c.tx.AddLineItemChange(store.LineItemChange{TimeMS: c.nowMS, LineItem: next.Terms()}); err != nil {
		return err
	}
	return c.toldOfTopUp(next)
}

// DeleteLineItem ends a line item. One that was charged stays in the books for its events, even when it has no use; one
// that never was is gone, and its activationId is free again.
func (c *Change) DeleteLineItem(instanceID, activationID string) error {
	if err := c.instanceExists(instanceID); err != nil {
		return err
	}
	l, err := c.tx.LineItem(activationID)
	if err != nil {
		return err
	}
	if l == nil || l.Deleted || l.InstanceID != instanceID {
		return NoLineItem(activationID)
	}
	charged, err := c.tx.Charged(activationID)
	if err != nil {
		return err
	}
	was := *l
	l.Deleted, l.Actions, l.Limit = true, nil, nil
	if err := c.told(&was, l); err != nil {
		return err
	}
	if !charged {
		return c.tx.RemoveLineItem(activationID)
	}
	if err := c.tx.ForgetConsumed(l.Number); err != nil {
		return err
	}
	return c.tx.PutLineItem(l)
}

func (c *Change) instanceExists(id string) error {
	i, err := c.tx.Instance(id)
	if err == nil && i == nil {
		err = NoInstance(id)
	}
	return err
}

// NoLineItem is the problem of a line item that an instance does not have.
func NoLineItem(activationID string) error {
	return problem.New(problem.NotFound, "this instance has no line item %q", activationID)
}

// AddRateTable posts a table. A series has a version once.
func (c *Change) AddRateTable(t *rate.Table) error {
	if err := t.Validate(); err != nil {
		return err
	}
	settings, err := c.tx.Settings()
	if err != nil {
		return err
	}
	if settings.Rates.Find(t.Series, t.Version) != nil {
		return problem.New(problem.Conflict, "%s has a version %q already; post the change as a new version", series(t.Series), t.Version)
	}
	t.CreatedMS = c.nowMS
	return c.tx.InsertRateTable(t)
}

// DeleteRateTable withdraws a table that is not in effect yet.
func (c *Change) DeleteRateTable(name, version string) error {
	settings, err := c.tx.Settings()
	if err != nil {
		return err
	}
	t := settings.Rates.Find(name, version)
	switch {
	case t == nil:
		return problem.New(problem.NotFound, "%s has no version %q", series(name), version)
	case t.EffectiveFromMS <= c.nowMS:
		return problem.New(problem.Conflict, "version %q is in effect already and cannot be deleted; post a new version instead", version)
	}
	return c.tx.DeleteRateTable(name, version)
}

func series(name string) string {
	if name == "" {
		return "the sequence without a series"
	}
	return fmt.Sprintf("the series %q", name)
}

// KeysMost is how many keys can be saved in one call.
const KeysMost = 100

// SaveKeys registers keys; one with an id that is there already takes its place.
func (c *Change) SaveKeys(keys []auth.Key) error {
	if len(keys) == 0 || len(keys) > KeysMost {
		return problem.New(problem.Invalid, "the body must be an array of 1 to %d keys", KeysMost)
	}
	for i, k := range keys {
		if err := k.Validate(); err != nil {
			err.Field = fmt.Sprintf("[%d].%s", i, err.Field)
			return err
		}
		if slices.ContainsFunc(keys[:i], func(before auth.Key) bool { return before.Role == k.Role && before.ID == k.ID }) {
			return problem.Field(fmt.Sprintf("[%d].id", i), "is there twice")
		}
		k.CreatedMS, k.ModifiedMS = c.nowMS, c.nowMS
		if err := c.tx.PutKey(k); err != nil {
			return err
		}
	}
	return nil
}

// DeleteKey makes a key's tokens worthless at once. The last administration key stays, or nobody could save another.
func (c *Change) DeleteKey(role auth.Role, id string) error {
	settings, err := c.tx.Settings()
	if err != nil {
		return err
	}
	found, ofRole := false, 0
	for _, k := range settings.Keys {
		if k.Role == role {
			ofRole++
			found = found || k.ID == id
		}
	}
	switch {
	case !found:
		return problem.New(problem.NotFound, "there is no such key %q", id)
	case role == auth.Admin && ofRole == 1:
		return problem.New(problem.Forbidden, "%q is the last administration key; save another before you delete it", id)
	}
	return c.tx.DeleteKey(role, id)
}
