// SPDX-License-Identifier: MIT

package changepoint

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
)

// tTest is the chance that the means of two samples of one normal distribution
// differ so much, by Student's test with the variance of both pooled.
func tTest(a, b []float64) float64 {
	meanA, varA := moments(a)
	meanB, varB := moments(b)
	n, m := float64(len(a)), float64(len(b))
	freedom := n + m - 2
	if freedom < 1 {
		return 1
	}
	pooled := ((n-1)*varA + (m-1)*varB) / freedom
	diff := meanA - meanB
	switch {
	case diff == 0:
		return 1
	case pooled == 0:
		return 0
	}
	t2 := diff * diff / (pooled * (1/n + 1/m))
	// As a tail and not as 1 less the rest, of which nothing would be left.
	return mathext.RegIncBeta(freedom/2, 0.5, freedom/(freedom+t2))
}

func moments(x []float64) (mean, variance float64) {
	if len(x) == 1 {
		return x[0], 0
	}
	return stat.MeanVariance(x, nil)
}

// magnitude is the larger of the relative changes from one mean to the other and
// back.
func magnitude(before, after float64) float64 {
	if before == after {
		return 0
	}
	return math.Abs(after-before) / min(math.Abs(before), math.Abs(after))
}
