package formula

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// sample are the variables of the tables below.
var sample = map[string]token.Amount{
	"price":     token.MustParse("0.000015"),
	"quantity":  token.MustParse("12345"),
	"baseprice": token.MustParse("2.5"),
	"surcharge": token.MustParse("0.75"),
	"discount":  token.MustParse("0.8"),
	"largest":   token.MustParse("9999999999999999999.999999999999"),
	"smallest":  token.MustParse("0.000000000001"),
	"below":     token.MustParse("-2.5"),
	"zero":      {},
}

func lookup(name string) (token.Amount, bool) {
	a, known := sample[name]
	return a, known
}

func TestValues(t *testing.T) {
	for _, row := range []struct{ rule, formula, want string }{
		{"documented", "FLOOR.MATH(1.6423169)", "1"},
		{"documented", "POWER(3, 9.57) + quantity", "49162.170409502967"},
		{"documented", "price * quantity", "0.185175"},
		{"documented", "(basePrice + surcharge) * discount", "2.6"},

		{"numbers are read exactly", "0.1 + 0.2", "0.3"},
		{"numbers have the digits of amounts", "9999999999999999999.999999999999", "9999999999999999999.999999999999"},
		{"more zeros do no harm", "000.50000000000000000", "0.5"},
		{"0 before the point may be left out", ".5", "0.5"},
		{"a value may be negative", "1 - 3", "-2"},
		{"space is free", " \t1\r\n+\n1 ", "2"},
		{"space before arguments is free", "SUM (1, 2)", "3"},
		{"names of variables in any case", "PRICE * Quantity", "0.185175"},
		{"names of functions in any case", "floor.Math(1.5) + Sum(1, 1)", "3"},

		{"* before +", "1 + 2 * 3", "7"},
		{"^ before *", "2 * 3 ^ 2", "18"},
		{"- from the left", "10 - 3 - 2", "5"},
		{"/ from the left", "100 / 10 / 5", "2"},
		{"/ and * from the left", "100 / 10 * 5", "50"},
		{"^ from the left", "2^3^2", "64"},
		{"minus binds tighter than ^", "-2^2", "4"},
		{"minus after ^", "2^-1", "0.5"},
		{"minus after *", "2*-3", "-6"},
		{"minus of parentheses", "-(1 + 2)", "-3"},
		{"minus twice", "--2", "2"},
		{"minus after minus", "1--2", "3"},
		{"plus in front", "+2 - +1", "1"},
		{"signs add up", "-+-+-2", "-2"},

		{"FLOOR.MATH towards minus infinity", "FLOOR.MATH(-1.1)", "-2"},
		{"FLOOR.MATH of a whole number", "FLOOR.MATH(-2)", "-2"},
		{"FLOOR.MATH of a fraction", "FLOOR.MATH(-1/3)", "-1"},
		{"FLOOR.MATH is exact", "FLOOR.MATH((1/3) * 3)", "1"},
		{"CEILING.MATH towards plus infinity", "CEILING.MATH(-1.9)", "-1"},
		{"CEILING.MATH of a fraction", "CEILING.MATH(10/3)", "4"},
		{"CEILING.MATH of the least", "CEILING.MATH(smallest * smallest)", "1"},
		{"ABS", "ABS(-2.5) + ABS(2.5) + ABS(0)", "5"},
		{"ABS of a fraction", "ABS(-1/3) * 3", "1"},
		{"MIN and MAX", "MIN(3, 2) + MAX(3, 20)", "22"},
		{"MIN of negative numbers", "MIN(-3, -2.5)", "-3"},
		{"MAX of fractions", "MAX(1/3, 0.333333333333) * 3", "1"},
		{"one argument", "SUM(1) + PRODUCT(2) + MIN(3) + MAX(4)", "10"},
		{"many arguments", "SUM(1, 2, 3) + PRODUCT(2, 3, 4) + MIN(3, 1, 2) + MAX(1, 3, 2)", "34"},
		{"much is waiting", strings.Repeat("1+(2*(", 20) + "1" + strings.Repeat("))", 20), "2097151"},
		{"255 arguments", "SUM(1" + strings.Repeat(",1", 254) + ")", "255"},
		{"one after the other is not nested", strings.Repeat("(1)+", 200) + "ABS(1)", "201"},
		{"arguments are formulas", "MAX(1 + 1, SUM(1, POWER(2, 2)))", "5"},

		{"ROUND half away from 0", "ROUND(2.5, 0)", "3"},
		{"ROUND half away from 0, below", "ROUND(-2.5, 0)", "-3"},
		{"ROUND below half", "ROUND(2.449, 1)", "2.4"},
		{"ROUND of a fraction", "ROUND(2/3, 4)", "0.6667"},
		{"ROUND to tens", "ROUND(1250, -2)", "1300"},
		{"ROUND to more tens than there are", "ROUND(49, -2)", "0"},
		{"ROUND to far too many tens", "ROUND(largest, -30)", "0"},
		{"ROUND up to a new digit", "ROUND(largest, -18) - 9999999999999999999", "1"},
		{"ROUND to more digits than there are", "ROUND(1.5, 30)", "1.5"},
		{"ROUND with a calculated precision", "ROUND(1.25, 3/3)", "1.3"},
		{"ROUND with a precision that was a fraction", "ROUND(1.25, (1/3) * 3)", "1.3"},

		{"POWER whole", "POWER(1.1, 3)", "1.331"},
		{"POWER of a negative number", "POWER(-2, 3)", "-8"},
		{"POWER of a negative number, even", "POWER(-2, 4)", "16"},
		{"POWER negative", "POWER(8, -1) + POWER(-0.5, -3)", "-7.875"},
		{"POWER 0", "POWER(below, 0)", "1"},
		{"POWER of 0", "POWER(0, 0.5)", "0"},
		{"POWER of 1", "POWER(1, -0.3) + 1^9999999999999999999", "2"},
		{"POWER of -1", "POWER(-1, 9999999999999999999)", "-1"},
		{"POWER of a fraction", "POWER(2/3, -2)", "2.25"},
		{"square root", "2 ^ 0.5", "1.414213562373"},
		{"roots that have an end are exact", "FLOOR.MATH(8 ^ (1/3)) + 2.25^0.5 + FLOOR.MATH(100000^0.2)", "13.5"},
		{"a whole power that gets too long is not lost", "1.000001 ^ 1000000", "2.718280469319"},
		{"such a power, just too long", "1.1^1300 / 1.1^1299", "1.1"},
		{"such a power of a negative number", "(-1.000001) ^ 1000001", "-2.718283187600"},
		{"a power that is nearly 0", "0.9 ^ 100000", "0"},
		{"nearly 0 is not 0", "CEILING.MATH(0.9 ^ 100000)", "1"},
		{"nor is it negative", "CEILING.MATH((-0.9) ^ 100001)", "0"},
		{"interest", "1000 * (1 + 0.05/12) ^ 360", "4467.744314006132"},
		{"a large power of what is close to 1", "1.000000000001 ^ 1234567890123.5", "3.436893084344"},
		{
			"a very large power has as many digits",
			"((1 + 10^-36)^(10^36) - 2.718281828459 - 0.045235360287/10^12 - 0.471352662496/10^24 - 0.39810617947/10^36) * 10^46",
			"0.004369572868",
		},
		{"the largest to its root", "largest ^ (1/19)", "10"},

		{"past 64 bits", "9223372036854775807 + 1", "9223372036854775808"},
		{"past 64 bits, below", "-9223372036854775807 - 1 + 0.5", "-9223372036854775807.5"},
		{"past 64 bits by one", "ABS(-9223372036854775807 - 1)", "9223372036854775808"},
		{"past 64 bits and back", "9223372036854775808 - 9223372036854775807", "1"},
		{"past 64 bits, product", "922337203685477580.9 * 10", "9223372036854775809"},
		{"past 64 bits, quotient", "9223372036854775.807 / 0.9", "10248191152060862.007777777778"},
		{"past 64 bits, compared", "MAX(9223372036854775807, 9223372036854775807.1) - 9223372036854775807", "0.1"},
		{"past 64 bits, rounded", "ROUND(9223372036854775807, -1)", "9223372036854775810"},

		{"half to even at the 12th digit, down", "smallest / 2", "0"},
		{"half to even at the 12th digit, up", "smallest * 1.5", "0.000000000002"},
		{"half to even at the 12th digit, of a fraction", "(smallest * 7.5) / 3", "0.000000000002"},
		{"half to even below 0", "-smallest * 2.5", "-0.000000000002"},
		{"rounded once", "(1/3 - 0.333333333333) * 1000000000000", "0.333333333333"},
		{"a root close to a half is below it", "1.000000000001 ^ 0.5", "1"},
		{"digits beyond an amount's do not get lost", "(smallest * smallest) / smallest", "0.000000000001"},
		{"beyond an amount on the way", "largest * largest / largest", "9999999999999999999.999999999999"},
		{"far beyond an amount on the way", "10^1000 / 10^999", "10"},
	} {
		f, err := Parse(row.formula)
		if err != nil {
			t.Errorf("%s: %s: %v", row.rule, row.formula, err)
			continue
		}
		if got, err := f.Eval(lookup); err != nil || !got.Equal(token.MustParse(row.want)) {
			t.Errorf("%s: %s is %v, %v; want %s", row.rule, row.formula, got, err, row.want)
		}
	}
}

