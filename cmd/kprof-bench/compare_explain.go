// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"kprof-bench/bench"
	"kprof-bench/compare"
	"kprof-bench/explain"
)

// worseProbe is a probe that costs more instructions than it did.
type worseProbe struct{ fn, backend string }

// name is what its explanation is called.
func (p worseProbe) name() string { return p.fn + " by " + p.backend }

// standIn is called by a workload, which can be traced, and is no system call: a probe
// of it does what one of the testbed's functions does.
const standIn = "vfs_read"

// worseProbes are those of workloads, at full speed by one process: what is traced. Of
// a backend that costs more with the testbed's functions alone it is another function.
func worseProbes(r *compare.Report) []worseProbe {
	var all, others []worseProbe
	for _, c := range r.Comparisons {
		if c.Verdict != compare.Worse || c.Accepted != "" || c.Unit != "overhead-insn/op" || !strings.HasPrefix(c.Row, "Probe/") {
			continue
		}
		params := paramsOf(c.Row)
		switch {
		case params["n"] != "":
			others = append(others, worseProbe{standIn, params["backend"]})
		case len(params) == 3 && params["rate"] == "max":
			all = append(all, worseProbe{params["func"], params["backend"]})
		}
	}
	for _, p := range others {
		if !slices.ContainsFunc(all, func(q worseProbe) bool { return q.backend == p.backend }) {
			all = append(all, p)
		}
	}
	return all
}

// paramsOf are the parameters in a row's name.
func paramsOf(row string) map[string]string {
	params := map[string]string{}
	for _, part := range strings.Split(row, "/")[1:] {
		key, value, _ := strings.Cut(part, "=")
		params[key] = value
	}
	return params
}

// explainWorse prints for each probe that costs more where it does. That it could not
// be told changes nothing of the verdict.
func (f *compareFlags) explainWorse(ctx context.Context, r *compare.Report, pair *revisionPair, stdout, stderr io.Writer) {
	worse := worseProbes(r)
	if len(worse) == 0 {
		return
	}
	p := newProgress(stderr)
	all, err := pair.explain(ctx, worse)
	p.clear()
	if err != nil {
		fmt.Fprintf(stderr, "kprof-bench: where the probes cost more could not be told: %v\n", err)
		return
	}
	w, before, after := stdout, "", ""
	switch f.format {
	case "markdown":
		before, after = "```\n", "```\n"
	case "json", "csv":
		w = stderr
	}
	for _, d := range all {
		fmt.Fprint(w, "\n"+before)
		_ = d.Table().Write(w)
		fmt.Fprint(w, after)
		if err := d.Check(); err != nil {
			fmt.Fprintf(stderr, "kprof-bench: %v\n", err)
		}
	}
}

// explain explains some probes of both revisions.
func (p *revisionPair) explain(ctx context.Context, probes []worseProbe) ([]*explain.Between, error) {
	var o bench.Options
	for _, probe := range probes {
		if !slices.Contains(o.Funcs, probe.fn) {
			o.Funcs = append(o.Funcs, probe.fn)
		}
		if b := bench.Backend(probe.backend); !slices.Contains(o.Backends, b) {
			o.Backends = append(o.Backends, b)
		}
	}
	old, next := p.both[0], p.both[1]
	all, err := explainBetween(ctx, [2]bench.Host{old.host, next.host}, [2]string{old.name, next.name}, o)
	return slices.DeleteFunc(all, func(b *explain.Between) bool {
		return !slices.ContainsFunc(probes, func(probe worseProbe) bool { return probe.name() == b.New.Name() })
	}), err
}
