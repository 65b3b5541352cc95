// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"kprof-bench/history"

	"github.com/spf13/cobra"
)

func isDamaged(err error) bool { return errors.Is(err, history.ErrDamaged) }

func (f *historyFlags) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := f.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			breaks := h.Breaks()
			for _, r := range h.Runs {
				breaks = writeBreaks(cmd.OutOrStdout(), breaks, r)
				fmt.Fprintln(cmd.OutOrStdout(), runLine(r))
			}
			return nil
		},
	}
}

// runLine is a run in a line.
func runLine(r *history.Run) string {
	text := r.Time.UTC().Format(time.DateOnly + " 15:04")
	if r.Commit != "" {
		text += " " + history.Short(r.Commit)
	}
	if r.Subject != "" {
		text += " " + r.Subject
	}
	return text
}

// writeBreaks writes those that are due before a run, and returns the others.
func writeBreaks(w io.Writer, breaks []history.Break, r *history.Run) []history.Break {
	for len(breaks) > 0 && breaks[0].Run == r {
		for _, what := range breaks[0].Changed {
			fmt.Fprintf(w, "environment changed: %s: new series begin\n", what)
		}
		breaks = breaks[1:]
	}
	return breaks
}

func (f *historyFlags) showCommand() *cobra.Command {
	var row, unit string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show what changed, and with which revision",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := regexp.Compile(row)
			if err != nil {
				return fmt.Errorf("--row: %w", err)
			}
			h, err := f.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			all := h.Series()
			return writeChanges(cmd.OutOrStdout(), h, selected(all, rows, unit), len(all))
		},
	}
	cmd.Flags().StringVar(&row, "row", "", "only rows that this regular expression matches, such as getpid.*direct")
	cmd.Flags().StringVar(&unit, "unit", "", "only this unit, such as overhead-insn/op")
	return cmd
}

func selected(all []history.Series, rows *regexp.Regexp, unit string) []history.Series {
	var some []history.Series
	for _, s := range all {
		if rows.MatchString(s.Row) && (unit == "" || unit == s.Unit) {
			some = append(some, s)
		}
	}
	return some
}
