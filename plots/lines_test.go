// SPDX-License-Identifier: MIT

package plots

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/plot/plotter"

	"kprof-bench/results"
)

// drawn is any chart of results.
type drawn interface {
	Add(*results.File) error
	Draw(Format) ([]byte, error)
}

func TestLineChartsGolden(t *testing.T) {
	f, err := results.ReadFile(filepath.Join("testdata", "rates.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, chart := range map[string]drawn{"rates": &Rates{}, "accuracy": &Accuracy{}, "percentiles": &Percentiles{}} {
		t.Run(name, func(t *testing.T) {
			if err := chart.Add(f); err != nil {
				t.Fatal(err)
			}
			svg, err := chart.Draw(SVG)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".svg", svg)
			png, err := chart.Draw(PNG)
			if err != nil || !strings.HasPrefix(string(png), "\x89PNG") {
				t.Errorf("%v, %.10q", err, png)
			}
		})
	}
}

// Every backend and what is not probed have a mark or dashes of their own: no two
// are told apart by colour alone.
func TestStylesWithoutColour(t *testing.T) {
	seen := map[string]string{}
	for _, b := range append([]backend{{"new", spare[0]}}, known...) {
		s := styleOf(b)
		form := cmp.Diff(nil, s.shape)
		if other := seen[form]; other != "" {
			t.Errorf("%s and %s have the same mark", b.name, other)
		}
		seen[form] = b.name
	}
	if seen[cmp.Diff(nil, notProbed.shape)] != "" || identity.dashes == nil {
		t.Error("what is not a backend looks like one")
	}
}

