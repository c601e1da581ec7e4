package webhook

import (
	"net/http"
	"strconv"
	"time"
)

// RetryFor is how long an event is tried to be delivered, from when it was made or told to be sent again.
const RetryFor = 72 * time.Hour

// delays are how long is waited after the first attempts; after all of them, the last one.
var delays = [...]time.Duration{
	5 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
}

// Retry returns how long to wait after a number of failed attempts, and a chance from 0 to 1 that spreads them: between four and six fifths of
// the usual. A receiver that asked for more time (Answer.RetryAfter) gets it, but for no more than the longest of the delays; it cannot ask
// for less.
func Retry(failed int, asked time.Duration, chance float64) time.Duration {
	d := delays[min(max(failed, 1), len(delays))-1]
	return max(time.Duration(float64(d)*(0.8+0.4*chance)), Patience(asked))
}

// Patience returns for how long a receiver that asked for so much time is left alone.
func Patience(asked time.Duration) time.Duration { return min(asked, delays[len(delays)-1]) }

// retryAfter reads the header Retry-After: seconds or a date. 0: there is none, or it says nothing.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(at.Sub(now), 0)
}
