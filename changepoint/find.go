// SPDX-License-Identifier: MIT

package changepoint

import (
	"cmp"
	"math"
	"slices"

	"github.com/montanaflynn/stats"
)

// Kind tells what a change looks like.
type Kind int

// The kinds.
const (
	Step  Kind = iota // it stays
	Spike             // one or two points, and back
	Drift             // a slope, of no single point
)

// Change is a place where a series changes.
type Change struct {
	Kind Kind
	// From is the last point before the change and At the first one after it; of a
	// drift they are its first and last points, and of a spike At is its highest.
	From, At int
	// Before and After are the means of the segments on both sides, the level around
	// a spike and the spike, or both ends of the line through a drift.
	Before, After float64
	// P is the chance of such a step or drift anywhere in a flat series of this
	// length, and 1 for spikes, which are not tested.
	P float64
}

// Options say what counts. Those that are 0 have the values of [Defaults].
type Options struct {
	// Window is how many points are looked at together.
	Window int
	// P is the largest chance of any step, or any drift, in a flat series.
	P float64
	// Magnitude is the change, in parts of the smaller mean, that counts.
	Magnitude float64
	// Least is how many points make a step: fewer may be a spike.
	Least int
}

// Defaults are meant for nightly figures: of a hundred thousand flat series one has
// a false alarm, at the most, and of a thousand that are looked at again every night
// for 200 nights about one.
var Defaults = Options{Window: 50, P: 1e-5, Magnitude: 0.005, Least: 3}

// weak is the p value with which a change in a window is considered. It has little
// influence: what is there by chance is taken out again.
const weak = 0.01

// Enough is how many points a series must have for a large step at its end to be
// found.
func Enough(o Options) int { return fewest + o.orDefaults().Least }

func (o Options) orDefaults() Options {
	return Options{
		Window: cmp.Or(o.Window, Defaults.Window), P: cmp.Or(o.P, Defaults.P),
		Magnitude: cmp.Or(o.Magnitude, Defaults.Magnitude), Least: cmp.Or(o.Least, Defaults.Least),
	}
}

// Find returns the changes of a series, in order. Noise of any distribution will
// do, but it is assumed to be without memory, from point to point.
//
// Candidates are those of [Divide] in a series whose spikes are cut off. They stay
// if normal scores differ by Student's test between the segments that they part,
// with a p value that is corrected for the number of places where there could have
// been one. If all points of one segment are far from all of the other, their
// figures are tested: so a large step is known after a few nights.
func Find(x []float64, o Options) []Change {
	if len(x) == 0 {
		return nil
	}
	o = o.orDefaults()
	d := Division{
		Window: o.Window, Weak: weak, Least: o.Least,
		Strong: o.P / float64(len(x)), Magnitude: o.Magnitude,
	}
	candidates := d.weak(withoutSpikes(x))
	d.test = change
	at := relocated(x, d.merge(x, candidates), o.Least)
	all := o.drifts(x, at)
	all = append(all, spikes(x, at, o)...)
	slices.SortFunc(all, func(a, b Change) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Kind, b.Kind)) })
	return all
}

// corrected is a p value for the number of places.
func corrected(p float64, places int) float64 { return min(1, p*float64(places)) }

// steps are the changes between segments, as such.
func steps(x []float64, at []int) []Change {
	var all []Change
	for i, index := range at {
		a, b := beside(x, at, i)
		before, _ := moments(a)
		after, _ := moments(b)
		all = append(all, Change{
			Kind: Step, From: index - 1, At: index, Before: before, After: after,
			P: corrected(change(a, b), len(x)),
		})
	}
	return all
}

// relocated moves each change, between its neighbours, to where the points are
// nearest to the levels of their sides: a candidate is the best place in its window
// alone.
func relocated(x []float64, at []int, least int) []int {
	for i := range at {
		a, b := beside(x, at, i)
		at[i] += bestSplit(a, b, least) - len(a)
	}
	return at
}

// bestSplit is how many points of both together are nearer to the median of a than
// to that of b. What is far from both says nothing.
func bestSplit(a, b []float64, least int) int {
	levelA, levelB := median(a), median(b)
	far := max(cut*deviation(slices.Concat(absolute(a, levelA), absolute(b, levelB))), math.Abs(levelA-levelB))
	squared := func(v, level float64) float64 {
		d := min(math.Abs(v-level), far)
		return d * d
	}
	best, lowest, sum := 0, math.Inf(1), 0.0
	whole := slices.Concat(a, b)
	for i, v := range whole[:len(whole)-least] {
		if sum += squared(v, levelA) - squared(v, levelB); i+1 >= least && sum < lowest {
			best, lowest = i+1, sum
		}
	}
	return best
}

func median(x []float64) float64 {
	m, _ := stats.Median(x) // the error is for none
	return m
}

// deviation is the standard deviation of normal noise with that median distance
// from zero.
func deviation(distances []float64) float64 { return 1.4826 * median(distances) }

func absolute(x []float64, from float64) []float64 {
	all := make([]float64, len(x))
	for i, v := range x {
		all[i] = math.Abs(v - from)
	}
	return all
}
