// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"kprof-bench/bench"
	"kprof-bench/compare"
	"kprof-bench/guest"
	"kprof-bench/history"
	"kprof-bench/night"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

type nightlyFlags struct {
	runFlags
	history string
	out     string
	measure bool
	from    string
}

func nightlyCommand() *cobra.Command {
	f := &nightlyFlags{}
	cmd := &cobra.Command{
		Use:   "nightly [--kernel SERIES[,SERIES]...] [--history DIR] [--out DIR]",
		Short: "Measure all kernels, add them to the history, and report",
		Long: `Measure each kernel twice, which must agree to the digit, add what was measured to
the history as one run, judge it by the runs before, and write what became of it:

  OUT/SERIES.txt     the results of a kernel, or
  OUT/SERIES.failed  why it has none: the other kernels go on
  OUT/report.html    the report, which says what is missing
  OUT/summary.md     the same in short, OUT/junit.xml and OUT/night.ktap for programs

Where each kernel is measured on a machine of its own, do that with --measure, copy
the directories into one, and do the rest with --from.

Exit codes: 0 no regression, 1 a regression, a check that failed or a kernel that
oopsed or hung, 2 could not tell (a kernel that could not be measured, or with
nothing to compare it with), 3 nothing was measured, or a failure of this program.`,
		Example: `  kprof-bench nightly
  kprof-bench nightly --kernel 6.12 --measure --out night
  kprof-bench nightly --from night --history nights --out site`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	endAsComparison(cmd)
	f.registerGuest(cmd)
	f.kernel = allSeries
	cmd.Flags().Lookup("kernel").DefValue = allSeries
	cmd.Flags().StringVar(&f.history, "history", defaultHistory, "directory of the history")
	cmd.Flags().StringVarP(&f.out, "out", "o", "out/night", "directory of what is written")
	cmd.Flags().BoolVar(&f.measure, "measure", false, "only measure")
	cmd.Flags().StringVar(&f.from, "from", "", "measure nothing: take what --measure wrote from this directory")
	return cmd
}

// nightlyOptions are what is measured: calls whose figures depend on the module alone,
// and all that a scan costs.
func nightlyOptions() bench.Options {
	return bench.Options{
		Only:     []bench.Experiment{bench.Leaks, bench.Pairs, bench.Lengths, bench.Calls, bench.Latency},
		Backends: []bench.Backend{bench.Direct, bench.RetHook, bench.KRetProbe, bench.DirectHist}, Funcs: []string{"sys_getpid", "sys_read"}, Rate: "max", Clock: bench.ICount,
	}
}

func (f *nightlyFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := f.checkNight(); err != nil {
		return err
	}
	if f.from == "" {
		if err := f.measureNight(ctx, stderr); err != nil {
			return err
		}
		f.from = f.out
	}
	files, failed, err := night.Read(f.from, kernelNames(f.kernel))
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	outcome := compare.NoRegression
	if !f.measure {
		if outcome, err = f.judgeNight(ctx, files, failed, stdout, stderr); err != nil {
			return err
		}
	}
	return f.end(outcome, files, failed, stdout)
}

func (f *nightlyFlags) checkNight() error {
	switch {
	case f.image != "":
		return errors.New("--kernel-image: a history is of Debian's kernels, which --kernel names")
	case f.measure && f.from != "":
		return errors.New("--from has been measured, and --measure does nothing else; leave one of them out")
	}
	if f.from != "" {
		for _, flag := range []string{"profiler", "modules", "memory", "seed", "cpu", "append", "cold", "console"} {
			if f.given(flag) {
				return fmt.Errorf("--%s says how to measure, and --from has been measured; leave one of them out", flag)
			}
		}
	}
	return nil
}

// measureNight measures each kernel and keeps what came of it.
func (f *nightlyFlags) measureNight(ctx context.Context, stderr io.Writer) error {
	runs, err := f.runs()
	if err != nil {
		return err
	}
	var names []string
	for _, r := range runs {
		names = append(names, r.kernel)
	}
	if err := night.Begin(f.out, names); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	f.verify = true
	p := newProgress(stderr)
	defer p.clear()
	f.measureAll(ctx, runs, nightlyOptions(), p, stderr)
	p.clear()
	for _, r := range runs {
		f.again(ctx, r, stderr)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	for _, r := range runs {
		if err := f.keep(r, stderr); err != nil {
			return err
		}
	}
	return nil
}

// again measures a kernel once more, by itself, when two runs differed, for which no
// cause is known in the emulators that were tried: another may have one. Runs that
// differ again have failed.
func (f *nightlyFlags) again(ctx context.Context, r *kernelRun, stderr io.Writer) {
	if r.err != nil || ctx.Err() != nil {
		return
	}
	i := slices.IndexFunc(r.result.Checks, func(c bench.Check) bool {
		return c.Name == determinismCheck && c.Verdict == bench.Failed
	})
	if i < 0 {
		return
	}
	fmt.Fprintf(stderr, "kprof-bench: %s: %s; it is measured once more\n", r.kernel, r.result.Checks[i].Detail)
	r.err = r.measure(ctx, nightlyOptions(), true)
}

// keep keeps a kernel's results, or why there are none.
func (f *nightlyFlags) keep(r *kernelRun, stderr io.Writer) error {
	if r.notice != "" {
		fmt.Fprintf(stderr, "kprof-bench: %s: %s\n", r.kernel, r.notice)
	}
	if r.err == nil {
		if err := trusted(r.result); err != nil {
			r.err = exitError{exitWrong, err.Error()}
		}
	}
	if r.err != nil {
		fmt.Fprintf(stderr, "kprof-bench: %s: %v\n", r.kernel, r.err)
		return night.Fail(f.out, night.Failure{Kernel: r.kernel, Code: r.code(), Why: r.err.Error()})
	}
	return night.Keep(f.out, r.kernel, r.result.File())
}

// judgeNight adds the night to the history and writes the report, which is written
// also when there is nothing to add.
func (f *nightlyFlags) judgeNight(ctx context.Context, files []*results.File, failed []night.Failure, stdout, stderr io.Writer) (compare.Outcome, error) {
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return compare.Failed, fmt.Errorf("--out: %w", err)
	}
	report := reportFlags{
		history: historyFlags{dir: f.history, skip: true},
		out:     filepath.Join(f.out, "report.html"), markdown: filepath.Join(f.out, "summary.md"),
	}
	report.verdicts.JUnit, report.verdicts.KTAP = filepath.Join(f.out, "junit.xml"), filepath.Join(f.out, "night.ktap")
	for _, one := range failed {
		report.missing = append(report.missing, fmt.Sprintf("Linux %s has no results of this night: %s.", one.Kernel, one.Why))
	}
	outcome, err := compare.NoRegression, error(nil)
	if len(files) > 0 {
		if outcome, err = f.addNight(ctx, files, stdout, stderr); err != nil {
			report.missing = append(report.missing, fmt.Sprintf("This night is not in the history: %v.", err))
		}
	}
	return outcome, errors.Join(err, report.report(true, stdout, stderr))
}

// addNight adds what was measured to the history and judges it. The error is that it
// is not in the history.
func (f *nightlyFlags) addNight(ctx context.Context, files []*results.File, stdout, stderr io.Writer) (compare.Outcome, error) {
	m, err := metaOf(ctx, "", "")
	if err != nil {
		return compare.Failed, err
	}
	if _, err := history.Append(f.history, files, m); err != nil {
		return compare.Failed, err
	}
	h, err := (&historyFlags{dir: f.history, skip: true}).open(stderr)
	if err != nil {
		return compare.Failed, err
	}
	v := h.Check()
	writeVerdict(stdout, v)
	if v.Outcome == compare.NoRegression && len(h.Damaged) > 0 {
		return compare.Undecided, nil
	}
	return v.Outcome, nil
}

// end says what is missing and makes an exit code of it and of the outcome.
func (f *nightlyFlags) end(outcome compare.Outcome, files []*results.File, failed []night.Failure, stdout io.Writer) error {
	for _, one := range failed {
		fmt.Fprintf(stdout, "MISSING: Linux %s: %s\n", one.Kernel, one.Why)
	}
	code := int(outcome)
	switch {
	case outcome == compare.Regression || slices.ContainsFunc(failed, byModule):
		code = int(compare.Regression)
	case len(files) == 0:
		code = int(compare.Failed)
	case len(failed) > 0:
		code = max(code, int(compare.Undecided))
	}
	if code == 0 {
		return nil
	}
	return exitError{code: code}
}

// byModule tells whether a failure is one of the module, and not one of this machine.
func byModule(f night.Failure) bool {
	return f.Code == exitWrong || f.Code == guest.KernelOops.ExitCode() || f.Code == guest.Hang.ExitCode()
}
