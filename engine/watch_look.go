package engine

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// look looks at a portion of what is not in the record: line items that were told to be otherwise, states that are due, line items that
// come to their end, and with new rules all line items, piece by piece.
func (t *turn) look(nowMS int64) error {
	for range lookMost {
		if t.full() {
			return nil
		}
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
		if rule.SoonMS() > 0 {
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
		if err := t.readTold(); err != nil {
			return err
		}
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
		if t.full() {
			return nil // the others are due next time
		}
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

// as remembers a line item as the books have it, but for what is held: that may come back, and receipts do not tell when.
func (t *turn) as(l *ledger.LineItem) (*watchedLine, error) {
	terms := *l
	terms.Actions, terms.Limit, terms.Held = nil, nil, token.Amount{}
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

// full reports whether no more is to be looked at in this turn.
func (t *turn) full() bool { return len(t.dirty) >= writeMost }

// ending looks at line items whose end a rule has come to see.
func (t *turn) ending(rule *notify.Rule, nowMS int64) error {
	if t.full() {
		return nil
	}
	cursor := t.body.cursor(rule, nowMS)
	all, err := t.LineItemsEnding(cursor.MS, cursor.Number, nowMS+rule.SoonMS(), lookMost)
	if err != nil || len(all) == 0 {
		return err
	}
	looked, err := t.eachOf(all, nowMS, false)
	if err != nil {
		return err
	}
	last := all[looked-1]
	t.body.Ending[rule.Name] = endingCursor{last.EndMS, last.Number}
	return nil
}

// sweep looks at the next line items for the sake of new rules.
func (t *turn) sweep(nowMS int64) error {
	for looked := 0; t.body.Sweeping && looked < sweepMost && !t.full(); {
		all, err := t.LineItemsFrom(t.body.Swept, lookMost)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			t.body.Sweeping, t.body.Swept = false, 0
			return nil
		}
		n, err := t.eachOf(all, nowMS, true)
		if err != nil {
			return err
		}
		t.body.Swept = all[n-1].Number
		looked += n
	}
	return nil
}

// eachOf looks at line items as the books have them until the turn is full, and returns at how many: one at least. Anew: there may be rules
// that have not seen them yet.
func (t *turn) eachOf(all []*ledger.LineItem, nowMS int64, anew bool) (int, error) {
	numbers := make([]int64, len(all))
	for i, l := range all {
		numbers[i] = l.Number
	}
	if err := t.readStates(numbers); err != nil {
		return 0, err
	}
	for i, l := range all {
		if i > 0 && t.full() {
			return i, nil
		}
		_, known := t.lines[l.Number]
		dirty := len(t.dirty)
		w, err := t.as(l)
		if err != nil {
			return 0, err
		}
		if err := t.again(w, nowMS); err != nil {
			return 0, err
		}
		if anew {
			if err := t.moved(w, nowMS, true); err != nil {
				return 0, err
			}
		}
		if !known && len(t.dirty) == dirty {
			delete(t.lines, l.Number) // of millions, most are looked at once and never moved
		}
	}
	return len(all), nil
}
