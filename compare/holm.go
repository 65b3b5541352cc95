// SPDX-License-Identifier: MIT

package compare

import (
	"cmp"
	"math"
	"slices"
)

// holm corrects p values for their number as Holm's step-down procedure does:
// each is what a single test would have had to give for the same conclusion.
// That keeps the chance of any false alarm at the level of one test.
func holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	adjusted := make([]float64, len(p))
	least := 0.0
	for rank, i := range order {
		least = max(least, min(1, float64(len(p)-rank)*p[i]))
		adjusted[i] = least
	}
	return adjusted
}

// leastP is the smallest p value that the rank test can give for samples of
// these sizes: all of one above all of the other, either way round.
func leastP(n1, n2 int) float64 {
	orders := 1.0 // n1+n2 over n1
	for i := 1; i <= n1; i++ {
		orders *= float64(n2+i) / float64(i)
	}
	return min(1, 2/orders)
}

// canTell tells whether test i could have been significant at alpha beside the
// others if its p value had been p.
func canTell(all []float64, i int, p, alpha float64) bool {
	if p > alpha {
		return false
	}
	other := slices.Clone(all)
	other[i] = p
	return holm(other)[i] <= alpha
}

// mostSamples is where the search for enough of them ends.
const mostSamples = 1000

// enough is how many samples of both sides test i needs to become significant.
func enough(all []float64, i int, alpha float64) int {
	n := 1
	for n < mostSamples && !canTell(all, i, leastP(n, n), alpha) {
		n++
	}
	return n
}

// finite is v for JSON, which has no infinity.
func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}
