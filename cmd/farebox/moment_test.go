package main

import (
	"strings"
	"testing"
)

func TestMoments(t *testing.T) {
	for text, want := range map[string]int64{"2026-01-31": 1769817600000, "2026-01-31T01:00:00+01:00": 1769817600000} {
		var m moment
		if err := m.UnmarshalText([]byte(text)); err != nil || m.UnixMilli() != want {
			t.Errorf("%s: %d, %v", text, m.UnixMilli(), err)
		}
	}
	for _, text := range []string{"", "x", "31.1.2026", "2026-02-30", "2026-01-31 08:00"} {
		if err := new(moment).UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "such as 2026-01-31T08:00:00Z") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A time is written the same way, whichever verb it is for.
func TestEveryVerbReadsMoments(t *testing.T) {
	for _, row := range []struct{ args, flag string }{
		{"serve", "--test-clock"},
		{"rates apply moment.go", "--effective"},
		{"rates simulate moment.go", "--from"},
		{"rates simulate moment.go", "--to"},
		{"usage query", "--from"},
		{"usage query", "--to"},
		{"usage events", "--from"},
		{"usage events", "--to"},
		{"usage export", "--from"},
		{"usage export", "--until"},
		{"usage insights", "--from"},
		{"usage insights", "--to"},
	} {
		for text, good := range map[string]bool{"2026-01-31": true, "2026-01-31T01:00:00+01:00": true, "31.1.2026": false} {
			var c cli
			_, err := c.parser().Parse(append(strings.Fields(row.args), row.flag, text))
			if row.args == "usage query" && err == nil {
				c.Usage.Query.Zone = "UTC"
				_, err = c.Usage.Query.query()
			}
			if (err == nil) != good {
				t.Errorf("%s %s %s: %v", row.args, row.flag, text, err)
			}
		}
	}
}