func TestWhatHasNoValue(t *testing.T) {
	for _, row := range []struct{ rule, formula, want string }{
		{"missing", "price * Amount + amount", `variable "Amount" is missing`},
		{"missing comes before all else", "1/0 + x", `variable "x" is missing`},
		{"division", "1 + 2/0", "division by 0, at character 6"},
		{"division by what comes to 0", "1/(price - price)", "division by 0, at character 2"},
		{"division by a fraction that comes to 0", "1/(1/3 - 1/3)", "division by 0, at character 2"},
		{"0^0", "0^0", "0 to the power of 0, at character 2"},
		{"0 to negative", "POWER(0, -0.5)", "0 to a negative power, which is a division by 0, at character 1"},
		{"negative to a fraction", "1 + below^0.5", "a negative number to a fractional power, at character 10"},
		{"negative to a third", "(-8)^(1/3)", "a negative number to a fractional power, at character 5"},
		{"precision", "ROUND(1, 0.5)", "ROUND needs a whole number from -30 to 30 as its precision, at character 1"},
		{"precision", "ROUND(1, 1/3)", "ROUND needs a whole number from -30 to 30 as its precision, at character 1"},
		{"precision", "2*ROUND(1, 31)", "ROUND needs a whole number from -30 to 30 as its precision, at character 3"},
		{"precision", "ROUND(1, -999999999)", "ROUND needs a whole number from -30 to 30 as its precision, at character 1"},
		{"precision", "ROUND(1, 10^1000)", "ROUND needs a whole number from -30 to 30 as its precision, at character 1"},
		{"result", "largest + smallest", "the result is too large: it has more than 19 digits before the point"},
		{"result after rounding", "largest + smallest/2", "the result is too large: it has more than 19 digits before the point"},
		{"result below", "-largest - smallest", "the result is too large: it has more than 19 digits before the point"},
		{"result", "9^9^9^9", "the result is too large: it has more than 19 digits before the point"},
		{"power", "POWER(9, 999999)", "a power is too large: more than 498 digits, at character 1"},
		{"power", "POWER(9, 999999.5)", "a power is too large: more than 498 digits, at character 1"},
		{"power", "POWER(smallest, -9999999999999999999)", "a power is too large: more than 498 digits, at character 1"},
		{"exponent", "1.5 ^ (10^39)", "an exponent is too large: it has more than 38 digits before the point, at character 5"},
		{"length", "10^1000 * 10^1000", "a number gets too long: more than 1228 digits, at character 9"},
		{"cost", strings.Repeat("2^0.5+", 100) + "1", "the calculation is too costly, at character 200"},
	} {
		f, err := Parse(row.formula)
		if err != nil {
			t.Errorf("%s: %s: %v", row.rule, row.formula, err)
			continue
		}
		_, err = f.Eval(lookup)
		if e, ours := errors.AsType[*Error](err); !ours || e.Reason != row.want {
			t.Errorf("%s: %s: %v; want %s", row.rule, row.formula, err, row.want)
		}
	}
}

