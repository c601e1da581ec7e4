package formula

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// The reference makes random expressions as trees and writes them as text. What a tree is worth it calculates by itself, in
// fractions, and logarithms by roots in big.Float: it shares no code with what it checks.
type tree struct {
	do       string // an operator, a function, "neg", "num" or "var"
	text     string // of a number or variable
	operands []*tree
}

type generator struct {
	*rand.Rand
	values map[string]string
}

func (g *generator) number() string {
	switch g.IntN(8) {
	case 0:
		return strconv.Itoa(g.IntN(3))
	case 1, 2:
		return strconv.Itoa(g.IntN(20))
	case 3:
		return fmt.Sprintf("%d.%d", g.IntN(3), g.IntN(100))
	case 4:
		return fmt.Sprintf("0.%0*d", 1+g.IntN(12), 1+g.IntN(9))
	case 5:
		return fmt.Sprintf("%d.%03d", g.IntN(100_000), g.IntN(1000))
	case 6:
		if g.IntN(2) == 0 { // around the largest of 64 bits
			n := fmt.Sprint(math.MaxInt64 - 3 + g.Uint64N(8))
			at := 7 + g.IntN(12)
			return n[:at] + "." + n[at:]
		}
		return fmt.Sprintf("%d.%012d", g.Uint64N(10_000_000_000_000_000_000), g.Uint64N(1_000_000_000_000))
	}
	return []string{"0.5", "0.25", "2.5", "10", "100", "1000", "0.125", "1.5", "0.000000000001"}[g.IntN(9)]
}

func (g *generator) tree(depth int) *tree {
	if depth == 0 || g.IntN(6) == 0 {
		if g.IntN(3) == 0 {
			return &tree{do: "var", text: string(rune('a' + g.IntN(4)))}
		}
		return &tree{do: "num", text: g.number()}
	}
	of := func(n int) (all []*tree) {
		for range n {
			all = append(all, g.tree(depth-1))
		}
		return all
	}
	switch g.IntN(16) {
	case 0, 1, 2:
		return &tree{do: "+", operands: of(2)}
	case 3, 4:
		return &tree{do: "-", operands: of(2)}
	case 5, 6, 7:
		return &tree{do: "*", operands: of(2)}
	case 8, 9:
		return &tree{do: "/", operands: of(2)}
	case 10:
		return &tree{do: []string{"^", "POWER"}[g.IntN(2)], operands: append(of(1), g.exponent(depth))}
	case 11:
		return &tree{do: "neg", operands: of(1)}
	case 12:
		return &tree{do: "ROUND", operands: append(of(1), g.precision())}
	case 13:
		return &tree{do: []string{"FLOOR.MATH", "CEILING.MATH", "ABS"}[g.IntN(3)], operands: of(1)}
	}
	return &tree{do: []string{"SUM", "PRODUCT", "MIN", "MAX"}[g.IntN(4)], operands: of(1 + g.IntN(3))}
}

func (g *generator) exponent(depth int) *tree {
	if g.IntN(4) == 0 {
		return g.tree(depth - 1)
	}
	t := &tree{do: "num", text: []string{"2", "3", "0", "1", "5", "12", "0.5", "1.5", "0.333333333333", "200"}[g.IntN(10)]}
	if g.IntN(4) == 0 {
		return &tree{do: "neg", operands: []*tree{t}}
	}
	return t
}

func (g *generator) precision() *tree {
	t := &tree{do: "num", text: strconv.Itoa(g.IntN(14))}
	switch g.IntN(8) {
	case 0:
		return g.tree(1)
	case 1, 2:
		return &tree{do: "neg", operands: []*tree{t}}
	}
	return t
}

