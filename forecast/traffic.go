package forecast

import (
	"math"
	"math/rand/v2"
)

// Traffic makes up the use of a customer, day by day: one of several weekly patterns, growth or decline, days that differ at
// random, bursts, holidays, and now and then a step when a team comes or goes. The same seed makes the same.
func Traffic(seed uint64, days int) []float64 {
	chance := rand.New(rand.NewPCG(seed, 77))
	patterns := [][week]float64{{1.3, 1.35, 1.3, 1.3, 1.15, 0.35, 0.25}, {1, 1, 1, 1, 1, 1, 1}, {0.8, 0.8, 0.85, 0.9, 1.2, 1.4, 1.05}, {1.4, 1.4, 1.4, 1.4, 1.4, 0, 0}}
	pattern := patterns[chance.IntN(len(patterns))]
	level := math.Exp(3 + 3*chance.NormFloat64())
	growth := (0.02 + 0.07*chance.NormFloat64()) / 30 // a day
	spread := 0.15 + 0.45*chance.Float64()
	made := make([]float64, days)
	burst, until, holiday := 1.0, 0, 0
	for i := range made {
		level *= math.Exp(growth)
		if chance.Float64() < 0.003 {
			level *= math.Exp(0.4 * chance.NormFloat64())
		}
		if i >= until {
			burst = 1
			if chance.Float64() < 0.015 {
				burst, until = 1.5+3*chance.Float64(), i+1+chance.IntN(4)
			}
		}
		if i >= holiday && chance.Float64() < 0.006 {
			holiday = i + 3 + chance.IntN(10)
		}
		used := level * pattern[i%week] * burst * math.Exp(spread*chance.NormFloat64()-spread*spread/2)
		if i < holiday {
			used *= 0.2
		}
		made[i] = used
	}
	return made
}
