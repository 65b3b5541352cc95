// SPDX-License-Identifier: MIT

package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"kprof-bench/explain"
	"kprof-bench/guest"
	"kprof-bench/kernels"
	"kprof-bench/results"
)

// Explained is what a guest's traces say, for each function by each backend.
type Explained struct {
	Explanations []*explain.Explanation
	// Result has the rows of [Overhead], which was measured in the same guest, and
	// what the kernel does not support.
	Result *Result
}

// File has the rows of the experiment, and one for each function by each backend.
func (e *Explained) File() *results.File {
	all := *e.Result
	all.Rows = slices.Clone(all.Rows)
	for _, x := range e.Explanations {
		t := x.Table()
		for _, r := range append(t.Rows, t.Same...) {
			all.Rows = append(all.Rows, functionRow(x, r))
		}
	}
	return all.File()
}

// functionRow names a module in front of its function, as a row's name has no blanks.
func functionRow(x *explain.Explanation, r explain.Row) results.Row {
	in := r.Func
	if name, module, ok := strings.Cut(strings.TrimSuffix(in, "]"), " ["); ok {
		in = module + ":" + name
	}
	per := func(n int) float64 { return round3(float64(n) / float64(x.Calls)) }
	return results.Row{
		Name:   "Explain",
		Params: []results.Param{{Key: "func", Value: x.Func}, {Key: "backend", Value: x.Backend}, {Key: "in", Value: in}},
		Iters:  x.Calls,
		Values: []results.Value{
			{V: per(r.A), Unit: "base-insn/op"}, {V: per(r.B), Unit: "probed-insn/op"}, {V: per(r.Diff()), Unit: "overhead-insn/op"},
		},
	}
}

// Explain measures what the backends add to calls of the functions, as [Overhead]
// does, has QEMU write down a few calls in the same guest, and tells by function
// where the instructions go. An error of type [*EndingError] says how a guest ended
// that did not come to its end.
func (h Host) Explain(ctx context.Context, o Options) (*Explained, error) {
	o.Only, o.Clock, o.Rate = []Experiment{Traces}, ICount, "max"
	k, modules, err := h.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	var logs stretches
	cfg := h.config(k, modules)
	cfg.OnTrace = logs.add
	out, err := h.runIn(ctx, cfg, o, k, modules)
	if err != nil {
		return nil, err
	}
	if out.Result == nil || out.Ending != guest.Done && out.Ending != guest.WrongNumbers {
		return nil, &EndingError{out.Ending, out.Detail}
	}
	for _, c := range out.Result.Checks {
		if c.Verdict == Failed {
			return nil, fmt.Errorf("%s: %s: a probe that does not work is not explained", c.Name, c.Detail)
		}
	}
	h.Progress("read the traces")
	all, err := explainAll(k, modules, out.Result.Traces, logs.all)
	return &Explained{all, out.Result}, err
}

// EndingError says that a guest did not do what it was to do.
type EndingError struct {
	Ending guest.Ending
	Detail string
}

func (e *EndingError) Error() string {
	return fmt.Sprintf("the guest ended with %s: %s", e.Ending, e.Detail)
}

// stretches are QEMU's logs.
type stretches struct {
	mu  sync.Mutex
	all [][]byte
}

func (s *stretches) add(log []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, log)
}

// explainAll puts the traces with a backend next to those without, by function.
func explainAll(k *kernels.Kernel, m *Modules, traces []Traced, logs [][]byte) ([]*explain.Explanation, error) {
	if len(traces) != len(logs) {
		return nil, fmt.Errorf("the guest had %d stretches traced, and QEMU has written %d", len(traces), len(logs))
	}
	image, err := k.Symbols()
	if err != nil {
		return nil, err
	}
	var all []*explain.Explanation
	var parser explain.Parser
	bases, bare, strange := map[string]*explain.Node{}, map[string]Traced{}, map[string]string{}
	var order []string
	for i, t := range traces {
		root, unusual, err := t.count(&parser, logs[i], image, m)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", t.Func, byBackend(t.Backend), err)
		}
		if t.Backend == "" {
			bases[t.Func], bare[t.Func], strange[t.Func] = root, t, unusual
			order = append(order, t.Func)
			continue
		}
		without := bare[t.Func]
		all = append(all, &explain.Explanation{
			Func: t.Func, Backend: string(t.Backend), Calls: t.Calls, Base: bases[t.Func], Probed: root,
			Measured: t.PerCall - without.PerCall, MeasuredBase: without.PerCall, Unusual: cmp.Or(strange[t.Func], unusual),
		})
	}
	slices.SortStableFunc(all, func(a, b *explain.Explanation) int {
		return cmp.Compare(slices.Index(order, a.Func), slices.Index(order, b.Func))
	})
	return all, nil
}

// count makes a tree of the round that took what a call usually takes, and says if
// there is none, or if it is not all of it.
func (t Traced) count(p *explain.Parser, log []byte, image []kernels.Symbol, m *Modules) (root *explain.Node, unusual string, err error) {
	symbols, err := t.Code.symbols(image, m)
	if err != nil {
		return nil, "", err
	}
	steps, err := p.Parse(log)
	if err != nil {
		return nil, "", err
	}
	rounds, err := explain.Rounds(explain.WithoutFaulted(steps, symbols), len(t.Ticks))
	if err != nil {
		return nil, "", err
	}
	i := t.usual()
	if i < 0 {
		return nil, "", errors.New("no rounds were traced")
	}
	root = explain.Count(rounds[i], symbols)
	root.Self -= int(t.LoopTicks) // of the engine that makes the calls
	if n := len(rounds[i]); uint64(n) != t.Ticks[i] {
		return root, fmt.Sprintf("%s QEMU has written down %d instructions, and the clock has counted %d", byBackend(t.Backend), n, t.Ticks[i]), nil
	}
	return root, t.unusual(), nil
}

// usual is the round whose calls took what a call takes by the experiment, or that
// one which comes closest. In others an interrupt came in between.
func (t Traced) usual() int {
	best, least := -1, math.Inf(1)
	for i, insns := range t.perCall() {
		if d := math.Abs(insns - t.PerCall); d < least {
			best, least = i, d
		}
	}
	return best
}

// perCall is what a call took in each round.
func (t Traced) perCall() []float64 {
	var all []float64
	for _, ticks := range t.Ticks {
		all = append(all, (float64(ticks)-float64(t.LoopTicks))/float64(t.Calls))
	}
	return all
}

// unusual tells when no round took what a call usually takes.
func (t Traced) unusual() string {
	all := t.perCall()
	if i := t.usual(); i >= 0 && round3(all[i]) == round3(t.PerCall) {
		return ""
	}
	return fmt.Sprintf("calls differ from each other: %s one takes %g insn, and those that were traced took %g to %g",
		byBackend(t.Backend), round3(t.PerCall), round3(slices.Min(all)), round3(slices.Max(all)))
}
