package api

// TestClock is the time of a server with a test clock: in milliseconds since 1970, and for people. Made is how many
// automatic charges, deadlines and lapses an advance made.
type TestClock struct {
	Now  int64  `json:"now"`
	Time string `json:"time"`
	Made *int   `json:"made,omitempty"`
}

// ClockAdvance sets a test clock forward: by an ISO 8601 duration, or to a time in milliseconds.
type ClockAdvance struct {
	Advance *string `json:"advance,omitempty"`
	Now     *int64  `json:"now,omitempty"`
}
