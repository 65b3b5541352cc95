// SPDX-License-Identifier: MIT

package plots

import (
	"errors"
	"fmt"
	"math"

	"github.com/montanaflynn/stats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"kprof-bench/results"
)

// ErrNoPercentiles is returned for results without calls at a rate, which alone
// have latencies.
var ErrNoPercentiles = errors.New("no rows named BenchmarkProbe with latencies: there is no distribution to draw; measure with run --rate 10000/s")

// percentiles of latencies are those that results have, and where they lie on an
// axis on which each nine more takes the same room.
var percentiles = []struct {
	unit, label string
	at          float64
}{
	{"p50", "50 %", nines(0.5)}, {"p90", "90 %", nines(0.9)}, {"p99", "99 %", nines(0.99)}, {"p99.9", "99.9 %", nines(0.999)}, {"max", "max", 4},
}

func nines(p float64) float64 { return -math.Log10(1 - p) }

// Percentiles is the chart of how long calls took from when they were due: a
// panel for each function and rate, with a line for each backend and one for
// calls that are not probed. Its zero value is empty and ready for use.
type Percentiles struct {
	env    []results.Config
	panels []*latencies
}

// latencies are those of a function at a rate.
type latencies struct {
	name  string
	lines []*latencyLine // the first one is not probed
}

type latencyLine struct {
	backend string
	samples [][]float64 // by percentile
}

// Add takes in the rows of paced calls, as [Probe.Add] does those of probes.
func (p *Percentiles) Add(f *results.File) error {
	if err := checkEnv(p.env, f.Env); err != nil {
		return err
	}
	unit := "latency-" + results.TimeUnit(value(f.Env, "clock"))
	found := false
	for _, r := range f.Rows {
		if _, paced := r.Value("p50-" + unit); r.Name != "Probe" || !paced {
			continue
		}
		with, err := percentilesOf(r, "", unit)
		if err != nil {
			return fmt.Errorf("row %q: %w", r.FullName(), err)
		}
		base, err := percentilesOf(r, "base-", unit)
		if err != nil {
			return fmt.Errorf("row %q: %w", r.FullName(), err)
		}
		found = true
		panel := p.panel(functionName(r))
		panel.line("").add(base)
		panel.line(param(r, "backend")).add(with)
	}
	if !found {
		return ErrNoPercentiles
	}
	p.env = f.Env
	return nil
}

func percentilesOf(r results.Row, which, unit string) ([]float64, error) {
	var all []float64
	for _, p := range percentiles {
		v, ok := r.Value(which + p.unit + "-" + unit)
		if !ok || !(v > 0) || v > maxTime {
			return nil, fmt.Errorf("%g is no %s%s-%s", v, which, p.unit, unit)
		}
		all = append(all, v)
	}
	return all, nil
}

func (p *Percentiles) panel(name string) *latencies {
	for _, l := range p.panels {
		if l.name == name {
			return l
		}
	}
	p.panels = append(p.panels, &latencies{name: name})
	return p.panels[len(p.panels)-1]
}

func (l *latencies) line(backend string) *latencyLine {
	for _, line := range l.lines {
		if line.backend == backend {
			return line
		}
	}
	l.lines = append(l.lines, &latencyLine{backend, make([][]float64, len(percentiles))})
	return l.lines[len(l.lines)-1]
}

func (l *latencyLine) add(values []float64) {
	for i, v := range values {
		l.samples[i] = append(l.samples[i], v)
	}
}

func (l *latencyLine) points() plotter.XYs {
	var all plotter.XYs
	for i, p := range percentiles {
		m, _ := stats.Median(l.samples[i]) // there is one at least
		all = append(all, plotter.XY{X: p.at, Y: m})
	}
	return all
}

// Draw returns the chart as the contents of a file.
func (p *Percentiles) Draw(f Format) ([]byte, error) {
	if len(p.panels) == 0 {
		return nil, ErrNoPercentiles
	}
	var names []string
	for _, l := range p.panels {
		for _, line := range l.lines[1:] {
			names = append(names, line.backend)
		}
	}
	backends, err := inOrder(names)
	if err != nil {
		return nil, err
	}
	c := &lineChart{
		title: "How long calls take from when they are due, by backend", note: where(p.env),
		legend: []lineStyle{notProbed},
	}
	for _, b := range backends {
		c.legend = append(c.legend, styleOf(b))
	}
	for _, l := range p.panels {
		c.panels = append(c.panels, l.panel(results.TimeUnit(value(p.env, "clock")), c.legend))
	}
	return c.encode(f)
}

func (l *latencies) panel(unit string, styles []lineStyle) *linePanel {
	var ticks plot.ConstantTicks
	for _, p := range percentiles {
		ticks = append(ticks, plot.Tick{Value: p.at, Label: p.label})
	}
	panel := &linePanel{
		title: shown(l.name), x: "of the calls took no longer", y: "latency, " + unit + " (logarithmic)",
		xScale: plot.LinearScale{}, yScale: plot.LogScale{}, xTicks: ticks, yTicks: logTicks{},
	}
	for i, s := range styles {
		for j, of := range l.lines {
			if i == 0 && j == 0 || i > 0 && of.backend == s.name {
				panel.lines = append(panel.lines, line{style: s, points: of.points()})
			}
		}
	}
	return panel
}
