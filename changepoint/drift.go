// SPDX-License-Identifier: MIT

package changepoint

import "math"

// drifts returns the changes at those places as steps, or as drifts where a line
// fits better, and the drifts of segments.
func (o Options) drifts(x []float64, at []int) []Change {
	var all []Change
	parts := segments(x, at)
	changes := steps(x, at)
	for i := 0; i <= len(changes); {
		to := i
		for to < len(changes) && sameWay(changes[i], changes[to]) {
			to++
		}
		if to == i { // behind the last one
			break
		}
		whole := segment{parts[i].from, parts[to].to}
		if d, ok := o.drift(x, whole, at[i:to]); ok {
			all = append(all, d)
		} else {
			all = append(all, changes[i:to]...)
		}
		i = to
	}
	return append(all, o.driftsWithin(x, parts, all)...)
}

func sameWay(a, b Change) bool { return (a.After > a.Before) == (b.After > b.Before) }

// driftsWithin are those of segments that are not part of a drift already.
func (o Options) driftsWithin(x []float64, parts []segment, known []Change) []Change {
	var all []Change
next:
	for _, s := range parts {
		for _, k := range known {
			if k.Kind == Drift && k.From < s.to && s.from <= k.At {
				continue next
			}
		}
		if d, ok := o.drift(x, s, nil); ok {
			all = append(all, d)
		}
	}
	return all
}

// shortestDrift is how many points a slope needs to be told from a step.
const shortestDrift = 15

// drift returns the slope of a segment, if it has one that explains it better than
// the steps do.
func (o Options) drift(x []float64, s segment, at []int) (Change, bool) {
	y := s.of(x)
	if len(y) < shortestDrift {
		return Change{}, false
	}
	p := corrected(mannKendall(y), len(x))
	if p > o.P {
		return Change{}, false
	}
	slope, start := theilSen(y)
	end := start + slope*float64(len(y)-1)
	if magnitude(start, end) <= o.Magnitude || len(at) > 0 && !lineIsBetter(y, slope, start, s.from, at) {
		return Change{}, false
	}
	return Change{Kind: Drift, From: s.from, At: s.to - 1, Before: start, After: end, P: p}, true
}

// lineIsBetter holds a line against steps by Schwarz's criterion for noise of
// Laplace's distribution, in which outliers count little: a line has two
// parameters, and a step its place and a level.
func lineIsBetter(y []float64, slope, start float64, from int, at []int) bool {
	var line, flat float64
	for i, v := range y {
		line += math.Abs(v - start - slope*float64(i))
	}
	var inside []int
	for _, index := range at {
		inside = append(inside, index-from)
	}
	for _, s := range segments(y, inside) {
		level := median(s.of(y))
		for _, v := range s.of(y) {
			flat += math.Abs(v - level)
		}
	}
	n := float64(len(y))
	criterion := func(distance, parameters float64) float64 {
		return 2*n*math.Log(distance/n) + parameters*math.Log(n)
	}
	return criterion(line, 2) < criterion(flat, float64(2*len(at)+1))
}

// mannKendall is the chance that points without order rise or fall so steadily.
func mannKendall(x []float64) float64 {
	var s float64
	for i := range x {
		for _, v := range x[i+1:] {
			switch {
			case v > x[i]:
				s++
			case v < x[i]:
				s--
			}
		}
	}
	n := float64(len(x))
	z := (math.Abs(s) - 1) / math.Sqrt(n*(n-1)*(2*n+5)/18)
	return min(1, math.Erfc(z/math.Sqrt2)) // both tails
}

// theilSen is the line whose slope is the median of those of pairs: of each point
// in the first half and its counterpart in the second (Theil's incomplete method,
// which needs n/2 pairs and not n*(n-1)/2).
func theilSen(x []float64) (slope, start float64) {
	half := (len(x) + 1) / 2
	var slopes []float64
	for i, v := range x[half:] {
		slopes = append(slopes, (v-x[i])/float64(half))
	}
	slope = median(slopes)
	rest := make([]float64, len(x))
	for i, v := range x {
		rest[i] = v - slope*float64(i)
	}
	return slope, median(rest)
}
