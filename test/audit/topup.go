package audit

import (
	"fmt"
	"math/big"
)

// TopUps holds what the producer's system was asked to sell to the terms that were acknowledged (D45). It is told of terms, requests and answers, in
// order, and works out by itself when something had to be asked for, and how much.
type TopUps struct {
	Seen     map[string]int
	of       map[string]*topUp // by line item
	complain []string
}

// topUp is the automatic top-up of a line item.
type topUp struct {
	below        *big.Rat
	tokens, most int64
	on           bool
	open         string // the id of a request
	asked        int64  // by the one that is open, or was last
	at           int64  // when
	declines     int    // in a row
	declined     bool   // the last one was
	notBefore    int64
	month, sum   int64 // what counts in a month, by its number
}

const apart = 10 * 60_000

// NewTopUps returns an auditor of line items without terms.
func NewTopUps() *TopUps { return &TopUps{Seen: map[string]int{}, of: map[string]*topUp{}} }

func (t *TopUps) wrong(format string, args ...any) {
	t.complain = append(t.complain, fmt.Sprintf(format, args...))
}

// Complaints returns what was wrong so far.
func (t *TopUps) Complaints() []string { return t.complain }

// Terms tells of terms that were set.
func (t *TopUps) Terms(lineItem string, below *big.Rat, tokens, most int64) {
	u := t.of[lineItem]
	if u == nil {
		u = &topUp{below: zero}
		t.of[lineItem] = u
	}
	if !same(u.below, below) || u.tokens != tokens || u.most != most {
		u.on = false
	}
	u.below, u.tokens, u.most = below, tokens, most
}

// Acknowledged tells that the terms are in force.
func (t *TopUps) Acknowledged(lineItem string) {
	u := t.of[lineItem]
	u.on, u.declines = true, 0
	if u.declined && u.open == "" {
		u.notBefore = u.at + apart
	}
}

// Open returns the request of a line item that was not answered yet.
func (t *TopUps) Open(lineItem string) string {
	if u := t.of[lineItem]; u != nil {
		return u.open
	}
	return ""
}

func (u *topUp) countedIn(now int64) int64 {
	if month, _ := monthOf(now); month != u.month {
		return 0
	}
	return u.sum
}

// due says how much has to be asked for, given what is left.
func (u *topUp) due(left *big.Rat, now int64) (tokens int64) {
	if !u.on || u.open != "" || !less(left, u.below) || now < u.notBefore {
		return 0
	}
	for tokens = u.tokens; less(add(left, whole(tokens)), u.below) && tokens+u.tokens+u.countedIn(now) <= u.most; {
		tokens += u.tokens
	}
	if tokens+u.countedIn(now) > u.most {
		return 0
	}
	return tokens
}

// Asked tells of a request, and what was left of a line item that has not ended.
func (t *TopUps) Asked(lineItem, id string, tokens int64, left *big.Rat, at int64) {
	t.Seen["top-up asked for"]++
	u := t.of[lineItem]
	if want := u.due(left, at); want != tokens {
		t.wrong("at %d %d more tokens of %s are asked for, of which %s are left, want %d: %+v", at, tokens, lineItem, text(left), want, u)
	}
	u.sum = u.countedIn(at) + tokens
	u.month, _ = monthOf(at)
	u.open, u.asked, u.at, u.notBefore = id, tokens, at, at+apart
}

// Looked tells that all was asked for that there was to ask for.
func (t *TopUps) Looked(lineItem string, left *big.Rat, ended bool, now int64) {
	if u := t.of[lineItem]; u != nil && !ended && u.due(left, now) > 0 {
		t.wrong("at %d nothing is asked for, and %s are left of %s: %+v", now, text(left), lineItem, u)
	}
}

// Answered tells that so many tokens were sold on a request, or that it was declined (0), and says whether it was open.
func (t *TopUps) Answered(lineItem, id string, tokens, now int64) bool {
	u := t.of[lineItem]
	if u.open != id {
		return false
	}
	u.open, u.declined = "", tokens == 0
	if month, _ := monthOf(u.at); month == u.month {
		u.sum += tokens - u.asked
	}
	if tokens > 0 {
		t.Seen["top-up sold"]++
		u.declines = 0
		return true
	}
	t.Seen["top-up declined"]++
	wait := int64(60 * 60_000)
	for range u.declines {
		wait = min(2*wait, 2*halfDay)
	}
	u.declines++
	u.notBefore = max(u.notBefore, now+wait)
	return true
}
