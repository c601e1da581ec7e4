package engine_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/bigfile"
	"github.com/farebox/farebox/usage"
)

// bigBooks opens the books that test/bigfile/write made, if FAREBOX_BIG_DB names them, or makes small ones.
func bigBooks(b *testing.B) *sqlite.Store {
	path, made := os.Getenv("FAREBOX_BIG_DB"), true
	if path == "" {
		path, made = filepath.Join(b.TempDir(), "big.db"), false
	}
	s, err := sqlite.Open(path, sqlite.Options{Create: !made})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if !made {
		o := bigfile.Default()
		o.Events = 100_000
		if _, err := bigfile.Write(ctx, s, o, nil); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// BenchmarkFold throws the buckets away and makes them anew.
func BenchmarkFold(b *testing.B) {
	e := engine.New(bigBooks(b), engine.Options{})
	defer e.Stop()
	for b.Loop() {
		receipts := int64(0)
		if err := e.RebuildUsage(ctx, func(n int64) { receipts += n }); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(receipts)/b.Elapsed().Seconds()/float64(b.N), "receipts/s")
	}
}

// BenchmarkUsage asks for what pages of a console ask for.
func BenchmarkUsage(b *testing.B) {
	s := bigBooks(b)
	e := engine.New(s, engine.Options{})
	defer e.Stop()
	if headers := bucketsOf(b, s); len(headers) == 0 {
		if err := e.RebuildUsage(ctx, func(int64) {}); err != nil {
			b.Fatal(err)
		}
	}
	headers := bucketsOf(b, s)
	var rows int
	for i := range headers {
		rows += headers[i].Rows
	}
	b.Logf("%d events in %d buckets", rows, len(headers))
	last := time.UnixMilli(headers[len(headers)-1].LastMS)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	one := usage.Match{Dimension: usage.ByAccount, Values: []usage.Value{{Text: "account-0000"}}}
	for _, c := range []struct {
		name string
		q    usage.Query
	}{
		{"total", usage.Query{}},
		{"day, item", usage.Query{Interval: usage.Daily, By: []usage.Dimension{usage.ByItem}}},
		{"day in Berlin, item", usage.Query{Interval: usage.Daily, Zone: berlin, By: []usage.Dimension{usage.ByItem}}},
		{"hour of 30 days", usage.Query{FromMS: last.Add(-30 * 24 * time.Hour).UnixMilli(), Interval: usage.Hourly, By: []usage.Dimension{usage.ByItem}}},
		{"account, top 10", usage.Query{By: []usage.Dimension{usage.ByAccount}, Top: 10}},
		{"month, instance", usage.Query{Interval: usage.Monthly, By: []usage.Dimension{usage.ByInstance}}},
		{"line item, item, kind", usage.Query{By: []usage.Dimension{usage.ByLineItem, usage.ByItem, usage.ByKind}}},
		{"requester of one account", usage.Query{By: []usage.Dimension{usage.ByRequester}, Where: []usage.Match{one}}},
		{"day, item of one account", usage.Query{Interval: usage.Daily, By: []usage.Dimension{usage.ByItem}, Where: []usage.Match{one}}},
		{"metadata.project", usage.Query{By: []usage.Dimension{"metadata.project"}}},
		{"day, metadata.project", usage.Query{Interval: usage.Daily, By: []usage.Dimension{"metadata.project"}, Top: 20}},
		{"requester, top 100", usage.Query{By: []usage.Dimension{usage.ByRequester}, Top: 100}},
		{"distinct requesters by item", usage.Query{By: []usage.Dimension{usage.ByItem}, Distinct: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := e.Usage(ctx, &c.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func bucketsOf(b *testing.B, s store.Store) (headers []usage.BucketHeader) {
	b.Helper()
	err := s.View(ctx, func(r store.Reader) (err error) {
		headers, err = r.Buckets(0, 0)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return headers
}
