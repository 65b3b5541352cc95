// SPDX-License-Identifier: MIT

package plots

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/montanaflynn/stats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"kprof-bench/results"
)

// ErrNoTruth is returned for results without true durations.
var ErrNoTruth = errors.New("no rows named BenchmarkProbe with a true duration: there is nothing to hold reported ones against")

// Accuracy is the chart of reported against true durations, and of how far they
// are from each other, by backend. Its zero value is empty and ready for use.
type Accuracy struct {
	env    []results.Config
	points []*measured
}

// measured is a function by a backend.
type measured struct {
	name, backend  string
	truth, reports []float64
}

// Add takes in the rows with a true duration, as [Probe.Add] does those of probes.
func (a *Accuracy) Add(f *results.File) error {
	if err := checkEnv(a.env, f.Env); err != nil {
		return err
	}
	unit := results.TimeUnit(value(f.Env, "clock"))
	found := false
	for _, r := range f.Rows {
		truth, ok := r.Value("true-" + unit + "/op")
		reported, both := r.Value("reported-" + unit + "/op")
		if r.Name != "Probe" || !ok || !both {
			continue
		}
		for _, v := range []float64{truth, reported} {
			if !(v > 0) || v > maxTime {
				return fmt.Errorf("row %q: %g %s is no duration of a call", r.FullName(), v, unit)
			}
		}
		found = true
		m := a.measured(functionName(r), param(r, "backend"))
		m.truth, m.reports = append(m.truth, truth), append(m.reports, reported)
	}
	if !found {
		return ErrNoTruth
	}
	a.env = f.Env
	return nil
}

func (a *Accuracy) measured(name, backend string) *measured {
	for _, m := range a.points {
		if m.name == name && m.backend == backend {
			return m
		}
	}
	a.points = append(a.points, &measured{name: name, backend: backend})
	return a.points[len(a.points)-1]
}

// values are medians.
func (m *measured) values() (truth, reported float64) {
	truth, _ = stats.Median(m.truth) // there is one at least
	reported, _ = stats.Median(m.reports)
	return truth, reported
}

// off is by how much the reported duration is too long, in percent.
func (m *measured) off() float64 {
	truth, reported := m.values()
	return 100 * (reported - truth) / truth
}

// identity is where both durations are the same.
var identity = lineStyle{"reported is true", fadedInk, []vg.Length{vg.Points(4), vg.Points(3)}, nil}

// Draw returns the chart as the contents of a file.
func (a *Accuracy) Draw(f Format) ([]byte, error) {
	if len(a.points) == 0 {
		return nil, ErrNoTruth
	}
	var names []string
	for _, m := range a.points {
		names = append(names, m.backend)
	}
	backends, err := inOrder(names)
	if err != nil {
		return nil, err
	}
	c := &lineChart{title: "Reported against true durations, by backend", note: where(a.env) + " · " + a.worst(), legend: []lineStyle{identity}}
	unit := results.TimeUnit(value(a.env, "clock"))
	both := &linePanel{
		title: "Reported duration", x: "true duration, " + unit + " (logarithmic)", y: "reported duration, " + unit + " (logarithmic)",
		xScale: plot.LogScale{}, yScale: plot.LogScale{}, xTicks: logTicks{}, yTicks: logTicks{},
	}
	off := &linePanel{
		title: "What it is off", x: both.x, y: "reported too long, %",
		xScale: plot.LogScale{}, yScale: plot.LinearScale{}, xTicks: logTicks{}, yTicks: linearTicks{},
	}
	for _, b := range backends {
		c.legend = append(c.legend, styleOf(b))
		a.addTo(both, off, styleOf(b))
	}
	first, last := both.extremes()
	both.under = []plot.Plotter{line{style: identity, points: plotter.XYs{{X: first, Y: first}, {X: last, Y: last}}}}
	off.under = []plot.Plotter{line{style: identity, points: plotter.XYs{{X: first}, {X: last}}}}
	c.panels = []*linePanel{both, off}
	return c.encode(f)
}

func (a *Accuracy) addTo(both, off *linePanel, s lineStyle) {
	var reported, relative plotter.XYs
	for _, m := range a.points {
		if m.backend == s.name {
			x, y := m.values()
			reported = append(reported, plotter.XY{X: x, Y: y})
			relative = append(relative, plotter.XY{X: x, Y: m.off()})
		}
	}
	both.lines = append(both.lines, line{style: s, points: reported, marks: true})
	off.lines = append(off.lines, line{style: s, points: relative, marks: true})
}

// extremes are the least and the greatest value of both axes.
func (p *linePanel) extremes() (first, last float64) {
	first, last = math.Inf(1), 0
	for _, l := range p.lines {
		for _, at := range l.points {
			first, last = min(first, at.X, at.Y), max(last, at.X, at.Y)
		}
	}
	return first, last
}

// worst says which is off the most.
func (a *Accuracy) worst() string {
	m := slices.MaxFunc(a.points, func(x, y *measured) int {
		return int(math.Copysign(1, math.Abs(x.off())-math.Abs(y.off())))
	})
	truth, reported := m.values()
	if truth == reported {
		return "all are the same"
	}
	return fmt.Sprintf("most off: %s by %s, %+.2g %%", shown(m.name), m.backend, m.off())
}
