// Package token holds the amount type that everything in Farebox is counted in.
package token

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/quagmt/udecimal"
)

const (
	// FractionDigits is how many digits an amount may have after the point. Whatever gives more (a product, a
	// division) is rounded here, once, by a function whose name says how.
	FractionDigits = 12

	// WholeDigits is how many digits an amount may have before the point when it comes from outside.
	WholeDigits = 19
)

// The ways in which text is not an amount. They are wrapped in a sentence that can be shown to the caller.
var (
	ErrSyntax    = errors.New("is not a decimal number")
	ErrPrecision = fmt.Errorf("has more than %d digits after the point", FractionDigits)
	ErrRange     = fmt.Errorf("has more than %d digits before the point", WholeDigits)
)

// Amount is an exact decimal: a number of tokens, a rate or a count. The zero value is 0. Sums and differences are exact
// whatever their size; amounts that were parsed have at most WholeDigits before and FractionDigits after the point.
type Amount struct{ d udecimal.Decimal }

// Max is the most that Farebox books on one line item: no charge takes a line item's use past it, even with an unlimited
// overdraft. It is far past what can be sold (an int64) and leaves sums inside 128 bits.
var Max = MustParse("9999999999999999999")

// Smallest is the least amount above 0: 1 at the last digit.
var Smallest = MustParse("0.000000000001")

// FromInt returns n as an amount.
func FromInt(n int64) Amount { return Amount{udecimal.MustFromInt64(n, 0)} }

// MustParse is Parse for constants; it panics where Parse fails.
func MustParse(s string) Amount {
	a, err := Parse(s)
	if err != nil {
		panic(fmt.Sprintf("token: %q %v", s, err))
	}
	return a
}

// Parse reads a decimal number as JSON writes it, with or without an exponent. It fails with ErrSyntax, ErrPrecision or
// ErrRange and never rounds.
func Parse(s string) (Amount, error) {
	if plain(s) {
		if d, err := udecimal.Parse(s); err == nil {
			return Amount{d}, nil
		}
		return Amount{}, ErrSyntax
	}
	s, err := normalize(s)
	if err != nil {
		return Amount{}, err
	}
	d, err := udecimal.Parse(s)
	if err != nil {
		return Amount{}, ErrSyntax
	}
	return Amount{d}, nil
}

// Restore reads what String wrote, also of sums and products that are past what Parse takes.
func Restore(s string) (Amount, error) {
	d, err := udecimal.Parse(s)
	if err != nil {
		return Amount{}, ErrSyntax
	}
	return Amount{d}, nil
}

