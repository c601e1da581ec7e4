package forecast

import (
	"math"
	"math/rand/v2"
)

// What the model looks at, and what it needs.
const (
	week       = 7
	lookMost   = 26 * week // days of history: more would say little about now
	enoughDays = 2 * week  // since the first use: two of each weekday
	enoughUsed = 5         // of them with use

	fadeSeason = 0.9755 // a day of four weeks ago counts half for the weekdays ...
	fadeLevel  = 0.9517 // ... and one of two weeks ago for the level
	lag        = 10.6   // days of drift that such a level is behind: 1 / (1 - fadeLevel squared)
	seasonless = 1.0    // days of average use that every weekday is taken to have had besides, so that few days say little

	// How far the level is taken to move in four weeks as long as history says nothing about it: a tenth, as if
	// that had been seen as often.
	driftUsual = 0.2
	driftSeen  = 6
)

// demand is how much is used a day: a level that drifts, times what is usual of a weekday, and surprises as there were.
type demand struct {
	level     float64
	season    [week]float64 // by days since the first one, modulo 7; on average 1
	surprises []float64     // of every day, as a part of the level then
	drift     float64       // standard deviation of the level's logarithm after a day
	next      int           // the weekday of the first day that is not known
}

// newDemand learns from whole days, oldest first.
func newDemand(days []float64) *demand {
	if len(days) > lookMost {
		days = days[len(days)-lookMost:]
	}
	d := &demand{season: seasonOf(days), next: len(days) % week}
	d.level = levelOf(days, &d.season, len(days))
	d.surprises = surprisesOf(days, &d.season)
	d.drift = driftOf(days, d.surprises)
	return d
}

// seasonOf returns how much of the average each weekday has; recent weeks count more.
func seasonOf(days []float64) (season [week]float64) {
	var sums, weights [week]float64
	var sum, total, share float64
	weight := 1.0
	for i := len(days) - 1; i >= 0; i-- {
		sums[i%week] += weight * days[i]
		weights[i%week] += weight
		sum, total = sum+weight*days[i], total+weight
		weight *= fadeSeason
	}
	mean := sum / total
	for w := range season {
		season[w] = 1
		if mean > 0 {
			season[w] = (sums[w] + seasonless*mean) / (mean * (weights[w] + seasonless))
		}
		share += season[w] / week
	}
	for w := range season {
		season[w] /= share
	}
	return season
}

// levelOf returns the level before a day: use over what was to be expected of the weekdays, recent days counting more.
func levelOf(days []float64, season *[week]float64, before int) float64 {
	var sum, expected float64
	weight := 1.0
	for i := before - 1; i >= 0; i-- {
		sum += weight * days[i]
		expected += weight * season[i%week]
		weight *= fadeLevel
	}
	return sum / expected
}

// surprisesOf returns how far each day was from what its weekday is like at the level of the weeks around it.
func surprisesOf(days []float64, season *[week]float64) []float64 {
	around := make([]float64, len(days)) // use, faded to both sides
	expected := make([]float64, len(days))
	for _, step := range [...]int{1, -1} {
		var sum, usual float64
		for k := range days {
			i := k
			if step < 0 {
				i = len(days) - 1 - k
			}
			around[i] += sum
			expected[i] += usual
			if step < 0 { // the day itself once
				around[i] += days[i]
				expected[i] += season[i%week]
			}
			sum = (sum + days[i]) * fadeLevel
			usual = (usual + season[i%week]) * fadeLevel
		}
	}
	surprises := make([]float64, len(days))
	mean := 0.0
	for i := range days {
		if level := around[i] / expected[i]; level > 0 {
			surprises[i] = days[i]/level - season[i%week]
		}
		mean += surprises[i] / float64(len(days))
	}
	// Seven weekdays and a level were fitted to these days, which makes them look less surprising than the next ones will be.
	wider := math.Sqrt(float64(len(days)) / float64(len(days)-week))
	for i := range surprises {
		surprises[i] = (surprises[i] - mean) * wider
	}
	return surprises
}

// driftOf returns how fast the level moves, from how different following four weeks were beyond what surprises explain.
func driftOf(days, surprises []float64) float64 {
	const span = 4 * week
	seen, moved := float64(driftSeen), driftSeen*driftUsual*driftUsual
	noise := spread(surprises)
	var later float64
	for end := len(days); end >= span; end -= span {
		var sum float64
		for _, used := range days[end-span : end] {
			sum += used
		}
		if later > 0 && sum > 0 {
			change := math.Log(later / sum)
			moved += max(change*change-noise, 0)
			seen++
		}
		later = sum
	}
	return math.Sqrt(moved / seen / span)
}

// spread returns the variance of the mean of four weeks of surprises, those of a week taken together.
func spread(surprises []float64) (variance float64) {
	weeks := len(surprises) / week
	for k := range weeks {
		var mean float64
		for _, s := range surprises[k*week : (k+1)*week] {
			mean += s / week
		}
		variance += mean * mean / float64(weeks)
	}
	return variance / 4
}

// path fills days with one future that might be. The level is as uncertain as it would have come out with other surprises; then it
// drifts. Surprises come in runs of days as they came before.
func (d *demand) path(chance *rand.Rand, days []float64) {
	level := d.level * d.otherLevel(chance) * math.Exp(d.drift*math.Sqrt(lag)*chance.NormFloat64())
	at, left := 0, 0
	for i := range days {
		if left == 0 {
			at, left = chance.IntN(len(d.surprises)), week
		}
		days[i] = max(level*(d.season[(d.next+i)%week]+d.surprises[at]), 0)
		at, left = (at+1)%len(d.surprises), left-1
		level *= math.Exp(d.drift * chance.NormFloat64())
	}
}

// otherLevel returns by what factor the level might have come out otherwise.
func (d *demand) otherLevel(chance *rand.Rand) float64 {
	var sum, total float64
	weight, at, left := 1.0, 0, 0
	for range d.surprises {
		if left == 0 {
			at, left = chance.IntN(len(d.surprises)), week
		}
		sum += weight * d.surprises[at]
		total += weight
		at, left = (at+1)%len(d.surprises), left-1
		weight *= fadeLevel
	}
	return 1 / max(1+sum/total, 0.2)
}
