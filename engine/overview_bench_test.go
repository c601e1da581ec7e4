package engine_test

import (
	"testing"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/usage"
)

// BenchmarkOverview asks how all customers stand, as the first page of a console does, on the day after the last use in the books.
func BenchmarkOverview(b *testing.B) {
	s := bigBooks(b)
	e := engine.New(s, engine.Options{Now: func() time.Time { return time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC) }})
	defer e.Stop()
	if headers := bucketsOf(b, s); len(headers) == 0 {
		if err := e.RebuildUsage(ctx, func(int64, int64) {}); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		ask  engine.Overview
	}{
		{"by days left", engine.Overview{Order: engine.ByDaysLeft, Limit: 100}},
		{"by pace", engine.Overview{Order: engine.ByPace, Limit: 100}},
		{"a late page", engine.Overview{Order: engine.ByLeft, Limit: 100, Offset: 900}},
		{"searched", engine.Overview{Order: engine.ByName, Search: "12", Limit: 100}},
		{"with forecasts of 20", engine.Overview{Order: engine.ByDaysLeft, Limit: 20, Forecast: true}},
		{"with forecasts of 50", engine.Overview{Order: engine.ByDaysLeft, Limit: 50, Forecast: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				rows, total, err := e.Instances(ctx, &c.ask)
				if err != nil || len(rows) == 0 {
					b.Fatal(len(rows), total, err)
				}
			}
		})
	}
}

// BenchmarkRecentReceipts asks for the newest 50 receipts of all instances, of a busy one and of one that is seldom used.
func BenchmarkRecentReceipts(b *testing.B) {
	s := bigBooks(b)
	e := engine.New(s, engine.Options{Now: func() time.Time { return time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC) }})
	defer e.Stop()
	rows, _, err := e.Instances(ctx, &engine.Overview{Order: engine.ByPace, Limit: 10_000})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		instances []string
	}{
		{"of all", nil}, {"of the busiest", []string{rows[0].ID}}, {"of the least busy", []string{rows[len(rows)-1].ID}},
	} {
		b.Run(c.name, func(b *testing.B) {
			found := 0
			for b.Loop() {
				page, _, err := e.RecentReceipts(ctx, c.instances, usage.Position{}, 50)
				if err != nil {
					b.Fatal(err)
				}
				found = len(page)
			}
			b.ReportMetric(float64(found), "receipts")
		})
	}
}
