package period

import "time"

// LatestMS is the last millisecond of the year 9999 in UTC, since 1970: dates past it cannot be written in four digits.
const LatestMS = 253402300799999

// Frequency is how often something comes around, in UTC.
type Frequency string

// The frequencies; the empty one is never.
const (
	Daily     Frequency = "DAY"
	Weekly    Frequency = "WEEK"
	Monthly   Frequency = "MONTH"
	Quarterly Frequency = "QUARTER"
	Yearly    Frequency = "YEAR"
)

// Frequencies are all but never.
var Frequencies = []Frequency{Daily, Weekly, Monthly, Quarterly, Yearly}

// Around returns the last time at or before nowMS, and the first after it, of those that lie whole frequencies from an
// anchor, before and after it. A month that has no such day takes its last one: from the 31st on, the times are the 31st of
// January, the 28th of February, the 31st of March. All are milliseconds since 1970.
func (f Frequency) Around(anchorMS, nowMS int64) (lastMS, nextMS int64) {
	n := f.estimate(anchorMS, nowMS)
	for f.at(anchorMS, n) > nowMS {
		n--
	}
	for f.at(anchorMS, n+1) <= nowMS {
		n++
	}
	return f.at(anchorMS, n), f.at(anchorMS, n+1)
}

// estimate is off by little.
func (f Frequency) estimate(anchorMS, nowMS int64) int {
	days := int((nowMS - anchorMS) / day.Milliseconds())
	switch f {
	case Daily:
		return days
	case Weekly:
		return days / 7
	}
	anchor, now := time.UnixMilli(anchorMS).UTC(), time.UnixMilli(nowMS).UTC()
	months := (now.Year()-anchor.Year())*12 + int(now.Month()-anchor.Month())
	return months / f.months()
}

func (f Frequency) months() int {
	switch f {
	case Quarterly:
		return 3
	case Yearly:
		return 12
	}
	return 1
}

// at returns the time n frequencies after the anchor.
func (f Frequency) at(anchorMS int64, n int) int64 {
	switch f {
	case Daily:
		return anchorMS + int64(n)*day.Milliseconds()
	case Weekly:
		return anchorMS + int64(n)*week.Milliseconds()
	}
	anchor := time.UnixMilli(anchorMS).UTC()
	first := time.Date(anchor.Year(), anchor.Month()+time.Month(n*f.months()), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	of := anchor.Sub(time.Date(anchor.Year(), anchor.Month(), anchor.Day(), 0, 0, 0, 0, time.UTC))
	return first.AddDate(0, 0, min(anchor.Day(), last)-1).Add(of).UnixMilli()
}
