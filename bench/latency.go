package bench

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept from a microsecond to two minutes, to three digits.
const (
	latencyLeast = int64(time.Microsecond)
	latencyMost  = int64(2 * time.Minute)
)

// shard is the part of a tally that some of the connections share: few enough that they seldom wait for each other, and not one each, since
// a histogram takes a few hundred KiB.
type shard struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
	count     Count
	errors    int64
	texts     []string // the first errors
}

// tally is what came of a load.
type tally struct {
	started, ended time.Time
	shards         [8]shard
	missed         atomic.Int64 // requests of an open loop that were due and could not be sent
	pacing         error
	fatal          error
	count          Count // once ended
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(latencyLeast, latencyMost, 3) }

func newTally() *tally {
	t := &tally{}
	for i := range t.shards {
		t.shards[i].histogram = newHistogram()
	}
	return t
}

func (t *tally) shard(connection int) *shard { return &t.shards[connection%len(t.shards)] }

// record counts an answer. Those that are wrong are counted apart, so that a quick refusal does not look like a quick charge.
func (s *shard) record(took time.Duration, items int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.errors++; len(s.texts) < errorsKept {
			s.texts = append(s.texts, err.Error())
		}
		return
	}
	s.count.Requests++
	s.count.Items += int64(items)
	_ = s.histogram.RecordValue(min(max(int64(took), latencyLeast), latencyMost)) // fails out of its bounds only
}

// Latency is how long answers took, in milliseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(q float64) float64 { return millis(time.Duration(h.ValueAtQuantile(q))) }
	return Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: millis(time.Duration(h.Max())), Mean: h.Mean() / float64(time.Millisecond)}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// latency is that of all answers so far.
func (t *tally) latency() Latency {
	all := newHistogram()
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		all.Merge(s.histogram)
		s.mu.Unlock()
	}
	return latencyOf(all)
}

// answered adds up what was answered so far.
func (t *tally) answered() (count Count, errors int64, texts []string) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		count.Requests += s.count.Requests
		count.Items += s.count.Items
		errors += s.errors
		texts = append(texts, s.texts...)
		s.mu.Unlock()
	}
	return count, errors, texts[:min(len(texts), errorsKept)]
}

func (t *tally) perSecond() float64 {
	count, _, _ := t.answered()
	return float64(count.Requests) / time.Since(t.started).Seconds()
}

func (t *tally) errors() int64 {
	_, errors, _ := t.answered()
	return errors
}

// measurement is what an ended tally says.
func (t *tally) measurement() Measurement {
	count, errors, texts := t.answered()
	seconds := t.ended.Sub(t.started).Seconds()
	return Measurement{
		Seconds: seconds, Requests: count.Requests, Items: count.Items, Errors: errors, ErrorTexts: texts, Missed: t.missed.Load(),
		RequestsPerSecond: float64(count.Requests) / seconds, ItemsPerSecond: float64(count.Items) / seconds, Latency: t.latency(),
	}
}
