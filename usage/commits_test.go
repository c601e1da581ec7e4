package usage

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A bucket, merged or not, tells every commit that has receipts of an instance, and no other. Bytes that are not as they were written are an error and never a
// fault.
func TestCommitsOfAnInstance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[string][]int64{}
		var parts []*Bucket
		commit := int64(1)
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			var at []Position
			var receipts []*Receipt
			for range rapid.IntRange(0, 20).Draw(t, "receipts") {
				commit += rapid.SampledFrom([]int64{0, 0, 1, 1, 2, 300, 1 << 40}).Draw(t, "gap")
				id := fmt.Sprint("i-", rapid.IntRange(0, 3).Draw(t, "instance"))
				at, receipts = append(at, Position{Commit: commit}), append(receipts, &Receipt{InstanceID: id})
				want[id] = append(want[id], commit)
			}
			b := NewBucket(nil, Restless)
			b.Locate(at, receipts)
			parts = append(parts, b)
		}
		b, err := MergeBuckets(parts, Restless)
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range [][]string{{"i-0"}, {"i-1", "i-3"}, {"nobody"}, nil} {
			var all []int64
			for _, id := range asked {
				all = append(all, want[id]...)
			}
			slices.Sort(all)
			got, tells, err := b.Commits(asked)
			if err != nil || !tells || !slices.Equal(got, slices.Compact(all)) {
				t.Fatalf("of %q: %v (%v, %v), want %v", asked, got, tells, err, slices.Compact(all))
			}
		}
		b.Columns[columnCommits] = drawDamage(t, b.Columns[columnCommits])
		_, _, _ = b.Commits([]string{"i-0"})
		_, _ = MergeBuckets([]*Bucket{b, parts[0]}, Restless)
		delete(parts[0].Columns, columnCommits)
		if m, err := MergeBuckets(parts, Restless); err != nil || m.Columns[columnCommits] != nil {
			t.Fatalf("a part does not tell, but all together do (%v)", err)
		}
	})
}
