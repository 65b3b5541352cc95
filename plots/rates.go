// SPDX-License-Identifier: MIT

package plots

import (
	"cmp"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/montanaflynn/stats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"kprof-bench/results"
)

// ErrOneRate is returned for results in which no function was called at several
// rates.
var ErrOneRate = errors.New("no function is there at two rates or more: there is no line to draw over rates; measure with run --rate 10/s..max")

// Rates is the chart of what a probe costs over the rate of calls: a panel for
// each function, with a line for each backend. Its zero value is empty and ready
// for use.
type Rates struct{ probe Probe }

// Add takes in the rows named Probe, as [Probe.Add] does.
func (r *Rates) Add(f *results.File) error { return r.probe.Add(f) }

// Several tells whether there is more than one rate of a function.
func (r *Rates) Several() bool {
	return slices.ContainsFunc(r.functions(), func(f *ratedFunction) bool { return len(f.rates) > 1 })
}

// ratedFunction is what was measured of a function, by rate and backend.
type ratedFunction struct {
	name     string
	rates    []string
	backends []string
	overhead map[[2]string][]float64
}

// functions are the rows of the chart, those of a function together.
func (r *Rates) functions() []*ratedFunction {
	var all []*ratedFunction
	at := map[string]*ratedFunction{}
	for _, f := range r.probe.funcs {
		name := f.base
		if at[name] == nil {
			at[name] = &ratedFunction{name: name, overhead: map[[2]string][]float64{}}
			all = append(all, at[name])
		}
		rated := at[name]
		if !slices.Contains(rated.rates, f.rate) {
			rated.rates = append(rated.rates, f.rate)
		}
		for _, b := range f.bars {
			if !slices.Contains(rated.backends, b.backend) {
				rated.backends = append(rated.backends, b.backend)
			}
			rated.overhead[[2]string{f.rate, b.backend}] = b.overhead
		}
	}
	return all
}

// Draw returns the chart as the contents of a file. Functions at one rate are
// left out.
func (r *Rates) Draw(f Format) ([]byte, error) {
	functions := slices.DeleteFunc(r.functions(), func(f *ratedFunction) bool { return len(f.rates) < 2 })
	if len(functions) == 0 {
		return nil, ErrOneRate
	}
	var names []string
	for _, f := range functions {
		names = append(names, f.backends...)
	}
	backends, err := inOrder(names)
	if err != nil {
		return nil, err
	}
	c := &lineChart{title: "Overhead of a probe, by rate of calls and backend", note: r.probe.note()}
	for _, b := range backends {
		c.legend = append(c.legend, styleOf(b))
	}
	for _, f := range functions {
		c.panels = append(c.panels, f.panel(results.TimeUnit(value(r.probe.env, "clock")), c.legend))
	}
	return c.encode(f)
}

// panel has the rates in their order, at the same distance from each other:
// those of a sweep are, and max has no number.
func (f *ratedFunction) panel(unit string, styles []lineStyle) *linePanel {
	rates := slices.SortedStableFunc(slices.Values(f.rates), func(a, b string) int { return cmp.Compare(perSecond(a), perSecond(b)) })
	var ticks plot.ConstantTicks
	for i, rate := range rates {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: shown(rate)})
	}
	p := &linePanel{
		title: f.name, x: "rate of calls", y: "overhead per call, " + unit + " (logarithmic)",
		xScale: plot.LinearScale{}, yScale: logScale{}, xTicks: ticks, yTicks: logScale{}, ends: true, fromZero: true,
	}
	for _, s := range styles {
		var points plotter.XYs
		for i, rate := range rates {
			if m, err := stats.Median(f.overhead[[2]string{rate, s.name}]); err == nil {
				points = append(points, plotter.XY{X: float64(i), Y: m})
			}
		}
		if len(points) > 0 {
			p.lines = append(p.lines, line{style: s, points: points})
		}
	}
	return p
}

// shown is a name with rates as people write them: a name in results may hold no
// slash.
func shown(name string) string { return strings.ReplaceAll(name, "-per-", "/") }

var rateNumber = regexp.MustCompile(`([0-9.]+)-per-s`)

// perSecond is the rate as a number to sort by, the last of several in it.
func perSecond(rate string) float64 {
	all := rateNumber.FindAllStringSubmatch(rate, -1)
	if len(all) == 0 {
		return math.Inf(1)
	}
	v, err := strconv.ParseFloat(all[len(all)-1][1], 64)
	if err != nil {
		return math.Inf(1)
	}
	return v
}
