package webhook

import "time"

// RetryFor is how long an event is tried to be delivered, from when it was made or told to be sent again.
const RetryFor = 72 * time.Hour

// delays are how long is waited after the first attempts; after all of them, the last one.
var delays = [...]time.Duration{
	5 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
}

// Retry returns how long to wait after a number of failed attempts, and a chance from 0 to 1 that spreads them: between four and six fifths of
// the usual.
func Retry(failed int, chance float64) time.Duration {
	d := delays[min(max(failed, 1), len(delays))-1]
	return time.Duration(float64(d) * (0.8 + 0.4*chance))
}
