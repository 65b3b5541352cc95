// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"kprof-bench/bench"
	"kprof-bench/guest"
	"kprof-bench/results"
)

// report writes the results where they are wanted: to a file, if they are good
// on all kernels, and then for the user. What went wrong on one kernel does not
// hide what was measured on others.
func (f *runFlags) report(runs []*kernelRun, stdout, stderr io.Writer) error {
	for _, r := range runs {
		if r.notice != "" {
			fmt.Fprintln(stderr, "kprof-bench:", r.named(runs, r.notice))
		}
	}
	good := !slices.ContainsFunc(runs, func(r *kernelRun) bool { return r.err != nil || !r.result.Good() })
	if f.out != "" && good {
		if err := results.WriteAllFile(f.out, files(runs)); err != nil {
			return err
		}
	}
	if err := f.verdicts.Write("kprof-bench run", suites(runs)); err != nil {
		return err
	}
	if err := f.print(stdout, runs); err != nil {
		return err
	}
	if len(runs) == 1 && runs[0].err != nil {
		return runs[0].err
	}
	for _, r := range runs {
		if r.err != nil {
			fmt.Fprintln(stderr, "kprof-bench:", r.named(runs, r.err.Error()))
		}
	}
	if good {
		return nil
	}
	if f.out != "" {
		fmt.Fprintf(stderr, "kprof-bench: %s is not written: %s\n", f.out, whyNot(runs))
	}
	return exitError{code: worst(runs)}
}

// named says of which kernel it is, where there are several.
func (r *kernelRun) named(runs []*kernelRun, what string) string {
	if len(runs) == 1 {
		return what
	}
	return r.kernel + ": " + what
}

func whyNot(runs []*kernelRun) string {
	if slices.ContainsFunc(runs, func(r *kernelRun) bool { return r.err != nil }) {
		return "not all kernels were measured"
	}
	return "figures that are known to be wrong are no results"
}

// print shows what was measured, if anything was.
func (f *runFlags) print(w io.Writer, runs []*kernelRun) error {
	switch {
	case len(runs) == 1 && runs[0].err != nil:
		return nil
	case len(runs) == 1 && f.json:
		return writeJSON(w, runs[0].result)
	case len(runs) == 1:
		return writeText(w, runs[0].result, runs[0].result.File())
	case f.json:
		return writeJSON(w, jsonOf(runs))
	}
	return writeKernels(w, runs)
}

// files are the results of the runs that have some.
func files(runs []*kernelRun) []*results.File {
	var all []*results.File
	for _, r := range runs {
		if r.result != nil {
			all = append(all, r.result.File())
		}
	}
	return all
}

// gravity is the order of exit codes when kernels end differently, the least
// first: what is known of the module comes before what only says that nothing
// was learned, and what it did to a kernel before what it reported.
var gravity = []int{
	0, exitFailure, guest.BootFailure.ExitCode(), exitWrong, guest.Hang.ExitCode(), guest.KernelOops.ExitCode(),
}

// worst is the exit code of the run that ended worst.
func worst(runs []*kernelRun) int {
	code := 0
	for _, r := range runs {
		if c := r.code(); slices.Index(gravity, c) > slices.Index(gravity, code) {
			code = c
		}
	}
	return code
}

func (r *kernelRun) code() int {
	var exit exitError
	switch {
	case errors.As(r.err, &exit):
		return exit.code
	case r.err != nil:
		return exitFailure
	case !r.result.Good():
		return exitWrong
	}
	return 0
}

// kernelJSON is what --json prints of one of several kernels.
type kernelJSON struct {
	Kernel string
	Error  string `json:",omitempty"`
	*bench.Result
}

func jsonOf(runs []*kernelRun) []kernelJSON {
	var all []kernelJSON
	for _, r := range runs {
		j := kernelJSON{Kernel: r.kernel, Result: r.result}
		if r.err != nil {
			j.Error = r.err.Error()
		}
		all = append(all, j)
	}
	return all
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
