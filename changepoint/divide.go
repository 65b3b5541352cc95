// SPDX-License-Identifier: MIT

package changepoint

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Division says how [Divide] divides.
type Division struct {
	// Window is how many points are looked at together.
	Window int
	// Weak is the largest p value with which a change is considered, and Strong
	// that with which it stays when its neighbours are known.
	Weak, Strong float64
	// Magnitude is the change, in parts of the smaller mean, that it must exceed.
	Magnitude float64
	// Least is how many points there must be between changes, and before the
	// first and behind the last one.
	Least int

	test func(a, b []float64) float64 // tTest if nil
}

func (d Division) p(a, b []float64) float64 {
	if d.test != nil {
		return d.test(a, b)
	}
	return tTest(a, b)
}

// Divide returns the indices at which segments of another mean begin.
func Divide(x []float64, d Division) []int {
	return d.merge(x, d.weak(x))
}

// weak returns the changes that are found in windows, each of which begins half a
// window behind the one before it, or at its last change.
func (d Division) weak(x []float64) []int {
	var all []int
	half := max(d.Window/2, 1)
	for start := 0; start < len(x); {
		found := d.inWindow(x[start:min(start+d.Window, len(x))])
		next := start + half
		for _, at := range found {
			all = append(all, start+at)
			next = max(next, start+at)
		}
		start = next
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// inWindow divides where the parts differ most, again and again, until that is not
// significant.
func (d Division) inWindow(x []float64) []int {
	var found []int
	for {
		best, bestQ := 0, 0.0
		var left, right []float64
		for _, s := range segments(x, found) {
			if at, q := candidate(x[s.from:s.to], d.Least); q > bestQ {
				best, bestQ = s.from+at, q
				left, right = x[s.from:best], x[best:s.to]
			}
		}
		if bestQ == 0 || d.p(left, right) > d.Weak {
			return found
		}
		found = append(found, best)
		slices.Sort(found)
	}
}

// merge takes changes out until all are strong: first those that are not
// significant between their neighbours, and then those that are small, the worst
// at a time, as its neighbours then have more points to be judged by.
func (d Division) merge(x []float64, changes []int) []int {
	p, size := make([]float64, len(changes)), make([]float64, len(changes))
	judge := func(i int) {
		if i >= 0 && i < len(changes) {
			a, b := beside(x, changes, i)
			p[i], size[i] = d.p(a, b), magnitude(stat.Mean(a, nil), stat.Mean(b, nil))
		}
	}
	for i := range changes {
		judge(i)
	}
	for len(changes) > 0 {
		worst := d.worst(p, size)
		if worst < 0 {
			break
		}
		changes = slices.Delete(changes, worst, worst+1)
		p, size = slices.Delete(p, worst, worst+1), slices.Delete(size, worst, worst+1)
		judge(worst - 1)
		judge(worst)
	}
	return changes
}

// worst returns which change is to be taken out, or -1.
func (d Division) worst(p, size []float64) int {
	if worst := slices.Max(p); worst >= d.Strong {
		return slices.Index(p, worst)
	}
	if least := slices.Min(size); least <= d.Magnitude {
		return slices.Index(size, least)
	}
	return -1
}

// beside returns the segments before and behind one of the changes.
func beside(x []float64, changes []int, i int) (before, after []float64) {
	from, to := 0, len(x)
	if i > 0 {
		from = changes[i-1]
	}
	if i+1 < len(changes) {
		to = changes[i+1]
	}
	return x[from:changes[i]], x[changes[i]:to]
}

// segment is a part of a series.
type segment struct{ from, to int }

func (s segment) of(x []float64) []float64 { return x[s.from:s.to] }

// segments are the parts between changes.
func segments(x []float64, changes []int) []segment {
	var all []segment
	from := 0
	for _, at := range changes {
		all = append(all, segment{from, at})
		from = at
	}
	return append(all, segment{from, len(x)})
}
