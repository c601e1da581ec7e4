package main

import (
	"errors"
	"time"
)

// moment is a time on the command line: a date, which is its beginning in UTC, or a time of RFC 3339.
type moment struct{ time.Time }

// UnmarshalText reads a moment.
func (m *moment) UnmarshalText(text []byte) (err error) {
	for _, layout := range [...]string{time.RFC3339, time.DateOnly} {
		if m.Time, err = time.Parse(layout, string(text)); err == nil {
			return nil
		}
	}
	return errors.New("must be a date such as 2026-01-31, or a time such as 2026-01-31T08:00:00Z")
}
