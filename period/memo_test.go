package period

import (
	"testing"

	"pgregory.net/rapid"
)

// However it was asked before, a memo says what would be worked out anew.
func TestMemoIsNeverSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Memo
		for range rapid.IntRange(1, 20).Draw(t, "times") {
			f := rapid.SampledFrom([]Frequency{Daily, Weekly, Monthly, Monthly, Quarterly, Yearly}).Draw(t, "frequency")
			anchor := rapid.SampledFrom([]int64{0, 1, 1769817600000, 1769817600001, 1709164800000}).Draw(t, "anchor") // 31 January, 29 February
			now := rapid.SampledFrom([]int64{0, 1772236799999, 1772236800000, 1774915200000}).Draw(t, "about") + rapid.Int64Range(-2, 2).Draw(t, "now")
			if rapid.Bool().Draw(t, "at a boundary") {
				_, now = f.Around(anchor, now)
				now -= rapid.Int64Range(0, 1).Draw(t, "just before")
			}
			last, next := f.Around(anchor, now)
			if gotLast, gotNext := m.Around(f, anchor, now); gotLast != last || gotNext != next {
				t.Fatalf("%s from %d on: around %d are %d and %d, want %d and %d", f, anchor, now, gotLast, gotNext, last, next)
			}
		}
	})
}
