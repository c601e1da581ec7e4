package usage

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/token"
)

// A column that was damaged, on a disk say, is noticed; one that is missing, or of another bucket, is an error and never a fault.
func TestDamagedColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		b := NewBucket(events, Restless)
		q := drawQuery(t)
		for _, name := range slices.Sorted(maps.Keys(b.Columns)) {
			data := b.Columns[name]
			if damaged := drawDamage(t, data); (CheckColumn(damaged) == nil) != slices.Equal(damaged, data) {
				t.Fatalf("column %s: % x was taken for % x", name, damaged, data)
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "leave out") == 0 {
			delete(b.Columns, rapid.SampledFrom(q.Columns()).Draw(t, "column"))
		}
		b.Header.Rows += rapid.IntRange(0, 2).Draw(t, "rows")
		a := NewAdder(q)
		if a.Add(b) == nil {
			_, _ = a.Report()
		}
		_, _ = MergeBuckets([]*Bucket{NewBucket(events, Restless), b}, Restless)
	})
}

func drawDamage(t *rapid.T, data []byte) []byte {
	data = slices.Clone(data)
	switch rapid.IntRange(0, 2).Draw(t, "how") {
	case 0:
		data = data[:rapid.IntRange(0, len(data)).Draw(t, "cut")]
	case 1:
		data = append(data, rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "more")...)
	}
	for range rapid.IntRange(0, 4).Draw(t, "flips") {
		if len(data) > 0 {
			data[rapid.IntRange(0, min(len(data)-1, 20)).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
	}
	return data
}

// FuzzColumns reads whatever bytes there are as columns.
func FuzzColumns(f *testing.F) {
	b := NewBucket([]Event{{Item: "x", Tokens: token.MustParse("1.5")}, {Item: "y", Tokens: token.MustParse("9999999999999999999")}, {Kind: Denial}}, Restless)
	for _, data := range b.Columns {
		f.Add(data, 3)
	}
	f.Add([]byte{textColumn, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 1)
	f.Add([]byte{textColumn, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 1)
	f.Fuzz(func(t *testing.T, data []byte, rows int) {
		if rows < 0 || rows > 1<<16 {
			return
		}
		if c, err := readTexts(data, rows); err == nil && rows > 0 {
			_ = c.at(uint32(rows - 1))
		}
		if c, err := readNumbers(data, rows); err == nil && rows > 0 {
			_ = c.amount(uint32(rows - 1))
		}
		_ = CheckColumn(data)
	})
}
