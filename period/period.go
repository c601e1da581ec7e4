// Package period reads and writes lengths of time as ISO 8601 has them, such as PT1H30M or P1D. It is pure.
package period

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/farebox/farebox/problem"
)

// Most is the longest period that Parse reads: a hundred years.
const Most = 36_525 * day

const (
	day  = 24 * time.Hour
	week = 7 * day
)

var pattern = regexp.MustCompile(`^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

var units = [...]time.Duration{week, day, time.Hour, time.Minute, time.Second}

// Parse reads weeks, days, hours, minutes and seconds in whole numbers; a day has 24 hours. Years and months are refused,
// since they have no fixed length. A period is more than 0 and at most Most. The problem has no field.
func Parse(text string) (time.Duration, error) {
	parts := pattern.FindStringSubmatch(text)
	if parts == nil || strings.HasSuffix(text, "T") || text == "P" {
		return 0, problem.New(problem.Invalid, "must be an ISO 8601 duration of whole weeks, days, hours, minutes and seconds, such as PT1H30M or P1D, and is %.40q", text)
	}
	var total time.Duration
	for i, digits := range parts[1:] {
		if digits == "" {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > int64(Most/units[i]) {
			return 0, tooLong(text)
		}
		if total += time.Duration(n) * units[i]; total > Most { // looked at each time: more would overflow
			return 0, tooLong(text)
		}
	}
	if total == 0 {
		return 0, problem.New(problem.Invalid, "must be more than 0, and is %.40q", text)
	}
	return total, nil
}

func tooLong(text string) error {
	return problem.New(problem.Invalid, "must be at most a hundred years, and is %.40q", text)
}

// Format writes a period in days, hours, minutes and seconds, the way Parse reads it; what is less than a second is left
// out. Nothing is written for 0.
func Format(d time.Duration) string {
	if d < time.Second {
		return ""
	}
	var b strings.Builder
	b.WriteByte('P')
	for i, unit := range units[1:] {
		n := d / unit
		d -= n * unit
		if n == 0 {
			continue
		}
		if unit < day && !strings.Contains(b.String(), "T") {
			b.WriteByte('T')
		}
		fmt.Fprintf(&b, "%d%c", n, "DHMS"[i])
	}
	return b.String()
}
