package formula

import (
	"fmt"
	"math/big"
	"sync"
)

// A power that has no end, or too many digits to be kept, is a decimal of powerDigits digits, rounded half to even. It is
// the right one unless the exact power is closer to the middle of two such decimals than 10^-190 of their distance; then the
// even one is taken, which is right for the middle itself. Libraries for this start from binary floating point, state no
// bound for their error, and take twenty times as long.
const (
	powerDigits = 60
	powerBits   = 200  // enough for powerDigits
	powerMost   = 1660 // powers are less than 2^powerMost, about 10^500; those under 2^-powerMost count as that
)

const (
	powerCost     = 18_000 // nanoseconds, as measured
	secondTryCost = 100_000
)

// power returns a^b: exactly if b is whole and the result not too long.
func (m *meter) power(a, b number) (number, string) {
	whole := b.whole()
	switch {
	case a.sign() == 0 && b.sign() == 0:
		return number{}, "0 to the power of 0"
	case a.sign() == 0 && b.sign() < 0:
		return number{}, "0 to a negative power, which is a division by 0"
	case a.sign() < 0 && !whole:
		return number{}, "a negative number to a fractional power"
	case a.sign() == 0:
		return number{}, ""
	case b.sign() == 0:
		return number{n: 1}, ""
	}
	if a.fraction == nil && b.fraction == nil && whole {
		if z, fits := a.raised(b.n); fits {
			return z, ""
		}
	}
	x, y, why := m.fractions(a, b)
	if why != "" {
		return number{}, why
	}
	negative := a.sign() < 0 && y.Num().Bit(0) == 1
	x = new(big.Rat).Abs(x)
	var z *big.Rat
	if whole {
		if z, why = m.wholePower(x, y.Num()); why != "" {
			return number{}, why
		}
	}
	if z == nil {
		if z, why = m.realPower(x, y); why != "" {
			return number{}, why
		}
	}
	if negative {
		z.Neg(z)
	}
	return exact(z)
}

// wholePower returns x^y for x > 0, or nil if that is too long.
func (m *meter) wholePower(x *big.Rat, y *big.Int) (*big.Rat, string) {
	n, d := x.Num(), x.Denom()
	longer := max(n.BitLen(), d.BitLen())
	switch least := longer - 1; {
	case least == 0:
		return new(big.Rat).SetInt64(1), ""
	case !y.IsInt64() || magnitude(y.Int64()) > uint64(bitsMost/least):
		return nil, ""
	case !m.spend(fractionCost(2 * least * int(magnitude(y.Int64())))):
		return nil, tooCostly
	}
	if y.Sign() < 0 {
		n, d, y = d, n, new(big.Int).Neg(y)
	}
	n, d = new(big.Int).Exp(n, y, nil), new(big.Int).Exp(d, y, nil)
	if max(n.BitLen(), d.BitLen()) > bitsMost {
		return nil, ""
	}
	return new(big.Rat).SetFrac(n, d), ""
}

// realPower returns x^y for x > 0 to powerDigits digits. It calculates with some digits more, which nearly always say where
// to round to, and otherwise once again with many more.
func (m *meter) realPower(x, y *big.Rat) (*big.Rat, string) {
	whole := new(big.Int).Quo(y.Num(), y.Denom())
	if whole.BitLen() > 128 {
		return nil, "an exponent is too large: it has more than 38 digits before the point"
	}
	for _, try := range [...]struct {
		guard uint
		cost  int
		last  bool
	}{{64, powerCost, false}, {640, secondTryCost, true}} {
		if !m.spend(try.cost) {
			return nil, tooCostly
		}
		// The last 32 bits are for errors; they are counted below.
		w := powerBits + try.guard + uint(whole.BitLen()) + 32
		t := ln(x, w)
		t.Mul(t, y.Num()).Quo(t, y.Denom())
		e, k := exp(t, w)
		switch {
		case k >= powerMost:
			return nil, fmt.Sprintf("a power is too large: more than %d digits", powerMost*3/10)
		case k < -powerMost:
			return new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), powerMost)), ""
		}
		if z, sure := decimal(e, k-int(w), try.guard); sure || try.last {
			return z, ""
		}
	}
	panic("the last try is taken")
}

