// SPDX-License-Identifier: MIT

package changepoint

import (
	"math"
	"math/rand/v2"
)

// A noise returns one figure in parts of the level, of mean 0 and deviation 1.
type noise struct {
	name string
	one  func(*rand.Rand) float64
}

// noises are what benchmarks have: nothing in particular, and much that is a little
// longer with some that is much longer.
var noises = []noise{
	{"Gaussian", func(r *rand.Rand) float64 { return r.NormFloat64() }},
	{"lognormal", func(r *rand.Rand) float64 {
		const s2 = 1.0 // of the logarithm; the skewness is 6.2
		deviation := math.Sqrt((math.Exp(s2) - 1) * math.Exp(s2))
		return (math.Exp(r.NormFloat64()*math.Sqrt(s2)) - math.Exp(s2/2)) / deviation
	}},
}

// series is a flat series of n figures around 1000, of which those from at are
// greater by a part. The deviation is a part of the level too.
func (z noise) series(r *rand.Rand, n int, deviation float64, at int, step float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = 1000 * (1 + deviation*z.one(r))
		if i >= at {
			x[i] += 1000 * step
		}
	}
	return x
}
