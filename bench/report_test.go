package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// A slow round is slow for all; ratios are within rounds.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	r := &Report{Complete: true, Disk: []Disk{{Latency: Latency{P50: 0.1}}, {Latency: Latency{P50: 0.5}}, {Latency: Latency{P50: 0.2}}}}
	for round, rates := range [][2]float64{{1000, 500}, {100, 60}, {2000, 400}} {
		r.Measurements = append(r.Measurements,
			Measurement{Contender: "bare", Round: round + 1, RequestsPerSecond: rates[0], StolenShare: 0.01 * float64(round+1)},
			Measurement{Contender: "ordered", Round: round + 1, RequestsPerSecond: rates[1], ItemsPerSecond: rates[1], Requests: 10, Errors: 2, ErrorTexts: []string{"refused"},
				Latency: Latency{P99: float64(round), Max: float64(10 - round)}},
			Measurement{Contender: "ordered", Round: round + 1, AskedPerSecond: 99, RequestsPerSecond: 98})
	}
	r.summarize([]Contender{{Name: "bare"}, {Name: "ordered", Baseline: "bare"}})
	if len(r.Summary) != 3 || r.DiskMedianMillis != 0.2 {
		t.Fatalf("%+v", r)
	}
	s := r.Summary[1]
	if s.OfBaseline != 0.5 || s.RequestsPerSecond != 400 || s.Latency.P99 != 1 || s.Latency.Max != 10 || s.Errors != 6 || s.Requests != 30 || s.Rounds != 3 {
		t.Errorf("%+v", s)
	}
	if r.Summary[0].StolenShare != 0.02 || r.Summary[0].OfBaseline != 0 || r.Summary[2].OfBaseline != 0 || r.Summary[2].RequestsPerSecond != 98 {
		t.Errorf("%+v", r.Summary)
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ordered at 99/s", "0.50", "error: refused", "Medians of 3 rounds", "took up to 3.0%"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, text.String())
		}
	}
}

func TestMedian(t *testing.T) {
	for want, of := range map[float64][]float64{0: nil, 7: {7}, 3: {4, 2}, 5: {9, 1, 5}} {
		if got := median(of); got != want {
			t.Errorf("median(%v) = %v", of, got)
		}
	}
}

func TestRate(t *testing.T) {
	for text, want := range map[string]Rate{"12000": {PerSecond: 12000}, "0.5": {PerSecond: 0.5}, "50%": {Share: 0.5}, "120%": {Share: 1.2}} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s: %+v %v", text, r, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "half", "%", "NaN", "Inf", "1e99", "0%"} {
		if err := new(Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// Keys are made so that none comes again, and ordered ones grow.
func TestKeys(t *testing.T) {
	a := newTraffic(0, 10)
	var ordered []string
	seen := map[string]bool{}
	started := time.Now().UnixMilli()
	for range 3000 {
		for _, key := range []string{string(a.appendOrderedKey(nil)), string(a.appendRandomKey(nil)), string(newTraffic(0, 10).appendRandomKey(nil))} {
			if seen[key] {
				t.Fatalf("%s came again", key)
			}
			seen[key] = true
		}
		ordered = append(ordered, string(a.appendOrderedKey(nil)))
	}
	id, err := uuid.Parse(ordered[0])
	if at := time.Unix(id.Time().UnixTime()).UnixMilli(); err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 || at < started-1000 || at > started+60_000 {
		t.Errorf("%s: version %d of %d: %v", ordered[0], id.Version(), at, err)
	}
	if !slices.IsSorted(ordered) {
		t.Error("ordered keys are not in order")
	}
}
