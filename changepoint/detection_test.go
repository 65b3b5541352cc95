// SPDX-License-Identifier: MIT

package changepoint

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aclements/go-moremath/stats"
)

var full = flag.Bool("full", false, "try many series, and by other methods too, and print what each finds")

// Series have so many nights, and a step is found if it is said to be so many
// nights from where it is, at the most. It is at a random place, but so many
// nights from both ends.
const (
	nights    = 200
	tolerance = 5
	margin    = 20
)

// detector returns the nights at which it says that a series changes.
type detector struct {
	name string
	at   func(x []float64) []int
}

var detectors = []detector{
	{"Find", find},
	{"Otava's defaults", func(x []float64) []int { return Divide(x, otava(50, 0.001, 0)) }},
	{"U test", uTest(0.05)},
	{"U test, corrected", uTest(0.05 / (nights - 2*sides + 1))},
}

func find(x []float64) (at []int) {
	for _, c := range Find(x, Options{}) {
		switch c.Kind {
		case Step:
			at = append(at, c.At)
		case Drift:
			at = append(at, (c.From+c.At)/2)
		}
	}
	return at
}

// sides is how many nights before and from a night people compare.
const sides = 10

// uTest is Mann-Whitney's test of the ten nights before each night and the ten from
// there.
func uTest(alpha float64) func(x []float64) []int {
	dist := stats.UDist{N1: sides, N2: sides}
	least := 0.0
	for 2*dist.CDF(least) < alpha {
		least++
	}
	return func(x []float64) (at []int) {
		for i := sides; i+sides <= len(x); i++ {
			if u := uOf(x[i-sides:i], x[i:i+sides]); min(u, sides*sides-u) < least {
				at = append(at, i)
			}
		}
		return at
	}
}

// uOf is how many of the pairs have the larger value in b.
func uOf(a, b []float64) float64 {
	u := 0.0
	for _, v := range a {
		for _, w := range b {
			if w > v {
				u++
			}
		}
	}
	return u
}

// alarms is how many of so many flat series are said to change. Several seeds have
// some of them each.
func (d detector) alarms(z noise, deviation float64, series int) int {
	n := 0
	for i := range series {
		r := rand.New(rand.NewPCG(uint64(i%4), uint64(i)))
		if len(d.at(z.series(r, nights, deviation, nights, 0))) > 0 {
			n++
		}
	}
	return n
}

// found is of how many series in a hundred a step is found.
func (d detector) found(z noise, deviation, step float64, series int) float64 {
	n := 0
	for i := range series {
		r := rand.New(rand.NewPCG(uint64(10+i%4), uint64(i)))
		at := margin + r.IntN(nights-2*margin+1)
		if d.near(z.series(r, nights, deviation, at, step), at) {
			n++
		}
	}
	return 100 * float64(n) / float64(series)
}

func (d detector) near(x []float64, at int) bool {
	return slices.ContainsFunc(d.at(x), func(said int) bool { return max(said-at, at-said) <= tolerance })
}

// Steps of 5 % and more are found where the noise has a deviation of 1 or 2 %, and
// nothing is found in noise alone.
func TestDetection(t *testing.T) {
	for _, z := range noises {
		t.Run(z.name, func(t *testing.T) {
			t.Parallel()
			if n := detectors[0].alarms(z, 0.02, 500); n > 0 {
				t.Errorf("%d of 500 flat series are said to change", n)
			}
			for _, deviation := range []float64{0.01, 0.02} {
				for _, step := range []float64{0.05, -0.05, 0.10} {
					if got := detectors[0].found(z, deviation, step, 100); got < 95 {
						t.Errorf("steps of %v are found in %v %% of series with a deviation of %v", step, got, deviation)
					}
				}
			}
		})
	}
}

// TestDetectionInFull prints what is found by other methods, too.
func TestDetectionInFull(t *testing.T) {
	if !*full {
		t.Skip("takes minutes: give -full")
	}
	const flat, stepped = 20000, 1000
	fmt.Printf("%-10s %-9s  %-18s  found of steps of 1 %%     2 %%     5 %%    10 %%  false alarms\n", "noise", "deviation", "by")
	for _, z := range noises {
		for _, deviation := range []float64{0.01, 0.02, 0.03} {
			for _, d := range detectors {
				line := fmt.Sprintf("%-10s %7.0f %%  %-18s%12s", z.name, 100*deviation, d.name, "")
				for _, step := range []float64{0.01, 0.02, 0.05, 0.10} {
					got := d.found(z, deviation, step, stepped)
					line += fmt.Sprintf("%8.1f", got)
					if d.name == "Find" && step >= 0.05 && deviation <= 0.02 && got < 95 {
						t.Errorf("steps of %v are found in %v %% of series with a deviation of %v", step, got, deviation)
					}
				}
				alarms := d.alarms(z, deviation, flat)
				fmt.Printf("%s  %d of %d\n", line, alarms, flat)
				if d.name == "Find" && alarms > 2 { // at the most 0.2 are to be expected
					t.Errorf("%d of %d flat series are said to change", alarms, flat)
				}
			}
		}
	}
}

// TestNightlyInFull looks at flat series again every night, as history check does.
func TestNightlyInFull(t *testing.T) {
	if !*full {
		t.Skip("takes minutes: give -full")
	}
	const series = 1000
	for _, z := range noises {
		ever := 0
		for i := range series {
			x := z.series(rand.New(rand.NewPCG(77, uint64(i))), nights, 0.02, nights, 0)
			for n := Enough(Options{}); n <= nights; n++ {
				if len(find(x[:n])) > 0 {
					ever++
					break
				}
			}
		}
		fmt.Printf("%s: of %d flat series, %d were said to change in one of %d nights\n", z.name, series, ever, nights)
		if ever > 5 {
			t.Errorf("%d of %d flat series were said to change", ever, series)
		}
	}
}

// TestDelayInFull prints after how many nights a step is found in 95 series of 100.
func TestDelayInFull(t *testing.T) {
	if !*full {
		t.Skip("takes minutes: give -full")
	}
	const before = 100
	fmt.Printf("%-10s %-9s  nights until a step of 2 %%  5 %%  10 %% is found\n", "noise", "deviation")
	for _, z := range noises {
		for _, deviation := range []float64{0.01, 0.02} {
			fmt.Printf("%-10s %7.0f %%  %23s", z.name, 100*deviation, "")
			for _, step := range []float64{0.02, 0.05, 0.10} {
				fmt.Printf("%5d", delay(z, deviation, step, before))
			}
			fmt.Println()
		}
	}
}

// delay is the number of nights from a step on that it takes to find it.
func delay(z noise, deviation, step float64, before int) int {
	const series = 200
	n := Defaults.Least
	for ; n < before; n++ {
		found := 0
		for i := range series {
			r := rand.New(rand.NewPCG(20, uint64(i)))
			if detectors[0].near(z.series(r, before+n, deviation, before, step), before) {
				found++
			}
		}
		if found >= series*95/100 {
			break
		}
	}
	return n
}
