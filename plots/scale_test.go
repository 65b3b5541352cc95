// SPDX-License-Identifier: MIT

package plots

import (
	"math"
	"strings"
	"testing"

	"gonum.org/v1/plot"
)

func TestRoundUp(t *testing.T) {
	for _, c := range []struct{ x, want float64 }{
		{0, 0}, {-3, 0}, {1, 1}, {1.01, 2}, {2, 2}, {411, 500}, {513, 1000}, {1000, 1000}, {0.03, 0.05}, {1e15, 1e15},
	} {
		if got := roundUp(c.x); math.Abs(got-c.want) > 1e-9*c.want {
			t.Errorf("%g: %g, want %g", c.x, got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for name, test := range map[string]struct {
		ticker   plot.Ticker
		min, max float64
		labels   string
		others   int
	}{
		"logarithmic":            {logScale{}, 0, 500, "0 1 10 100", 8 + 8 + 4},
		"up to a power":          {logScale{}, 0, 1000, "0 1 10 100 1000", 8 + 8 + 8},
		"below zero too":         {logScale{}, -20, 5, "0 1 -1 -10", 4 + 8 + 1},
		"less than one":          {logScale{}, 0, 0.5, "0", 0},
		"linear":                 {linearTicks{}, 0, 178, "0 50 100 150", 0},
		"linear, below zero too": {linearTicks{}, -700.25, 8152, "0 2000 4000 6000 8000", 0},
		"linear, fractions":      {linearTicks{}, -0.3, 0.31, "-0.2 0 0.2", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var labels []string
			others := 0
			for _, tick := range test.ticker.Ticks(test.min, test.max) {
				if tick.IsMinor() {
					others++
					continue
				}
				labels = append(labels, tick.Label)
			}
			if got := strings.Join(labels, " "); got != test.labels || others != test.others {
				t.Errorf("%s and %d others, want %s and %d", got, others, test.labels, test.others)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		25: "25", 20230: "20230", 8151.9: "8151.9", 0.1 + 0.2: "0.3", -2: "-2", -0.00001: "0", 1e15: "1000000000000000", 7.5005: "7.5005",
	} {
		if got := number(v); got != want {
			t.Errorf("%g: %q, want %q", v, got, want)
		}
	}
}
