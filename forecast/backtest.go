package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Horizons are the days ahead that forecasts are tried for.
var Horizons = []int{7, 14, 30, 60, 90}

// Score is how well the past would have been forecast, over all series and times that were tried.
type Score struct {
	HorizonDays int
	Tried       int
	Error       float64 // mean of |days forecast - days it took| / days it took; each at most 10
	Naive       float64 // the same for the balance over the average of the last 30 days
	Covered     float64 // how often the range held the day; it should be 0.8
	Early, Late float64 // how often it ran out before the range, and after it
}

// Backtest goes back in series of days, again and again, and forecasts what came after: when would a balance have run out that lasted
// as many days as the horizon says? Series are whole days, oldest first. Every is the number of days between two tries.
func Backtest(series [][]float64, every int) []Score {
	scores := make([]Score, len(Horizons))
	for i, horizon := range Horizons {
		scores[i].HorizonDays = horizon
		for _, days := range series {
			days = trimmed(days)
			for origin := enoughDays; origin+horizon <= len(days); origin += every {
				scores[i].try(days[max(0, origin-lookMost):origin], days[origin:origin+horizon])
			}
		}
		scores[i].average()
	}
	return scores
}

func (s *Score) try(past, came []float64) {
	balance := 0.0
	for _, used := range came {
		balance += used
	}
	past = trimmed(past)
	if came[len(came)-1] <= 0 || tooLittle(past) != "" {
		return // it ran out before the last day; or there would be no forecast
	}
	outs, took := runOuts(past, balance), float64(len(came))
	s.Tried++
	s.Error += min(math.Abs(outs[len(outs)/2]-took)/took, 10)
	recent := past[max(0, len(past)-30):]
	sum := 0.0
	for _, used := range recent {
		sum += used
	}
	s.Naive += min(math.Abs(balance*float64(len(recent))/sum-took)/took, 10)
	switch {
	case outs[beyond] > took:
		s.Early++
	case outs[paths-1-beyond] <= took-1: // within the last day is the same day
		s.Late++
	default:
		s.Covered++
	}
}

// runOuts returns the days that a balance lasts on every path, shortest first.
func runOuts(past []float64, balance float64) []float64 {
	d, chance := newDemand(past), rand.New(rand.NewPCG(1, 2))
	ahead, outs := make([]float64, HorizonDays), make([]float64, paths)
	for i := range outs {
		d.path(chance, ahead)
		outs[i] = lasts(ahead, balance)
	}
	slices.Sort(outs)
	return outs
}

func lasts(ahead []float64, balance float64) float64 {
	for i, used := range ahead {
		if used >= balance {
			return float64(i) + balance/used
		}
		balance -= used
	}
	return HorizonDays
}

func (s *Score) average() {
	if n := float64(s.Tried); n > 0 {
		s.Error, s.Naive, s.Covered, s.Early, s.Late = s.Error/n, s.Naive/n, s.Covered/n, s.Early/n, s.Late/n
	}
}
