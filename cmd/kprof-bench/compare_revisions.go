// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"kprof-bench/bench"
	"kprof-bench/compare"
	"kprof-bench/kmod"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

// revisionFlags say how revisions are measured.
type revisionFlags struct {
	hostFlags
	only   []string
	funcs  []string
	by     []string
	clock  string
	rounds int
}

// revisionFlagNames are those that mean nothing for files.
var revisionFlagNames = []string{"only", "funcs", "backends", "kernel", "clock", "rounds"}

// noisyRounds are how often both revisions are measured where time is noise:
// with a dozen tests or two, fewer samples could not tell anything.
const noisyRounds = 8

func (f *revisionFlags) register(cmd *cobra.Command) {
	f.given = cmd.Flags().Changed
	cmd.Flags().StringVar(&f.kernel, "kernel", kmod.DefaultSeries, "of revisions, the guest's series of Linux")
	cmd.Flags().StringSliceVar(&f.only, "only", []string{string(bench.Overhead), string(bench.Lengths)}, "of revisions, the experiments: "+bench.ExperimentNames())
	cmd.Flags().StringSliceVar(&f.funcs, "funcs", []string{"sys_getpid"}, "of revisions, the functions to profile")
	cmd.Flags().StringSliceVar(&f.by, "backends", []string{string(bench.Direct), string(bench.KRetProbe)}, "of revisions, the ways of probing that are measured")
	cmd.Flags().StringVar(&f.clock, "clock", string(bench.ICount), "of revisions, what drives the guest: icount, tcg or kvm")
	cmd.Flags().IntVar(&f.rounds, "rounds", 0, fmt.Sprintf("of revisions, how often each is measured (default 1 on icount, else %d)", noisyRounds))
}

// revisionRun is one of the two revisions, and what was measured of it.
type revisionRun struct {
	kernelRun
	name, commit string
	set          *compare.Set
}

// measureRevisions builds the modules of both revisions and measures them on the
// same kernel, by turns.
func (f *revisionFlags) measureRevisions(ctx context.Context, names, commits [2]string, stderr io.Writer) (old, next *compare.Set, err error) {
	o, err := f.options()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "kprof-bench-revisions-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	p := newProgress(stderr)
	defer p.clear()
	var both []*revisionRun
	for i, name := range names {
		r, err := f.revision(ctx, name, commits[i], filepath.Join(dir, fmt.Sprint(i)), p.of(name), stderr)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		both = append(both, r)
	}
	if err := f.takeTurns(ctx, both, o); err != nil {
		return nil, nil, err
	}
	p.clear()
	for _, r := range both {
		if r.notice != "" {
			fmt.Fprintf(stderr, "kprof-bench: %s: %s\n", r.name, r.notice)
		}
	}
	return both[0].set, both[1].set, nil
}

func (f *revisionFlags) options() (bench.Options, error) {
	clock, err := parseClock(f.clock)
	if err != nil {
		return bench.Options{}, err
	}
	backends, err := bench.ParseBackends(f.by)
	if err != nil {
		return bench.Options{}, err
	}
	only, err := bench.ParseExperiments(f.only)
	if err != nil {
		return bench.Options{}, err
	}
	if f.rounds < 0 {
		return bench.Options{}, fmt.Errorf("--rounds: %d must not be negative", f.rounds)
	}
	o := bench.Options{Only: only, Backends: backends, Rate: "max", Clock: clock, Funcs: f.funcs}
	if !f.given("funcs") && !o.Does(bench.Overhead) && !o.Does(bench.Calls) && !o.Does(bench.Counts) {
		o.Funcs = nil // those by default are for experiments that drive some
	}
	return o, o.Check()
}

func (f *revisionFlags) revision(ctx context.Context, name, commit, dir string, say func(string), stderr io.Writer) (*revisionRun, error) {
	r := &revisionRun{name: name, commit: commit}
	r.kernel = f.kernel
	var err error
	if r.host, err = f.guestHost(say, stderr); err != nil {
		return nil, err
	}
	if r.host.Profiler, r.host.Testbed, err = sourcesAt(ctx, commit, dir); err != nil {
		return nil, err
	}
	_, _, err = r.host.Prepare(ctx)
	return r, err
}

// takeTurns measures both in each round, on the exact clock at the same time, and
// else one by one: each is the first in every second round.
func (f *revisionFlags) takeTurns(ctx context.Context, both []*revisionRun, o bench.Options) error {
	rounds, atOnce := f.rounds, 1
	if o.Clock.Exact() {
		rounds, atOnce = max(rounds, 1), runtime.NumCPU()
	} else if rounds == 0 {
		rounds = noisyRounds
	}
	for round := range rounds {
		var runs []*kernelRun
		for i := range both {
			runs = append(runs, &both[(i+round)%2].kernelRun)
		}
		each(runs, atOnce, func(r *kernelRun) { r.result, r.err = r.once(ctx, o) })
		for _, r := range both {
			if err := r.keep(); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	return nil
}

// keep adds what was measured in a round to the samples.
func (r *revisionRun) keep() error {
	if r.err != nil {
		return r.err
	}
	if !r.result.Good() {
		for _, c := range r.result.Checks {
			if c.Verdict == bench.Failed {
				return fmt.Errorf("%s: %s: figures that are known to be wrong are not compared", c.Name, c.Detail)
			}
		}
		return fmt.Errorf("no check held")
	}
	var text bytes.Buffer
	if err := results.Write(&text, r.result.File()); err != nil {
		return err
	}
	set, err := compare.Read(&text, fmt.Sprintf("%s (commit %.12s)", r.name, r.commit))
	if err != nil {
		return err
	}
	if r.set == nil {
		r.set = set
		return nil
	}
	return r.set.Add(set)
}
