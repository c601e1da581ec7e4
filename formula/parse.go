package formula

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// function is what stands behind a name: an operation with a fixed number of operands, or one of two operands that any
// number of arguments is joined with.
type function struct {
	do       opcode
	operands int
	joins    bool
}

var functions = map[string]function{
	"abs":          {absolute, 1, false},
	"ceiling.math": {ceiling, 1, false},
	"floor.math":   {floor, 1, false},
	"max":          {greatest, 2, true},
	"min":          {least, 2, true},
	"power":        {raise, 2, false},
	"product":      {multiply, 2, true},
	"round":        {round, 2, false},
	"sum":          {add, 2, true},
}

const functionNames = "ABS, CEILING.MATH, FLOOR.MATH, MAX, MIN, POWER, PRODUCT, ROUND and SUM"

// operators by how tightly they bind, all from the left: as in spreadsheets, 2^3^2 is 64.
var operators = [...]map[string]opcode{
	{"+": add, "-": subtract},
	{"*": multiply, "/": divide},
	{"^": raise},
}

// Parse reads a formula: numbers with as many digits as amounts, variables (a letter or _, then letters, digits, _ and
// points), + - * / ^, parentheses and functions. Upper and lower case are the same. Unary minus binds tighter than ^: -2^2
// is 4. The problem has no field; it says at which character it is and shows the spot.
func Parse(text string) (*Formula, error) {
	if len(text) > TextBytes {
		return nil, problem.New(problem.Invalid, "must have at most %d bytes, and has %d", TextBytes, len(text))
	}
	p := &parser{Formula: Formula{text: text}}
	p.next()
	if p.kind == end && p.err == nil {
		return nil, problem.New(problem.Invalid, "must not be empty")
	}
	p.expression(0)
	if p.kind != end {
		p.misplaced()
	}
	if p.err != nil {
		return nil, p.err
	}

	// Tables have many formulas: none keeps room that it does not need.
	p.code, p.literals = slices.Clone(p.code), slices.Clone(p.literals)
	f := p.Formula
	return &f, nil
}

// parser reads one token ahead. After the first error it is at the end, where everything stops by itself.
type parser struct {
	Formula
	kind    kind
	token   string
	at      int // of token, from 0
	nesting int
	waiting int // values that are on the stack when the code so far has run
	err     error
}

type kind int

const (
	end kind = iota
	numeral
	name
	sign
)

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

// next reads the next token. Whatever is not ASCII is an error, so that before it bytes are characters.
func (p *parser) next() {
	if p.err != nil {
		return
	}
	rest := strings.TrimLeft(p.text[p.at+len(p.token):], " \t\r\n")
	p.at = len(p.text) - len(rest)
	length := 0
	take := func(fits func(c byte) bool) {
		for length < len(rest) && (fits(rest[length]) || rest[length] == '.') {
			length++
		}
	}
	switch {
	case rest == "":
		p.kind = end
	case isLetter(rest[0]):
		p.kind = name
		take(func(c byte) bool { return isLetter(c) || isDigit(c) })
	case isDigit(rest[0]) || rest[0] == '.':
		p.kind = numeral
		take(isDigit)
	case strings.IndexByte("+-*/^(),", rest[0]) >= 0:
		p.kind, length = sign, 1
	default:
		_, length = utf8.DecodeRuneInString(rest)
		p.fail(p.at, "%q has no meaning in a formula", rest[:length])
		return
	}
	p.token = rest[:length]
}

func (p *parser) is(s string) bool { return p.kind == sign && p.token == s }

// expression reads operands and the operators between them that bind as tightly as the level says, or tighter.
func (p *parser) expression(level int) {
	if level == len(operators) {
		p.operand()
		return
	}
	p.expression(level + 1)
	for p.kind == sign {
		do, found := operators[level][p.token]
		if !found {
			return
		}
		at := p.at
		p.next()
		p.expression(level + 1)
		p.emit(do, 0, at)
	}
}

// operand reads signs, and what they are in front of.
func (p *parser) operand() {
	negative, at := false, p.at
	for p.is("-") || p.is("+") {
		negative = negative != p.is("-")
		p.next()
	}
	switch start := p.at; {
	case p.kind == numeral:
		p.number()
	case p.kind == name:
		p.named()
	case p.is("("):
		p.nest()
		p.expression(0)
		p.unnest(start)
	case p.err == nil && p.kind == end:
		p.fail(p.at, `it ends where a number, a name or "(" must follow`)
	default:
		p.fail(p.at, `%q found where a number, a name or "(" must be`, p.token)
	}
	if negative {
		p.emit(negate, 0, at)
	}
}

