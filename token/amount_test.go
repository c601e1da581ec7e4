package token

import (
	"math/big"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "0e999999999": "0", "12.50": "12.5", "1e3": "1000", "1E+2": "100", "25e-1": "2.5",
		"3e-06": "0.000003", "0.000000000001": "0.000000000001", "1e-12": "0.000000000001",
		"9999999999999999999.999999999999":      "9999999999999999999.999999999999",
		"1.000000000000000000000000":            "1",
		"0.00000000000000000000000000000001e30": "0.01",
		"-7.25":                                 "-7.25",
	} {
		got, err := Parse(in)
		if err != nil || got.String() != want {
			t.Errorf("Parse(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]error{
		"": ErrSyntax, "x": ErrSyntax, "NaN": ErrSyntax, "Infinity": ErrSyntax, "1.": ErrSyntax, ".5": ErrSyntax, "--1": ErrSyntax,
		"1e": ErrSyntax, "1e+-1": ErrSyntax, "1e--1": ErrSyntax, "0x10": ErrSyntax, "1_000": ErrSyntax, "1 ": ErrSyntax, "+1": ErrSyntax,
		"0.0000000000001": ErrPrecision, "1e-13": ErrPrecision, "1e-999999999999999999999": ErrPrecision,
		"10000000000000000000": ErrRange, "1e19": ErrRange, "1e999999999999999999999": ErrRange,
		strings.Repeat("9", 500): ErrRange,
	} {
		if got, err := Parse(in); err != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
}

// Every operation is compared with math/big's rationals, which share nothing with the implementation.
func TestArithmeticIsExact(t *testing.T) {
	amount := rapid.Custom(func(t *rapid.T) Amount {
		whole := rapid.StringMatching(`[1-9][0-9]{0,18}|0`).Draw(t, "whole")
		fraction := rapid.StringMatching(`[0-9]{1,12}`).Draw(t, "fraction")
		return MustParse(whole + "." + fraction)
	})
	rat := func(a Amount) *big.Rat { r, _ := new(big.Rat).SetString(a.String()); return r }
	ulp := big.NewRat(1, 1_000_000_000_000)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := amount.Draw(t, "a"), amount.Draw(t, "b"), amount.Draw(t, "c")
		if got, want := rat(a.Add(b)), new(big.Rat).Add(rat(a), rat(b)); got.Cmp(want) != 0 {
			t.Fatalf("%v + %v = %v", a, b, got)
		}
		if got, want := rat(a.Sub(b)), new(big.Rat).Sub(rat(a), rat(b)); got.Cmp(want) != 0 {
			t.Fatalf("%v - %v = %v", a, b, got)
		}
		check := func(name string, got Amount, want *big.Rat, low, high *big.Rat) {
			off := new(big.Rat).Sub(rat(got), want)
			off.Quo(off, ulp)
			if off.Cmp(low) < 0 || off.Cmp(high) > 0 {
				t.Fatalf("%s of %v, %v, %v = %v, off by %v of the 12th digit", name, a, b, c, got, off.FloatString(3))
			}
			if strings.HasSuffix(name, "HalfEven") && off.Abs(off).Cmp(big.NewRat(1, 2)) == 0 {
				if got.Scaled().Bit(0) == 1 {
					t.Fatalf("%s of %v, %v, %v = %v: half rounds to even", name, a, b, c, got)
				}
			}
		}
		half, zero, one := big.NewRat(1, 2), new(big.Rat), big.NewRat(1, 1)
		product := new(big.Rat).Mul(rat(a), rat(b))
		check("MulHalfEven", MulHalfEven(a, b), product, new(big.Rat).Neg(half), half)
		if !c.IsZero() {
			share := new(big.Rat).Quo(product, rat(c))
			check("MulDivHalfEven", MulDivHalfEven(a, b, c), share, new(big.Rat).Neg(half), half)
			check("MulDivUp", MulDivUp(a, b, c), share, zero, one)
			check("DivDown", DivDown(a, c), new(big.Rat).Quo(rat(a), rat(c)), new(big.Rat).Neg(one), zero)
		}
	})
}