// decimal rounds e x 2^k half to even; sure is false if the error of e may change the outcome.
func decimal(e *big.Int, k int, guard uint) (z *big.Rat, sure bool) {
	most := pow10(powerDigits)
	most.Lsh(most, guard)
	least := new(big.Int).Quo(most, ten)
	n := new(big.Int)
	// digits is how many come after the point: from the logarithm, which may be one off.
	digits := powerDigits - 1 - (e.BitLen()+k-1)*30103/100000
	for {
		n.Mul(e, pow10(max(digits, 0)))
		d := pow10(max(-digits, 0))
		if shift := k + int(guard); shift >= 0 {
			n.Lsh(n, uint(shift))
		} else {
			d.Lsh(d, uint(-shift))
		}
		n.Quo(n, d)
		if n.Cmp(most) >= 0 {
			digits--
		} else if n.Cmp(least) < 0 {
			digits++
		} else {
			break
		}
	}
	q := new(big.Int).Rsh(n, guard)
	middle := new(big.Int).Lsh(one, guard-1)
	distance := n.Sub(n, new(big.Int).Lsh(q, guard)).Sub(n, middle)
	sure = distance.CmpAbs(powerError) > 0
	if sure && distance.Sign() > 0 || !sure && q.Bit(0) == 1 {
		q.Add(q, one)
	}
	return new(big.Rat).SetFrac(q.Mul(q, pow10(max(-digits, 0))), pow10(max(digits, 0))), sure
}

// Below, w is the number of bits after the point of numbers that are kept as whole ones, and a unit is 2^-w. Every step
// is cut off to a unit. The errors come to
//
//	ln   2^13 units: at most 2^9 terms, each off by a few; times the exponent, for which w has bits of its own
//	exp  2^24 units: 2^7 from the series, doubled 16 times; the rest is less
//
// and, as w is chosen, to less than one of the units that decimal rounds, which cuts off one more.

var (
	one        = big.NewInt(1)
	ten        = big.NewInt(10)
	powerError = big.NewInt(4)
)

const (
	ln2Bits = 1100 // far more than any w, so that the error of the series is not seen
	halves  = 16   // how often exp halves its argument
)

var ln2 = sync.OnceValue(func() *big.Int {
	third := new(big.Int).Lsh(one, ln2Bits)
	return new(big.Int).Lsh(atanh(third.Quo(third, big.NewInt(3)), ln2Bits), 1)
})

// ln returns the natural logarithm of x > 0: x is 2^k (1 + z) / (1 - z), z less than a third, so that it is k ln 2 + 2 atanh z.
func ln(x *big.Rat, w uint) *big.Int {
	k := x.Num().BitLen() - x.Denom().BitLen()
	n := new(big.Int).Lsh(x.Num(), uint(max(-k, 0)))
	d := new(big.Int).Lsh(x.Denom(), uint(max(k, 0)))
	z := new(big.Int).Sub(n, d)
	z.Lsh(z, w).Quo(z, n.Add(n, d))
	y := atanh(z, w)
	y.Lsh(y, 1)
	multiple := new(big.Int).Mul(ln2(), big.NewInt(int64(k)))
	return y.Add(y, multiple.Rsh(multiple, ln2Bits-w))
}

// atanh is z + z^3/3 + z^5/5 ...
func atanh(z *big.Int, w uint) *big.Int {
	square := new(big.Int).Mul(z, z)
	square.Rsh(square, w)
	sum, power, term := new(big.Int).Abs(z), new(big.Int).Abs(z), new(big.Int)
	for i := int64(3); power.Sign() > 0; i += 2 {
		power.Mul(power, square).Rsh(power, w)
		sum.Add(sum, term.Quo(power, big.NewInt(i)))
	}
	if z.Sign() < 0 {
		sum.Neg(sum)
	}
	return sum
}

// exp returns e^t as y x 2^k, y from 1 to 2; k is cut off where it is far out of bounds.
func exp(t *big.Int, w uint) (y *big.Int, k int) {
	unit := new(big.Int).Rsh(ln2(), ln2Bits-w)
	times, rest := new(big.Int).DivMod(t, unit, new(big.Int))
	if times.BitLen() > 30 {
		return unit, times.Sign() << 30
	}
	rest.Rsh(rest, halves)
	y = new(big.Int).Lsh(one, w)
	term := new(big.Int).Set(y)
	for i := int64(1); term.Sign() > 0; i++ {
		term.Mul(term, rest).Rsh(term, w).Quo(term, big.NewInt(i))
		y.Add(y, term)
	}
	for range halves {
		y.Mul(y, y).Rsh(y, w)
	}
	return y, int(times.Int64())
}