func TestWhatIsNoFormula(t *testing.T) {
	for _, row := range []struct{ rule, formula, want string }{
		{"empty", "", "must not be empty"},
		{"empty", " \n", "must not be empty"},
		{"long", strings.Repeat(" ", TextBytes) + "1", "must have at most 4096 bytes, and has 4097"},

		{"operand", "1 +", `it ends where a number, a name or "(" must follow (character 4: 1 +>>>)`},
		{"operand", "price * )", `")" found where a number, a name or "(" must be (character 9: price * >>>))`},
		{"operand", "2 * * 3", `"*" found where a number, a name or "(" must be (character 5: 2 * >>>* 3)`},
		{"operand", "()", `")" found where a number, a name or "(" must be (character 2: (>>>))`},
		{"operand", "-", `it ends where a number, a name or "(" must follow (character 2: ->>>)`},
		{"argument", "MAX(1,)", `")" found where a number, a name or "(" must be (character 7: MAX(1,>>>))`},
		{"argument", "MAX(,1)", `"," found where a number, a name or "(" must be (character 5: MAX(>>>,1))`},

		{"operator", "2 price", `an operator is missing before "price" (character 3: 2 >>>price)`},
		{"operator", "2(3)", `an operator is missing before "(" (character 2: 2>>>(3))`},
		{"operator", "1 2", `an operator is missing before "2" (character 3: 1 >>>2)`},
		{"no exponents", "1e3", `an operator is missing before "e3" (character 2: 1>>>e3)`},
		{"operator", "SUM(1 2)", `an operator is missing before "2" (character 7: SUM(1 >>>2))`},

		{"open", "(1 + (2 * 3)", `"(" is never closed (character 1: >>>(1 + (2 * 3))`},
		{"open", "2 * SUM(1, 2", `"(" is never closed (character 8: 2 * SUM>>>(1, 2)`},
		{"closed", "1 + 2) * 3", `")" without a "(" before it (character 6: 1 + 2>>>) * 3)`},
		{"comma", "1, 2", `"," outside of a function's arguments (character 2: 1>>>, 2)`},
		{"comma", "SUM(1, (2, 3))", `"," outside of a function's arguments (character 10: SUM(1, (2>>>, 3)))`},

		{"function", "1 + FLOOR(2)", `there is no function "FLOOR"; there are ABS, CEILING.MATH, FLOOR.MATH, MAX, MIN, POWER, PRODUCT, ROUND and SUM (character 5: 1 + >>>FLOOR(2))`},
		{"function", "1 + sum", `sum is a function: its arguments must follow in parentheses (character 5: 1 + >>>sum)`},
		{"arguments", "POWER(2)", `POWER needs 2 arguments, and has 1 (character 1: >>>POWER(2))`},
		{"arguments", "1+round(2, 0, 1)", `round needs 2 arguments, and has 3 (character 3: 1+>>>round(2, 0, 1))`},
		{"arguments", "FLOOR.MATH(1, 2)", `FLOOR.MATH needs 1 argument, and has 2 (character 1: >>>FLOOR.MATH(1, 2))`},
		{"arguments", "ABS()", `ABS needs 1 argument, and has 0 (character 1: >>>ABS())`},
		{"arguments", "SUM()", `SUM needs an argument (character 1: >>>SUM())`},
		{"arguments", "SUM(1" + strings.Repeat(",1", 255) + ")", `SUM has 256 arguments, at most 255 are allowed (character 1: >>>SUM(1,1,1,1,1,1,1,1,...)`},

		{"number", "1.2.3", `"1.2.3" is not a decimal number (character 1: >>>1.2.3)`},
		{"number", "2 * 1.", `"1." is not a decimal number (character 5: 2 * >>>1.)`},
		{"number", ".", `"." is not a decimal number (character 1: >>>.)`},
		{"number", "0.1234567890123", `"0.1234567890123" has more than 12 digits after the point (character 1: >>>0.1234567890123)`},
		{"number", "12345678901234567890", `"12345678901234567890" has more than 19 digits before the point (character 1: >>>12345678901234567890)`},

		{"sign", "=price", `"=" has no meaning in a formula (character 1: >>>=price)`},
		{"sign", "price % 2", `"%" has no meaning in a formula (character 7: price >>>% 2)`},
		{"sign", "SUM(1; 2)", `";" has no meaning in a formula (character 6: SUM(1>>>; 2))`},
		{"sign", "größe", `"ö" has no meaning in a formula (character 3: gr>>>öße)`},
		{"sign", "1 +\u00a02", `"\u00a0" has no meaning in a formula (character 4: 1 +>>>` + "\u00a02)"},
		{"sign", "1 +\n\xff\x00", `"\xff" has no meaning in a formula (character 5: 1 + >>>  )`},
		{"the first error counts", "1 + % (", `"%" has no meaning in a formula (character 5: 1 + >>>% ()`},
		{"far in", strings.Repeat("1+", 100) + "$" + strings.Repeat("+1", 100), `"$" has no meaning in a formula (character 201: ...1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+>>>$+1+1+1+1+1+1+1+1+1+...)`},

		{"nesting", strings.Repeat("(", 101), `parentheses are nested more than 100 deep (character 101: ...((((((((((((((((((((((((((((((>>>()`},
		{"nesting", strings.Repeat("ABS(", 1000), `parentheses are nested more than 100 deep (character 404: ...BS(ABS(ABS(ABS(ABS(ABS(ABS(ABS>>>(ABS(ABS(ABS(ABS(ABS...)`},
		{"variables", "0" + variables(101), `it has more than 100 variables (character 393: ...2+x93+x94+x95+x96+x97+x98+x99+>>>x100)`},
		{"parts", strings.Repeat("1+", 501) + "1", `it has more than 1000 numbers, variables and operations (character 1000: ...+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1>>>+1+1)`},
	} {
		_, err := Parse(row.formula)
		if e, ours := errors.AsType[*problem.Error](err); !ours || e.Kind != problem.Invalid || e.Field != "" || e.Message != row.want {
			t.Errorf("%s: %.60q\n got %v\nwant %s", row.rule, row.formula, err, row.want)
		}
	}
}

