// SPDX-License-Identifier: MIT

package plots

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"kprof-bench/results"
)

// ErrNoProbes is returned for results in which no function was probed.
var ErrNoProbes = errors.New("no rows named BenchmarkProbe: there is no probe to draw")

// Probe is the chart of what a probe costs: for each function and backend the
// overhead and the bias, medians of all samples. Its zero value is empty and
// ready for use.
type Probe struct {
	env   []results.Config
	funcs []*function
}

// function is a group of lines in the chart, in the order of the results.
type function struct {
	name string
	bars []*bar

	base, rate string // of the name: all but the rate, and the rate
}

// bar is a line in the chart. Each row of the results is a sample.
type bar struct {
	backend        string
	overhead, bias []float64 // empty if not measured
}

// Add takes in the rows named Probe. Rows of the same name, there already or
// in f, are samples of one figure, and so the environments must be the same.
// It is an error if there is no such row ([ErrNoProbes]), if kernel or clock
// are not known, and if times are not in the clock's unit, since instructions
// and nanoseconds never share an axis. After an error nothing of f is in the chart.
func (p *Probe) Add(f *results.File) error {
	if err := checkEnv(p.env, f.Env); err != nil {
		return err
	}
	unit := results.TimeUnit(value(f.Env, "clock"))
	var rows []results.Row
	for _, r := range f.Rows {
		if r.Name != "Probe" {
			continue
		}
		if err := checkProbe(r, unit); err != nil {
			return fmt.Errorf("row %q: %w", r.FullName(), err)
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return ErrNoProbes
	}
	p.env = f.Env
	for _, r := range rows {
		p.bar(r).add(r, unit)
	}
	return nil
}

// checkEnv makes sure that an environment is known, and that of what is in the
// chart already, if anything is.
func checkEnv(before, env []results.Config) error {
	for _, key := range []string{"kernel", "clock"} {
		if value(env, key) == "" {
			return fmt.Errorf("the results do not say on which %s they were measured; add a line \"%s: ...\"", key, key)
		}
	}
	if before == nil {
		return nil
	}
	for _, c := range slices.Concat(env, before) {
		if was, is := value(before, c.Key), value(env, c.Key); was != is {
			return fmt.Errorf("%s is %q here and %q in the results before; only samples of one environment go into one chart", c.Key, is, was)
		}
	}
	return nil
}

// where says on what something was measured.
func where(env []results.Config) string {
	words := []string{"kernel " + value(env, "kernel"), "clock " + value(env, "clock")}
	if m := value(env, "module"); m != "" {
		words = append(words, "module "+m)
	}
	return strings.Join(words, " · ")
}

// maxTime is far more than a call can take, and little enough to be drawn.
const maxTime = 1e15

// checkProbe makes sure that a row is one that a chart with this unit of time
// can show.
func checkProbe(r results.Row, unit string) error {
	for _, key := range []string{"func", "backend"} {
		if param(r, key) == "" {
			return fmt.Errorf("/%s= is missing in the name", key)
		}
	}
	for _, v := range r.Values {
		is, ok := timeUnit(v.Unit)
		switch {
		case !ok:
		case is != unit:
			return fmt.Errorf("%s is in %s, but the clock counts %s; they do not go on one axis", v.Unit, is, unit)
		case math.Abs(v.V) > maxTime:
			return fmt.Errorf("%g %s is no time that a call can take", v.V, v.Unit)
		}
	}
	if _, ok := r.Value("overhead-" + unit + "/op"); !ok {
		return fmt.Errorf("there is no overhead-%s/op", unit)
	}
	return nil
}

// timeUnit returns "insn" for "bias-insn/op".
func timeUnit(unit string) (string, bool) {
	for _, figure := range []string{"overhead-", "bias-"} {
		if rest, ok := strings.CutPrefix(unit, figure); ok {
			return strings.CutSuffix(rest, "/op")
		}
	}
	return "", false
}

// bar returns where the row belongs, in a new place if need be.
func (p *Probe) bar(r results.Row) *bar {
	name, backend := functionName(r), param(r, "backend")
	i := slices.IndexFunc(p.funcs, func(f *function) bool { return f.name == name })
	if i < 0 {
		i = len(p.funcs)
		p.funcs = append(p.funcs, &function{name: name, base: nameBut(r, "rate"), rate: cmp.Or(param(r, "rate"), "max")})
	}
	f := p.funcs[i]
	j := slices.IndexFunc(f.bars, func(b *bar) bool { return b.backend == backend })
	if j < 0 {
		j = len(f.bars)
		f.bars = append(f.bars, &bar{backend: backend})
	}
	return f.bars[j]
}

func (b *bar) add(r results.Row, unit string) {
	if v, ok := r.Value("overhead-" + unit + "/op"); ok {
		b.overhead = append(b.overhead, v)
	}
	if v, ok := r.Value("bias-" + unit + "/op"); ok {
		b.bias = append(b.bias, v)
	}
}

// functionName is what tells rows of one backend from each other, as people
// write it: "tb_work(100)", "sys_read, 10000-per-s".
func functionName(r results.Row) string { return nameBut(r) }

// nameBut is the name without some parameters.
func nameBut(r results.Row, without ...string) string {
	name := param(r, "func")
	if n := param(r, "n"); n != "" {
		name += "(" + n + ")"
	}
	for _, p := range r.Params {
		switch {
		case p.Key == "func", p.Key == "n", p.Key == "backend", slices.Contains(without, p.Key):
		case p.Key == "rate":
			if p.Value != "max" {
				name += ", " + p.Value
			}
		default:
			name += ", " + p.Key + "=" + p.Value
		}
	}
	return name
}

func param(r results.Row, key string) string {
	for _, p := range r.Params {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

func value(env []results.Config, key string) string {
	for _, c := range env {
		if c.Key == key {
			return c.Value
		}
	}
	return ""
}
