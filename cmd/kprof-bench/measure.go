// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"kprof-bench/bench"
	"kprof-bench/guest"
	"kprof-bench/kernels"
)

// kernelRun is a run on one kernel, and what came out of it.
type kernelRun struct {
	hostFlags
	host   bench.Host
	result *bench.Result // nil if nothing was measured
	notice string        // what a user must know about how it was done
	err    error         // what kept it from being done
}

// runs are those that the command line asks for, one for each kernel.
func (f *runFlags) runs() ([]*kernelRun, error) {
	var all []*kernelRun
	for _, name := range kernelNames(f.kernel) {
		r := &kernelRun{hostFlags: f.hostFlags}
		r.kernel = name
		if err := r.check(); err != nil {
			return nil, err
		}
		for _, other := range all {
			if other.kernel == name {
				return nil, fmt.Errorf("kernel %s is given twice", name)
			}
		}
		all = append(all, r)
	}
	switch {
	case len(all) == 1:
	case f.modules != "":
		return nil, errors.New("--modules has those of one kernel; name it with --kernel")
	case f.console:
		return nil, errors.New("--console shows one guest; name its kernel with --kernel")
	}
	return all, nil
}

// kernelNames are the kernels in a list, or all in their standard flavour.
func kernelNames(list string) []string {
	if list == allSeries {
		return kernels.Series
	}
	return strings.Split(list, ",")
}

// measureAll does the runs. Those of several kernels are done at the same time,
// as many as there are processors, once all is fetched and built that they need.
// In real time they would disturb each other.
func (f *runFlags) measureAll(ctx context.Context, runs []*kernelRun, o bench.Options, p *progress, stderr io.Writer) {
	for _, r := range runs {
		say := p.say
		if len(runs) > 1 {
			say = p.of(r.kernel)
		}
		if f.native {
			r.host, r.err = r.hostFlags.host(say, stderr)
		} else {
			r.host, r.err = r.guestHost(say, stderr)
		}
	}
	atOnce := runtime.NumCPU()
	if len(runs) > 1 {
		each(runs, atOnce, func(r *kernelRun) { _, _, r.err = r.host.Prepare(ctx) })
	}
	if !o.Clock.Exact() && o.Clock != bench.TCG {
		atOnce = 1
	}
	each(runs, atOnce, func(r *kernelRun) { r.err = r.measure(ctx, o, f.verify) })
}

// each does something for all runs that have not failed, for so many at once, and
// waits until all is done.
func each(runs []*kernelRun, atOnce int, do func(*kernelRun)) {
	var wg sync.WaitGroup
	seats := make(chan struct{}, atOnce)
	for _, r := range runs {
		if r.err != nil {
			continue
		}
		seats <- struct{}{}
		wg.Go(func() {
			defer func() { <-seats }()
			do(r)
		})
	}
	wg.Wait()
}

// measure does the run, and if wanted once more, to add the check that nothing
// differs.
func (r *kernelRun) measure(ctx context.Context, o bench.Options, verify bool) error {
	first, err := r.once(ctx, o)
	if err != nil {
		return err
	}
	if verify {
		second, err := r.once(ctx, o)
		if err != nil {
			return err
		}
		first.Checks = append(first.Checks, determinism(first, second))
	}
	r.result = first
	return nil
}

func (r *kernelRun) once(ctx context.Context, o bench.Options) (*bench.Result, error) {
	if o.Clock == bench.Native {
		if os.Geteuid() != 0 {
			return nil, errors.New("--native loads modules into this kernel, which needs root")
		}
		return r.host.RunNative(ctx, o)
	}
	out, err := r.host.RunInGuest(ctx, o)
	if err != nil {
		return nil, err
	}
	r.notice = out.Notice
	if out.Result == nil || out.Ending != guest.Done && out.Ending != guest.WrongNumbers {
		code := out.Ending.ExitCode()
		if code == 0 {
			code = exitFailure
		}
		return nil, exitError{code, fmt.Sprintf("the guest ended with %s: %s", out.Ending, out.Detail)}
	}
	return out.Result, nil
}

// determinismCheck is the name of the check that two runs are the same.
const determinismCheck = "determinism"

// determinism is the check that two runs are the same.
func determinism(first, second *bench.Result) bench.Check {
	if what := difference(first, second); what != "" {
		return bench.Check{Name: determinismCheck, Verdict: bench.Failed, Detail: "two runs differ: " + what}
	}
	return bench.Check{
		Name: determinismCheck, Verdict: bench.Held,
		Detail: fmt.Sprintf("%d rows are the same to the digit in two runs", len(first.Rows)),
	}
}
