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

	"github.com/spf13/cobra"
)

type runFlags struct {
	hostFlags
	experimentFlags
	verdicts      verdictFlags
	cmd           string
	rate          string
	slow          bool
	threads, cpus []int
	warmup        int
	calls         int
	native        bool
	out           string
	json          bool
	verify        bool
}

func runCommand() *cobra.Command { return runCommandOf(&runFlags{}) }

func runCommandOf(f *runFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [--only EXPERIMENT[,EXPERIMENT]...] [--funcs FUNC[,FUNC]...]",
		Short: "Measure functions under load and check what the profiler reports",
		Long: `Boot a kernel in QEMU, load profiler.ko, drive the functions, and check what
the module reports: invocations against the calls that were made, averages
against the true duration, the verdicts of the leak scan against what was
planted. What probes and scans cost is measured.

The experiments are

  leaks    plant blocks, scan regions of memory, and check every verdict
  vmalloc  what tracing adds to a vmalloc() and its vfree()
  lengths  profile functions whose length is known from their object code
  counts   drive the functions that --funcs names, all probed at once, and count
  calls    drive them without and with the profiler; begins with counts if they
           are several
  overhead the part of it that tells what a probe costs, which is quick
  latency  how long a scan takes, by size of the region and number of blocks

All but counts alone, overhead and latency are done unless --only says which. The
guest of latency has 1.5 GiB of memory.

Functions that no generator calls are called by --cmd, a command that /bin/sh of
the guest, which is busybox, or of this machine with --native runs once for each
backend, and that must end with exit status 0. What is counted is then held
against perf events at kprobes, which count the same interval, of all processes,
and the averages are shown and not judged.

With several kernels, or all, which are those of the standard flavour, as many
guests run at the same time as there are processors, but in real time one by one.
The table has columns for each, and the results go into one file. The modules
are built for a kernel of one's own, which --kernel-image and --headers name, with
the compiler that its configuration names; it is assumed to be able to do what
Debian's of that series can.

The verdicts are written to the files of --ktap and --junit for other programs, of
runs that failed too, with those of a kernel as the subtests of one test. What could
not be judged is skipped there, and a kernel that was not measured has an error.

Exit codes: 0 every check held, 1 a check failed, 2 nothing was measured (a
mistake in the command line, or a failure of this program), 3 the kernel
oopsed or warned, 4 it hung, 5 it did not boot. Where kernels end differently it
is the first of 3, 4, 1, 5 and 2 that there is: what the module did to a kernel
comes before what it reported, and that before what says nothing of the module.`,
		Example: `  kprof-bench run --funcs sys_getpid,sys_clone
  kprof-bench run --funcs sys_getpid --kernel all --out all.txt
  kprof-bench run --funcs sys_getpid --only overhead --profiler kmod/profiler
  kprof-bench run --only leaks --kernel-image arch/x86/boot/bzImage --headers .
  kprof-bench run --only counts --funcs all
  kprof-bench run --funcs vfs_truncate --cmd 'for i in 1 2 3; do >/tmp/x; done'
  kprof-bench run --funcs sys_read --rate 10000/s --out read.txt
  kprof-bench run --only leaks --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.registerGuest(cmd)
	f.verdicts.register(cmd)
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "do only these experiments: "+bench.ExperimentNames())
	cmd.Flags().StringSliceVar(&f.funcs, "funcs", nil, "functions to profile, such as sys_getpid, or all: see kprof-bench workloads")
	cmd.Flags().StringVar(&f.cmd, "cmd", "", "have this command of the shell call the functions, once for each backend, instead of a generator")
	cmd.Flags().StringSliceVar(&f.by, "backends", []string{string(bench.Direct), string(bench.KRetProbe)},
		"ways of probing that are measured: direct, rethook, kretprobe, direct+hist, rethook+hist, kretprobe+hist, or all")
	cmd.Flags().StringVar(&f.rate, "rate", "max", "rate of calls: 10000/s, poisson:10000/s, bursts:50:10000/s, ramp:10/s:10000/s, max, or several one after the other: 10/s..10000/s or 10/s..max")
	cmd.Flags().BoolVar(&f.slow, "allow-slow", false, "accept a rate that cannot be held")
	cmd.Flags().IntSliceVar(&f.threads, "threads", nil, "numbers of processes that call at the same time, one after the other (default 1)")
	cmd.Flags().IntSliceVar(&f.cpus, "cpus", nil, "processors that call (default: any)")
	cmd.Flags().IntVar(&f.warmup, "warmup", 0, "rounds of calls before those that count (default: a few)")
	cmd.Flags().IntVar(&f.calls, "calls", 0, "probed calls of each function (default: what suits it)")
	cmd.Flags().StringVar(&f.clock, "clock", string(bench.ICount),
		"what drives the guest: icount (exact), tcg (2 processors, for races) or kvm (real time)")
	cmd.Flags().BoolVar(&f.native, "native", false, "use the running kernel instead of a guest, as root")
	cmd.Flags().StringVar(&f.out, "out", "", "write the results to this file, in Go's benchmark format")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the results as JSON")
	cmd.Flags().BoolVar(&f.verify, "verify-determinism", false, "run twice and compare every digit")
	return cmd
}

func (f *runFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	runs, err := f.runs()
	if err != nil {
		return err
	}
	p := newProgress(stderr)
	defer p.clear()
	f.measureAll(ctx, runs, o, p, stderr)
	p.clear()
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.report(runs, stdout, stderr)
}

func (f *runFlags) options() (bench.Options, error) {
	o, err := f.experimentFlags.options()
	if err != nil {
		return o, err
	}
	if f.native {
		o.Clock = bench.Native
	}
	if f.native && (f.given("kernel") || f.image != "") {
		return bench.Options{}, errors.New("--kernel and --kernel-image are the guest's, and --native uses the running kernel")
	}
	if f.verify && !o.Clock.Exact() {
		return bench.Options{}, fmt.Errorf("--verify-determinism: nothing repeats to the digit on clock %s, only on %s", o.Clock, bench.ICount)
	}
	if f.out != "" {
		if err := checkWritable("out", f.out); err != nil {
			return bench.Options{}, err
		}
	}
	if err := f.verdicts.check(f.out); err != nil {
		return o, err
	}
	if f.given("cmd") {
		if o.Only, err = f.onlyCommand(); err != nil {
			return o, err
		}
	}
	o.Cmd, o.Rate, o.AllowSlow, o.Threads, o.CPUs, o.Warmup, o.Calls = f.cmd, f.rate, f.slow, f.threads, f.cpus, f.warmup, f.calls
	return o, o.Check()
}

// onlyCommand is what is done with --cmd, which leaves other flags without a
// meaning.
func (f *runFlags) onlyCommand() ([]bench.Experiment, error) {
	for _, flag := range []string{"only", "rate", "allow-slow", "threads", "cpus", "warmup", "calls"} {
		if f.given(flag) {
			return nil, fmt.Errorf("--%s is for the generators' calls, and --cmd makes its own, once for each backend; leave one of them out", flag)
		}
	}
	return []bench.Experiment{bench.Command}, nil
}

// checkWritable tells before the run, not after it, that what a flag names could
// not be written.
func checkWritable(flag, path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("--%s: %s is not a directory", flag, filepath.Dir(path))
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("--%s: %s is not a regular file", flag, path)
	}
	return nil
}

// difference names the first thing that is not the same in both, if any.
func difference(first, second *bench.Result) string {
	for i, row := range first.Rows {
		if i == len(second.Rows) || row.FullName() != second.Rows[i].FullName() {
			return fmt.Sprintf("row %d is not %s twice", i+1, row.FullName())
		}
		for _, v := range row.Values {
			if again, ok := second.Rows[i].Value(v.Unit); !ok || again != v.V {
				return fmt.Sprintf("%s is %v and then %v %s", row.FullName(), v.V, again, v.Unit)
			}
		}
	}
	if n := len(second.Rows); n != len(first.Rows) {
		return fmt.Sprintf("there are %d rows and then %d", len(first.Rows), n)
	}
	if !slices.Equal(first.Checks, second.Checks) {
		return "the checks do not say the same"
	}
	return ""
}
