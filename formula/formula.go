// Package formula reads and evaluates the price formulas of rate tables, written as in a spreadsheet, such as
// "FLOOR.MATH(quantity / 1000) * price". It is pure, counts in exact decimals and fractions, and is bounded: no formula
// takes more than about a millisecond.
package formula

import (
	"fmt"
	"slices"

	"github.com/farebox/farebox/token"
)

// Bounds of a formula as it is written.
const (
	TextBytes     = 4096
	NestingMost   = 100  // parentheses and functions within each other
	PartsMost     = 1000 // numbers, variables and operations
	VariablesMost = 100
	ArgumentsMost = 255 // as in spreadsheets
)

// Formula is a formula that was read. It never changes, so that many may evaluate it at once.
type Formula struct {
	text     string
	code     []instruction // operands first: a + b * c is a b c * +
	literals []number
	names    []string // as first written
	keys     []string // names in lower case
	stack    int      // the most values that are waiting at one time
}

type instruction struct {
	do  opcode
	arg uint16 // of literal and variable: which one
	at  uint16 // character, from 1
}

type opcode uint8

const (
	literal opcode = iota
	variable
	// one operand
	negate
	absolute
	floor
	ceiling
	// two operands
	add
	subtract
	multiply
	divide
	raise
	least
	greatest
	round
)

// String returns the formula as it was written.
func (f *Formula) String() string { return f.text }

// Variables returns the names of the formula's variables as they were first written, each once, in their order.
func (f *Formula) Variables() []string { return slices.Clone(f.names) }

// Error says why a formula has no value, or cannot be read: then it is the cause of what Parse fails with. Reason is for people and needs no words
// around it.
type Error struct {
	Reason string
	At     int // the character that it is about, from 1; 0: it is about none
}

func (e *Error) Error() string { return e.Reason }

// Eval returns the formula's value, rounded half to even at the 12th digit; it may be negative. It asks for the value of
// each variable once, by its name in lower case, before it calculates; value may be nil if there are no variables. Errors
// are of type *Error.
//
// All is exact until the end, but for powers that have no end or more than about 1,200 digits: they have 60 digits.
func (f *Formula) Eval(value func(name string) (token.Amount, bool)) (token.Amount, error) {
	return f.EvalWithin(new(Work), value)
}

// Work is what the evaluations of one request have cost together. Each formula is bounded, and so are all of a request: however many items
// it has and however many series price them, nobody waits for long. The zero Work has done nothing.
type Work struct{ spent int } // in about nanoseconds

const (
	workMost      = 100_000_000 // a tenth of a second
	operationCost = 25          // of a small one
)

var errWork = &Error{Reason: "the formulas of this request are too costly together; ask for fewer items at a time"}

// EvalWithin is Eval as part of a request's work. Past what a request may cost, it fails.
func (f *Formula) EvalWithin(work *Work, value func(name string) (token.Amount, bool)) (token.Amount, error) {
	if work.spent += operationCost * (len(f.code) + len(f.keys)); work.spent > workMost {
		return token.Amount{}, errWork
	}
	m := meter{left: costMost}
	amount, err := f.eval(&m, value)
	work.spent += costMost - m.left
	return amount, err
}

func (f *Formula) eval(m *meter, value func(name string) (token.Amount, bool)) (token.Amount, error) {
	var fewValues [8]number
	var lowStack [16]number // what most formulas need is not allocated
	values, stack := fewValues[:0], lowStack[:0]
	if f.stack > len(lowStack) {
		stack = make([]number, 0, f.stack)
	}
	for i, key := range f.keys {
		amount, known := value(key)
		if !known {
			return token.Amount{}, &Error{Reason: fmt.Sprintf("variable %q is missing", f.names[i])}
		}
		n := fromAmount(amount)
		if n.long() {
			return token.Amount{}, &Error{Reason: fmt.Sprintf("variable %q is too large", f.names[i])}
		}
		values = append(values, n)
	}
	for _, in := range f.code {
		top := len(stack) - 1
		var why string
		switch {
		case in.do == literal:
			stack = append(stack, f.literals[in.arg])
		case in.do == variable:
			stack = append(stack, values[in.arg])
		case in.do < add:
			stack[top], why = m.unary(in.do, stack[top])
		default:
			stack[top-1], why = m.binary(in.do, stack[top-1], stack[top])
			stack = stack[:top]
		}
		if why != "" {
			return token.Amount{}, &Error{fmt.Sprintf("%s, at character %d", why, in.at), int(in.at)}
		}
	}
	amount, fits := stack[0].amount()
	if !fits {
		return token.Amount{}, &Error{Reason: fmt.Sprintf("the result is too large: it has more than %d digits before the point", token.WholeDigits)}
	}
	return amount, nil
}
