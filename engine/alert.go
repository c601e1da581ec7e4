package engine

import (
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// alertsMost bounds the rules: every one is looked at for what it covers.
const alertsMost = 1000

// CreateAlert adds a rule, which must be complete. What it covers is looked at soon: what is beyond its threshold already fires.
func (c *Change) CreateAlert(r *notify.Rule) error {
	old, err := c.tx.Alert(r.Name)
	if err != nil {
		return err
	}
	if old != nil {
		return problem.New(problem.Conflict, "there is an alert %q already; PUT replaces it", r.Name)
	}
	all, err := c.tx.Alerts()
	if err != nil {
		return err
	}
	if len(all) >= alertsMost {
		return problem.New(problem.Conflict, "there are %d alerts already, which is the most; delete one before", alertsMost)
	}
	return c.putAlert(r, c.nowMS)
}

// ReplaceAlert changes a rule, which must be complete. What has fired and is beyond the new threshold too does not fire again; a rule of
// another kind, scope or window, or one that was disabled, begins anew.
func (c *Change) ReplaceAlert(r *notify.Rule) error {
	old, err := AlertOf(c.tx, r.Name)
	if err != nil {
		return err
	}
	same := old.Kind == r.Kind && old.AccountID == r.AccountID && old.InstanceID == r.InstanceID && old.ActivationID == r.ActivationID &&
		old.Window == r.Window
	if !same || r.Disabled {
		if err := c.tx.ForgetAlertStates(r.Name); err != nil {
			return err
		}
	}
	return c.putAlert(r, old.Created)
}

func (c *Change) putAlert(r *notify.Rule, createdMS int64) error {
	r.Created, r.Modified = 0, 0 // columns of their own
	body, err := json.Marshal(r)
	r.Created, r.Modified = createdMS, c.nowMS
	if err != nil {
		return err
	}
	if err := c.watchAnew(r.Name, !r.Disabled); err != nil {
		return err
	}
	return c.tx.PutAlert(store.Alert{Name: r.Name, CreatedMS: createdMS, ModifiedMS: c.nowMS, Body: body})
}

// DeleteAlert deletes a rule. What it has fired stays in the log, and is not told to be over.
func (c *Change) DeleteAlert(name string) error {
	if _, err := AlertOf(c.tx, name); err != nil {
		return err
	}
	if err := c.watchAnew(name, false); err != nil {
		return err
	}
	return c.tx.DeleteAlert(name)
}

// watchAnew has whoever watches take notice of a changed rule, and with sweep look at all that there is. While there was no rule nothing was
// followed: then watching begins here.
func (c *Change) watchAnew(name string, sweep bool) error {
	f, err := c.tx.Follower(watcherName)
	if err != nil {
		return err
	}
	rules, err := enabledAlerts(c.tx)
	if err != nil {
		return err
	}
	if f == nil {
		f = &store.Follower{Name: watcherName}
	}
	w, err := watchingOf(f.Body)
	if err != nil {
		return err
	}
	if len(rules) == 0 {
		last, err := c.tx.LastCommit()
		if err != nil {
			return err
		}
		f.Position = usage.Position{Commit: last + 1}
		if w.Told, err = c.tx.LastTold(); err != nil {
			return err
		}
	}
	w.Rules++
	delete(w.Ending, name)
	if sweep {
		w.Sweeping, w.Swept = true, 0
	}
	if f.Body, err = json.Marshal(w); err != nil {
		return err
	}
	return c.tx.PutFollower(*f)
}

func alertOf(kept *store.Alert) (*notify.Rule, error) {
	r := new(notify.Rule)
	if err := json.Unmarshal(kept.Body, r); err != nil {
		return nil, fmt.Errorf("alert %q: %w", kept.Name, err)
	}
	r.Name, r.Created, r.Modified = kept.Name, kept.CreatedMS, kept.ModifiedMS
	return r, r.Complete()
}

// AlertOf returns a rule; it fails with a problem NotFound.
func AlertOf(r store.Reader, name string) (*notify.Rule, error) {
	kept, err := r.Alert(name)
	if err == nil && kept == nil {
		err = problem.New(problem.NotFound, "there is no alert %q", name)
	}
	if err != nil {
		return nil, err
	}
	return alertOf(kept)
}

// Alerts returns all rules by name.
func Alerts(r store.Reader) ([]*notify.Rule, error) {
	kept, err := r.Alerts()
	if err != nil {
		return nil, err
	}
	all := make([]*notify.Rule, len(kept))
	for i := range kept {
		if all[i], err = alertOf(&kept[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func enabledAlerts(r store.Reader) (enabled []*notify.Rule, err error) {
	all, err := Alerts(r)
	for _, rule := range all {
		if !rule.Disabled {
			enabled = append(enabled, rule)
		}
	}
	return enabled, err
}

// AlertsFired returns entries of the log, newest first, from before a number on (0: from the newest), and the number to go on before; 0
// when there are no more. Empty ids select all.
func AlertsFired(r store.Reader, accountID, instanceID string, beforeNumber int64, limit int) (all []*notify.Notice, next int64, err error) {
	kept, err := r.AlertsFired(accountID, instanceID, beforeNumber, limit+1)
	if err != nil {
		return nil, 0, err
	}
	if len(kept) > limit {
		kept, next = kept[:limit], kept[limit-1].Number
	}
	all = make([]*notify.Notice, len(kept))
	for i := range kept {
		all[i] = new(notify.Notice)
		if err := json.Unmarshal(kept[i].Body, all[i]); err != nil {
			return nil, 0, err
		}
	}
	return all, next, nil
}
