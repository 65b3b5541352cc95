// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"kprof-bench/bench"
	"kprof-bench/bisect"

	"github.com/spf13/cobra"
)

type bisectFlags struct {
	revisionFlags
	metric    string
	row       string
	good, bad string
}

func bisectCommand() *cobra.Command {
	f := &bisectFlags{}
	f.suiteTestbed = true
	cmd := &cobra.Command{
		Use:   "bisect --metric UNIT --good REVISION --bad REVISION",
		Short: "Find the commit that changed an exact figure of the module",
		Long: `Find the commit that changed an exact figure of the module: the first between two
revisions of which the figure is not that of the good one. Each is built and
measured once, on the exact clock, with the suite and the testbed of today, so that
of thirty commits five are measured, besides the two that are given.

Only commits that change kmod/profiler can be at fault, and of those the ones that
git rev-list --first-parent names. One that cannot be built or measured is skipped,
and if for that the first bad one cannot be told from it, both are named.

Exit codes: 0 the commit was found, 1 it was not (the figures of both revisions are
the same, or commits had to be skipped), 2 nothing was looked for (a mistake in the
command line, or a failure of this program).`,
		Example: `  kprof-bench bisect --metric overhead-insn/op --good v1.0 --bad HEAD
  kprof-bench bisect --metric overhead-insn/op --good HEAD~20 --bad HEAD --row kretprobe --kernel 6.12`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd, "", usually{[]bench.Experiment{bench.Overhead}, bench.DefaultBackends})
	cmd.Flags().StringVar(&f.metric, "metric", "overhead-insn/op", "the unit of the figure")
	cmd.Flags().StringVar(&f.row, "row", "", "look at rows that this regular expression matches (default: those that differ, the first of them)")
	cmd.Flags().StringVar(&f.good, "good", "", "a revision of before")
	cmd.Flags().StringVar(&f.bad, "bad", "HEAD", "a revision of after")
	_ = cmd.MarkFlagRequired("good") // there is such a flag
	return cmd
}

// figureOf is a row's value in the unit that is looked at.
type figureOf struct {
	row   string
	value float64
}

// bisection is a search in progress.
type bisection struct {
	*bisectFlags
	o       bench.Options
	rows    *regexp.Regexp
	p       *progress
	out     io.Writer
	err     io.Writer
	commits []string
	good    figureOf // in the row that is looked at
	values  map[string]float64
	// measured are the figures of a module by the hash of its sources.
	measured map[string][]figureOf
}

func (f *bisectFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	b := &bisection{bisectFlags: f, p: newProgress(stderr), err: stderr, values: map[string]float64{}, measured: map[string][]figureOf{}}
	b.out = &cleared{b.p, stdout}
	defer b.p.clear()
	var err error
	if b.o, err = f.options(); err != nil {
		return err
	}
	if b.rows, err = regexp.Compile(f.row); err != nil {
		return fmt.Errorf("--row: %w", err)
	}
	good, bad, err := b.between(ctx)
	if err != nil {
		return err
	}
	last, err := b.compareEnds(ctx, good, bad)
	if err != nil {
		return err
	}
	r, err := bisect.Search(len(b.commits), func(i int) (bool, error) { return b.isBad(ctx, b.commits[i]) })
	if err != nil {
		return err
	}
	return b.report(ctx, r, last)
}

// between finds the commits that may be at fault.
func (b *bisection) between(ctx context.Context) (good, bad string, err error) {
	if good, err = commitOf(ctx, b.bisectFlags.good); err != nil {
		return "", "", fmt.Errorf("--good: there is no revision %s in git", b.bisectFlags.good)
	}
	if bad, err = commitOf(ctx, b.bisectFlags.bad); err != nil {
		return "", "", fmt.Errorf("--bad: there is no revision %s in git", b.bisectFlags.bad)
	}
	if _, err := gitAtTop(ctx, "merge-base", "--is-ancestor", good, bad); err != nil {
		return "", "", fmt.Errorf("%s is no ancestor of %s: what changed between them is no line of commits", b.bisectFlags.good, b.bisectFlags.bad)
	}
	b.commits, err = revList(ctx, "--first-parent", good+".."+bad, "--", profilerDir)
	if err == nil && len(b.commits) == 0 {
		err = fmt.Errorf("no commit from %s to %s changes %s", b.bisectFlags.good, b.bisectFlags.bad, profilerDir)
	}
	if err != nil {
		return "", "", err
	}
	changed, err := uncommitted(ctx, profilerDir)
	if len(changed) > 0 {
		fmt.Fprintf(b.err, "kprof-bench: what is not committed is not measured: %q\n", changed)
	}
	return good, bad, err
}