func variables(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "+x%d", i)
	}
	return b.String()
}

func TestVariables(t *testing.T) {
	f, err := Parse("Price*quantity + PRICE + image.width^_x2")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.Variables(), " "); got != "Price quantity image.width _x2" {
		t.Errorf("variables: %s", got)
	}
	var asked []string
	_, err = f.Eval(func(name string) (token.Amount, bool) {
		asked = append(asked, name)
		return token.FromInt(2), true
	})
	if got := strings.Join(asked, " "); err != nil || got != "price quantity image.width _x2" {
		t.Errorf("asked for %s, %v", got, err)
	}
	if f.String() != "Price*quantity + PRICE + image.width^_x2" {
		t.Error(f)
	}
}

func TestNoVariablesNeedNoValues(t *testing.T) {
	f, err := Parse("1 + 1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Eval(nil); err != nil || !got.Equal(token.FromInt(2)) || len(f.Variables()) != 0 {
		t.Error(got, err, f.Variables())
	}
}

// Sums of amounts may have more digits than an amount that was read.
func TestVariablesOfAnySize(t *testing.T) {
	f, err := Parse("x - x + x / x")
	if err != nil {
		t.Fatal(err)
	}
	x := sample["largest"]
	for range 200 {
		x = x.Add(x)
	}
	if got, err := f.Eval(func(string) (token.Amount, bool) { return x, true }); err != nil || !got.Equal(token.FromInt(1)) {
		t.Error(got, err)
	}
	for range 4096 {
		x = x.Add(x)
	}
	if _, err := f.Eval(func(string) (token.Amount, bool) { return x, true }); err == nil || err.Error() != `variable "x" is too large` {
		t.Error(err)
	}
}

