// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"kprof-bench/bench"
	"kprof-bench/compare"
	"kprof-bench/history"
	"kprof-bench/kmod"

	"github.com/spf13/cobra"
)

// revisionFlags say how revisions are measured.
type revisionFlags struct {
	hostFlags
	experimentFlags
	// suiteTestbed measures with the testbed of this program, and not that of the
	// revision, which the suite may not know any more.
	suiteTestbed bool
}

// usually is what is measured unless flags say otherwise.
type usually struct {
	only     []bench.Experiment
	backends []bench.Backend
}

// register adds the flags. About is what their descriptions begin with.
func (f *revisionFlags) register(cmd *cobra.Command, about string, u usually) {
	f.given = cmd.Flags().Changed
	f.clock = string(bench.ICount)
	cmd.Flags().StringVar(&f.kernel, "kernel", kmod.DefaultSeries, about+"the guest's series of Linux")
	cmd.Flags().StringSliceVar(&f.only, "only", words(u.only), about+"the experiments: "+bench.ExperimentNames())
	cmd.Flags().StringSliceVar(&f.funcs, "funcs", []string{"sys_getpid"}, about+"the functions to profile")
	cmd.Flags().StringSliceVar(&f.by, "backends", words(u.backends), about+"the ways of probing that are measured")
}

func words[T ~string](names []T) []string {
	var all []string
	for _, name := range names {
		all = append(all, string(name))
	}
	return all
}

func (f *revisionFlags) options() (bench.Options, error) {
	o, err := f.experimentFlags.options()
	if err != nil {
		return o, err
	}
	o.Rate = "max"
	if !f.given("funcs") && !o.Does(bench.Overhead) && !o.Does(bench.Calls) && !o.Does(bench.Counts) {
		o.Funcs = nil // those by default are for experiments that drive some
	}
	return o, o.Check()
}

// revisionRun is a revision, and what was measured of it.
type revisionRun struct {
	kernelRun
	name, commit string
	module       string // the hash of its sources
	set          *compare.Set
}

// revision has all built that it takes to measure a revision. Its sources are put
// into dir.
func (f *revisionFlags) revision(ctx context.Context, name, commit, dir string, say func(string), stderr io.Writer) (*revisionRun, error) {
	r := &revisionRun{name: name, commit: commit}
	r.kernel = f.kernel
	var err error
	if r.host, err = f.guestHost(say, stderr); err != nil {
		return nil, err
	}
	if r.host.Profiler, err = sourcesAt(ctx, commit, profilerDir, dir); err != nil {
		return nil, err
	}
	if !f.suiteTestbed {
		if r.host.Testbed, err = sourcesAt(ctx, commit, testbedDir, dir); err != nil {
			return nil, err
		}
	}
	_, m, err := r.host.Prepare(ctx)
	if err != nil {
		return r, &notBuilt{err}
	}
	r.module = m.Profiler.Revision
	return r, nil
}

// notBuilt is why a revision's modules are not there.
type notBuilt struct{ error }

func (e *notBuilt) Unwrap() error { return e.error }

// compilerError is what a compiler says first of what is wrong.
var compilerError = regexp.MustCompile(`(?m)[^/\n]+: (?:fatal )?error: .*$`)

// inOneLine is an error in few words: compilers say more.
func inOneLine(err error) string {
	line, rest, _ := strings.Cut(err.Error(), "\n")
	if first := compilerError.FindString(rest); first != "" {
		line += ": " + first
	}
	return line
}

// measureOnce builds a revision and measures it once.
func (f *revisionFlags) measureOnce(ctx context.Context, commit string, o bench.Options, say func(string), stderr io.Writer) (result *bench.Result, err error) {
	err = f.withRevision(ctx, commit, say, stderr, func(r *revisionRun) error {
		result, err = r.trusted(ctx, o)
		return err
	})
	return result, err
}

// trusted measures a revision. What is known to be wrong is an error.
func (r *revisionRun) trusted(ctx context.Context, o bench.Options) (*bench.Result, error) {
	result, err := r.once(ctx, o)
	if err != nil {
		return nil, err
	}
	return result, trusted(result)
}

// withRevision builds a revision and does something with it.
func (f *revisionFlags) withRevision(ctx context.Context, commit string, say func(string), stderr io.Writer, do func(*revisionRun) error) error {
	dir, err := os.MkdirTemp("", "kprof-bench-revision-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := f.revision(ctx, short(commit), commit, dir, say, stderr)
	if err != nil {
		return err
	}
	return do(r)
}

// trusted is an error if a check failed, or none held.
func trusted(r *bench.Result) error {
	if r.Good() {
		return nil
	}
	for _, c := range r.Checks {
		if c.Verdict == bench.Failed {
			return fmt.Errorf("%s: %s: figures that are known to be wrong are not compared", c.Name, c.Detail)
		}
	}
	return errors.New("no check held")
}

// short is a commit as people read it.
func short(commit string) string { return history.Short(commit) }
