package audit

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
)

// Auditor checks usage events against the answers that were acknowledged. It is told, in the order in which they took
// effect, what the producer changed and what callers were answered.
type Auditor struct {
	// Loose says that the producer changed things while callers asked, so that nobody knows which came first. What depends
	// on that is not checked then; overdrafts must not change.
	Loose bool

	history   []entry
	answers   map[string]int // places in history, by correlation id
	complains []string
}

// entry is a change of the state, or an answer.
type entry struct {
	change  func(*state)
	now     int64
	request Request
	answer  *Answer
}

// NewAuditor returns an auditor of an empty database.
func NewAuditor() *Auditor { return &Auditor{answers: map[string]int{}} }

func (a *Auditor) changed(change func(*state)) { a.history = append(a.history, entry{change: change}) }

// LineItem tells of a line item that was put.
func (a *Auditor) LineItem(l LineItem) { a.changed(func(s *state) { s.lineItems[l.ID] = l }) }

// DeletedLineItem tells of a line item that was deleted.
func (a *Auditor) DeletedLineItem(id string) { a.changed(func(s *state) { delete(s.lineItems, id) }) }

// Table tells of a rate table that was posted.
func (a *Auditor) Table(t *Table) { a.changed(func(s *state) { s.tables = append(s.tables, t) }) }

// DeletedTable tells of a rate table that was withdrawn.
func (a *Auditor) DeletedTable(series, version string) {
	a.changed(func(s *state) {
		s.tables = slices.DeleteFunc(s.tables, func(t *Table) bool { return t.Series == series && t.Version == version })
	})
}

// Tolerant tells of a change of timezone.tolerant.
func (a *Auditor) Tolerant(yes bool) { a.changed(func(s *state) { s.tolerant = yes }) }

// Answered tells of an acknowledged answer to a request, and when it was decided. A replay is the same answer again.
func (a *Auditor) Answered(now int64, r Request, answer *Answer) {
	if at, again := a.answers[answer.CorrelationID]; again {
		if first := a.history[at].answer; answerText(first) != answerText(answer) {
			a.complain("answer %s was\n%s\nand is, when asked for again,\n%s", answer.CorrelationID, answerText(first), answerText(answer))
		}
		return
	}
	a.answers[answer.CorrelationID] = len(a.history)
	a.history = append(a.history, entry{now: now, request: r, answer: answer})
}

func (a *Auditor) complain(format string, args ...any) {
	a.complains = append(a.complains, fmt.Sprintf(format, args...))
}

// books is what the auditor makes of the events up to one.
type books struct {
	state
	used map[string]*big.Rat
	at   int // in history
}

// Audit goes through all events, in the order of the record, and returns what is wrong. Used are the uses that the line
// items show at the end, deleted ones too.
func (a *Auditor) Audit(events []Event, used map[string]*big.Rat) []string {
	b := &books{state: state{lineItems: map[string]LineItem{}}, used: map[string]*big.Rat{}}
	seen := map[string]bool{}
	for len(events) > 0 {
		id := events[0].CorrelationID
		n := 1
		for n < len(events) && events[n].CorrelationID == id {
			n++
		}
		if seen[id] {
			a.complain("the events of answer %s are not together", id)
		}
		seen[id] = true
		a.receipt(b, id, events[:n])
		events = events[n:]
	}
	for _, id := range slices.Sorted(maps.Keys(a.answers)) {
		if !seen[id] {
			a.complain("answer %s was acknowledged, but has no events", id)
		}
	}
	a.uses(b.used, used)
	return a.complains
}

func (a *Auditor) uses(summed, shown map[string]*big.Rat) {
	ids := map[string]bool{}
	for _, of := range []map[string]*big.Rat{summed, shown} {
		for id := range of {
			ids[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if !same(useOf(summed, id), useOf(shown, id)) {
			a.complain("line item %s shows %s used, its events add up to %s", id, text(shown[id]), text(summed[id]))
		}
	}
}

// receipt checks the events of one answer against it.
func (a *Auditor) receipt(b *books, id string, events []Event) {
	at, acknowledged := a.answers[id]
	if !acknowledged {
		a.complain("the events of %s belong to no answer that was acknowledged", id)
		a.book(b, events)
		return
	}
	if !a.Loose && at < b.at {
		a.complain("answer %s is in the record after one that was given later", id)
	}
	for ; b.at < len(a.history) && (b.at < at || a.Loose); b.at++ {
		if change := a.history[b.at].change; change != nil {
			change(&b.state)
		}
	}
	e := a.history[at]
	if got, want := len(e.answer.Items), len(e.request.Items); got != want {
		a.complain("answer %s has %d items, the request has %d", id, got, want)
		return
	}
	withdrawn := false
	for i, item := range e.answer.Items {
		n := min(max(1, len(item.Slices)), len(events))
		a.item(b, e, i, events[:n])
		events = events[n:]
		withdrawn = withdrawn || item.Status != granted && e.request.AllOrNothing
	}
	if len(events) > 0 {
		a.complain("answer %s has %d events too many", id, len(events))
		a.book(b, events)
	}
	for i, item := range e.answer.Items {
		if withdrawn && item.Status == granted {
			a.complain("answer %s grants item %d of a request for all or nothing that was denied", id, i)
		}
	}
	if !withdrawn && slices.ContainsFunc(e.answer.Items, func(item AnsweredItem) bool { return item.Status == noStatus }) {
		a.complain("answer %s has an item without a status, though no other item is to blame", id)
	}
}

// book adds events to the uses that they belong to.
func (a *Auditor) book(b *books, events []Event) {
	for _, e := range events {
		if e.LineItem != "" {
			b.used[e.LineItem] = add(useOf(b.used, e.LineItem), e.Tokens)
		}
	}
}
