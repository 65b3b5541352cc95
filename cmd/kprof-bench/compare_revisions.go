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
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

// twoRevisions are the flags of compare for them.
type twoRevisions struct {
	revisionFlags
	rounds int
}

// revisionFlagNames are those that mean nothing for files.
var revisionFlagNames = []string{"only", "funcs", "backends", "kernel", "clock", "rounds"}

// noisyRounds are how often both revisions are measured where time is noise:
// with a dozen tests or two, fewer samples could not tell anything.
const noisyRounds = 8

func (f *twoRevisions) register(cmd *cobra.Command) {
	f.revisionFlags.register(cmd, "of revisions, ", usually{[]bench.Experiment{bench.Overhead, bench.Lengths}, bench.DefaultBackends})
	cmd.Flags().StringVar(&f.clock, "clock", string(bench.ICount), "of revisions, what drives the guest: icount, tcg or kvm")
	cmd.Flags().IntVar(&f.rounds, "rounds", 0, fmt.Sprintf("of revisions, how often each is measured (default 1 on icount, else %d)", noisyRounds))
}

// revisionPair are both, with the directory that their sources are in.
type revisionPair struct {
	dir  string
	both []*revisionRun
}

// close removes the sources. It does nothing where files are compared.
func (p *revisionPair) close() {
	if p != nil {
		os.RemoveAll(p.dir)
	}
}

// measureRevisions builds the modules of both revisions and measures them on the
// same kernel, by turns. The caller closes the pair, also when there is an error.
func (f *twoRevisions) measureRevisions(ctx context.Context, names, commits [2]string, stderr io.Writer) (*revisionPair, error) {
	o, err := f.options()
	if err != nil {
		return nil, err
	}
	if f.rounds < 0 {
		return nil, fmt.Errorf("--rounds: %d must not be negative", f.rounds)
	}
	dir, err := os.MkdirTemp("", "kprof-bench-revisions-")
	if err != nil {
		return nil, err
	}
	pair := &revisionPair{dir: dir}
	p := newProgress(stderr)
	defer p.clear()
	for i, name := range names {
		r, err := f.revision(ctx, name, commits[i], filepath.Join(dir, fmt.Sprint(i)), p.of(name), stderr)
		if err != nil {
			return pair, fmt.Errorf("%s: %w", name, err)
		}
		pair.both = append(pair.both, r)
	}
	if err := f.takeTurns(ctx, pair.both, o); err != nil {
		return pair, err
	}
	p.clear()
	for _, r := range pair.both {
		if r.notice != "" {
			fmt.Fprintf(stderr, "kprof-bench: %s: %s\n", r.name, r.notice)
		}
	}
	return pair, nil
}

// takeTurns measures both in each round, on the exact clock at the same time, and
// else one by one: each is the first in every second round.
func (f *twoRevisions) takeTurns(ctx context.Context, both []*revisionRun, o bench.Options) error {
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
	if err := trusted(r.result); err != nil {
		return err
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
