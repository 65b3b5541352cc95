// SPDX-License-Identifier: MIT

package changepoint

import "math"

// candidate is the place in x where it is most likely to change: the first index
// behind it, and how much the two parts differ. Both have least points or more. At
// is 0 if x is too short.
//
// The measure is the energy distance of x[:at] and x[at:end], for the end that
// makes it largest: what follows a second change would dim the first.
func candidate(x []float64, least int) (at int, q float64) {
	within := distances(x)
	for tau := least; tau <= len(x)-least; tau++ {
		for end := tau + least; end <= len(x); end++ {
			if v := energy(within, tau, end); v > q {
				at, q = tau, v
			}
		}
	}
	return at, q
}

// distances returns, at [a][b], the sum of the distances of all pairs in x[a:b].
func distances(x []float64) [][]float64 {
	within := make([][]float64, len(x)+1)
	toEach := make([]float64, len(x)) // from x[a:b] to x[b]
	for a := len(x); a >= 0; a-- {
		within[a] = make([]float64, len(x)+1)
		for b := a + 1; b < len(x); b++ {
			toEach[b] += math.Abs(x[a] - x[b])
			within[a][b+1] = within[a][b] + toEach[b]
		}
	}
	return within
}

// energy is the scaled energy distance of the first tau points and those from there
// to end.
func energy(within [][]float64, tau, end int) float64 {
	n, m := float64(tau), float64(end-tau)
	left, right := within[0][tau], within[tau][end]
	q := 2 / (n + m) * (within[0][end] - left - right)
	if tau > 1 {
		q -= 2 * m / (n + m) / (n - 1) * left
	}
	if end-tau > 1 {
		q -= 2 * n / (n + m) / (m - 1) * right
	}
	return q
}
