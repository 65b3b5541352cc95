// SPDX-License-Identifier: MIT

package peers

import (
	"math"
	"slices"
	"strconv"

	"kprof-bench/results"

	"github.com/montanaflynn/stats"
)

// units are those of the rows. What is exact is the same each time. What is noisy
// differs within a run, has a spread beside it and is not held to repeat: a sleeper
// wakes sooner or later, the kernel does other things while a peer is attached, has
// memory in use from before, and a tool runs when it likes.
var units = []results.Unit{
	{Name: "base-insn/op", Better: "lower", Exact: true},
	{Name: "probed-insn/op", Better: "lower", Exact: true},
	{Name: "overhead-insn/op", Better: "lower", Exact: true},
	{Name: "reported-insn/op", Exact: true},
	{Name: "true-insn/op", Exact: true},
	{Name: "bias-insn/op", Exact: true},
	{Name: "calls-issued", Exact: true},
	{Name: "calls-reported", Exact: true},
	{Name: "lost", Better: "lower", Exact: true},
	{Name: "correct", Better: "higher", Exact: true},
	{Name: "rounded-reported-insn/op", Noisy: true},
	{Name: "rounded-bias-insn/op", Noisy: true},
	{Name: "rounded-true-insn/op", Noisy: true},
	{Name: "rounded-spread-percent", Better: "lower", Noisy: true},
	{Name: "asleep-reported-insn/op", Noisy: true},
	{Name: "asleep-true-insn/op", Noisy: true},
	{Name: "asleep-spread-percent", Better: "lower", Noisy: true},
	{Name: "attach-insn", Better: "lower", Noisy: true},
	{Name: "attach-spread-percent", Better: "lower", Noisy: true},
	{Name: "detach-insn", Better: "lower", Noisy: true},
	{Name: "detach-spread-percent", Better: "lower", Noisy: true},
	{Name: "kernel-bytes", Better: "lower", Noisy: true},
	{Name: "kernel-bytes-spread-percent", Better: "lower", Noisy: true},
	{Name: "tool-overhead-insn/op", Better: "lower", Noisy: true},
	{Name: "tool-mean-overhead-insn/op", Better: "lower", Noisy: true},
	{Name: "tool-spread-percent", Better: "lower", Noisy: true},
	{Name: "tool-reported-insn/op", Noisy: true},
	{Name: "tool-bias-insn/op", Noisy: true},
	{Name: "tool-calls-reported", Noisy: true},
	{Name: "tool-lost", Better: "lower", Noisy: true},
	{Name: "precision", Better: "higher", Exact: true},
	{Name: "recall", Better: "higher", Exact: true},
	{Name: "read-insn", Better: "lower", Noisy: true},
	{Name: "read-spread-percent", Better: "lower", Noisy: true},
}

// File is the result as a results file. Peers that the kernel lacks have no rows.
func (r *Result) File() *results.File {
	f := &results.File{Env: r.Env, Units: slices.Clone(units)}
	for _, m := range r.Peers {
		f.Rows = append(f.Rows, m.rows()...)
	}
	for _, l := range r.Leaks {
		f.Rows = append(f.Rows, l.rows()...)
	}
	return f
}

func (m Measured) rows() []results.Row {
	if m.Lacking != "" {
		return nil
	}
	var rows []results.Row
	for _, c := range m.Calls {
		switch {
		case c.Lacking != "":
		case m.Facts.Kind == Tool:
			rows = append(rows, c.toolRow(m.Facts.Name))
		default:
			rows = append(rows, c.row(m.Facts))
		}
	}
	if b := m.Burst; b.Lacking == "" && b.Issued > 0 {
		rows = append(rows, b.row(m.Facts.Name))
	}
	for _, s := range m.Shapes {
		if s.Lacking == "" {
			rows = append(rows, s.row(m.Facts))
		}
	}
	for _, a := range m.Attach {
		if a.Lacking == "" {
			rows = append(rows, a.row(m.Facts.Name))
		}
	}
	return rows
}

func params(peer, function string) []results.Param {
	return []results.Param{{Key: "peer", Value: peer}, {Key: "func", Value: function}}
}

// known leaves out values that are not known.
func known(values ...results.Value) []results.Value {
	return slices.DeleteFunc(values, func(v results.Value) bool { return math.IsNaN(v.V) })
}

func round3(v float64) float64 { return math.Round(v*1000) / 1000 }

// Bias is by how much the reported average is too high, NaN if one of both is not
// known.
func (c Calls) Bias() float64 {
	if c.Truth == 0 {
		return math.NaN()
	}
	return c.Average() - c.Truth
}

// toolRow is the row of a program, with which calls take longer when it happens to run
// beside them.
func (c Calls) toolRow(peer string) results.Row {
	return results.Row{Name: "PeerTool", Params: params(peer, c.Name), Iters: int(c.Issued), Values: known(
		results.Value{V: round3(c.Added()), Unit: "tool-overhead-insn/op"},
		results.Value{V: round3(mean(c.Probed) - mean(c.Base)), Unit: "tool-mean-overhead-insn/op"},
		results.Value{V: c.Spread(), Unit: "tool-spread-percent"},
		results.Value{V: round3(c.Average()), Unit: "tool-reported-insn/op"},
		results.Value{V: round3(c.Bias()), Unit: "tool-bias-insn/op"},
		results.Value{V: float64(c.Issued), Unit: "calls-issued"},
		results.Value{V: float64(c.Counted), Unit: "tool-calls-reported"},
		results.Value{V: float64(c.Lost), Unit: "tool-lost"},
	)}
}

func mean(v []float64) float64 {
	m, err := stats.Mean(v)
	if err != nil {
		return math.NaN() // of nothing
	}
	return m
}

