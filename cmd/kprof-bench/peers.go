// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"kprof-bench/guest"
	"kprof-bench/peers"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

type peersFlags struct {
	hostFlags
	peers.Options
	out    string
	json   bool
	verify bool
}

func peersCommand() *cobra.Command {
	f := &peersFlags{}
	cmd := &cobra.Command{
		Use:   "peers --funcs FUNC[,FUNC]...",
		Short: "Measure profiler.ko beside what else the kernel offers",
		Long: `Boot a kernel in QEMU and measure, one after the other, all ways that it offers
to count and time its functions: profiler.ko with each backend, BPF programs,
tracers, events and triggers of tracefs. Each is set up as its documentation
says, and does the same:

  calls of the functions that --funcs names, without it and with it, in turn: how
      many instructions a call takes more, and what it says the call takes
  functions of 5 to 20,003 instructions: by how much it is wrong
  60,000 calls in a row while nobody reads: how many of them it knows of
  two processes asleep in one function, a function that calls itself, one that
      returns on another processor: whether all calls are counted, and timed right
  what it takes to attach it to 1, 10 and 100 functions, and how much memory it has

Leaks of vmalloc'ed memory are looked for by the scanner of profiler.ko and by the
kernel's own means. With --with-tools bpftrace, perf and funclatency of Debian's packages
are measured, with the calls that --funcs names.

What differs from one time to the next is printed with a ~ or with its spread, and its units
say assume=nothing in the file that --out names.`,
		Example: `  kprof-bench peers --funcs sys_getpid
  kprof-bench peers --funcs sys_getpid --kernel 6.12 --out peers.txt
  kprof-bench peers --funcs sys_read --peers profiler-direct,bpf-fentry-task`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.registerGuest(cmd)
	cmd.Flags().StringSliceVar(&f.Funcs, "funcs", nil, "functions to measure, such as sys_getpid: see kprof-bench workloads")
	cmd.Flags().StringSliceVar(&f.Options.Peers, "peers", nil, "only some of "+strings.Join(peers.Names(), ", ")+" (default all)")
	cmd.Flags().IntSliceVar(&f.Attach, "attach", nil, "numbers of functions to attach to at once (default 1,10,100)")
	cmd.Flags().BoolVar(&f.Tools, "with-tools", false, "also measure bpftrace and perf, from Debian's packages")
	cmd.Flags().StringVar(&f.out, "out", "", "write the results to this file, in Go's benchmark format")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the results as JSON")
	cmd.Flags().BoolVar(&f.verify, "verify-determinism", false, "run twice and compare every digit that is exact")
	return cmd
}

func (f *peersFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := f.Options.Check(); err != nil {
		return err
	}
	if f.out != "" {
		if err := checkWritable("out", f.out); err != nil {
			return err
		}
	}
	p := newProgress(stderr)
	defer p.clear()
	r, err := f.measure(ctx, p, stderr)
	if err != nil {
		return err
	}
	p.clear()
	if f.out != "" {
		if err := results.WriteFile(f.out, r.File()); err != nil {
			return err
		}
	}
	if f.json {
		return writeJSON(stdout, r)
	}
	return writePeers(stdout, r)
}

// measure measures once, or twice if that is to be the same.
func (f *peersFlags) measure(ctx context.Context, p *progress, stderr io.Writer) (*peers.Result, error) {
	first, err := f.once(ctx, p, stderr)
	if err != nil || !f.verify {
		return first, err
	}
	second, err := f.once(ctx, p, stderr)
	if err != nil {
		return nil, err
	}
	if all := peers.Differences(first, second); len(all) > 0 {
		return nil, exitError{exitWrong, "two runs are not the same: " + strings.Join(all, "; ")}
	}
	return first, nil
}

func (f *peersFlags) once(ctx context.Context, p *progress, stderr io.Writer) (*peers.Result, error) {
	h, err := f.guestHost(p.say, stderr)
	if err != nil {
		return nil, err
	}
	r, report, err := peers.RunInGuest(ctx, h, f.Options)
	if err != nil {
		return nil, err
	}
	if report.Ending != guest.Done || r == nil {
		return nil, exitError{max(report.Ending.ExitCode(), exitWrong), fmt.Sprintf("the guest ended with %s: %s", report.Ending, report.Detail)}
	}
	return r, nil
}
