// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"kprof-bench/compare"

	"github.com/spf13/cobra"
)

type compareFlags struct {
	twoRevisions
	verdicts verdictFlags
	accept   string
	format   string
	floor    float64
	alpha    float64
	partial  bool
	changed  bool
}

func compareCommand() *cobra.Command {
	f := &compareFlags{}
	cmd := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Tell whether one file of results, or one revision, is worse than another",
		Long: `Compare two files in Go's benchmark format, of run --out, of go test -bench or of
anything else that benchstat reads. Rows of the same name are samples.

Where both are revisions in git, and no files, the modules are built from the
sources in both and measured on the same kernel, by turns in the same go: once
each on clock icount, which is exact. Of a name that is both the file is used. A
probe that costs more instructions than before is explained as by explain: a table
of the functions that differ follows (on the standard error for json and csv).

Exact units (assume=exact, and all on clock icount that do not say assume=nothing)
are compared to the digit: any difference is a change, but for the unit's slack=
where other builds of the suite (suite:) measured. Others are compared by
their medians: a change must be significant in a Mann-Whitney test, at --alpha
after Holm's correction for the number of tests, and be --floor or more. Where
the samples are too few to ever be significant it is said how many are needed.
A unit of which no better= says which direction is worse has changed if it
differs, which is no regression, but neither is it known not to be one.

Rows are compared where their environment is the same: kernel, image, cmdline,
clock, vcpus, cpu, seed, qemu, compiler, goos, goarch and pkg. For others it is said
what differs. Revisions (module, testbed, commit) are what is compared.

Known changes are in the file that --accept names, a line for each:

  ROW UNIT [to VALUE] until YYYY-MM-DD: REASON

with * for any text and ? for any character in the row, as it is printed, and
in the unit. With a value, what is worse than that is not accepted. After that day it does not count and is reported, as is one that
matches nothing. Lines that begin with # are comments.

The verdicts are written to the files of --ktap and --junit as well, where something
was compared: what is worse has failed, and what could not be told is skipped.

Exit codes: 0 no regression, 1 a regression, 2 could not tell (something that
matters was not decided: samples too few, a change without direction, an
environment that differs, or, without --partial, rows that NEW lacks) and nothing
regressed, 3 nothing was compared (a bad file, a mistake in the command line, or a
failure of this program).`,
		Example: `  kprof-bench compare results/recorded/backends.txt out/latest.txt --partial
  kprof-bench compare old.txt new.txt --accept known.txt --format markdown
  kprof-bench compare HEAD~1 HEAD --funcs sys_getpid,sys_read --kernel 6.12`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), [2]string(args), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	endAsComparison(cmd)
	f.register(cmd)
	f.verdicts.register(cmd)
	cmd.Flags().StringVar(&f.accept, "accept", "", "file of changes that are known")
	cmd.Flags().StringVar(&f.format, "format", "text", "how to print: "+strings.Join(compare.Formats, ", "))
	cmd.Flags().Float64Var(&f.floor, "floor", 100*compare.DefaultFloor, "smallest change of a median that counts, in percent")
	cmd.Flags().Float64Var(&f.alpha, "alpha", compare.DefaultAlpha, "chance of any false alarm among all tests")
	cmd.Flags().BoolVar(&f.partial, "partial", false, "NEW may lack rows of OLD")
	cmd.Flags().BoolVar(&f.changed, "changed", false, "print no rows that are the same, in text and markdown")
	return cmd
}

// notCompared gives an error the exit code that failures of a comparison have.
func notCompared(err error) error {
	if err == nil {
		return nil
	}
	return exitError{int(compare.Failed), err.Error()}
}

// endAsComparison has a command whose exit code is a verdict end with the code that
// failures of a comparison have, whatever is wrong: its arguments, its flags, or what
// it returns without a code.
func endAsComparison(cmd *cobra.Command) {
	args, run := cmd.Args, cmd.RunE
	cmd.Args = func(cmd *cobra.Command, given []string) error { return notCompared(args(cmd, given)) }
	cmd.RunE = func(cmd *cobra.Command, given []string) error { return orNotCompared(run(cmd, given)) }
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return notCompared(err) })
}