// unit is that of a duration according to the peer.
func (f Facts) unit(name string) string {
	if f.Rounded {
		return "rounded-" + name
	}
	return name
}

// roundedSpread is how far averages are apart that are rounded.
func (f Facts) roundedSpread(reported []float64) results.Value {
	v := results.Value{V: math.NaN(), Unit: f.unit("spread-percent")}
	if f.Rounded {
		v.V = spread(reported)
	}
	return v
}

func (c Calls) row(f Facts) results.Row {
	p := params(f.Name, c.Name)
	if c.N > 0 {
		p = append(p, results.Param{Key: "n", Value: strconv.FormatUint(c.N, 10)})
	}
	truth := c.Truth
	if truth == 0 {
		truth = math.NaN()
	}
	return results.Row{Name: "Peer", Params: p, Iters: int(c.Issued), Values: known(
		results.Value{V: round3(median(c.Base)), Unit: "base-insn/op"},
		results.Value{V: round3(median(c.Probed)), Unit: "probed-insn/op"},
		results.Value{V: round3(c.Added()), Unit: "overhead-insn/op"},
		results.Value{V: round3(c.Average()), Unit: f.unit("reported-insn/op")},
		results.Value{V: round3(truth), Unit: "true-insn/op"},
		results.Value{V: round3(c.Bias()), Unit: f.unit("bias-insn/op")},
		f.roundedSpread(c.Reported),
		results.Value{V: float64(c.Issued), Unit: "calls-issued"},
		results.Value{V: float64(c.Counted), Unit: "calls-reported"},
		results.Value{V: float64(c.Lost), Unit: "lost"},
	)}
}

func (b Burst) row(peer string) results.Row {
	return results.Row{Name: "PeerBurst", Params: params(peer, b.Function), Iters: int(b.Issued), Values: []results.Value{
		{V: float64(b.Issued), Unit: "calls-issued"},
		{V: float64(b.Counted), Unit: "calls-reported"},
		{V: float64(b.Lost), Unit: "lost"},
	}}
}

func (s Shaped) row(f Facts) results.Row {
	correct := 0.0
	if s.Correct {
		correct = 1
	}
	return results.Row{
		Name: "PeerShape", Params: append(params(f.Name, s.Function), results.Param{Key: "shape", Value: string(s.Shape)}),
		Iters: int(s.Issued), Values: append(s.times(f),
			results.Value{V: float64(s.Issued), Unit: "calls-issued"},
			results.Value{V: float64(s.Counted), Unit: "calls-reported"},
			results.Value{V: correct, Unit: "correct"},
		)}
}

// times are none of what was measured on another clock, on which time is nothing to
// quote.
func (s Shaped) times(f Facts) []results.Value {
	switch s.Shape {
	case Sleeps:
		return known(
			results.Value{V: round3(median(s.Reported)), Unit: "asleep-reported-insn/op"},
			results.Value{V: round3(median(s.Truth)), Unit: "asleep-true-insn/op"},
			results.Value{V: s.Spread(), Unit: "asleep-spread-percent"},
		)
	case Recurses:
		return known(
			results.Value{V: round3(median(s.Reported)), Unit: f.unit("reported-insn/op")},
			// With the peer in it, one level in the other: what onmatch takes varies.
			results.Value{V: round3(median(s.Truth)), Unit: f.unit("true-insn/op")},
			f.roundedSpread(s.Reported),
		)
	}
	return nil
}

// spread is how far samples are apart, in percent of their median. NaN is that of one.
func spread(v []float64) float64 {
	if len(v) < 2 || median(v) == 0 {
		return math.NaN()
	}
	return round3(100 * (slices.Max(v) - slices.Min(v)) / math.Abs(median(v)))
}

// Spread is how far apart the times are that a call takes in all batches under a tool,
// in percent of their median.
func (c Calls) Spread() float64 { return spread(c.Probed) }

// Spread is how far averages are apart, in percent of their median: those of the peer,
// or of who makes the calls if the peer does not time.
func (s Shaped) Spread() float64 {
	if len(s.Reported) > 0 {
		return spread(s.Reported)
	}
	return spread(s.Truth)
}

// Spread is how far the times to attach are apart, or those to detach if that is more,
// in percent of their median.
func (a Attached) Spread() float64 { return max(spread(a.AttachNs), spread(a.DetachNs)) }

// BytesSpread is how far apart the amounts of memory are.
func (a Attached) BytesSpread() float64 { return spread(a.Bytes) }

func (a Attached) row(peer string) results.Row {
	return results.Row{
		Name: "PeerAttach", Params: []results.Param{{Key: "peer", Value: peer}, {Key: "funcs", Value: strconv.Itoa(a.Functions)}},
		Iters: len(a.AttachNs), Values: known(
			results.Value{V: median(a.AttachNs), Unit: "attach-insn"},
			results.Value{V: spread(a.AttachNs), Unit: "attach-spread-percent"},
			results.Value{V: median(a.DetachNs), Unit: "detach-insn"},
			results.Value{V: spread(a.DetachNs), Unit: "detach-spread-percent"},
			results.Value{V: median(a.Bytes), Unit: "kernel-bytes"},
			results.Value{V: spread(a.Bytes), Unit: "kernel-bytes-spread-percent"},
		)}
}

// LackingParts says what a kernel lacks of a peer that it has else, each once.
func (m Measured) LackingParts() []string {
	if m.Lacking != "" {
		return nil
	}
	var all []string
	add := func(why string) {
		if why != "" && !slices.Contains(all, why) {
			all = append(all, why)
		}
	}
	for _, c := range m.Calls {
		add(c.Lacking)
	}
	for _, s := range m.Shapes {
		add(s.Lacking)
	}
	for _, a := range m.Attach {
		add(a.Lacking)
	}
	return all
}
