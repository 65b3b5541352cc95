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

// canTell tells whether the test that gave own, one of the sorted p values, would
// be significant at alpha beside the others if it had given p.
func canTell(sorted []float64, own, p, alpha float64) bool {
	left := float64(len(sorted))
	skipped := false
	for _, other := range sorted {
		if other == own && !skipped {
			skipped = true
			continue
		}
		if other >= p {
			break
		}
		if left*other > alpha {
			return false // the procedure ends before it comes to p
		}
		left--
	}
	return left*p <= alpha
}

// mostSamples is where the search for enough of them ends.
const mostSamples = 1000

// enough is how many samples of both sides that test needs to be able to become
// significant.
func enough(sorted []float64, own, alpha float64) int {
	n := 1
	for n < mostSamples && !canTell(sorted, own, leastP(n, n), alpha) {
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