// compareEnds measures both ends and chooses the row that is looked at. It returns
// what the bad end has there.
func (b *bisection) compareEnds(ctx context.Context, good, bad string) (float64, error) {
	before, err := b.measure(ctx, good)
	if err != nil {
		return 0, fmt.Errorf("the good revision cannot be measured: %w", err)
	}
	after, err := b.measure(ctx, bad)
	if err != nil {
		return 0, fmt.Errorf("the bad revision cannot be measured: %w", err)
	}
	if len(before) == 0 {
		return 0, fmt.Errorf("no row that matches %q has %s", b.row, b.metric)
	}
	var differing []figureOf
	last := map[string]float64{}
	for _, f := range after {
		last[f.row] = f.value
	}
	for _, f := range before {
		if v, ok := last[f.row]; ok && v != f.value {
			differing = append(differing, f)
			fmt.Fprintf(b.out, "%s: %s -> %s %s\n", f.row, figure(f.value), figure(v), b.metric)
		}
	}
	if len(differing) == 0 {
		return 0, exitError{exitWrong, fmt.Sprintf("%s does not differ from %s to %s (%s)",
			b.metric, b.bisectFlags.good, b.bisectFlags.bad, plural(len(before), "row"))}
	}
	b.good = differing[0]
	if len(differing) > 1 {
		fmt.Fprintf(b.out, "looking at %s; --row looks at another\n", b.good.row)
	}
	return last[b.good.row], nil
}

// measure returns the figures of a revision. Those of the same sources are known
// already.
func (b *bisection) measure(ctx context.Context, commit string) ([]figureOf, error) {
	var all []figureOf
	err := b.withRevision(ctx, commit, b.p.of(short(commit)), b.err, func(r *revisionRun) error {
		if known, ok := b.measured[r.module]; ok {
			all = known
			return nil
		}
		result, err := r.trusted(ctx, b.o)
		if err != nil {
			return err
		}
		for _, row := range result.File().Rows {
			if v, ok := row.Value(b.metric); ok && b.rows.MatchString(row.FullName()) {
				all = append(all, figureOf{row.FullName(), v})
			}
		}
		b.measured[r.module] = all
		return nil
	})
	return all, err
}

// isBad tells whether a revision has another figure than the good one.
func (b *bisection) isBad(ctx context.Context, commit string) (bool, error) {
	c, err := infoOf(ctx, commit)
	if err != nil {
		return false, err
	}
	figures, err := b.measure(ctx, commit)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err == nil {
		err = errors.New("it has no such row")
		for _, f := range figures {
			if f.row == b.good.row {
				b.values[commit], err = f.value, nil
			}
		}
	}
	if err != nil {
		fmt.Fprintf(b.out, "%s: skipped: %s\n", c, inOneLine(err))
		return false, fmt.Errorf("%w: %w", bisect.ErrSkip, err)
	}
	v := b.values[commit]
	fmt.Fprintf(b.out, "%s: %s\n", c, figure(v))
	return v != b.good.value, nil
}

// report names the commit, or those that it can be.
func (b *bisection) report(ctx context.Context, r bisect.Result, last float64) error {
	var suspects []commitInfo
	for _, commit := range b.commits[r.Good+1 : r.Bad+1] {
		c, err := infoOf(ctx, commit)
		if err != nil {
			return err
		}
		suspects = append(suspects, c)
	}
	after, known := b.values[b.commits[r.Bad]]
	if !known {
		after = last // the bad end has the sources of the last commit
	}
	fmt.Fprintf(b.out, "%s of %d were tried, %d skipped\n", plural(r.Tried, "commit"), len(b.commits), r.Skipped)
	if !r.Found() {
		fmt.Fprintf(b.out, "COULD NOT TELL: %s: %s -> %s %s by one of\n", b.good.row, figure(b.good.value), figure(after), b.metric)
		for _, c := range suspects {
			fmt.Fprintf(b.out, "  %s\n", c)
		}
		return exitError{code: exitWrong}
	}
	fmt.Fprintf(b.out, "FOUND: %s\n  %s: %s -> %s %s\n", suspects[0], b.good.row, figure(b.good.value), figure(after), b.metric)
	if after != last {
		fmt.Fprintf(b.out, "  it is %s in %s: later commits changed it too, which --good %s finds\n", figure(last), b.bad, short(suspects[0].hash))
	}
	return nil
}
