package engine_test

import (
	"testing"
	"time"

	"github.com/farebox/farebox/engine"
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