// plain reports whether s needs no look beyond the library's own: few digits, nothing unusual.
func plain(s string) bool {
	if len(s) == 0 || len(s) > FractionDigits {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c != '.' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return true
}

// normalize turns any JSON number into plain digits without useless zeros, after checking its bounds; the work is
// bounded by the length of s, whatever its exponent says.
func normalize(s string) (string, error) {
	mantissa, exponent, err := splitExponent(s)
	if err != nil {
		return "", err
	}
	sign := ""
	if strings.HasPrefix(mantissa, "-") {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, pointed := strings.Cut(mantissa, ".")
	if whole == "" || pointed && fraction == "" || !digits(whole) || !digits(fraction) {
		return "", ErrSyntax
	}
	all := strings.TrimLeft(whole+fraction, "0")
	point := len(whole) + exponent - (len(whole) + len(fraction) - len(all))
	all = strings.TrimRight(all, "0")
	switch {
	case all == "":
		return "0", nil
	case point > WholeDigits:
		return "", ErrRange
	case len(all)-point > FractionDigits:
		return "", ErrPrecision
	case point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + all, nil
	case point >= len(all):
		return sign + all + strings.Repeat("0", point-len(all)), nil
	}
	return sign + all[:point] + "." + all[point:], nil
}

func splitExponent(s string) (mantissa string, exponent int, err error) {
	at := strings.IndexAny(s, "eE")
	if at < 0 {
		return s, 0, nil
	}
	mantissa, text := s[:at], s[at+1:]
	negative := strings.HasPrefix(text, "-")
	if negative || strings.HasPrefix(text, "+") {
		text = text[1:]
	}
	if text == "" || !digits(text) {
		return "", 0, ErrSyntax
	}
	if text = strings.TrimLeft(text, "0"); len(text) > 6 {
		text = "999999" // past every bound either way, unless the mantissa is zero
	}
	for _, c := range text {
		exponent = exponent*10 + int(c-'0')
	}
	if negative {
		exponent = -exponent
	}
	return mantissa, exponent, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Add returns a + b, exactly.
func (a Amount) Add(b Amount) Amount { return Amount{a.d.Add(b.d)} }

// Sub returns a - b, exactly.
func (a Amount) Sub(b Amount) Amount { return Amount{a.d.Sub(b.d)} }

// Neg returns -a.
func (a Amount) Neg() Amount { return Amount{a.d.Neg()} }

// Cmp returns -1, 0 or 1 as a is less than, equal to or greater than b.
func (a Amount) Cmp(b Amount) int { return a.d.Cmp(b.d) }

// Less reports whether a < b.
func (a Amount) Less(b Amount) bool { return a.d.Cmp(b.d) < 0 }

// Equal reports whether a and b are the same number, however they were written.
func (a Amount) Equal(b Amount) bool { return a.d.Equal(b.d) }

// Sign returns -1, 0 or 1 as a is negative, zero or positive.
func (a Amount) Sign() int { return a.d.Sign() }

// IsZero reports whether a is 0.
func (a Amount) IsZero() bool { return a.d.IsZero() }

// Min returns the lesser of a and b.
func Min(a, b Amount) Amount {
	if b.Less(a) {
		return b
	}
	return a
}

// MulHalfEven returns a x b, rounded half to even at the 12th digit: what an item costs.
func MulHalfEven(a, b Amount) Amount {
	// Up to 19 digits the library's product is exact, beyond that it would be cut before it is rounded.
	if digits := a.d.Prec() + b.d.Prec(); digits <= FractionDigits {
		return Amount{a.d.Mul(b.d)}
	} else if digits <= 19 {
		return Amount{a.d.Mul(b.d).RoundBank(FractionDigits)}
	}
	return quotient(new(big.Int).Mul(a.Scaled(), b.Scaled()), unit, halfEven)
}

// MulDivHalfEven returns a x b / c, rounded half to even at the 12th digit: a share of an amount. c must not be 0.
func MulDivHalfEven(a, b, c Amount) Amount {
	return quotient(new(big.Int).Mul(a.Scaled(), b.Scaled()), c.Scaled(), halfEven)
}

// MulDivUp returns a x b / c for numbers that are not negative, rounded up at the 12th digit. c must not be 0.
func MulDivUp(a, b, c Amount) Amount {
	return quotient(new(big.Int).Mul(a.Scaled(), b.Scaled()), c.Scaled(), up)
}

// DivDown returns a / b for numbers that are not negative, rounded down at the 12th digit. b must not be 0.
func DivDown(a, b Amount) Amount {
	return quotient(new(big.Int).Mul(a.Scaled(), unit), b.Scaled(), down)
}

// FromRatHalfEven returns a fraction, rounded half to even at the 12th digit. It fails with ErrRange if that has more than WholeDigits before
// the point.
func FromRatHalfEven(r *big.Rat) (Amount, error) {
	q := divide(new(big.Int).Mul(r.Num(), unit), r.Denom(), halfEven)
	if q.CmpAbs(tooLong) >= 0 {
		return Amount{}, ErrRange
	}
	return fromScaled(q), nil
}

// In the scale of Scaled: 1, and the first number with more than WholeDigits before the point.
var (
	unit    = new(big.Int).Exp(big.NewInt(10), big.NewInt(FractionDigits), nil)
	tooLong = new(big.Int).Exp(big.NewInt(10), big.NewInt(WholeDigits+FractionDigits), nil)
)

// Scaled returns a x 10^12, a whole number: all of its digits.
func (a Amount) Scaled() *big.Int {
	negative, hi, lo, digits, small := a.d.ToHiLo()
	if !small {
		n, _ := new(big.Int).SetString(strings.Replace(a.d.StringFixed(FractionDigits), ".", "", 1), 10)
		return n
	}
	n := new(big.Int).SetUint64(hi)
	n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(lo))
	scale(n, int(digits))
	if negative {
		n.Neg(n)
	}
	return n
}

// scale turns n, in units of digits after the point, into the scale of Scaled.
func scale(n *big.Int, digits int) *big.Int {
	return n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(FractionDigits-digits)), nil))
}

type rounding int

const (
	halfEven rounding = iota
	up
	down
)

// quotient returns n / d in units of the 12th digit.
func quotient(n, d *big.Int, round rounding) Amount { return fromScaled(divide(n, d, round)) }

