// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"kprof-bench/explain"
	"kprof-bench/guest"
	"kprof-bench/kernels"
)

// Explained is what a guest's traces say, for each function by each backend.
type Explained struct {
	Explanations []*explain.Explanation
	// Result has the rows of [Overhead], which was measured in the same guest, and
	// what the kernel does not support.
	Result *Result
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

// explainAll puts the traces with a backend next to those without.
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
	var base *explain.Node
	var bare Traced
	for i, t := range traces {
		root, err := t.count(&parser, logs[i], image, m)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", t.Func, byBackend(t.Backend), err)
		}
		if t.Backend == "" {
			base, bare = root, t
			continue
		}
		all = append(all, &explain.Explanation{
			Func: t.Func, Backend: string(t.Backend), Calls: t.Calls, Base: base, Probed: root, Measured: t.PerCall - bare.PerCall,
		})
	}
	return all, nil
}

// count makes a tree of the round that took what a call usually takes.
func (t Traced) count(p *explain.Parser, log []byte, image []kernels.Symbol, m *Modules) (*explain.Node, error) {
	symbols, err := t.Code.symbols(image, m)
	if err != nil {
		return nil, err
	}
	steps, err := p.Parse(log)
	if err != nil {
		return nil, err
	}
	rounds, err := explain.Rounds(explain.WithoutFaulted(steps, symbols), len(t.Ticks))
	if err != nil {
		return nil, err
	}
	i := t.usual()
	if i < 0 {
		return nil, errors.New("no rounds were traced")
	}
	root := explain.Count(rounds[i], symbols)
	root.Self -= int(t.LoopTicks) // of the engine that makes the calls
	return root, nil
}

// usual is the round whose calls took what a call takes by the experiment, or that
// one which comes closest. In others an interrupt came in between.
func (t Traced) usual() int {
	best, least := -1, math.Inf(1)
	for i, ticks := range t.Ticks {
		insns := (float64(ticks) - float64(t.LoopTicks)) / float64(t.Calls)
		if d := math.Abs(insns - t.PerCall); d < least {
			best, least = i, d
		}
	}
	return best
}
