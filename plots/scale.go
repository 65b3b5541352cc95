// SPDX-License-Identifier: MIT

package plots

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// logScale is logarithmic away from zero and has a zero: 0, 1, 10, 100 are
// about as far from each other. A probe that costs nothing, or on a noisy
// clock less than nothing, is on it as well.
type logScale struct{}

// Normalize implements [plot.Normalizer].
func (logScale) Normalize(min, max, x float64) float64 {
	return (log(x) - log(min)) / (log(max) - log(min))
}

func log(x float64) float64 { return math.Copysign(math.Log1p(math.Abs(x)), x) }

// Ticks implements [plot.Ticker]: powers of ten with labels, and what lies
// between them without.
func (logScale) Ticks(min, max float64) []plot.Tick {
	ticks := []plot.Tick{{Value: 0, Label: "0"}}
	limit := math.Max(-min, max)
	for power := 1.0; power <= limit; power *= 10 {
		for i := 1.0; i < 10; i++ {
			up, down := plot.Tick{Value: i * power}, plot.Tick{Value: -i * power}
			if i == 1 {
				up.Label, down.Label = number(power), number(-power)
			}
			ticks = append(ticks, up, down)
		}
	}
	return within(ticks, min, max)
}

// linearTicks are round numbers, about five of them.
type linearTicks struct{}

// Ticks implements [plot.Ticker].
func (linearTicks) Ticks(min, max float64) []plot.Tick {
	step := roundUp((max - min) / 5)
	var ticks []plot.Tick
	for i := math.Ceil(min / step); i*step <= max; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: number(i * step)})
	}
	return ticks
}

// number is v to the digit. Results have three decimals, and the median of two
// of them has one more.
func number(v float64) string {
	v = math.Round(v*1e4)/1e4 + 0 // never -0
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func within(ticks []plot.Tick, min, max float64) []plot.Tick {
	var kept []plot.Tick
	for _, t := range ticks {
		if min <= t.Value && t.Value <= max {
			kept = append(kept, t)
		}
	}
	return kept
}

// roundUp returns the next of 1, 2, 5, 10, 20, 50... that is not below x, so
// that an axis ends on a tick. It is 0 for 0.
func roundUp(x float64) float64 {
	if x <= 0 {
		return 0
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, step := range []float64{1, 2, 5} {
		if x <= step*power {
			return step * power
		}
	}
	return 10 * power
}