// orNotCompared is [notCompared] for errors that have no exit code yet.
func orNotCompared(err error) error {
	if errors.As(err, &exitError{}) {
		return err
	}
	return notCompared(err)
}

func (f *compareFlags) run(ctx context.Context, args [2]string, stdout, stderr io.Writer) error {
	o, err := f.judging()
	if err != nil {
		return err
	}
	old, next, pair, err := f.sets(ctx, args, stderr)
	defer pair.close()
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err != nil { // a guest's own exit code is no verdict
		return notCompared(err)
	}
	r, err := f.report(old, next, o, stdout)
	if err != nil {
		return err
	}
	if pair != nil {
		f.explainWorse(ctx, r, pair, stdout, stderr)
	}
	return outcomeOf(r)
}

// sets are the two sides: of files, or measured of revisions, which are then a pair
// to be closed.
func (f *compareFlags) sets(ctx context.Context, args [2]string, stderr io.Writer) (old, next *compare.Set, pair *revisionPair, err error) {
	var commits [2]string
	files := 0
	for i, arg := range args {
		_, missing := os.Stat(arg)
		commit, noCommit := commitOf(ctx, arg)
		switch {
		case missing == nil && noCommit == nil:
			fmt.Fprintf(stderr, "kprof-bench: %s is a file and a revision; the file is used\n", arg)
			files++
		case missing == nil:
			files++
		case noCommit != nil:
			return nil, nil, nil, fmt.Errorf("%w, and there is no revision of that name in git", missing)
		}
		commits[i] = commit
	}
	switch files {
	case 0:
		if pair, err = f.measureRevisions(ctx, args, commits, stderr); err != nil {
			return nil, nil, pair, err
		}
		return pair.both[0].set, pair.both[1].set, pair, nil
	case 1:
		return nil, nil, nil, fmt.Errorf("of %s and %s one is a file and one a revision; give two of a kind", args[0], args[1])
	}
	old, next, err = f.files(args)
	return old, next, nil, err
}

func (f *compareFlags) files(args [2]string) (old, next *compare.Set, err error) {
	for _, name := range revisionFlagNames {
		if f.given(name) {
			return nil, nil, fmt.Errorf("--%s says how revisions are measured; %s and %s are files", name, args[0], args[1])
		}
	}
	if old, err = compare.ReadFile(args[0]); err != nil {
		return nil, nil, err
	}
	next, err = compare.ReadFile(args[1])
	return old, next, err
}

func (f *compareFlags) judging() (compare.Options, error) {
	o := compare.Options{Alpha: f.alpha, Floor: f.floor / 100, Partial: f.partial, Today: time.Now()}
	if err := compare.CheckFormat(f.format); err != nil {
		return o, fmt.Errorf("--format: %w", err)
	}
	if !(f.floor >= 0) {
		return o, fmt.Errorf("--floor: %v must not be negative", f.floor)
	}
	if !(f.alpha > 0 && f.alpha < 1) {
		return o, fmt.Errorf("--alpha: %v must be between 0 and 1", f.alpha)
	}
	if err := f.verdicts.check(""); err != nil {
		return o, err
	}
	var err error
	if f.accept != "" {
		o.Accept, err = compare.ReadAcceptFile(f.accept)
	}
	return o, err
}

// report compares and prints.
func (f *compareFlags) report(a, b *compare.Set, o compare.Options, w io.Writer) (*compare.Report, error) {
	r, err := compare.Compare(a, b, o)
	if err != nil {
		return nil, err
	}
	if len(r.Comparisons) > 0 {
		if err := f.verdicts.Write("kprof-bench compare", r.Suites()); err != nil {
			return nil, err
		}
	}
	return r, r.Write(w, f.format, f.changed)
}

// outcomeOf makes an exit code of what came out.
func outcomeOf(r *compare.Report) error {
	switch r.Outcome {
	case compare.NoRegression:
		return nil
	case compare.Failed:
		return errors.New("nothing was compared: no row is in both files with the same environment")
	}
	return exitError{code: int(r.Outcome)}
}
