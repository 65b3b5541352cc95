// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"

	"kprof-bench/compare"
	"kprof-bench/history"
)

// writeChanges writes the changes by run, the oldest first.
func writeChanges(w io.Writer, h *history.History, all []history.Series, of int) error {
	breaks := h.Breaks()
	changes := 0
	for _, r := range h.Runs {
		breaks = writeBreaks(w, breaks, r)
		n, err := writeChangesOf(w, r, all)
		if err != nil {
			return err
		}
		changes += n
	}
	_, err := fmt.Fprintf(w, "%s, %d of %d series, %s\n", plural(len(h.Runs), "run"), len(all), of, plural(changes, "change"))
	return err
}

// writeChangesOf writes those that a run brought.
func writeChangesOf(w io.Writer, r *history.Run, all []history.Series) (int, error) {
	n := 0
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight|tabwriter.TabIndent)
	for _, s := range all {
		for _, c := range s.Changes {
			if s.Points[c.At].Run != r {
				continue
			}
			if n++; n == 1 {
				fmt.Fprintln(w, runLine(r))
			}
			fmt.Fprintf(table, "  %s\t%s\t-> %s\t%s\t%s\t  %s\n", s.Row, figure(c.Before), figure(c.After), relative(c), s.Unit, inOneWord(c))
		}
	}
	return n, table.Flush()
}

// inOneWord is the verdict, and the kind if it is no step.
func inOneWord(c history.Change) string {
	switch c.Kind {
	case history.Spike:
		return "spike"
	case history.Drift:
		return "drift, " + c.Verdict
	}
	return c.Verdict
}

// figure is a number in five digits, or an integer in all.
func figure(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 5, 64)
}

func relative(c history.Change) string {
	if c.Before == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.2f%%", 100*(c.After-c.Before)/math.Abs(c.Before))
}

func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// writeVerdict writes what the last run brought.
func writeVerdict(w io.Writer, v *history.Verdict) {
	fmt.Fprintln(w, runLine(v.Run))
	for _, f := range v.Found {
		fmt.Fprintf(w, "%s: %s: %s -> %s %s (%s)", inOneWord(f.Change), f.Series.Row, figure(f.Before), figure(f.After), f.Series.Unit, relative(f.Change))
		if first := f.Series.Points[f.At].Run; first != v.Run {
			fmt.Fprintf(w, ", since %s", runLine(first))
		}
		fmt.Fprintln(w)
	}
	for _, why := range v.Unknown {
		fmt.Fprintf(w, "could not tell: %s\n", why)
	}
	word := map[compare.Outcome]string{compare.NoRegression: "NO REGRESSION", compare.Regression: "REGRESSION", compare.Undecided: "COULD NOT TELL"}
	fmt.Fprintf(w, "%s: %s compared with the runs before\n", word[v.Outcome], plural(v.Compared, "figure"))
}
