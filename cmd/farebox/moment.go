package main

import (
	"errors"
	"time"
)

// moment is a time on the command line: a date, which is its beginning in UTC, or a time of RFC 3339.
type moment struct{ time.Time }

// UnmarshalText reads a moment.
func (m *moment) UnmarshalText(text []byte) (err error) {
	m.Time, err = momentIn(string(text), time.UTC)
	return err
}

// momentIn reads a date, which is its beginning in a zone, or a time of RFC 3339.
func momentIn(text string, zone *time.Location) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, errors.New("must be a date such as 2026-01-31, or a time such as 2026-01-31T08:00:00Z")
	}
	return t, nil
}

// setMS sets what is in milliseconds, if the moment was given.
func (m moment) setMS(ms *int64) {
	if !m.IsZero() {
		*ms = m.UnixMilli()
	}
}