func TestRoundsHalfToEvenOnce(t *testing.T) {
	for _, row := range [][3]string{
		{"0.0000005", "0.000001", "0"},                                                           // 0.5 of the 12th digit: to even, down
		{"0.0000015", "0.000001", "0.000000000002"},                                              // 1.5: to even, up
		{"0.0000025", "0.000001", "0.000000000002"},                                              // 2.5: to even, down
		{"0.500000000001", "0.000000000001", "0.000000000001"},                                   // just past the half
		{"0.000000000001", "0.499999999999", "0"},                                                // just short of it
		{"1000000000000000000", "0.000000000001", "1000000"},                                     // large times small
		{"9999999999999999999", "9999999999999999999", "99999999999999999980000000000000000001"}, // past 128 bits stays exact
	} {
		if got := MulHalfEven(MustParse(row[0]), MustParse(row[1])); got.String() != row[2] {
			t.Errorf("%s x %s = %s, want %s", row[0], row[1], got, row[2])
		}
	}
}

func TestJSON(t *testing.T) {
	var in struct{ A Amount }
	if err := json.Unmarshal([]byte(`{"A": 0.0000030}`), &in); err != nil {
		t.Fatal(err)
	}
	if out, err := json.Marshal(in); err != nil || string(out) != `{"A":0.000003}` {
		t.Errorf("got %s, %v", out, err)
	}
	for _, bad := range []string{`{"A":"1"}`, `{"A":null}`, `{"A":NaN}`, `{"A":[1]}`, `{"A":1e40}`, `{"A":01}`} {
		if err := json.Unmarshal([]byte(bad), &in); err == nil {
			t.Errorf("%s was accepted as %v", bad, in.A)
		}
	}
}

func TestNoAllocationInTheCommonCase(t *testing.T) {
	rate, count, used := MustParse("0.000003"), MustParse("4808"), MustParse("12345.678")
	if n := testing.AllocsPerRun(100, func() {
		tokens := MulHalfEven(rate, count)
		used.Add(tokens).Sub(count).Cmp(rate)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1", "-0.5e-3", "1e19", "00", "1.2.3", "9999999999999999999.999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		if b, err := Parse(a.String()); err != nil || !a.Equal(b) {
			t.Errorf("%q reads as %v, which reads as %v, %v", s, a, b, err)
		}
	})
}

func TestFromRatHalfEven(t *testing.T) {
	for fraction, want := range map[string]string{
		"0/1": "0", "1/3": "0.333333333333", "-2/3": "-0.666666666667", "1/2000000000000": "0", "3/2000000000000": "0.000000000002", "-1/2000000000000": "0",
		"-3/2000000000000": "-0.000000000002", "1000001/2000000000000000000": "0.000000000001", "9999999999999999999/1": "9999999999999999999",
		"9999999999999999999999999999999/1000000000000": "9999999999999999999.999999999999",
	} {
		r, _ := new(big.Rat).SetString(fraction)
		if got, err := FromRatHalfEven(r); err != nil || got.String() != want {
			t.Errorf("%s: got %s, %v, want %s", fraction, got, err, want)
		}
	}
	for _, fraction := range []string{"10000000000000000000/1", "-10000000000000000000/1", "19999999999999999999999999999999/2000000000000"} {
		r, _ := new(big.Rat).SetString(fraction)
		if got, err := FromRatHalfEven(r); err != ErrRange {
			t.Errorf("%s: got %s, %v, want ErrRange", fraction, got, err)
		}
	}
	if got := Smallest.Digits(); got != FractionDigits {
		t.Errorf("the smallest amount has %d digits after the point, want %d", got, FractionDigits)
	}
}

func TestWhole(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "0.999999999999": 0, "12.5": 12, "-12.5": -12, "9223372036854775807.9": 9223372036854775807} {
		if got, fits := MustParse(text).Whole(); got != want || !fits {
			t.Errorf("%s: got %d, %v, want %d", text, got, fits, want)
		}
	}
	if _, fits := MustParse("9223372036854775808").Whole(); fits {
		t.Error("2^63 does not fit")
	}
}