func TestManyEvaluateAtOnce(t *testing.T) {
	f, err := Parse("(largest / 3 + largest) ^ 0.5 + 999999999999999999.5 - quantity / 7")
	if err != nil {
		t.Fatal(err)
	}
	want, err := f.Eval(lookup)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				if got, err := f.Eval(lookup); err != nil || !got.Equal(want) {
					t.Error(got, err)
				}
			}
		})
	}
	all.Wait()
}

func TestTheCommonCaseIsNotAllocated(t *testing.T) {
	for _, text := range []string{
		"price * quantity", "(basePrice + surcharge) * discount", "FLOOR.MATH(quantity / 1000) * price + MIN(basePrice, 3)",
		"ROUND(quantity * 1.19, 2) - ABS(below) + discount ^ 3",
	} {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if allocations := testing.AllocsPerRun(100, func() { _, _ = f.Eval(lookup) }); allocations != 0 {
			t.Errorf("%s: %v allocations", text, allocations)
		}
	}
}

// hostile formulas take as long as any. Machines are slow at times, so the time allowed is far more than they take; see
// BenchmarkHostile for that.
var hostile = map[string]string{
	"nested":           strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100),
	"parentheses":      strings.Repeat("(", 2048) + strings.Repeat(")", 2048),
	"signs":            strings.Repeat("-", 4095) + "1",
	"thirds":           "0" + strings.Repeat("+1/3", 249),
	"small products":   "1.1" + strings.Repeat("*1.1", 499),
	"coprime":          coprime(),
	"roots":            "0" + strings.Repeat("+2^.5", 249),
	"roots of roots":   "3" + strings.Repeat("^.7", 480),
	"long products":    "1/7" + strings.Repeat("*(1+1/7^9)", 140),
	"long power":       "(10/7)^999/(10/7)^998*(10/7)^997/(10/7)^996*(10/7)^995/(10/7)^994*(10/7)^993/(10/7)^992",
	"long roots":       "0" + strings.Repeat("+(9^1200/7^1400)^.5", 60),
	"hard root":        "0" + strings.Repeat("+(1+10^-59-10^-119)^.5", 50),
	"long comparisons": "MAX(9^1200/7^1400" + strings.Repeat(",9^1200/7^1399", 70) + ")",
	"long rounding":    "0" + strings.Repeat("+ROUND(9^1200/7^1400,30)", 60),
	"tiny":             "0" + strings.Repeat("+.9^99999", 199),
	"huge exponents":   "9^9^9^9^9^9",
	"many variables":   "zero" + strings.Repeat("+quantity/price", 150),
	"exponents":        "1" + strings.Repeat("*1.000000000001^1234567890123", 60),
}