func (p *parser) number() {
	digits := p.token
	if digits[0] == '.' {
		digits = "0" + digits
	}
	amount, err := token.Parse(digits)
	if err != nil {
		p.fail(p.at, "%.40q %v", p.token, err)
		return
	}
	p.emit(literal, len(p.literals), p.at)
	p.literals = append(p.literals, fromAmount(amount))
	p.next()
}

// named reads a variable, or a function with its arguments.
func (p *parser) named() {
	written, key, at := p.token, strings.ToLower(p.token), p.at
	f, isFunction := functions[key]
	p.next()
	switch {
	case !p.is("(") && isFunction:
		p.fail(at, "%s is a function: its arguments must follow in parentheses", written)
	case !p.is("("):
		i := slices.Index(p.keys, key)
		if i < 0 {
			if i = len(p.keys); i == VariablesMost {
				p.fail(at, "it has more than %d variables", VariablesMost)
				return
			}
			p.names, p.keys = append(p.names, written), append(p.keys, key)
		}
		p.emit(variable, i, at)
	case !isFunction:
		p.fail(at, "there is no function %.40q; there are %s", written, functionNames)
	default:
		p.call(written, f, at)
	}
}

func (p *parser) call(written string, f function, at int) {
	open, count := p.at, 0
	p.nest()
	for more := !p.is(")"); more; {
		p.expression(0)
		count++
		if f.joins && count > 1 {
			p.emit(f.do, 0, at)
		}
		if more = p.is(","); more {
			p.next()
		}
	}
	p.unnest(open)
	switch {
	case f.joins && count == 0:
		p.fail(at, "%s needs an argument", written)
	case count > ArgumentsMost:
		p.fail(at, "%s has %d arguments, at most %d are allowed", written, count, ArgumentsMost)
	case !f.joins && count != f.operands:
		p.fail(at, "%s needs %s, and has %d", written, [...]string{1: "1 argument", 2: "2 arguments"}[f.operands], count)
	case !f.joins:
		p.emit(f.do, 0, at)
	}
}

func (p *parser) nest() {
	if p.nesting++; p.nesting > NestingMost {
		p.fail(p.at, "parentheses are nested more than %d deep", NestingMost)
	}
	p.next()
}

func (p *parser) unnest(open int) {
	p.nesting--
	if p.is(")") {
		p.next()
	} else if p.kind == end {
		p.fail(open, `"(" is never closed`)
	} else {
		p.misplaced()
	}
}

// misplaced is about a token after an operand.
func (p *parser) misplaced() {
	switch {
	case p.is(")"):
		p.fail(p.at, `")" without a "(" before it`)
	case p.is(","):
		p.fail(p.at, `"," outside of a function's arguments`)
	default:
		p.fail(p.at, "an operator is missing before %.40q", p.token)
	}
}

// emit appends an instruction.
func (p *parser) emit(do opcode, arg, at int) {
	if p.err != nil {
		return
	}
	if len(p.code) == PartsMost {
		p.fail(at, "it has more than %d numbers, variables and operations", PartsMost)
		return
	}
	switch {
	case do <= variable:
		p.waiting++
	case do >= add:
		p.waiting--
	}
	p.stack = max(p.stack, p.waiting)
	p.code = append(p.code, instruction{do, uint16(arg), uint16(at + 1)})
}

// fail keeps the first error only: what follows comes from it.
func (p *parser) fail(at int, format string, args ...any) {
	if p.err == nil {
		args = append(args, at+1, spot(p.text, at))
		reason := fmt.Sprintf(format+" (character %d: %s)", args...)
		p.err = problem.Wrap(problem.Invalid, &Error{reason, at + 1}, "%s", reason)
	}
	p.kind, p.token, p.at = end, "", len(p.text)
}

// spot shows where a text is wrong, in one line.
func spot(text string, at int) string {
	before, after := []rune(text[:at]), []rune(text[at:])
	head, tail := "", ""
	if len(before) > 30 {
		head, before = "...", before[len(before)-30:]
	}
	if len(after) > 20 {
		after, tail = after[:20], "..."
	}
	line := head + string(before) + ">>>" + string(after) + tail
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r < ' ' || 0x7f <= r && r < 0xa0 {
			return ' '
		}
		return r
	}, line)
}
