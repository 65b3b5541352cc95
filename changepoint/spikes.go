// SPDX-License-Identifier: MIT

package changepoint

import (
	"math"
	"slices"
)

// neighbours are those on each side of a point that it is held against.
const neighbours = 3

// cut is how many deviations from the median of its neighbours a point may be
// without being cut off when candidates are looked for.
const cut = 3

// withoutSpikes returns the series with what sticks out of its neighbourhood cut off.
func withoutSpikes(x []float64) []float64 {
	around := make([]float64, len(x))
	distance := make([]float64, len(x))
	for i := range x {
		around[i] = median(x[max(0, i-neighbours):min(len(x), i+neighbours+1)])
		distance[i] = math.Abs(x[i] - around[i])
	}
	fence := cut * deviation(distance)
	y := make([]float64, len(x))
	for i := range x {
		y[i] = min(max(x[i], around[i]-fence), around[i]+fence)
	}
	return y
}

// A spike is so many deviations from the median of its segment, and so many times
// as far as 19 in 20 points are, whatever the tails of the noise.
const (
	spikeDeviations = 8
	spikeDistance   = 4
)

// fence is the distance from a median beyond which a point is a spike.
func fence(distances []float64) float64 {
	usual := slices.Sorted(slices.Values(distances))[(len(distances)-1)*19/20]
	return max(spikeDeviations*deviation(distances), spikeDistance*usual)
}

// fewest is how many points it takes to know what is usual.
const fewest = 10

// farFrom tells whether all of some points would be spikes, all up or all down,
// among the others.
func farFrom(some, others []float64) bool {
	if len(others) < fewest {
		return false
	}
	level := median(others)
	far := fence(absolute(others, level))
	return slices.Min(some) > level+far || slices.Max(some) < level-far
}

// spikes are what sticks out of segments that have points enough to tell.
func spikes(x []float64, at []int, o Options) []Change {
	var all []Change
	for _, s := range segments(x, at) {
		if s.to-s.from < fewest {
			continue
		}
		level := median(s.of(x))
		distance := absolute(s.of(x), level)
		fence := max(fence(distance), o.Magnitude*math.Abs(level))
		for i := 0; i < len(distance); i++ {
			first := i
			for i < len(distance) && distance[i] > fence {
				i++
			}
			if i > first {
				all = append(all, spike(x, s.from+first, s.from+i, level))
			}
		}
	}
	return all
}

// spike is that of x[from:to].
func spike(x []float64, from, to int, level float64) Change {
	top := from
	for i := from; i < to; i++ {
		if math.Abs(x[i]-level) > math.Abs(x[top]-level) {
			top = i
		}
	}
	return Change{Kind: Spike, From: max(from-1, 0), At: top, Before: level, After: x[top], P: 1}
}
