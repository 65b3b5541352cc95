// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"kprof-bench/bench"
	"kprof-bench/explain"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

type explainFlags struct {
	hostFlags
	explainOutput
	funcs []string
	by    []string
	out   string
}

// explainOutput says what becomes of what was found.
type explainOutput struct {
	flame  string
	folded string
	json   bool
}

func explainCommand() *cobra.Command {
	f := &explainFlags{}
	cmd := &cobra.Command{
		Use:   "explain --funcs FUNC[,FUNC]... [REV1 REV2]",
		Short: "Tell by function where the instructions go that a probe adds to a call",
		Long: `Measure what each backend adds to a call, as run --only overhead does, and have
QEMU write down every instruction of a call without and with the probe, in the
same guest. The table has what each function of the kernel, of the modules and of
the trampolines executes itself. With two revisions in git it has what their
modules add, and where they differ.

The sum is held against what was measured. Where calls of a function differ from
each other (clone, execve) no call takes what they usually take; then it cannot be
the same.

A path in --flame and --folded is a row of functions that called each other. Who
jumps to another function is replaced by it, and so is one whose return a probe has
sent to a trampoline: that goes on below the caller. Folded stacks are what
flamegraph.pl, inferno and speedscope read; they cannot say where instructions are
fewer, and leave such paths out. --out has a row for each function in Go's benchmark
format, besides those of run.

Exit codes: 0 all sums are what was measured, 1 one is not, 2 nothing was explained
(a mistake in the command line, or a failure of this program), and 3 to 5 as run
has them.`,
		Example: `  kprof-bench explain --funcs sys_getpid
  kprof-bench explain --funcs sys_read --backends direct,rethook --flame read.svg
  kprof-bench explain --funcs sys_getpid --kernel 6.12 HEAD~1 HEAD`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 0 && len(args) != 2 {
				return fmt.Errorf("explain takes two revisions, or none; %d are given", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.registerGuest(cmd)
	cmd.Flags().StringSliceVar(&f.funcs, "funcs", nil, "functions to profile, such as sys_getpid: see kprof-bench workloads")
	cmd.Flags().StringSliceVar(&f.by, "backends", []string{string(bench.Direct), string(bench.KRetProbe)},
		"ways of probing: direct, rethook, kretprobe, direct+hist, rethook+hist, kretprobe+hist, or all")
	cmd.Flags().StringVar(&f.out, "out", "", "write the results to this file, in Go's benchmark format")
	cmd.Flags().StringVar(&f.flame, "flame", "", "draw a flame graph of what is added, in SVG, into this file")
	cmd.Flags().StringVar(&f.folded, "folded", "", "write what is added as folded stacks into this file")
	cmd.Flags().BoolVar(&f.json, "json", false, "print all of it as JSON")
	return cmd
}

func (f *explainFlags) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := f.options(args)
	if err != nil {
		return err
	}
	if len(args) == 2 {
		return f.revisions(ctx, [2]string(args), o, stdout, stderr)
	}
	p := newProgress(stderr)
	defer p.clear()
	h, err := f.guestHost(p.say, stderr)
	if err != nil {
		return err
	}
	e, err := h.Explain(ctx, o)
	p.clear()
	if err != nil {
		return explainError(err)
	}
	for _, c := range e.Result.Checks {
		if c.Verdict == bench.NotSupported {
			fmt.Fprintf(stderr, "kprof-bench: %s: not supported: %s\n", c.Name, c.Detail)
		}
	}
	if f.out != "" {
		if err := results.WriteFile(f.out, e.File()); err != nil {
			return err
		}
	}
	return printDifferences(&f.explainOutput, e.Explanations, stdout, stderr)
}

// options are those of the experiment, checked with all else that can be before
// anything is done.
func (f *explainFlags) options(args []string) (o bench.Options, err error) {
	if o.Backends, err = bench.ParseBackends(f.by); err != nil {
		return o, err
	}
	switch {
	case slices.Contains(f.funcs, bench.AllFuncs):
		return o, errors.New("--funcs: to explain all functions at once would take gigabytes; name some")
	case f.cold:
		return o, errors.New("--cold boots a guest, and only one from a snapshot can be traced; leave it out")
	case len(args) == 2 && f.out != "":
		return o, errors.New("--out is for one revision; --json has what two differ in")
	case len(args) == 2 && (f.profiler != "" || f.modules != ""):
		return o, errors.New("revisions have sources of their own; leave --profiler and --modules out")
	}
	for _, file := range []struct{ flag, path string }{{"out", f.out}, {"flame", f.flame}, {"folded", f.folded}} {
		if file.path == "" {
			continue
		}
		if err := checkWritable(file.flag, file.path); err != nil {
			return o, err
		}
	}
	o.Funcs, o.Only, o.Clock, o.Rate = f.funcs, []bench.Experiment{bench.Traces}, bench.ICount, "max"
	return o, o.Check()
}

// explainError gives a guest's ending its exit code.
func explainError(err error) error {
	var ending *bench.EndingError
	if errors.As(err, &ending) && ending.Ending.ExitCode() != 0 {
		return exitError{ending.Ending.ExitCode(), err.Error()}
	}
	return err
}

// printDifferences writes all that is asked for, and makes an error of the sums that
// are not what was measured.
func printDifferences[D explain.Difference](f *explainOutput, all []D, stdout, stderr io.Writer) error {
	if err := f.writeGraphs(explain.Graphs(all), stderr); err != nil {
		return err
	}
	if f.json {
		if err := explain.WriteJSON(stdout, all); err != nil {
			return err
		}
	} else if err := writeTables(stdout, all); err != nil {
		return err
	}
	return checkSums(all)
}

func writeTables[D explain.Difference](w io.Writer, all []D) error {
	for i, d := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := d.Table().Write(w); err != nil {
			return err
		}
	}
	return nil
}

func checkSums[D explain.Difference](all []D) error {
	var wrong []error
	for _, d := range all {
		wrong = append(wrong, d.Check())
	}
	if err := errors.Join(wrong...); err != nil {
		return exitError{exitWrong, err.Error()}
	}
	return nil
}

func (f *explainOutput) writeGraphs(graphs []explain.Graph, stderr io.Writer) error {
	var svg, folded bytes.Buffer
	if err := explain.WriteSVG(&svg, graphs...); err != nil {
		return err
	}
	fewer, err := explain.WriteFolded(&folded, graphs...)
	if err != nil {
		return err
	}
	if f.folded != "" && fewer > 0 {
		fmt.Fprintf(stderr, "kprof-bench: --folded lacks the paths that have fewer instructions, %d in all\n", fewer)
	}
	for path, text := range map[string][]byte{f.flame: svg.Bytes(), f.folded: folded.Bytes()} {
		if path == "" {
			continue
		}
		if err := results.ReplaceFile(path, text); err != nil {
			return err
		}
	}
	return nil
}
