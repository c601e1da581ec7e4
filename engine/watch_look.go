package engine

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/store"
)

// look looks at a portion of what is not in the record: line items that were told to be otherwise, states that are due, line items that
// come to their end, and with new rules all line items, piece by piece.
func (t *turn) look(nowMS int64) error {
	for range lookMost {
		before := t.body.Told
		if err := t.nextTold(); err != nil {
			return err
		}
		if t.body.Told == before {
			break
		}
	}
	if len(t.told) > 0 || !t.allTold {
		return nil // first things first
	}
	if err := t.due(nowMS); err != nil {
		return err
	}
	for _, rule := range t.rules {
		if rule.Soon() > 0 {
			if err := t.ending(rule, nowMS); err != nil {
				return err
			}
		}
	}
	return t.sweep(nowMS)
}

// nextTold looks at one change of a line item.
func (t *turn) nextTold() error {
	if len(t.told) == 0 && !t.allTold {
		var err error
		if t.told, err = t.ToldAfter(t.body.Told, lookMost); err != nil {
			return err
		}
		t.allTold = len(t.told) < lookMost
	}
	if len(t.told) == 0 {
		return nil
	}
	c := &t.told[0]
	t.told, t.body.Told = t.told[1:], c.Number
	return t.change(c)
}

// due looks at what time may have changed.
func (t *turn) due(nowMS int64) error {
	all, err := t.DueAlertStates(nowMS, lookMost)
	if err != nil {
		return err
	}
	for i := range all {
		if err := t.dueState(&all[i], nowMS); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) dueState(s *store.AlertState, nowMS int64) error {
	if number, is := strings.CutPrefix(s.Subject, "line:"); is {
		return t.dueLine(s, number, nowMS)
	}
	var requester *access.Requester
	kind, instanceID := notify.Denials, strings.TrimPrefix(s.Subject, "instance:")
	if name, is := strings.CutPrefix(s.Subject, "requester:"); is {
		var parts [3]string
		if err := json.Unmarshal([]byte(name), &parts); err != nil {
			return err
		}
		kind, instanceID, requester = notify.Pace, parts[0], &access.Requester{Type: parts[1], Value: parts[2]}
	}
	account, err := t.account(instanceID)
	if err != nil {
		return err
	}
	w, err := t.other(s.Subject, account, instanceID, kind)
	if err != nil {
		return err
	}
	rule := named(w.watched, s.Alert)
	if rule == nil {
		return t.orphan(s)
	}
	was := rule.state
	if !was.Fired { // nothing has happened for so long that what was seen says nothing
		rule.state = notify.State{}
		t.touch(s.Subject, rule, 0)
		return nil
	}
	judge := rule.Instance
	if kind == notify.Pace {
		judge = rule.Requester
	}
	t.judged(s.Subject, rule, &was, judge(&rule.state, nowMS), nowMS, account, instanceID, requester)
	return nil
}

func named(all []*watchedRule, name string) *watchedRule {
	for _, rule := range all {
		if rule.Name == name {
			return rule
		}
	}
	return nil
}

// orphan forgets a state that no rule asks for.
func (t *turn) orphan(s *store.AlertState) error {
	t.touch(s.Subject, &watchedRule{Rule: &notify.Rule{Name: s.Alert}}, 0)
	return nil
}

func (t *turn) dueLine(s *store.AlertState, number string, nowMS int64) error {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return err
	}
	w, err := t.current(n)
	if err != nil {
		return err
	}
	if w == nil {
		return t.orphan(s)
	}
	rule := named(w.watched, s.Alert)
	if rule == nil {
		return t.orphan(s)
	}
	if !rule.state.Fired {
		rule.state = notify.State{}
		t.touch(s.Subject, rule, 0)
		return nil
	}
	t.touch(s.Subject, rule, 0) // and again below, when it is next due
	return t.again(w, nowMS)
}

// current returns a line item as the books have it now, which is as the record says. Nil: it is gone.
func (t *turn) current(number int64) (*watchedLine, error) {
	told, err := t.ToldBy(number, everything)
	if err != nil || told == nil {
		return nil, err
	}
	l := &told.LineItem
	if !l.Deleted {
		if l, err = t.LineItem(told.LineItem.ActivationID); err != nil || l == nil {
			return nil, err
		}
	}
	return t.as(l)
}

// as remembers a line item as the books have it.
func (t *turn) as(l *ledger.LineItem) (*watchedLine, error) {
	terms := *l
	terms.Actions, terms.Limit = nil, nil
	w, err := t.line(&terms)
	if err != nil {
		return nil, err
	}
	w.LineItem = terms
	return w, nil
}

// again judges a line item at a time, and says when each of its alerts that have fired is due next.
func (t *turn) again(w *watchedLine, nowMS int64) error {
	before := w.LineItem
	if err := t.judge(w, &before, nowMS); err != nil {
		return err
	}
	for _, rule := range w.watched {
		if rule.state.Fired {
			t.touch(lineSubject(w.Number), rule, rule.LineDueMS(&rule.state, &w.LineItem, nowMS))
		}
	}
	return nil
}

// againAs judges a line item again as the books have it.
func (t *turn) againAs(l *ledger.LineItem, nowMS int64) error {
	w, err := t.as(l)
	if err != nil {
		return err
	}
	return t.again(w, nowMS)
}

// ending looks at line items whose end a rule has come to see.
func (t *turn) ending(rule *notify.Rule, nowMS int64) error {
	cursor := t.body.cursor(rule, nowMS)
	all, err := t.LineItemsEnding(cursor.MS, cursor.Number, nowMS+rule.Soon(), lookMost)
	if err != nil || len(all) == 0 {
		return err
	}
	for _, l := range all {
		if err := t.againAs(l, nowMS); err != nil {
			return err
		}
		cursor = endingCursor{l.EndMS, l.Number}
	}
	t.body.Ending[rule.Name] = cursor
	return nil
}

// sweep looks at the next line items for the sake of new rules.
func (t *turn) sweep(nowMS int64) error {
	if !t.body.Sweeping {
		return nil
	}
	all, err := t.LineItemsFrom(t.body.Swept, lookMost)
	if err != nil {
		return err
	}
	for _, l := range all {
		if err := t.againAs(l, nowMS); err != nil {
			return err
		}
		t.body.Swept = l.Number
	}
	if len(all) < lookMost {
		t.body.Sweeping, t.body.Swept = false, 0
	}
	return nil
}
