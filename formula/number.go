package formula

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/farebox/farebox/token"
)

// number is an exact number. Small decimals are n / 10^scale, without useless zeros, and cost no allocation; whatever does
// not fit, or is no decimal, is a fraction. An operation tries the first and falls back to the second.
type number struct {
	fraction *big.Rat // nil: a small decimal; never changed once it is here
	n        int64    // never math.MinInt64
	scale    uint8    // at most scaleMost
}

const scaleMost = 18

// tens has the powers of ten that fit an int64.
var tens = func() (t [scaleMost + 1]int64) {
	t[0] = 1
	for i := 1; i < len(t); i++ {
		t[i] = t[i-1] * 10
	}
	return t
}()

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// small returns n / 10^scale if it is a small decimal; the scale may be out of range, also below 0.
func small(n int64, scale int) (number, bool) {
	for scale > 0 && n%10 == 0 {
		n, scale = n/10, scale-1
	}
	fits := n != math.MinInt64 && scale <= scaleMost
	for ; fits && scale < 0; scale++ {
		n, fits = times(n, 10)
	}
	return number{n: n, scale: uint8(scale)}, fits
}

// times returns a x b if it fits.
func times(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	product := int64(lo)
	if (a < 0) != (b < 0) {
		product = -product
	}
	return product, hi == 0 && lo <= math.MaxInt64
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// fromAmount goes through the text, which token gives without allocation.
func fromAmount(a token.Amount) number {
	var buffer [48]byte
	text, _ := a.AppendText(buffer[:0]) // it never fails
	n, scale, pointed := int64(0), 0, 0
	for _, c := range text {
		switch {
		case c == '-':
		case c == '.':
			pointed = 1
		case n > math.MaxInt64/10-1:
			r, _ := new(big.Rat).SetString(string(text))
			return number{fraction: r}
		default:
			n, scale = n*10+int64(c-'0'), scale+pointed
		}
	}
	if text[0] == '-' {
		n = -n
	}
	z, _ := small(n, scale) // it fits: an amount has at most 12 digits after the point
	return z
}

// places are 1, 0.1, 0.01 ...
var places = func() (p [token.FractionDigits + 1]token.Amount) {
	for i := range p {
		p[i] = token.MulDivHalfEven(token.FromInt(1), token.FromInt(1), token.FromInt(tens[i]))
	}
	return p
}()

// amount rounds half to even at the 12th digit, if there are not too many digits before the point.
func (a number) amount() (token.Amount, bool) {
	if a.fraction == nil {
		a, _ = a.rounded(token.FractionDigits, halfEven) // it fits: at most 6 digits are dropped
		return token.MulHalfEven(token.FromInt(a.n), places[a.scale]), true
	}
	z, err := token.FromRatHalfEven(a.fraction)
	return z, err == nil
}

// rat returns the number as a fraction, which must not be changed.
func (a number) rat() *big.Rat {
	if a.fraction != nil {
		return a.fraction
	}
	return big.NewRat(a.n, tens[a.scale])
}

func (a number) sign() int {
	switch {
	case a.fraction != nil:
		return a.fraction.Sign()
	case a.n > 0:
		return 1
	case a.n < 0:
		return -1
	}
	return 0
}

func (a number) whole() bool {
	if a.fraction != nil {
		return a.fraction.IsInt()
	}
	return a.scale == 0
}

func (a number) negated() number {
	if a.fraction != nil {
		return number{fraction: new(big.Rat).Neg(a.fraction)}
	}
	a.n = -a.n
	return a
}

// long reports whether a number has more digits than are worked with.
func (a number) long() bool {
	return a.fraction != nil && max(a.fraction.Num().BitLen(), a.fraction.Denom().BitLen()) > bitsMost
}

// What follows tries an operation on small decimals.

func (a number) plus(b number) (number, bool) {
	if a.scale < b.scale {
		a, b = b, a
	}
	n, fits := times(b.n, tens[a.scale-b.scale])
	sum := a.n + n
	if !fits || (sum > a.n) != (n > 0) && n != 0 {
		return number{}, false
	}
	return small(sum, int(a.scale))
}

func (a number) times(b number) (number, bool) {
	n, fits := times(a.n, b.n)
	if !fits {
		return number{}, false
	}
	return small(n, int(a.scale)+int(b.scale))
}

// over divides by b, which is not 0. A quotient is a decimal if, but for factors 2 and 5, b divides a.
func (a number) over(b number) (number, bool) {
	twos := bits.TrailingZeros64(magnitude(b.n))
	fives, rest := 0, b.n>>twos
	for rest%5 == 0 {
		fives, rest = fives+1, rest/5
	}
	if a.n%rest != 0 {
		return number{}, false
	}
	n, fits := a.n/rest, true
	for i := twos; i < fives && fits; i++ {
		n, fits = times(n, 2)
	}
	for i := fives; i < twos && fits; i++ {
		n, fits = times(n, 5)
	}
	if !fits {
		return number{}, false
	}
	return small(n, int(a.scale)-int(b.scale)+max(twos, fives))
}

// compare is for small decimals alone and always has an answer.
func (a number) compare(b number) int {
	switch {
	case a.sign() != b.sign():
		return a.sign() - b.sign()
	case a.sign() < 0:
		return b.negated().compare(a.negated())
	case a.scale < b.scale:
		return -b.compare(a)
	}
	hi, lo := bits.Mul64(uint64(b.n), uint64(tens[a.scale-b.scale]))
	switch n := uint64(a.n); {
	case hi > 0 || n < lo:
		return -1
	case n > lo:
		return 1
	}
	return 0
}

// raised returns a to a whole power.
func (a number) raised(power int64) (number, bool) {
	z, fits := number{n: 1}, magnitude(power) <= 64
	for i := uint64(0); i < magnitude(power) && fits; i++ {
		z, fits = z.times(a)
	}
	if fits && power < 0 {
		return number{n: 1}.over(z)
	}
	return z, fits
}

func (a number) rounded(digits int, mode rounding) (number, bool) {
	drop := int(a.scale) - digits
	if drop <= 0 {
		return a, true
	}
	if drop > scaleMost {
		return number{}, false
	}
	q, rest := a.n/tens[drop], magnitude(a.n%tens[drop])
	half := 0
	switch middle := uint64(tens[drop] / 2); {
	case rest < middle:
		half = -1
	case rest > middle:
		half = 1
	}
	if rest != 0 && mode.away(a.sign(), half, q&1 == 1) {
		q += int64(a.sign())
	}
	return small(q, digits)
}

type rounding int

const (
	down rounding = iota // towards minus infinity
	up                   // towards plus infinity
	halfAway
	halfEven
)

// away reports whether what lies between two numbers goes to the one farther from 0. half compares it with the middle; odd is
// whether the nearer one is.
func (mode rounding) away(sign, half int, odd bool) bool {
	switch mode {
	case down:
		return sign < 0
	case up:
		return sign > 0
	case halfAway:
		return half >= 0
	}
	return half > 0 || half == 0 && odd
}

// roundRat returns r x 10^digits as a whole number.
func roundRat(r *big.Rat, digits int, mode rounding) *big.Int {
	n, d := r.Num(), r.Denom()
	if digits >= 0 {
		n = new(big.Int).Mul(n, pow10(digits))
	} else {
		d = new(big.Int).Mul(d, pow10(-digits))
	}
	q, rest := new(big.Int).QuoRem(n, d, new(big.Int))
	if rest.Sign() != 0 && mode.away(r.Sign(), rest.Lsh(rest, 1).CmpAbs(d), q.Bit(0) == 1) {
		q.Add(q, big.NewInt(int64(r.Sign())))
	}
	return q
}