var level = map[string]int{"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}

// write has the parentheses that it must have, and now and then more; what binds less than outer must be in some.
func (g *generator) write(t *tree, outer int) string {
	gap := strings.Repeat(" ", g.IntN(2))
	own, text := 4, t.text
	switch {
	case level[t.do] > 0:
		own = level[t.do]
		text = g.write(t.operands[0], own) + gap + t.do + gap + g.write(t.operands[1], own+1)
	case t.do == "neg":
		text = "-" + gap + g.write(t.operands[0], 4)
	case t.do != "num" && t.do != "var":
		var arguments []string
		for _, operand := range t.operands {
			arguments = append(arguments, g.write(operand, 0))
		}
		text = g.inAnyCase(t.do) + "(" + strings.Join(arguments, gap+","+gap) + ")"
	case t.do == "var":
		text = g.inAnyCase(t.text)
	}
	if own < outer || g.IntN(12) == 0 {
		text = "(" + gap + text + ")"
	}
	return text
}

func (g *generator) inAnyCase(name string) string {
	if g.IntN(2) == 0 {
		return strings.ToLower(name)
	}
	return strings.ToUpper(name)
}

// noValue is how the reason begins, or unclear where the reference has no answer either.
type noValue string

const unclear noValue = "unclear"

// worth panics with noValue.
func (g *generator) worth(t *tree) *big.Rat {
	var x []*big.Rat
	for _, operand := range t.operands {
		x = append(x, g.worth(operand))
	}
	z := new(big.Rat)
	switch t.do {
	case "num":
		z.SetString(t.text)
	case "var":
		z.SetString(g.values[t.text])
	case "neg":
		z.Neg(x[0])
	case "ABS":
		z.Abs(x[0])
	case "+":
		z.Add(x[0], x[1])
	case "-":
		z.Sub(x[0], x[1])
	case "*":
		z.Mul(x[0], x[1])
	case "SUM":
		for _, operand := range x {
			z.Add(z, operand)
		}
	case "PRODUCT":
		z.SetInt64(1)
		for _, operand := range x {
			z.Mul(z, operand)
		}
	case "MIN":
		z = slices.MinFunc(x, (*big.Rat).Cmp)
	case "MAX":
		z = slices.MaxFunc(x, (*big.Rat).Cmp)
	case "/":
		if x[1].Sign() == 0 {
			panic(noValue("division by 0"))
		}
		z.Quo(x[0], x[1])
	case "^", "POWER":
		z = worthOfPower(x[0], x[1])
	case "FLOOR.MATH":
		z.SetInt(floorOf(x[0]))
	case "CEILING.MATH":
		z.Neg(z.SetInt(floorOf(new(big.Rat).Neg(x[0]))))
	case "ROUND":
		if !x[1].IsInt() || new(big.Rat).Abs(x[1]).Cmp(big.NewRat(30, 1)) > 0 {
			panic(noValue("ROUND needs"))
		}
		scale := wholePowerOf(big.NewRat(10, 1), int(x[1].Num().Int64()))
		// Half away from 0 is to add a half to the size and to cut off.
		size := new(big.Rat).Abs(x[0])
		size.Mul(size, scale).Add(size, big.NewRat(1, 2))
		z.SetInt(floorOf(size))
		z.Quo(z, scale)
		if x[0].Sign() < 0 {
			z.Neg(z)
		}
	default:
		panic(t.do)
	}
	if z.Num().BitLen() > 8192 || z.Denom().BitLen() > 8192 {
		panic(unclear)
	}
	return z
}

func floorOf(x *big.Rat) *big.Int { return new(big.Int).Div(x.Num(), x.Denom()) } // Euclid's: the rest is not negative

func wholePowerOf(x *big.Rat, n int) *big.Rat {
	a, b := big.NewInt(1), big.NewInt(1)
	for range max(n, -n) {
		a.Mul(a, x.Num())
		b.Mul(b, x.Denom())
	}
	if n < 0 {
		a, b = b, a
	}
	return new(big.Rat).SetFrac(a, b)
}

func worthOfPower(x, y *big.Rat) *big.Rat {
	switch {
	case x.Sign() == 0 && y.Sign() == 0:
		panic(noValue("0 to the power of 0"))
	case x.Sign() == 0 && y.Sign() < 0:
		panic(noValue("0 to a negative power"))
	case x.Sign() < 0 && !y.IsInt():
		panic(noValue("a negative number to a fractional power"))
	case x.Sign() == 0:
		return new(big.Rat)
	}
	if n := y.Num().Int64(); y.IsInt() && y.Num().IsInt64() && -5000 < n && n < 5000 {
		if bits := max(x.Num().BitLen(), x.Denom().BitLen()) - 1; bits*int(max(n, -n)) < 2*bitsMost { // else it is too long for sure
			if z := wholePowerOf(x, int(n)); z.Num().BitLen() <= bitsMost && z.Denom().BitLen() <= bitsMost {
				return z
			}
		}
	}
	z := worthOfRealPower(new(big.Rat).Abs(x), y)
	if x.Sign() < 0 && y.Num().Bit(0) == 1 {
		z.Neg(z)
	}
	return z
}

const referenceBits = 512

func float(n int64) *big.Float { return new(big.Float).SetPrec(referenceBits).SetInt64(n) }

func worthOfRealPower(x, y *big.Rat) *big.Rat {
	if x.Cmp(big.NewRat(1, 1)) == 0 {
		return x
	}
	if floorOf(y).BitLen() > 120 {
		panic(unclear)
	}
	t := new(big.Float).SetPrec(referenceBits).SetRat(y)
	t.Mul(t, lnByRoots(x))
	if t.MantExp(nil) > 10 {
		panic(unclear)
	}
	z := expBySeries(t)
	// If a little less and a little more have the same digits, so has the power.
	text := z.Text('e', powerDigits-1)
	little := new(big.Float).SetMantExp(z, 150-referenceBits)
	if new(big.Float).Sub(z, little).Text('e', powerDigits-1) != text || new(big.Float).Add(z, little).Text('e', powerDigits-1) != text {
		panic(unclear)
	}
	r, _ := new(big.Rat).SetString(text)
	return r
}

func lnByRoots(x *big.Rat) *big.Float {
	y, roots := new(big.Float).SetPrec(referenceBits).SetRat(x), 0
	u := new(big.Float).SetPrec(referenceBits)
	for u.Sub(y, float(1)); u.Sign() != 0 && u.MantExp(nil) > -16; u.Sub(y, float(1)) {
		y.Sqrt(y)
		roots++
	}
	u.Quo(u, y.Add(y, float(1)))
	square, power, sum := new(big.Float).Mul(u, u), new(big.Float).Copy(u), float(0)
	for i := int64(1); i < 40; i += 2 {
		sum.Add(sum, new(big.Float).Quo(power, float(i)))
		power.Mul(power, square)
	}
	return sum.SetMantExp(sum, roots+1)
}

func expBySeries(t *big.Float) *big.Float {
	const halves = 30
	r := new(big.Float).SetMantExp(t, -halves)
	sum, term := float(1), float(1)
	for i := int64(1); i < 24; i++ {
		term.Mul(term, r).Quo(term, float(i))
		sum.Add(sum, term)
	}
	for range halves {
		sum.Mul(sum, sum)
	}
	return sum
}

// asAmount rounds half to even at the 12th digit.
func asAmount(z *big.Rat) string {
	unit := big.NewRat(1_000_000_000_000, 1)
	scaled := new(big.Rat).Mul(z, unit)
	q := floorOf(scaled)
	rest := new(big.Rat).Sub(scaled, new(big.Rat).SetInt(q))
	if half := rest.Cmp(big.NewRat(1, 2)); half > 0 || half == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return new(big.Rat).Quo(new(big.Rat).SetInt(q), unit).FloatString(12)
}

func (g *generator) want(t *tree) (value string, reason noValue) {
	defer func() {
		if r := recover(); r != nil {
			reason = r.(noValue)
		}
	}()
	value = asAmount(g.worth(t))
	if whole, _, _ := strings.Cut(strings.TrimPrefix(value, "-"), "."); len(whole) > token.WholeDigits {
		return "", "the result is too large"
	}
	return value, ""
}

// TestAgainstReference compares FAREBOX_FORMULA_CHECKS random expressions.
func TestAgainstReference(t *testing.T) {
	checks, err := strconv.Atoi(cmp.Or(os.Getenv("FAREBOX_FORMULA_CHECKS"), "100000"))
	if err != nil {
		t.Fatal(err)
	}
	const parts = 4
	for part := range parts {
		t.Run(strconv.Itoa(part), func(t *testing.T) {
			t.Parallel()
			compare(t, (checks+parts-1)/parts)
		})
	}
}

func compare(t *testing.T, checks int) {
	bounded, without, unsure := 0, 0, 0
	for range checks {
		g := &generator{rand.New(rand.NewPCG(rand.Uint64(), 0)), map[string]string{}}
		amounts := map[string]token.Amount{}
		for _, name := range []string{"a", "b", "c", "d"} {
			g.values[name] = g.number()
			if g.IntN(4) == 0 {
				g.values[name] = "-" + g.values[name]
			}
			amounts[name] = token.MustParse(g.values[name])
		}
		expression := g.tree(1 + g.IntN(5))
		text := g.write(expression, 0)
		f, err := Parse(text)
		if err != nil {
			if e, _ := errors.AsType[*problem.Error](err); strings.HasPrefix(e.Message, "must have at most") {
				continue
			}
			t.Fatalf("%s: %v", text, err)
		}
		got, err := f.Eval(func(name string) (token.Amount, bool) { a, known := amounts[name]; return a, known })
		e, _ := errors.AsType[*Error](err)
		if e != nil && (strings.HasPrefix(e.Reason, tooCostly) || strings.HasPrefix(e.Reason, tooLong) ||
			strings.HasPrefix(e.Reason, "a power is too large") || strings.HasPrefix(e.Reason, "an exponent is too large")) {
			bounded++
			continue
		}
		value, reason := g.want(expression)
		switch {
		case reason == unclear:
			unsure++
		case e == nil && reason == "" && got.Equal(token.MustParse(value)):
		case e != nil && reason != "" && strings.HasPrefix(e.Reason, string(reason)):
			without++
		default:
			t.Fatalf("%s with %v is %v, %v; the reference has %s %s", text, g.values, got, err, value, reason)
		}
	}
	t.Logf("of %d expressions %d have no value, %d go past a bound, %d the reference does not know", checks, without, bounded, unsure)
	if bounded+unsure > checks/20 || without > checks/2 {
		t.Error("too many expressions show nothing")
	}
}

func (g *generator) between(digits, fraction int) *big.Rat {
	n := new(big.Int)
	for range 1 + g.IntN(digits) {
		n.Mul(n, big.NewInt(10)).Add(n, big.NewInt(int64(g.IntN(10))))
	}
	return new(big.Rat).SetFrac(n.Add(n, big.NewInt(1)), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(g.IntN(fraction+1))), nil))
}

