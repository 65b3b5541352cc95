// SPDX-License-Identifier: MIT

package plots

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"kprof-bench/results"

	"github.com/montanaflynn/stats"
)

// ErrNoPeers is returned for results in which no peers were measured.
var ErrNoPeers = errors.New("no rows named BenchmarkPeer: there are no peers to draw")

// Peers is the chart of what a call takes more under each of the ways to count and
// time it: of the first function, the overhead and the bias, medians of all samples.
// Its zero value is empty and ready for use.
type Peers struct {
	env      []results.Config
	function string
	bars     []*bar
}

// figures are the names of rows of peers, and of their overhead and bias, before the
// unit of time.
var figures = map[string]struct{ overhead, bias string }{
	"Peer": {"overhead-", "bias-"}, "PeerTool": {"tool-overhead-", "tool-bias-"},
}

// Add takes in the rows of peers, as [Probe.Add] does those of probes.
func (p *Peers) Add(f *results.File) error {
	if err := checkEnv(p.env, f.Env); err != nil {
		return err
	}
	unit := results.TimeUnit(value(f.Env, "clock")) + "/op"
	function, found := p.function, 0
	var adds []func()
	for _, r := range f.Rows {
		is, ok := figures[r.Name]
		overhead, measured := r.Value(is.overhead + unit)
		if !ok || param(r, "n") != "" {
			continue
		}
		function = cmp.Or(function, param(r, "func"))
		if param(r, "func") != function {
			continue
		}
		if peer := param(r, "peer"); peer == "" || !measured || math.Abs(overhead) > maxTime {
			return fmt.Errorf("row %q: no peer, or no %s%s that a call can take", r.FullName(), is.overhead, unit)
		}
		found++
		adds = append(adds, func() { p.bar(r).addFigures(r, is.overhead+unit, is.bias+unit) })
	}
	if found == 0 {
		return ErrNoPeers
	}
	p.env, p.function = f.Env, function
	for _, add := range adds {
		add()
	}
	return nil
}

func (p *Peers) bar(r results.Row) *bar {
	name := param(r, "peer")
	i := slices.IndexFunc(p.bars, func(b *bar) bool { return b.backend == name })
	if i < 0 {
		i = len(p.bars)
		p.bars = append(p.bars, &bar{backend: name})
	}
	return p.bars[i]
}

func (b *bar) addFigures(r results.Row, overhead, bias string) {
	if v, ok := r.Value(overhead); ok {
		b.overhead = append(b.overhead, v)
	}
	for _, unit := range []string{bias, "rounded-" + bias} {
		if v, ok := r.Value(unit); ok {
			b.bias = append(b.bias, v)
		}
	}
}

// peerKinds are told apart by colour.
var peerKinds = []backend{{"profiler.ko", blue}, {"BPF programs", green}, {"tracefs", orange}, {"tools", vermilion}}

func kindOf(peer string) color.Color {
	switch {
	case strings.HasPrefix(peer, "profiler-"):
		return blue
	case strings.HasPrefix(peer, "bpf-"):
		return green
	case strings.HasPrefix(peer, "perf-"), strings.HasPrefix(peer, "bpftrace"), peer == "funclatency":
		return vermilion
	}
	return orange
}

// Draw returns the chart as the contents of a file: the cheapest first.
func (p *Peers) Draw(f Format) ([]byte, error) {
	if len(p.bars) == 0 {
		return nil, ErrNoPeers
	}
	c := p.chart()
	w, h := c.size()
	return encode(w, h, f, c.draw)
}

func (p *Peers) chart() *chart {
	unit := results.TimeUnit(value(p.env, "clock"))
	overhead := &panel{title: "Overhead: how much longer a call takes", axis: "overhead per call, " + unit + " (logarithmic)", log: true}
	bias := &panel{title: "Bias: how much too long it is reported", axis: "bias of the reported average per call, " + unit + " (logarithmic)", log: true}
	c := &chart{
		title: "Ways to count and time calls of " + p.function, legend: peerKinds, panels: [2]*panel{overhead, bias},
		note: strings.Join([]string{"kernel " + value(p.env, "kernel"), "clock " + value(p.env, "clock"), "module " + cmp.Or(value(p.env, "module"), "unknown")}, " · "),
	}
	bars := slices.Clone(p.bars)
	slices.SortStableFunc(bars, func(a, b *bar) int { return cmp.Compare(middleOf(a.overhead), middleOf(b.overhead)) })
	for i, b := range bars {
		line := float64(i)
		overhead.marks = append(overhead.marks, mark{line, b.overhead, kindOf(b.backend)})
		bias.marks = append(bias.marks, mark{line, b.bias, kindOf(b.backend)})
		c.addFunction(b.backend, span{line, line + 1}, i%2 == 0)
	}
	return c
}

func middleOf(v []float64) float64 {
	m, err := stats.Median(v)
	if err != nil {
		return 0 // of nothing
	}
	return m
}
