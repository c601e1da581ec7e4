// Package audit tells whether Farebox did right, without trusting any of its arithmetic: amounts here are math/big's rationals,
// rules are written anew from decisions.md, and nothing is shared with packages ledger, access, rate and token but their data.
//
// An Auditor looks at the answers that were acknowledged and at the usage events, and finds what does not add up. A Twin is a
// simple model of the product that says beforehand what an answer must be. The tests drive the real engine on a real store
// with random operations and compare. Sessions is both for sessions: it is told what happened, and accounts for every event.
//
// A usual run makes a few random histories, the same every time. FAREBOX_AUDIT_CHECKS=1000 makes that many, fresh ones (make histories), and
// FAREBOX_AUDIT_STEPS=200 makes each as long; rapid's own flags -rapid.checks and -rapid.steps do the same, and a failure
// prints the -rapid.seed or -rapid.failfile that repeats it. FAREBOX_SEED is for -rapid.seed, too.
package audit

import (
	"fmt"
	"math/big"
	"strings"
)

// LineItem is what a producer says of a line item.
type LineItem struct {
	ID, Instance, Series, State string
	Quantity, Start, End        int64
	Elastic                     bool
	Overdraft                   string // "", "Number" or "Unlimited"
	Limit, Priority             int64
}

// Table is a rate table. Rates are by item and version.
type Table struct {
	Series, Version string
	From            int64
	Rates           map[[2]string]*big.Rat
	Terms           map[[2]string]Terms // of those that have any
}

// Terms are what a rate table says of an item besides its rate.
type Terms struct{ Free, Window int64 } // milliseconds

// Request is a one-off access request on an instance.
type Request struct {
	Instance     string
	AllOrNothing bool
	Items        []Ask
}

// Ask is one item of a request.
type Ask struct {
	Item, Version string
	Count         *big.Rat
	Partial       bool
}

// String writes a request for people; equal requests read the same.
func (r Request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "on %s", r.Instance)
	if r.AllOrNothing {
		b.WriteString(" all or nothing")
	}
	for _, ask := range r.Items {
		fmt.Fprintf(&b, " | %s of %q version %q", text(ask.Count), ask.Item, ask.Version)
		if ask.Partial {
			b.WriteString(" or part")
		}
	}
	return b.String()
}

// GoString is String, for the logs of random tests.
func (r Request) GoString() string { return r.String() }

// String writes a rate table for people.
func (t *Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %q %q from %d", t.Series, t.Version, t.From)
	for item, rate := range t.Rates {
		fmt.Fprintf(&b, " | %q version %q at %s", item[0], item[1], text(rate))
		if terms, any := t.Terms[item]; any {
			fmt.Fprintf(&b, " free for %d ms, window of %d ms", terms.Free, terms.Window)
		}
	}
	return b.String()
}

// GoString is String, for the logs of random tests.
func (t *Table) GoString() string { return t.String() }

// Answer is what a caller is told. Items are in the order of the request.
type Answer struct {
	CorrelationID string
	Items         []AnsweredItem
}

// AnsweredItem is what became of an item.
type AnsweredItem struct {
	Status        string // as v1.0 codes it
	Count, Tokens *big.Rat
	Slices        []Slice
}

// Slice is what a line item paid.
type Slice struct {
	LineItem     string
	Rate, Tokens *big.Rat
}

// Event is a usage event.
type Event struct {
	CorrelationID, Kind, Status          string
	Time                                 int64
	Instance, LineItem                   string
	Item, Version                        string
	Count, Rate, Tokens, Overdraft, Used *big.Rat
	Quantity                             int64
	Series, TableVersion                 string

	Session, Requester    string
	Written, CoveredUntil int64
}

// Statuses, as v1.0 codes them.
const (
	granted      = "101"
	noStatus     = "102"
	notFound     = "201"
	noLineItem   = "301"
	insufficient = "306"
)

// The states and limits of a line item.
const (
	deployed  = "DEPLOYED"
	obsolete  = "OBSOLETE"
	number    = "Number"
	unlimited = "Unlimited"
	halfDay   = 12 * 60 * 60 * 1000
)

// max is the most that may be booked on one line item, or for one item of a request.
var most = R("9999999999999999999")

var (
	zero = new(big.Rat)
	ulp  = big.NewRat(1, 1_000_000_000_000) // the 12th digit
)

// R reads a decimal number.
func R(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(fmt.Sprintf("audit: %q is not a number", text))
	}
	return r
}

func whole(n int64) *big.Rat       { return new(big.Rat).SetInt64(n) }
func add(a, b *big.Rat) *big.Rat   { return new(big.Rat).Add(a, b) }
func sub(a, b *big.Rat) *big.Rat   { return new(big.Rat).Sub(a, b) }
func mul(a, b *big.Rat) *big.Rat   { return new(big.Rat).Mul(a, b) }
func div(a, b *big.Rat) *big.Rat   { return new(big.Rat).Quo(a, b) }
func less(a, b *big.Rat) bool      { return a.Cmp(b) < 0 }
func same(a, b *big.Rat) bool      { return a.Cmp(b) == 0 }
func atLeast0(a *big.Rat) *big.Rat { return larger(a, zero) }
func smaller(a, b *big.Rat) *big.Rat {
	if less(a, b) {
		return a
	}
	return b
}
func larger(a, b *big.Rat) *big.Rat {
	if less(a, b) {
		return b
	}
	return a
}

// down, up and halfEven round at the 12th digit.
func down(a *big.Rat) *big.Rat {
	n := div(a, ulp)
	return mul(new(big.Rat).SetInt(new(big.Int).Div(n.Num(), n.Denom())), ulp)
}

func up(a *big.Rat) *big.Rat {
	d := down(a)
	if same(d, a) {
		return d
	}
	return add(d, ulp)
}

func halfEven(a *big.Rat) *big.Rat {
	low, high := down(a), up(a)
	switch sub(a, low).Cmp(sub(high, a)) {
	case -1:
		return low
	case 1:
		return high
	}
	if div(low, ulp).Num().Bit(0) == 0 {
		return low
	}
	return high
}

// text writes an amount with as many digits as it needs.
func text(a *big.Rat) string {
	if a == nil {
		return "0"
	}
	s := a.FloatString(12)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