// A root can be proved without any logarithm: z is x^(p/q), rounded, if x^p is between (z - half)^q and (z + half)^q.
func TestRootsAreProved(t *testing.T) {
	g := &generator{Rand: rand.New(rand.NewPCG(rand.Uint64(), 0))}
	prove := func(x *big.Rat, p, q int) {
		t.Helper()
		m := meter{left: costMost}
		z, why := m.realPower(x, big.NewRat(int64(p), int64(q)))
		if why != "" {
			t.Fatalf("%s ^ (%d/%d): %s", x, p, q, why)
		}
		// half of a unit of the 60th digit of z, from its text
		_, exponent, _ := strings.Cut(new(big.Float).SetPrec(2000).SetRat(z).Text('e', powerDigits-1), "e")
		n, err := strconv.Atoi(exponent)
		if err != nil {
			t.Fatal(err)
		}
		half := new(big.Rat).Mul(big.NewRat(1, 2), wholePowerOf(big.NewRat(10, 1), n-powerDigits+1))
		if digits := new(big.Rat).Quo(z, half); !new(big.Rat).Quo(digits, big.NewRat(2, 1)).IsInt() {
			t.Fatalf("%s ^ (%d/%d) has more than %d digits: %s", x, p, q, powerDigits, z.FloatString(80))
		}
		exact := wholePowerOf(x, p)
		low := wholePowerOf(new(big.Rat).Sub(z, half), q)
		high := wholePowerOf(new(big.Rat).Add(z, half), q)
		if low.Cmp(exact) > 0 || exact.Cmp(high) > 0 {
			t.Fatalf("%s ^ (%d/%d) is not %s", x, p, q, z.FloatString(80))
		}
		if low.Cmp(exact) == 0 || exact.Cmp(high) == 0 {
			last := new(big.Rat).Quo(z, half) // twice the digits
			if new(big.Int).Rsh(last.Num(), 1).Bit(0) == 1 {
				t.Fatalf("%s ^ (%d/%d) is halfway and goes to the odd %s", x, p, q, z.FloatString(80))
			}
		}
	}
	for range 500 {
		prove(g.between(31, 12), 1-2*g.IntN(2), 2+g.IntN(8))
		prove(g.between(10, 10), g.IntN(20)-10, 2+g.IntN(8))
	}
	// Close to 1, close to a square, squares of halfway numbers, and next to those.
	one, tiny := big.NewRat(1, 1), wholePowerOf(big.NewRat(10, 1), -12)
	for _, q := range []int{2, 3, 5, 10} {
		prove(new(big.Rat).Add(one, tiny), 1, q)
		prove(new(big.Rat).Sub(one, tiny), 1, q)
		prove(new(big.Rat).Add(wholePowerOf(big.NewRat(12345, 10), q), tiny), 1, q)
		prove(wholePowerOf(big.NewRat(12345, 10), q), 1, q)
		for last := range int64(10) {
			halfway := new(big.Rat).Add(big.NewRat(10+last, 10), wholePowerOf(big.NewRat(10, 1), -60).Mul(big.NewRat(10*last+5, 1), wholePowerOf(big.NewRat(10, 1), -60)))
			prove(wholePowerOf(halfway, q), 1, q)
			for _, far := range []int{-100, -200, -245} {
				next := wholePowerOf(big.NewRat(10, 1), far)
				prove(new(big.Rat).Add(wholePowerOf(halfway, q), next), 1, q)
				prove(new(big.Rat).Sub(wholePowerOf(halfway, q), next), 1, q)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	seed(f, func(text string) { f.Add(text) })
	f.Fuzz(func(t *testing.T, text string) {
		start := spent()
		parsed, err := Parse(text)
		if took := spent() - start; took > time.Second {
			t.Errorf("took %v", took)
		}
		if err != nil {
			if e, ours := errors.AsType[*problem.Error](err); !ours || e.Kind != problem.Invalid || strings.ContainsAny(e.Message, "\r\n\x00") {
				t.Errorf("%#v", err)
			}
			return
		}
		if parsed.String() != text {
			t.Errorf("%q is written %q", text, parsed)
		}
		for _, name := range parsed.Variables() {
			if again, err := Parse(name); err != nil || !slices.Equal(again.Variables(), []string{name}) {
				t.Errorf("variable %q: %v", name, err)
			}
		}
	})
}

func FuzzEval(f *testing.F) {
	seed(f, func(text string) { f.Add(text, int64(12345), int64(15), uint8(6)) })
	f.Fuzz(func(t *testing.T, text string, a, b int64, digits uint8) {
		parsed, err := Parse(text)
		if err != nil {
			return
		}
		unit := token.MustParse("1e-" + strconv.Itoa(int(digits%13)))
		value := func(name string) (token.Amount, bool) {
			if len(name)%2 == 0 {
				a, b = b, a
			}
			return token.MulHalfEven(token.FromInt(a), unit), len(name) < 20
		}
		start := spent()
		keptA, keptB := a, b
		got, err := parsed.Eval(value)
		if took := spent() - start; took > time.Second {
			t.Errorf("took %v", took)
		}
		if e, ours := errors.AsType[*Error](err); err != nil && (!ours || e.Reason == "") {
			t.Fatalf("%#v", err)
		}
		if whole, _, _ := strings.Cut(strings.TrimPrefix(got.String(), "-"), "."); len(whole) > token.WholeDigits {
			t.Errorf("%v is too large", got)
		}
		again, err2 := Parse(parsed.String())
		if err2 != nil {
			t.Fatal(err2)
		}
		a, b = keptA, keptB
		same, err2 := again.Eval(value)
		if !same.Equal(got) || (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Errorf("%v, %v at first, then %v, %v", got, err, same, err2)
		}
		// Neither parentheses nor 0 change anything.
		if wrapped, err2 := Parse("0 - (0 - (" + text + "))"); err2 == nil && err == nil {
			a, b = keptA, keptB
			if same, err2 := wrapped.Eval(value); err2 == nil && !same.Equal(got) {
				t.Errorf("%v, and %v in parentheses", got, same)
			}
		}
	})
}

func seed(f *testing.F, add func(text string)) {
	for _, text := range []string{
		"FLOOR.MATH(1.6423169)", "POWER(3, 9.57) + quantity", "price * quantity", "(basePrice + surcharge) * discount",
		"ROUND(a/3, -2)", "2^3^2", "-2^2", "MIN(1, 2, x) - MAX(.5)", "CEILING.MATH(ABS(-1.5))", "PRODUCT(2,3)/SUM(0)", "1 +", "é", "1.000001^1000000",
	} {
		add(text)
	}
	for _, text := range hostile {
		add(text)
	}
}
