package period

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAround(t *testing.T) {
	for _, row := range []struct {
		frequency               Frequency
		anchor, now, last, next string
	}{
		{Daily, "2026-01-01T06:00:00Z", "2026-03-29T05:59:59Z", "2026-03-28T06:00:00Z", "2026-03-29T06:00:00Z"},
		{Daily, "2026-01-01T06:00:00Z", "2026-03-29T06:00:00Z", "2026-03-29T06:00:00Z", "2026-03-30T06:00:00Z"},
		{Weekly, "2026-01-01T00:00:00Z", "2026-01-07T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-08T00:00:00Z"},
		{Monthly, "2026-01-31T00:00:00Z", "2026-02-27T23:00:00Z", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"},
		{Monthly, "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"},
		{Monthly, "2026-01-31T12:30:00Z", "2028-03-01T00:00:00Z", "2028-02-29T12:30:00Z", "2028-03-31T12:30:00Z"},
		{Monthly, "2026-03-01T00:00:00Z", "2026-01-15T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"}, // before the anchor
		{Quarterly, "2026-11-30T00:00:00Z", "2027-02-28T00:00:00Z", "2027-02-28T00:00:00Z", "2027-05-30T00:00:00Z"},
		{Yearly, "2024-02-29T00:00:00Z", "2026-12-31T00:00:00Z", "2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z"},
		{Yearly, "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"},
	} {
		last, next := row.frequency.Around(ms(t, row.anchor), ms(t, row.now))
		if last != ms(t, row.last) || next != ms(t, row.next) {
			t.Errorf("%s from %s at %s: %s and %s, want %s and %s", row.frequency, row.anchor, row.now,
				time.UnixMilli(last).UTC(), time.UnixMilli(next).UTC(), row.last, row.next)
		}
	}
}

func ms(t *testing.T, text string) int64 {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

// Whatever the time, it lies between two times that follow each other.
func TestAroundLeavesNoGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(Frequencies).Draw(t, "frequency")
		anchor := rapid.Int64Range(0, 253402300799999).Draw(t, "anchor")
		now := rapid.Int64Range(0, 253402300799999).Draw(t, "now")
		last, next := f.Around(anchor, now)
		if last > now || next <= now {
			t.Fatalf("%d to %d is not around", last, next)
		}
		if before, same := f.Around(anchor, last-1); same != last || before >= last {
			t.Fatalf("before %d is %d to %d", last, before, same)
		}
		if !slices.Contains(Frequencies, f) {
			t.Fatal(f)
		}
	})
}
