// SPDX-License-Identifier: MIT

package changepoint

import "math"

// candidate is the place in x where it is most likely to change: the first index
// behind it, and how much the two parts differ. Both have least points or more. At
// is 0 if x is too short.
//
// The measure is the scaled energy distance of x[:at] and x[at:end], for the end
// that makes it largest: what follows a second change would dim the first.
func candidate(x []float64, least int) (at int, q float64) {
	fromStart := distancesFromStart(x)
	toEach := make([]float64, len(x))   // of all of x[tau:i] to x[i]
	within := make([]float64, len(x)+1) // of all pairs in x[tau:i]
	for tau := len(x) - 1; tau >= least; tau-- {
		for i := tau + 1; i < len(x); i++ {
			toEach[i] += math.Abs(x[tau] - x[i])
			within[i+1] = within[i] + toEach[i]
		}
		for end := tau + least; end <= len(x) && tau <= len(x)-least; end++ {
			if v := energy(tau, end-tau, fromStart[tau], within[end], fromStart[end]); v > 0 && v >= q {
				at, q = tau, v
			}
		}
	}
	return at, q
}

// distancesFromStart are, at i, the sums of the distances of all pairs in x[:i].
func distancesFromStart(x []float64) []float64 {
	all := make([]float64, len(x)+1)
	for i, v := range x {
		all[i+1] = all[i]
		for _, w := range x[:i] {
			all[i+1] += math.Abs(v - w)
		}
	}
	return all
}

// energy is the scaled energy distance of two samples of n and m points, given the
// sums of the distances of all pairs in the first, in the second, and in both.
func energy(n, m int, left, right, all float64) float64 {
	a, b := float64(n), float64(m)
	q := 2 / (a + b) * (all - left - right)
	if n > 1 {
		q -= 2 * b / (a + b) / (a - 1) * left
	}
	if m > 1 {
		q -= 2 * a / (a + b) / (b - 1) * right
	}
	return q
}
