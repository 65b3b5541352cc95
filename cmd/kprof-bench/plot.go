// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"slices"

	"kprof-bench/plots"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

func plotCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "plot FILE... --out CHART.svg",
		Short: "Draw what the probes cost, from files that run --out wrote",
		Long: `Draw the overhead and the bias of the probes by function and backend, from
files in Go's benchmark format that run --out wrote. Each value is written
beside its mark. From files of run --only latency, draw how long a leak scan takes
over the size of the region, a line for each number of blocks. Rows of the same name, in one file or several, are samples of
one figure: their median is drawn. All files must have been measured in the same
environment, so that one chart shows one kernel, one clock and one module.

The picture is an SVG or a PNG, as the name says. What was there is replaced
when the chart is complete, and stays as it is if anything fails.`,
		Example: `  kprof-bench plot out/latest.txt --out out/latest.svg
  kprof-bench plot monday.txt tuesday.txt -o chart.png`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			return plotFiles(files, out)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the chart to this file, a .svg or a .png")
	_ = cmd.MarkFlagRequired("out")
	return cmd
}

type chart interface {
	Add(*results.File) error
	Draw(plots.Format) ([]byte, error)
}

// chartOf is the chart that goes with a file: of timed scans if it has nothing
// else, and else of probes.
func chartOf(f *results.File) chart {
	other := func(r results.Row) bool {
		_, exact := r.Value("whole-insn/op")
		_, real := r.Value("whole-ns/op")
		return !exact && !real
	}
	if slices.ContainsFunc(f.Rows, other) {
		return &plots.Probe{}
	}
	return &plots.Scan{}
}

func plotFiles(files []string, out string) error {
	format, err := plots.FormatOf(out)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if err := checkWritable("out", out); err != nil {
		return err
	}
	var chart chart
	for _, name := range files {
		f, err := results.ReadFile(name)
		if err != nil {
			return err
		}
		if chart == nil {
			chart = chartOf(f)
		}
		if err := chart.Add(f); err != nil {
			return fmt.Errorf("plot %s: %w", name, err)
		}
	}
	picture, err := chart.Draw(format)
	if err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	if err := results.ReplaceFile(out, picture); err != nil {
		return fmt.Errorf("write chart: %w", err)
	}
	return nil
}
