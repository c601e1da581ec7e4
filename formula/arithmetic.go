package formula

import (
	"fmt"
	"math/big"
)

// Bounds of an evaluation. They are counted, not timed, so that a formula has a value on every machine or on none.
const (
	bitsMost      = 4096    // of the numerator and of the denominator of an exact number: about 1,200 digits
	costMost      = 700_000 // in about nanoseconds
	precisionMost = 30      // of ROUND, either way
)

var (
	tooCostly = "the calculation is too costly"
	tooLong   = fmt.Sprintf("a number gets too long: more than %d digits", bitsMost*3/10)
)

// meter pays for what is not done with small decimals: these are so fast that the number of parts bounds them.
// Operations return a reason when they fail.
type meter struct{ left int }

// spend reports whether there is as much left.
func (m *meter) spend(cost int) bool {
	m.left -= cost
	return m.left >= 0
}

// fractions returns the operands of an operation after paying for it.
func (m *meter) fractions(a, b number) (x, y *big.Rat, why string) {
	x, y = a.rat(), b.rat()
	if !m.spend(fractionCost(x.Num().BitLen() + x.Denom().BitLen() + y.Num().BitLen() + y.Denom().BitLen())) {
		return nil, nil, tooCostly
	}
	return x, y, ""
}

// fractionCost is what an operation on that many bits takes, as measured: most of it goes into reducing the fraction.
func fractionCost(bits int) int { return 500 + 2*bits + bits*bits/4000 }

func exact(z *big.Rat) (number, string) {
	n := number{fraction: z}
	if n.long() {
		return number{}, tooLong
	}
	return n, ""
}

func (m *meter) unary(do opcode, a number) (number, string) {
	switch do {
	case floor:
		return m.round(a, 0, down)
	case ceiling:
		return m.round(a, 0, up)
	case absolute:
		if a.sign() >= 0 {
			return a, ""
		}
	}
	return a.negated(), ""
}

func (m *meter) binary(do opcode, a, b number) (number, string) {
	switch do {
	case least, greatest:
		return m.pick(do, a, b)
	case raise:
		return m.power(a, b)
	case round:
		digits, why := precision(b)
		if why != "" {
			return number{}, why
		}
		return m.round(a, digits, halfAway)
	case subtract:
		do, b = add, b.negated()
	case divide:
		if b.sign() == 0 {
			return number{}, "division by 0"
		}
	}
	if a.fraction == nil && b.fraction == nil {
		if z, fits := arithmetic[do].small(a, b); fits {
			return z, ""
		}
	}
	x, y, why := m.fractions(a, b)
	if why != "" {
		return number{}, why
	}
	return exact(arithmetic[do].exact(new(big.Rat), x, y))
}

// arithmetic is each operation in both domains.
var arithmetic = [...]struct {
	small func(a, b number) (number, bool)
	exact func(z, x, y *big.Rat) *big.Rat
}{
	add:      {number.plus, (*big.Rat).Add},
	multiply: {number.times, (*big.Rat).Mul},
	divide:   {number.over, (*big.Rat).Quo},
}

// pick returns the lesser or the greater.
func (m *meter) pick(do opcode, a, b number) (number, string) {
	var order int
	if a.fraction == nil && b.fraction == nil {
		order = a.compare(b)
	} else {
		x, y, why := m.fractions(a, b)
		if why != "" {
			return number{}, why
		}
		order = x.Cmp(y)
	}
	if order > 0 == (do == least) {
		return b, ""
	}
	return a, ""
}

func precision(b number) (int, string) {
	if b.fraction == nil && b.scale == 0 && -precisionMost <= b.n && b.n <= precisionMost {
		return int(b.n), ""
	}
	if b.whole() && b.fraction != nil && b.fraction.Num().IsInt64() {
		return precision(number{n: b.fraction.Num().Int64()})
	}
	return 0, fmt.Sprintf("ROUND needs a whole number from -%d to %d as its precision", precisionMost, precisionMost)
}

func (m *meter) round(a number, digits int, mode rounding) (number, string) {
	if a.fraction == nil {
		if z, fits := a.rounded(digits, mode); fits {
			return z, ""
		}
	}
	x, _, why := m.fractions(a, number{})
	if why != "" {
		return number{}, why
	}
	q := roundRat(x, digits, mode)
	if q.IsInt64() {
		if z, fits := small(q.Int64(), digits); fits {
			return z, ""
		}
	}
	if digits < 0 {
		return exact(new(big.Rat).SetInt(q.Mul(q, pow10(-digits))))
	}
	return exact(new(big.Rat).SetFrac(q, pow10(digits)))
}
