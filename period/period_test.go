package period

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, row := range []struct {
		text string
		want time.Duration // 0: refused
	}{
		{"PT1H", time.Hour},
		{"PT30M", 30 * time.Minute},
		{"PT1H30M", 90 * time.Minute},
		{"PT90M", 90 * time.Minute},
		{"P1D", day},
		{"P1W", week},
		{"P1W2DT3H4M5S", week + 2*day + 3*time.Hour + 4*time.Minute + 5*time.Second},
		{"PT0H1M", time.Minute},
		{"P36525D", Most},
		{"P36525DT1S", 0},
		{"P36526D", 0},
		{"P5217W36525DT876600H", 0},
		{"PT99999999999999999999H", 0},
		{"PT9999999999999H", 0},
		{"", 0}, {"P", 0}, {"PT", 0}, {"P1DT", 0}, {"T1H", 0}, {"PT0S", 0}, {"P1M", 0}, {"P1Y", 0}, {"1h", 0}, {"PT1.5H", 0}, {"PT-1H", 0},
		{"-PT1H", 0}, {"+PT1H", 0}, {"pt1h", 0}, {"PT1H ", 0}, {"PT1H\n", 0}, {"PT1M1H", 0}, {"PT1H1H", 0}, {"P1H", 0}, {"PT١H", 0},
	} {
		got, err := Parse(row.text)
		if got != row.want || (err == nil) != (row.want > 0) {
			t.Errorf("%q is read as %v, %v; want %v", row.text, got, err, row.want)
		}
	}
}

func TestFormatIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(Most/time.Second)).Draw(t, "seconds")) * time.Second
		if got, err := Parse(Format(d)); err != nil || got != d {
			t.Fatalf("%v is written %s and read as %v, %v", d, Format(d), got, err)
		}
	})
	if Format(0) != "" || Format(day) != "P1D" || Format(90*time.Minute) != "PT1H30M" {
		t.Error(Format(0), Format(day), Format(90*time.Minute))
	}
}