func coprime() string {
	var b strings.Builder
	b.WriteString("0")
	for n := 3; n < 500; n += 2 {
		fmt.Fprintf(&b, "+1/%d", n)
	}
	return b.String()
}

func TestNothingTakesLong(t *testing.T) {
	for rule, text := range hostile {
		start := spent()
		f, err := Parse(text)
		if err == nil {
			_, err = f.Eval(lookup)
		}
		if took := spent() - start; took > 250*time.Millisecond {
			t.Errorf("%s took %v (%v)", rule, took, err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("FLOOR.MATH(quantity / 1000) * price"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	values := func(name string) (token.Amount, bool) { // cheaper than a map, so as to see what Eval takes
		if name == "price" {
			return token.MustParse("0.000015"), true
		}
		return token.FromInt(12345), true
	}
	for _, text := range []string{
		"price * quantity", "(price + 1.5) * 0.8", "FLOOR.MATH(quantity / 1000) * price", "ROUND(price * quantity, 4)", "price ^ 2",
		"quantity / 3", "9999999999999999999 * price", "1.05 ^ 120", "POWER(3, 9.57) + quantity",
	} {
		b.Run(text, func(b *testing.B) { benchmark(b, text, values) })
	}
}

func BenchmarkHostile(b *testing.B) {
	for rule, text := range hostile {
		if _, err := Parse(text); err == nil {
			b.Run(rule, func(b *testing.B) { benchmark(b, text, lookup) })
		}
	}
}

func benchmark(b *testing.B, text string, values func(string) (token.Amount, bool)) {
	f, err := Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err = f.Eval(values)
	}
	if err != nil {
		b.Log(err)
	}
}
