// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"kprof-bench/compare"
	"kprof-bench/history"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

// defaultHistory is where it is kept in the repository.
const defaultHistory = "results/history"

// historyFlags are those of all commands about it.
type historyFlags struct {
	dir  string
	skip bool
}

func historyCommand() *cobra.Command {
	f := &historyFlags{}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Keep results night by night, and tell where they changed",
		Long: `Keep results night by night, and tell where they changed.

A history is a directory of files in Go's benchmark format, one for each run, that
say of what time and of which commit they are. What was measured on another kernel,
or with another compiler, emulator or processor, is a series of its own: nothing is
compared across such a change, and it is said where one is.

An exact figure changes where it differs. A noisy one changes where a step, a drift
or a spike is beyond its noise: candidates are found by E-divisive means in windows
of 50 runs (as Apache Otava does), and stay if normal scores differ by Student's
test, such that one flat series in ten thousand has a false alarm.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.dir, "dir", defaultHistory, "the directory of the history")
	cmd.PersistentFlags().BoolVar(&f.skip, "skip-damaged", false, "leave out files that are damaged, and say which")
	cmd.AddCommand(f.addCommand(), f.listCommand(), f.showCommand(), f.checkCommand(), f.replayCommand())
	return cmd
}

// open reads the history and tells of what it leaves out.
func (f *historyFlags) open(stderr io.Writer) (*history.History, error) {
	h, err := history.Open(f.dir, history.Options{SkipDamaged: f.skip})
	if err != nil {
		if isDamaged(err) {
			err = fmt.Errorf("%w; --skip-damaged goes on without it", err)
		}
		return nil, err
	}
	for _, err := range h.Damaged {
		fmt.Fprintf(stderr, "kprof-bench: left out: %v\n", err)
	}
	return h, nil
}

func (f *historyFlags) addCommand() *cobra.Command {
	var commit, date string
	cmd := &cobra.Command{
		Use:   "add FILE...",
		Short: "Add files that run --out wrote, as one run",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			m, err := metaOf(cmd.Context(), commit, date)
			if err != nil {
				return err
			}
			path, err := f.add(files, m)
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&commit, "commit", "", "what was measured (default: HEAD, and -dirty if the module's sources differ from it)")
	cmd.Flags().StringVar(&date, "date", "", "when, such as 2026-11-26T01:00:00Z (default: now)")
	return cmd
}

// metaOf describes a run of today, or of the day that is given.
func metaOf(ctx context.Context, commit, date string) (history.Meta, error) {
	m := history.Meta{Time: time.Now()}
	var err error
	if date != "" {
		if m.Time, err = time.Parse(time.RFC3339, date); err != nil {
			return m, fmt.Errorf("--date: %q is no time; write it like 2026-11-26T01:00:00Z", date)
		}
	}
	hash, err := commitOf(ctx, cmp.Or(commit, "HEAD"))
	if err != nil {
		if commit != "" {
			return m, fmt.Errorf("--commit: there is no revision %s in git", commit)
		}
		return m, nil // no repository, so that nobody knows
	}
	c, err := infoOf(ctx, hash)
	if err != nil {
		return m, err
	}
	m.Commit, m.CommitTime, m.Subject = c.hash, c.time, c.subject
	if commit != "" {
		return m, nil
	}
	changed, err := uncommitted(ctx, profilerDir)
	if len(changed) > 0 {
		m.Commit += "-dirty"
	}
	return m, err
}

func (f *historyFlags) add(names []string, m history.Meta) (string, error) {
	var all []*results.File
	for _, name := range names {
		files, err := results.ReadAllFile(name)
		if err != nil {
			return "", err
		}
		all = append(all, files...)
	}
	return history.Append(f.dir, all, m)
}

func (f *historyFlags) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Tell whether the last run brought a regression",
		Long: `Tell whether the last run brought a regression, beside the runs before it in the
same environment. Of exact figures each that is worse than in the run before is one.
Of noisy ones it is a step or a drift for the worse that is known since the last run,
which is some runs after it has begun.

Exit codes: 0 no regression, 1 a regression, 2 could not tell (no run before in this
environment, rows that the last run lacks, a change without direction, a figure far
off that may be a spike or a step, series that are too short) and nothing regressed,
3 nothing was checked (no history, a damaged file, or a failure of this program).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := f.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			v := h.Check()
			writeVerdict(cmd.OutOrStdout(), v)
			if v.Outcome != compare.NoRegression {
				return exitError{code: int(v.Outcome)}
			}
			return nil
		},
	}
	endAsComparison(cmd)
	return cmd
}
