package token

import (
	"testing"

	"pgregory.net/rapid"
)

func TestUnits(t *testing.T) {
	for _, row := range []struct {
		amount string
		digits int
		want   int64
		fits   bool
	}{
		{"0", 0, 0, true},
		{"1.50", 1, 15, true},
		{"1.50", 0, 0, false},
		{"-0.000000000001", 12, -1, true},
		{"9999999999999999999", 0, 0, false},
		{"4611686018427387903", 0, 1<<62 - 1, true},
		{"4611686018427387904", 0, 0, false},
		{"461168601842738791", 1, 0, false},
		{"9999999999999999999.999999999999", 12, 0, false},
	} {
		got, fits := MustParse(row.amount).Units(row.digits)
		if got != row.want || fits != row.fits {
			t.Errorf("%s in units of %d digits is %d (%v), want %d (%v)", row.amount, row.digits, got, fits, row.want, row.fits)
		}
	}
}

func TestUnitsAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, digits := rapid.Int64Range(-1<<61, 1<<61).Draw(t, "n"), rapid.IntRange(0, FractionDigits).Draw(t, "digits")
		a := FromUnits(n, digits)
		if got, fits := a.Units(digits); !fits || got != n {
			t.Fatalf("%s came back as %d (%v)", a, got, fits)
		}
		if d := a.Digits(); d > digits || d != trimmedDigits(a.String()) {
			t.Fatalf("%s has %d digits", a, d)
		}
		if got, fits := a.Units(a.Digits()); !fits || !FromUnits(got, a.Digits()).Equal(a) {
			t.Fatalf("%s lost something in its own digits", a)
		}
	})
}