func divide(n, d *big.Int, round rounding) *big.Int {
	q, rest := new(big.Int).QuoRem(n, d, new(big.Int))
	away := false
	switch round {
	case up:
		away = rest.Sign() != 0
	case halfEven:
		half := new(big.Int).Lsh(new(big.Int).Abs(rest), 1).CmpAbs(d)
		away = half > 0 || half == 0 && q.Bit(0) == 1
	}
	if away {
		q.Add(q, big.NewInt(int64(n.Sign()*d.Sign())))
	}
	return q
}

func fromScaled(n *big.Int) Amount {
	text := new(big.Int).Abs(n).String()
	if len(text) <= FractionDigits {
		text = strings.Repeat("0", FractionDigits+1-len(text)) + text
	}
	text = text[:len(text)-FractionDigits] + "." + text[len(text)-FractionDigits:]
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if n.Sign() < 0 {
		text = "-" + text
	}
	return Amount{udecimal.MustParse(text)}
}

// String writes a in plain digits without useless zeros, such as "0.000003".
func (a Amount) String() string { return a.d.String() }

// AppendText appends String to b.
func (a Amount) AppendText(b []byte) ([]byte, error) { return a.d.AppendText(b) }

// MarshalText returns String.
func (a Amount) MarshalText() ([]byte, error) { return a.d.AppendText(nil) }

// UnmarshalText is Parse.
func (a *Amount) UnmarshalText(text []byte) (err error) {
	*a, err = Parse(string(text))
	return err
}

// MarshalJSONTo writes a as a JSON number with all its digits.
func (a Amount) MarshalJSONTo(enc *jsontext.Encoder) error {
	text, err := a.d.AppendText(enc.AvailableBuffer())
	if err != nil {
		return err
	}
	return enc.WriteValue(text)
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	}
	return k.String()
}

// UnmarshalJSONFrom reads a JSON number; a string is not one.
func (a *Amount) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return a.unmarshal(dec, Parse) }

// RestoreJSONFrom reads a JSON number that String wrote, also of sums that are past what UnmarshalJSONFrom takes.
func RestoreJSONFrom(dec *jsontext.Decoder, a *Amount) error { return a.unmarshal(dec, Restore) }

func (a *Amount) unmarshal(dec *jsontext.Decoder, read func(string) (Amount, error)) error {
	if kind := dec.PeekKind(); kind != '0' {
		if err := dec.SkipValue(); err != nil {
			return err
		}
		return fmt.Errorf("%s found, number expected", kindName(kind))
	}
	text, err := dec.ReadValue()
	if err != nil {
		return err
	}
	*a, err = read(string(text))
	return err
}

// Whole returns an amount without its fraction; false if that does not fit an int64.
func (a Amount) Whole() (int64, bool) {
	digits, _, _ := strings.Cut(a.String(), ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

// Digits returns how many digits an amount has after the point, without useless zeros.
func (a Amount) Digits() int {
	_, hi, lo, digits, small := a.d.ToHiLo()
	if !small || hi != 0 {
		return trimmedDigits(a.d.String())
	}
	for digits > 0 && lo%10 == 0 {
		lo, digits = lo/10, digits-1
	}
	return int(digits)
}

func trimmedDigits(text string) int {
	_, fraction, _ := strings.Cut(text, ".")
	return len(strings.TrimRight(fraction, "0"))
}

// Units returns a x 10^digits if that is a whole number of less than 2^62, and whether it is. It is Scaled for small numbers and any digits,
// without allocation: columns of usage ask it once for each amount.
func (a Amount) Units(digits int) (int64, bool) {
	negative, hi, lo, has, small := a.d.ToHiLo()
	if !small || hi != 0 {
		return 0, false
	}
	for ; int(has) > digits; has-- {
		if lo%10 != 0 {
			return 0, false
		}
		lo /= 10
	}
	for ; int(has) < digits; has++ {
		if lo > 1<<62/10 {
			return 0, false
		}
		lo *= 10
	}
	if lo >= 1<<62 {
		return 0, false
	}
	if negative {
		return -int64(lo), true
	}
	return int64(lo), true
}

// FromUnits returns n / 10^digits; digits is at most FractionDigits.
func FromUnits(n int64, digits int) Amount {
	return Amount{udecimal.MustFromInt64(n, uint8(digits))}
}

// FromWideUnits returns (high x 2^32 + low) / 10^digits; digits is at most FractionDigits.
func FromWideUnits(high int64, low uint64, digits int) Amount {
	n := big.NewInt(high)
	n.Lsh(n, 32).Add(n, new(big.Int).SetUint64(low))
	return fromScaled(scale(n, digits))
}
