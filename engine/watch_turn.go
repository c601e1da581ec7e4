package engine

import (
	"context"
	"math"
	"runtime"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// turn is a piece of the watcher's work, and what is to be written of it.
type turn struct {
	*watcher
	store.Reader
	ctx      context.Context
	was      *store.Follower // where it began
	body     *watching
	at       usage.Position // where the follower is after it
	latestMS int64          // when what it has looked at happened

	told    []store.Told                  // changes that were read ahead
	allTold bool                          // there are no more
	ahead   map[string][]store.AlertState // what is remembered, by subject, as far as it was read ahead
	dirty   []store.AlertState            // states to be written ...
	touched []*watchedRule                // ... and whose they are
	place   map[[2]string]int             // of states in dirty
	notices []*notify.Notice
}

// rest looks at the receipts that are left, which must be few.
func (t *turn) rest() error {
	rest := &Followed{From: t.at}
	if err := rest.Read(t, watchMost); err != nil {
		return err
	}
	if rest.More {
		return errBehind
	}
	if len(rest.Receipts) == 0 {
		return nil
	}
	t.at = rest.Next(len(rest.Receipts))
	return t.followed(rest)
}

// followed looks at receipts, and at the changes of line items that came before them.
func (t *turn) followed(batch *Followed) (err error) {
	for i, receipt := range batch.Receipts {
		if err := t.toldBefore(batch.At[i].Commit); err != nil {
			return err
		}
		if err := t.receipt(batch.At[i].Commit, receipt); err != nil {
			return err
		}
		if i%64 == 63 {
			runtime.Gosched() // charges come first
		}
		t.latestMS = max(t.latestMS, receipt.MadeMS())
	}
	batch.Body, err = json.Marshal(t.body)
	return err
}

// toldBefore looks at the changes of line items that came before a commit.
func (t *turn) toldBefore(commit int64) error {
	for {
		if len(t.told) == 0 {
			if t.allTold {
				return nil
			}
			if err := t.readTold(); err != nil {
				return err
			}
			if len(t.told) == 0 {
				return nil
			}
		}
		if t.told[0].After >= commit {
			return nil
		}
		c := &t.told[0]
		t.told, t.body.Told = t.told[1:], c.Number
		if err := t.change(c); err != nil {
			return err
		}
	}
}

// readTold reads ahead what line items were told to be, and what is remembered of them.
func (t *turn) readTold() (err error) {
	if t.told, err = t.ToldAfter(t.body.Told, lookMost); err != nil {
		return err
	}
	t.allTold = len(t.told) < lookMost
	numbers := make([]int64, len(t.told))
	for i := range t.told {
		numbers[i] = t.told[i].LineItem.Number
	}
	return t.readStates(numbers)
}

// readStates reads ahead what is remembered of line items, at once: one by one it would cost more than all else.
func (t *turn) readStates(lineItems []int64) error {
	var subjects []string
	for _, number := range lineItems {
		if t.lines[number] == nil {
			subjects = append(subjects, lineSubject(number))
		}
	}
	if len(subjects) == 0 {
		return nil
	}
	kept, err := t.AlertStates(subjects...)
	if err != nil {
		return err
	}
	t.ahead = make(map[string][]store.AlertState, len(subjects))
	for _, subject := range subjects {
		t.ahead[subject] = nil
	}
	for i := range kept {
		t.ahead[kept[i].Subject] = append(t.ahead[kept[i].Subject], kept[i])
	}
	return nil
}

// change looks at a line item that was told to be otherwise.
func (t *turn) change(c *store.Told) error {
	w, err := t.line(&c.LineItem)
	if err != nil {
		return err
	}
	if c.LineItem.Recurs != "" || w.Recurs != "" {
		if err := t.renewed(w, c); err != nil {
			return err
		}
	}
	before := w.LineItem
	w.LineItem = c.LineItem
	t.latestMS = max(t.latestMS, c.TimeMS)
	if err := t.moved(w, c.TimeMS, true); err != nil {
		return err
	}
	return t.judge(w, &before, c.TimeMS)
}

// renewed looks at the allowance that may have begun, by the terms of before, since a line item was looked at last and until it was told to be
// otherwise.
func (t *turn) renewed(w *watchedLine, c *store.Told) error {
	was, err := t.ToldBefore(c.LineItem.Number, c.Number)
	if err != nil || was == nil || was.LineItem.Recurs == "" {
		return err
	}
	w.LineItem = was.LineItem
	w.Stand(c.LineItem.Used, c.LineItem.ResetMS)
	before := w.LineItem
	return t.judge(w, &before, c.TimeMS)
}

// line returns a line item as it is remembered, or else as it is told.
func (t *turn) line(told *ledger.LineItem) (*watchedLine, error) {
	if w := t.lines[told.Number]; w != nil {
		return w, nil
	}
	account, err := t.account(told.InstanceID)
	if err != nil {
		return nil, err
	}
	w := &watchedLine{LineItem: *told, accountID: account}
	w.watched, err = t.states(lineSubject(told.Number), func(r *notify.Rule) bool {
		return r.OfLineItems() && r.Covers(account, told.InstanceID, told.ActivationID)
	})
	if err == nil {
		t.lines[told.Number] = w
	}
	return w, err
}

func (t *turn) account(instanceID string) (string, error) {
	if account, known := t.accounts[instanceID]; known {
		return account, nil
	}
	i, err := t.Instance(instanceID)
	if err != nil || i == nil {
		return "", err
	}
	t.accounts[instanceID] = i.AccountID
	return i.AccountID, nil
}

func lineSubject(number int64) string { return "line:" + strconv.FormatInt(number, 10) }

// states returns the rules that cover a subject, with what they remember of it.
func (t *turn) states(subject string, covers func(*notify.Rule) bool) (all []*watchedRule, err error) {
	for _, r := range t.rules {
		if covers(r) {
			all = append(all, &watchedRule{Rule: r})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	kept, known := t.ahead[subject]
	if !known {
		if kept, err = t.AlertStates(subject); err != nil {
			return nil, err
		}
	}
	for i := range kept {
		for _, w := range all {
			if w.Name != kept[i].Alert {
				continue
			}
			if err := json.Unmarshal(kept[i].Body, &w.state); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// receipt looks at all that a request did.
func (t *turn) receipt(commit int64, r *usage.Receipt) error {
	for i := range r.Refunds {
		for j := range r.Refunds[i].Slices {
			s := &r.Refunds[i].Slices[j]
			if err := t.slice(commit, r, s, s.Tokens.Neg()); err != nil {
				return err
			}
		}
	}
	var tokens token.Amount
	denied := int64(0)
	for i := range r.Items {
		item := &r.Items[i]
		if item.Status != ledger.Granted {
			denied++
			continue
		}
		tokens = tokens.Add(item.Tokens)
		for j := range item.Slices {
			s := &item.Slices[j]
			if err := t.slice(commit, r, s, s.Tokens); err != nil {
				return err
			}
		}
	}
	if tokens.Sign() > 0 {
		if err := t.spent(r, tokens); err != nil {
			return err
		}
	}
	return t.decided(r, int64(len(r.Items)), denied)
}

// slice looks at a line item that gave tokens, or got them back.
func (t *turn) slice(commit int64, r *usage.Receipt, s *usage.Slice, moved token.Amount) error {
	w := t.lines[s.Number]
	if w == nil {
		told, err := t.ToldBy(s.Number, commit)
		if err != nil || told == nil {
			return err
		}
		if w, err = t.line(&told.LineItem); err != nil {
			return err
		}
	}
	if len(w.watched) == 0 {
		return nil
	}
	is, nowMS := s.Balance(), r.MadeMS()
	if err := t.moved(w, nowMS, false); err != nil {
		return err
	}
	if w.quiet(s, is, nowMS) {
		w.Stand(is.Used, is.ResetMS)
		return nil
	}
	before := w.LineItem
	before.At(nowMS)
	first := is.Used
	if s.UsedResetMS == 0 {
		first = first.Sub(moved)
	}
	w.Quantity = s.Quantity
	w.Stand(first, is.ResetMS)
	if err := t.judge(w, &before, nowMS); err != nil { // a new allowance may have begun, which this was the first use of
		return err
	}
	before = w.LineItem
	w.Stand(is.Used, is.ResetMS) // of an allowance that is over, perhaps: what is made late
	return t.judge(w, &before, nowMS)
}

func (w *watchedLine) quiet(s *usage.Slice, is usage.Balance, nowMS int64) bool {
	return nowMS < w.quietUntilMS && is.ResetMS == w.ResetMS && s.Quantity == w.Quantity &&
		(w.above == nil || w.above.Less(is.Used)) && (w.below == nil || is.Used.Less(*w.below))
}

// judge has the rules that cover a line item judge it.
func (t *turn) judge(w *watchedLine, before *ledger.LineItem, nowMS int64) error {
	w.At(nowMS)
	w.above, w.below, w.quietUntilMS = nil, nil, w.EndMS
	if w.Recurs != "" {
		_, next := w.Recurs.Around(w.StartMS, max(nowMS, w.StartMS))
		w.quietUntilMS = min(next, w.EndMS)
	}
	if w.Deleted || w.State == ledger.Obsolete {
		w.quietUntilMS = 0
	}
	for _, rule := range w.watched {
		was := rule.state
		v := rule.Line(&rule.state, &w.LineItem, nowMS)
		t.step(w, rule, &was, v, before, nowMS)
		w.hush(rule)
	}
	return nil
}

// step has what a rule made of a line item written. Before is how the line item was.
func (t *turn) step(w *watchedLine, rule *watchedRule, was *notify.State, v notify.Verdict, before *ledger.LineItem, nowMS int64) {
	if v.Step == notify.None {
		return
	}
	n := notify.NewNotice(rule.Rule, v, nowMS, was.SinceMS)
	n.Before = rule.Value(before, nowMS)
	n.About(&w.LineItem)
	t.notice(n, w.accountID, w.InstanceID)
	t.touch(lineSubject(w.Number), rule, rule.LineDueMS(&rule.state, &w.LineItem, nowMS))
}

// hush narrows what is quiet to what changes nothing for a rule.
func (w *watchedLine) hush(rule *watchedRule) {
	above, below, ok := rule.Quiet(&rule.state, &w.LineItem)
	switch {
	case !ok: // use changes nothing
	case above != nil && (w.above == nil || w.above.Less(*above)):
		w.above = above
	case below != nil && (w.below == nil || below.Less(*w.below)):
		w.below = below
	}
}

func (t *turn) notice(n *notify.Notice, accountID, instanceID string) {
	n.ID, n.AccountID, n.InstanceID = t.engine.newID(), accountID, instanceID
	n.Complete()
	t.notices = append(t.notices, n)
}

// touch has a state written.
func (t *turn) touch(subject string, rule *watchedRule, dueMS int64) {
	if t.place == nil {
		t.place = map[[2]string]int{}
	}
	key := [2]string{subject, rule.Name}
	at, known := t.place[key]
	if !known {
		at = len(t.dirty)
		t.place[key] = at
		t.dirty = append(t.dirty, store.AlertState{Subject: subject, Alert: rule.Name})
		t.touched = append(t.touched, rule)
	}
	t.dirty[at].DueMS = dueMS
}

// otherSubject names a requester on an instance, or with a nil requester the instance.
func otherSubject(instanceID string, r *access.Requester) string {
	if r == nil {
		return "instance:" + instanceID
	}
	name, _ := json.Marshal([3]string{instanceID, r.Type, r.Value})
	return "requester:" + string(name)
}

func (t *turn) other(subject, accountID, instanceID string, kind notify.Kind) (*watchedOther, error) {
	if w := t.others[subject]; w != nil {
		return w, nil
	}
	all, err := t.states(subject, func(r *notify.Rule) bool { return r.Kind == kind && r.Covers(accountID, instanceID, "") })
	if err != nil {
		return nil, err
	}
	w := &watchedOther{all}
	t.others[subject] = w
	return w, nil
}

// spent counts what a requester used.
func (t *turn) spent(r *usage.Receipt, tokens token.Amount) error {
	if !anyOf(t.rules, notify.Pace) {
		return nil
	}
	requester := &access.Requester{Type: r.Requester.Type, Value: r.Requester.Value}
	subject := otherSubject(r.InstanceID, requester)
	w, err := t.other(subject, r.AccountID, r.InstanceID, notify.Pace)
	if err != nil {
		return err
	}
	for _, rule := range w.watched {
		was := rule.state
		v := rule.Charged(&rule.state, r.MadeMS(), tokens)
		t.judged(subject, rule, &was, v, r.MadeMS(), r.AccountID, r.InstanceID, requester)
	}
	return nil
}

// decided counts what was asked of an instance.
func (t *turn) decided(r *usage.Receipt, requests, denials int64) error {
	if requests == 0 || !anyOf(t.rules, notify.Denials) {
		return nil
	}
	subject := otherSubject(r.InstanceID, nil)
	w, err := t.other(subject, r.AccountID, r.InstanceID, notify.Denials)
	if err != nil {
		return err
	}
	for _, rule := range w.watched {
		was := rule.state
		v := rule.Decided(&rule.state, r.MadeMS(), requests, denials)
		t.judged(subject, rule, &was, v, r.MadeMS(), r.AccountID, r.InstanceID, nil)
	}
	return nil
}

func anyOf(rules []*notify.Rule, kind notify.Kind) bool {
	for _, r := range rules {
		if r.Kind == kind {
			return true
		}
	}
	return false
}

// judged has what a rule made of a requester or an instance written.
func (t *turn) judged(subject string, rule *watchedRule, was *notify.State, v notify.Verdict, nowMS int64, accountID, instanceID string, requester *access.Requester) {
	if v.Step != notify.None {
		n := notify.NewNotice(rule.Rule, v, nowMS, was.SinceMS)
		n.Requester = requester
		t.notice(n, accountID, instanceID)
	}
	t.touch(subject, rule, rule.WindowDueMS(&rule.state, nowMS))
}

// write writes what the turn has come to, and has it sent.
func (t *turn) write(tx store.Tx) error {
	for i, rule := range t.touched {
		s := &t.dirty[i]
		if rule.state.Empty() {
			if err := tx.DeleteAlertState(s.Subject, s.Alert); err != nil {
				return err
			}
			continue
		}
		var err error
		if s.Body, err = json.Marshal(&rule.state); err != nil {
			return err
		}
		if err := tx.PutAlertState(*s); err != nil {
			return err
		}
	}
	for _, n := range t.notices {
		body, err := json.Marshal(n)
		if err != nil {
			return err
		}
		err = tx.InsertAlertFired(&store.AlertFired{ID: n.ID, AccountID: n.AccountID, InstanceID: n.InstanceID, TimeMS: n.TimeMS, Body: body})
		if err != nil {
			return err
		}
	}
	return t.engine.publish(tx, t.notices)
}

// everything is after every commit.
const everything = math.MaxInt64
