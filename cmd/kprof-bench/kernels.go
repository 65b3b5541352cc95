// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"kprof-bench/kernels"

	"github.com/spf13/cobra"
)

// allSeries on the command line stands for each.
const allSeries = "all"

func kernelsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kernels",
		Short: "List, fetch and remove the kernels in the cache",
		Long: `Show and change what the cache has: Debian's kernels by series, such as 6.1, in
the standard flavour, with PREEMPT_RT (6.1-rt) or for virtual machines
(6.1-cloud), and the systems that modules for some of them are built in.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(kernelsListCommand(), kernelsFetchCommand(), kernelsCleanCommand(), kernelsTableCommand())
	return cmd
}

func kernelsListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the series, which are fetched, and what each can do",
		Long: `List all series in all flavours. Of those that are fetched the version, the size
on the disk, and from the kernel's configuration: what kretprobes are made of
(rethook, or the older kind), and whether it has fprobe, direct calls from
ftrace, BTF, indirect branch tracking (IBT) and PREEMPT_RT. Modules are built
with the compiler in the last column, of this machine or of a Debian release
that is fetched with the kernel. Nothing is asked of the network.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := kernelOptions(nil)
			if err != nil {
				return err
			}
			return listKernels(cmd.OutOrStdout(), o)
		},
	}
}

// kernelOptions is for the cache that all commands use.
func kernelOptions(progress func(string)) (kernels.Options, error) {
	dir, err := cacheDir()
	return kernels.Options{Dir: dir, Progress: progress}, err
}

func listKernels(w io.Writer, o kernels.Options) error {
	entries, err := kernels.List(o)
	if err != nil {
		return err
	}
	roots, err := kernels.Roots(o)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "series\trelease\tversion\tsize\tkretprobe\tfprobe\tdirect\tBTF\tIBT\tRT\tcompiler")
	for _, e := range entries {
		if e.Kernel == nil {
			fmt.Fprintf(t, "%s\tnot fetched%s\n", e.Series, strings.Repeat("\t-", 9))
			continue
		}
		f, err := e.Kernel.Features()
		if err != nil {
			return err
		}
		size, err := e.Size()
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Series, e.Kernel.Release, e.Kernel.Version, megabytes(size),
			kindOfKRetProbe(f), yesNo(f.FProbe), yesNo(f.DirectCalls), yesNo(f.BTF), yesNo(f.IBT), yesNo(f.RealTime), compiler(e))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range roots {
		size, err := r.Size()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "\n%s to build in: %s\n", r.Name, megabytes(size)); err != nil {
			return err
		}
	}
	return nil
}

func kindOfKRetProbe(f kernels.Features) string {
	switch {
	case !f.KRetProbe:
		return "no"
	case f.Rethook:
		return "rethook"
	}
	return "older"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// compiler names it, and the system that it is in.
func compiler(e kernels.Entry) string {
	switch {
	case e.NoRoot:
		return e.Kernel.Compiler + ", not fetched"
	case e.Kernel.Root == "":
		return e.Kernel.Compiler
	}
	release, _, _ := strings.Cut(filepath.Base(e.Kernel.Root), "-")
	return e.Kernel.Compiler + " of " + release
}

func megabytes(n int64) string { return fmt.Sprintf("%d MB", (n+500_000)/1_000_000) }

func kernelsFetchCommand() *cobra.Command {
	var refresh bool
	cmd := &cobra.Command{
		Use:   "fetch SERIES...|all",
		Short: "Fetch kernels with their headers, and what their modules are built with",
		Long: `Fetch the newest kernel of each series that the machine's package sources offer,
or else the Debian release that is known to have it, from the same mirror and
checked with the same key; all is ` + inWords(kernels.Series, "and") + `. What apt refuses is not
used: a release of which the signature is wrong or the date has passed.`,
		Example: `  kprof-bench kernels fetch 5.10 7.3-rt`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, argv []string) error {
			p := newProgress(cmd.ErrOrStderr())
			defer p.clear()
			o, err := kernelOptions(p.say)
			if err != nil {
				return err
			}
			o.Refresh = refresh
			if slices.Contains(argv, allSeries) {
				argv = kernels.Series
			}
			return fetchKernels(cmd.Context(), &cleared{p, cmd.OutOrStdout()}, o, argv)
		},
	}
	cmd.Flags().BoolVar(&refresh, "refresh", false, "ask for newer ones even where there is one")
	return cmd
}

// checkSeries finds a mistake before anything is done.
func checkSeries(series []string) error {
	for _, s := range series {
		if s == allSeries {
			continue
		}
		if err := kernels.CheckSeries(s); err != nil {
			return err
		}
	}
	return nil
}

func fetchKernels(ctx context.Context, w io.Writer, o kernels.Options, series []string) error {
	if err := checkSeries(series); err != nil {
		return err
	}
	for _, s := range series {
		var bytes int64
		o.Downloaded = func(n int64) { bytes += n }
		begin := time.Now()
		k, err := kernels.Get(ctx, s, o)
		if err != nil {
			return err
		}
		what := "is there already"
		if bytes > 0 {
			what = fmt.Sprintf("fetched: %s in %.0f s", megabytes(bytes), time.Since(begin).Seconds())
		}
		if _, err := fmt.Fprintf(w, "%s: %s, version %s, %s\n", s, k.Release, k.Version, what); err != nil {
			return err
		}
	}
	return nil
}

func kernelsCleanCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clean SERIES...|all",
		Short: "Remove kernels, and what was needed for them alone",
		Long: `Remove the kernels of each series, older versions included, systems to build
modules in that no other kernel needs, and the modules that were built for kernels
which are gone; all removes every kernel of every flavour, all modules, snapshots
of guests and the lists of packages. No guest may be running with them.`,
		Example: `  kprof-bench kernels clean 7.3 7.3-rt`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, argv []string) error {
			p := newProgress(cmd.ErrOrStderr())
			defer p.clear()
			o, err := kernelOptions(p.say)
			if err != nil {
				return err
			}
			return cleanKernels(cmd.Context(), &cleared{p, cmd.OutOrStdout()}, o, argv)
		},
	}
}

func cleanKernels(ctx context.Context, w io.Writer, o kernels.Options, series []string) error {
	if err := checkSeries(series); err != nil {
		return err
	}
	for _, s := range series {
		remove := func() (int64, error) { return kernels.Clean(ctx, s, o) }
		if s == allSeries {
			remove = func() (int64, error) { return kernels.CleanAll(ctx, o) }
		}
		bytes, err := remove()
		if err != nil {
			return err
		}
		what := "nothing there"
		if bytes > 0 {
			what = megabytes(bytes) + " removed"
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", s, what); err != nil {
			return err
		}
	}
	return nil
}
