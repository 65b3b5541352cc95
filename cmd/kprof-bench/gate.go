// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"kprof-bench/baseline"
	"kprof-bench/bench"
	"kprof-bench/compare"
	"kprof-bench/kernels"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

type gateFlags struct {
	runFlags
	baseline string
	results  string
	partial  bool
	renew    bool
}

func gateCommand() *cobra.Command {
	f := &gateFlags{}
	cmd := &cobra.Command{
		Use:   "gate [--kernel SERIES[,SERIES]...] [--renew]",
		Short: "Tell whether the module costs what it cost when its baseline was recorded",
		Long: `Measure what a probe, the hooks of a vmalloc and its vfree, and a word of a leak
scan cost on each kernel, on the exact clock, and hold it against the baseline: a
file for each kernel, kept with the sources. Any difference is a change, but for
a percent of the hooks and of a scan. With --renew the baselines are written anew; their
diff shows the price of what has changed.

Exit codes: 0 nothing has changed, 1 something has, 2 could not tell (a kernel
without a baseline, or another kernel, compiler or QEMU than the baseline's),
3 nothing was measured (a mistake in the command line, a check that failed, or a
failure of this program).`,
		Example: `  kprof-bench gate
  kprof-bench gate --kernel 6.1 --profiler kmod/profiler
  kprof-bench gate --renew && git diff results/baseline`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	endAsComparison(cmd)
	f.registerGuest(cmd)
	f.kernel = allSeries
	cmd.Flags().Lookup("kernel").DefValue = allSeries
	cmd.Flags().StringVar(&f.baseline, "baseline", "results/baseline", "directory of the baselines")
	cmd.Flags().StringVar(&f.results, "results", "", "take the figures from this file of run --out instead of measuring")
	cmd.Flags().StringSliceVar(&f.only, "only", gateExperiments, "hold only the figures of these experiments against the baseline")
	cmd.Flags().BoolVar(&f.partial, "partial", false, "what is measured may lack rows of the baseline")
	cmd.Flags().BoolVar(&f.renew, "renew", false, "record what is measured as the new baseline")
	return cmd
}

// gateExperiments are those that say what the module costs.
var gateExperiments = []string{string(bench.Leaks), string(bench.Pairs), string(bench.Lengths), string(bench.Overhead)}

// options are what is measured for a gate.
func (f *gateFlags) options() (bench.Options, error) {
	o := bench.Options{
		Backends: []bench.Backend{bench.Direct, bench.RetHook, bench.KRetProbe},
		Calls:    400, Rate: "max", Clock: bench.ICount,
	}
	var err error
	if o.Only, err = bench.ParseExperiments(f.only); err != nil {
		return o, err
	}
	if o.Does(bench.Overhead) || o.Does(bench.Calls) {
		o.Funcs = []string{"sys_getpid"}
	}
	if f.renew && f.given("only") {
		return o, errors.New("--renew records a whole baseline, and --only measures a part; leave one of them out")
	}
	return o, o.Check()
}

func (f *gateFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if info, err := os.Stat(f.baseline); err != nil || !info.IsDir() {
		return fmt.Errorf("--baseline: %s is not a directory; run this where results/baseline is, or say where it is", f.baseline)
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	files, err := f.measured(ctx, o, stderr)
	if err != nil {
		return err
	}
	outcome := compare.NoRegression
	for _, file := range files {
		name, err := seriesOf(file)
		if err != nil {
			return err
		}
		if f.renew {
			if err := baseline.Write(f.baseline, name, file); err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%s is renewed\n", baseline.Path(f.baseline, name))
			continue
		}
		one, err := f.judge(name, file, stdout)
		if err != nil {
			return err
		}
		outcome = graver(outcome, one)
	}
	return f.end(outcome)
}

// graver is the outcome that counts of two: one known change is enough.
func graver(a, b compare.Outcome) compare.Outcome {
	if a == compare.Regression || b == compare.Regression {
		return compare.Regression
	}
	return max(a, b)
}

// measured are the results, one file for each kernel.
func (f *gateFlags) measured(ctx context.Context, o bench.Options, stderr io.Writer) ([]*results.File, error) {
	if f.results != "" {
		for _, flag := range []string{"only", "kernel", "profiler", "modules", "kernel-image", "headers", "memory", "seed", "cpu", "append", "cold", "console"} {
			if f.given(flag) {
				return nil, fmt.Errorf("--%s says how to measure, and --results has been measured; leave one of them out", flag)
			}
		}
		return results.ReadAllFile(f.results)
	}
	if f.image != "" {
		return nil, errors.New("--kernel-image: a baseline is of one of Debian's kernels; hold two files of your own against each other with kprof-bench compare")
	}
	runs, err := f.runs()
	if err != nil {
		return nil, err
	}
	p := newProgress(stderr)
	defer p.clear()
	f.measureAll(ctx, runs, o, p, stderr)
	p.clear()
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	for _, r := range runs {
		if r.notice != "" {
			fmt.Fprintf(stderr, "kprof-bench: %s: %s\n", r.kernel, r.notice)
		}
		if r.err == nil {
			r.err = trusted(r.result)
		}
		if r.err != nil {
			// How a guest ended is no exit code of this command.
			return nil, fmt.Errorf("%s: %v", r.kernel, r.err)
		}
	}
	return files(runs), nil
}

// judge holds results against the baseline and prints what has changed.
func (f *gateFlags) judge(series string, file *results.File, w io.Writer) (compare.Outcome, error) {
	old, err := baseline.Read(f.baseline, series)
	if errors.Is(err, baseline.ErrMissing) {
		fmt.Fprintf(w, "%s: %v\n", series, err)
		return compare.Undecided, nil
	}
	if err != nil {
		return compare.Failed, err
	}
	r, err := baseline.Compare(old, file, f.partial || f.given("only"))
	if err != nil {
		return compare.Failed, fmt.Errorf("%s: %w", series, err)
	}
	// Where any cost is exact, one that is less is worth a look, too.
	if r.Outcome == compare.NoRegression && r.Count(compare.Better) == 0 && len(r.OnlyNew) == 0 {
		fmt.Fprintf(w, "%s: %d figures are the baseline's\n", series, len(r.Comparisons))
		return compare.NoRegression, nil
	}
	if err := r.Write(w, "text", true); err != nil {
		return compare.Failed, err
	}
	switch {
	case r.Count(compare.Better)+r.Count(compare.Worse) > 0:
		return compare.Regression, nil
	default:
		return compare.Undecided, nil
	}
}

func (f *gateFlags) end(o compare.Outcome) error {
	const renew = "renew the baseline with kprof-bench gate --renew, and have its diff reviewed"
	switch o {
	case compare.NoRegression:
		return nil
	case compare.Regression:
		return exitError{int(o), "what the module costs is not what the baseline says: if that is meant, " + renew}
	}
	return exitError{int(o), "what the module cost before cannot be told: " + renew}
}

// seriesOf is the series of Linux, with its flavour, that results are of.
func seriesOf(f *results.File) (string, error) {
	release := environmentOf(f)["kernel"]
	found := ""
	for _, series := range kernels.Series {
		if strings.HasPrefix(release, series+".") {
			found = series
		}
	}
	if found == "" {
		return "", fmt.Errorf("results of kernel %q: a baseline is of one of Debian's, %s", release, inWords(kernels.Series, "and"))
	}
	for _, flavour := range kernels.Flavours[1:] {
		if strings.Contains(release, flavour+"-amd64") {
			found += flavour
		}
	}
	return found, nil
}
