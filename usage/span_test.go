package usage

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever the clocks of a zone do, every moment is in one interval, and intervals follow each other without gap or overlap.
func TestIntervalsCutAllTime(t *testing.T) {
	zones := []string{
		"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Asuncion", "America/Havana", "Asia/Amman",
		"Asia/Beirut", "Africa/Cairo", "Atlantic/Azores", "America/Nuuk", "America/St_Johns", "Africa/Casablanca", "Asia/Tehran", "Pacific/Chatham",
		"Asia/Kathmandu", "America/Sao_Paulo", "Asia/Gaza", "Antarctica/Troll",
	}
	from, to := time.Date(2012, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2038, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.Int64Range(from.UnixMilli(), to.UnixMilli()).Draw(t, "time")
		if _, changes := time.UnixMilli(at).In(zone).ZoneBounds(); rapid.Bool().Draw(t, "at a change") && !changes.IsZero() {
			at = changes.UnixMilli() + rapid.Int64Range(-5, 5).Draw(t, "half hours")*1_800_000 + rapid.Int64Range(-1, 1).Draw(t, "ms")
		}
		for _, interval := range Intervals {
			q := &Query{Interval: interval, Zone: zone}
			s := q.spanOf(at)
			if at < s.fromMS || at >= s.toMS {
				t.Fatalf("%s of %s in %s is from %s to %s", interval, local(at, zone), name, local(s.fromMS, zone), local(s.toMS, zone))
			}
			for _, other := range []int64{s.fromMS, s.toMS - 1, (s.fromMS + s.toMS) / 2} {
				if q.spanOf(other) != s {
					t.Fatalf("%s of %s in %s is %v, that of %s is %v", interval, local(at, zone), name, s, local(other, zone), q.spanOf(other))
				}
			}
			if next := q.spanOf(s.toMS); next.fromMS != s.toMS {
				t.Fatalf("%s after %s in %s begins %s, not %s", interval, local(at, zone), name, local(next.fromMS, zone), local(s.toMS, zone))
			}
			begins := time.UnixMilli(s.fromMS).In(zone)
			before := begins.Add(-time.Millisecond)
			switch interval {
			case Daily:
				if before.Day() == begins.Day() || time.UnixMilli(s.toMS-1).In(zone).YearDay() != begins.YearDay() {
					t.Fatalf("a day of %s is from %s to %s", name, begins, local(s.toMS, zone))
				}
			case Weekly:
				if begins.Weekday() != time.Monday || before.Weekday() != time.Sunday {
					t.Fatalf("a week of %s begins %s", name, begins)
				}
			case Monthly:
				if begins.Day() != 1 || before.Month() == begins.Month() {
					t.Fatalf("a month of %s begins %s", name, begins)
				}
			}
		}
	})
}

func local(ms int64, zone *time.Location) string {
	return time.UnixMilli(ms).In(zone).Format(time.RFC3339Nano)
}