func TestRatesPoints(t *testing.T) {
	row := func(rate, overhead string) string {
		return "BenchmarkProbe/func=f/backend=direct/rate=" + rate + " 1 " + overhead + " overhead-insn/op\n"
	}
	var r Rates
	// Not in order, with samples, and without some in the name of which is max.
	for _, text := range []string{
		row("max", "9") + row("poisson:1000-per-s", "5") + row("100-per-s", "1") + "BenchmarkProbe/func=g/backend=direct 1 4 overhead-insn/op\n",
		row("max", "11") + row("ramp:10-per-s:2000-per-s", "7"),
	} {
		if err := r.Add(file(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	all := r.functions()
	if len(all) != 2 || all[0].name != "f" || all[1].name != "g" || !r.Several() {
		t.Fatalf("functions %+v", all)
	}
	p := all[0].panel("insn", []lineStyle{styleOf(known[1]), styleOf(known[0])})
	want := plotter.XYs{{X: 0, Y: 1}, {X: 1, Y: 5}, {X: 2, Y: 7}, {X: 3, Y: 10}}
	if len(p.lines) != 1 || p.lines[0].style.name != "direct" {
		t.Fatalf("lines %+v", p.lines)
	}
	if diff := cmp.Diff(want, p.lines[0].points); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var labels []string
	for _, tick := range p.xTicks.Ticks(0, 3) {
		labels = append(labels, tick.Label)
	}
	if got := strings.Join(labels, " "); got != "100/s poisson:1000/s ramp:10/s:2000/s max" {
		t.Errorf("rates %s", got)
	}
	svg, err := r.Draw(SVG)
	if err != nil || !strings.Contains(string(svg), ">f<") || strings.Contains(string(svg), ">g<") {
		t.Errorf("%v: f alone has rates to draw", err)
	}
}

func TestAccuracyValues(t *testing.T) {
	var a Accuracy
	row := func(v string) string {
		return "BenchmarkProbe/func=f/backend=direct/rate=max 1 200 true-insn/op " + v + " reported-insn/op\n"
	}
	if err := a.Add(file(t, row("200")+row("206")+row("204")+"BenchmarkProbe/func=g/backend=direct/rate=max 1 5 true-insn/op 5 reported-insn/op\n")); err != nil {
		t.Fatal(err)
	}
	if off := a.points[0].off(); math.Abs(off-2) > 1e-9 {
		t.Errorf("off by %g %%, want 2", off)
	}
	if got := a.worst(); got != "most off: f by direct, +2 %" {
		t.Errorf("%q", got)
	}
}

func TestPercentilesPoints(t *testing.T) {
	var p Percentiles
	row := func(shift string) string {
		s := "BenchmarkProbe/func=f/backend=direct/rate=9-per-s 1"
		for i, of := range percentiles {
			s += "  " + shift + strings.Repeat("0", i) + " " + of.unit + "-latency-insn  7 base-" + of.unit + "-latency-insn"
		}
		return s + "\n"
	}
	if err := p.Add(file(t, row("1")+row("3")+getpid+"25 overhead-insn/op\n")); err != nil {
		t.Fatal(err)
	}
	if len(p.panels) != 1 || len(p.panels[0].lines) != 2 {
		t.Fatalf("%+v", p.panels)
	}
	want := plotter.XYs{{X: -math.Log10(0.5), Y: 2}, {X: 1, Y: 20}, {X: 2, Y: 200}, {X: 3, Y: 2000}, {X: 4, Y: 20000}}
	for i, got := range p.panels[0].lines[1].points() {
		if math.Abs(got.X-want[i].X) > 1e-9 || got.Y != want[i].Y {
			t.Errorf("point %d is %v, want %v", i, got, want[i])
		}
	}
	panel := p.panels[0].panel("insn", []lineStyle{notProbed, styleOf(known[0]), styleOf(known[2])})
	if len(panel.lines) != 2 || panel.lines[0].style.name != notProbed.name || panel.lines[0].points[4].Y != 7 {
		t.Errorf("lines %+v", panel.lines)
	}
}

func TestLineChartsRefuse(t *testing.T) {
	for name, test := range map[string]struct {
		chart drawn
		text  string
		says  string
	}{
		"one rate":          {&Rates{}, getpid + "25 overhead-insn/op\n", ErrOneRate.Error()},
		"no probes":         {&Rates{}, "BenchmarkA 1 1 x\n", ErrNoProbes.Error()},
		"no truth":          {&Accuracy{}, getpid + "25 overhead-insn/op\n", ErrNoTruth.Error()},
		"truth of nothing":  {&Accuracy{}, getpid + "0 true-insn/op 3 reported-insn/op\n", "0 insn is no duration of a call"},
		"other clock":       {&Accuracy{}, getpid + "5 true-ns/op 3 reported-ns/op\n", ErrNoTruth.Error()},
		"no latencies":      {&Percentiles{}, getpid + "25 overhead-insn/op\n", ErrNoPercentiles.Error()},
		"some latencies":    {&Percentiles{}, getpid + "25 p50-latency-insn\n", "no p90-latency-insn"},
		"kernel unknown":    {&Percentiles{}, "# kernel:\nclock: icount\n" + getpid + "25 p50-latency-insn\n", "on which kernel"},
		"clock not written": {&Accuracy{}, "kernel: 6.1\n" + getpid + "5 true-ns/op 3 reported-ns/op\n", "on which clock"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.chart.Add(file(t, test.text))
			if err == nil {
				_, err = test.chart.Draw(SVG)
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %q", err, test.says)
			}
		})
	}
	for _, c := range []struct {
		chart drawn
		want  error
	}{{&Rates{}, ErrOneRate}, {&Accuracy{}, ErrNoTruth}, {&Percentiles{}, ErrNoPercentiles}} {
		if _, err := c.chart.Draw(SVG); !errors.Is(err, c.want) {
			t.Errorf("an empty chart: %v, want %v", err, c.want)
		}
	}
	big := &lineChart{panels: make([]*linePanel, maxLinePanels+1)}
	if _, err := big.encode(SVG); err == nil || !strings.Contains(err.Error(), "13 panels are too many") {
		t.Errorf("error %v", err)
	}
}
