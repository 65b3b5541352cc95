// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"kprof-bench/compare"
	"kprof-bench/history"
	"kprof-bench/plots"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

type plotFlags struct {
	out, kind, rows string

	// Of a history.
	history      historyFlags
	unit, kernel string
}

func plotCommand() *cobra.Command {
	f := &plotFlags{}
	cmd := &cobra.Command{
		Use:   "plot FILE... | --history DIR  --out CHART.svg",
		Short: "Draw what was measured, from files that run --out wrote",
		Long: `Draw results, from files in Go's benchmark format that run --out wrote. The kinds
of charts are

  probes       overhead and bias of the probes by function and backend, each value
               beside its mark
  rates        overhead over the rate of calls, a panel for each function
  accuracy     reported against true durations, and how far they are apart
  percentiles  latencies of calls at a rate, a panel for each function and rate
  scans        how long a leak scan takes over the size of the region, a line for
               each number of blocks
  peers        of files of kprof-bench peers, what each adds to a call of the first
               function, and its bias

With --history it draws a history instead of files: series run by run, with the
changes and their revisions, those of the rows, the unit and the kernel that are
named, which are patterns as well.

Unless --kind says which, it is scans for files of run --only latency, peers for
those of peers, rates where a function was called at several rates, and else probes. --rows takes only rows
whose name, as compare prints it, is of a pattern, in which * is any text.

Rows of the same name, in one file or several, are samples of one figure: their
median is drawn. All files must have been measured in the same environment, so that
one chart shows one kernel, one clock and one module.

The picture is an SVG or a PNG, as the name says. What was there is replaced
when the chart is complete, and stays as it is if anything fails.`,
		Example: `  kprof-bench plot out/latest.txt --out out/latest.svg
  kprof-bench plot out/latest.txt --kind accuracy --rows 'Probe/func=sys_*' -o chart.png
  kprof-bench plot monday.txt tuesday.txt -o chart.png
  kprof-bench plot --history results/history --rows 'Probe/func=sys_getpid/*' --unit overhead-insn/op --kernel 6.1.0* -o history.svg`,
		Args: f.args,
		RunE: func(cmd *cobra.Command, files []string) error {
			if f.history.dir != "" {
				return f.plotHistory(cmd.ErrOrStderr())
			}
			return f.plot(files)
		},
	}
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "write the chart to this file, a .svg or a .png")
	cmd.Flags().StringVar(&f.kind, "kind", "", "what to draw: "+strings.Join(chartNames(), ", ")+" (default: what the files have)")
	cmd.Flags().StringVar(&f.rows, "rows", "*", "draw only rows of this pattern")
	cmd.Flags().StringVar(&f.history.dir, "history", "", "draw the history in this directory")
	cmd.Flags().BoolVar(&f.history.skip, "skip-damaged", false, "leave out files of the history that are damaged, and say which")
	cmd.Flags().StringVar(&f.unit, "unit", "*", "of a history, draw only series in units of this pattern")
	cmd.Flags().StringVar(&f.kernel, "kernel", "*", "of a history, draw only series of kernels whose release is of this pattern")
	_ = cmd.MarkFlagRequired("out")
	return cmd
}

func (f *plotFlags) args(cmd *cobra.Command, args []string) error {
	if f.history.dir == "" {
		for _, flag := range []string{"unit", "kernel", "skip-damaged"} {
			if cmd.Flags().Changed(flag) {
				return fmt.Errorf("--%s is for a history; name it with --history", flag)
			}
		}
		return cobra.MinimumNArgs(1)(cmd, args)
	}
	if f.kind != "" {
		return errors.New("--kind is for files; of a history there is one kind of chart")
	}
	return cobra.NoArgs(cmd, args)
}

type chart interface {
	Add(*results.File) error
	Draw(plots.Format) ([]byte, error)
}

// charts are the kinds of charts of files.
var charts = []struct {
	name string
	make func() chart
}{
	{"probes", func() chart { return &plots.Probe{} }},
	{"rates", func() chart { return &plots.Rates{} }},
	{"accuracy", func() chart { return &plots.Accuracy{} }},
	{"percentiles", func() chart { return &plots.Percentiles{} }},
	{"scans", func() chart { return &plots.Scan{} }},
	{"peers", func() chart { return &plots.Peers{} }},
}

func chartNames() []string {
	var all []string
	for _, c := range charts {
		all = append(all, c.name)
	}
	return all
}

func chartNamed(name string) (chart, error) {
	for _, c := range charts {
		if c.name == name {
			return c.make(), nil
		}
	}
	return nil, fmt.Errorf("--kind: there is no chart %q; %s are", name, strings.Join(chartNames(), ", "))
}

// kindOf is the kind of chart that goes with files: of timed scans if the first has
// nothing else, of peers if it has some, over rates if they have several of a function,
// and else of probes.
func kindOf(files []*results.File) string {
	if slices.ContainsFunc(files[0].Rows, func(r results.Row) bool { return r.Name == "Peer" || r.Name == "PeerTool" }) {
		return "peers"
	}
	if !slices.ContainsFunc(files[0].Rows, func(r results.Row) bool { return !isTimedScan(r) }) {
		return "scans"
	}
	rates := &plots.Rates{}
	for _, f := range files {
		_ = rates.Add(f) // what is wrong with a file is told when it is drawn
	}
	if rates.Several() {
		return "rates"
	}
	return "probes"
}

func isTimedScan(r results.Row) bool {
	_, exact := r.Value("whole-insn/op")
	_, real := r.Value("whole-ns/op")
	return exact || real
}

// format is that of the chart, if one can be written.
func (f *plotFlags) format() (plots.Format, error) {
	format, err := plots.FormatOf(f.out)
	if err != nil {
		return format, fmt.Errorf("--out: %w", err)
	}
	return format, checkWritable("out", f.out)
}

// plotHistory draws the series that are wanted.
func (f *plotFlags) plotHistory(stderr io.Writer) error {
	format, err := f.format()
	if err != nil {
		return err
	}
	h, err := f.history.open(stderr)
	if err != nil {
		return err
	}
	series := slices.DeleteFunc(h.Series(), func(s history.Series) bool {
		kernel := environmentOf(&results.File{Env: s.Env})["kernel"]
		return !compare.Matches(f.rows, s.Row) || !compare.Matches(f.unit, s.Unit) || !compare.Matches(f.kernel, kernel)
	})
	if len(series) == 0 {
		return fmt.Errorf("plot %s: no series is of the patterns of --rows, --unit and --kernel", f.history.dir)
	}
	picture, err := plots.History(series, format)
	if err != nil {
		return fmt.Errorf("plot %s: %w", f.history.dir, err)
	}
	return writeChart(f.out, picture)
}

func (f *plotFlags) plot(names []string) error {
	format, err := f.format()
	if err != nil {
		return err
	}
	if f.kind != "" {
		if _, err := chartNamed(f.kind); err != nil {
			return err
		}
	}
	files, err := f.read(names)
	if err != nil {
		return err
	}
	chart, err := chartNamed(cmp.Or(f.kind, kindOf(files)))
	if err != nil {
		return err
	}
	for i, file := range files {
		if err := chart.Add(file); err != nil {
			return fmt.Errorf("plot %s: %w", names[i], err)
		}
	}
	picture, err := chart.Draw(format)
	if err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return writeChart(f.out, picture)
}

func writeChart(out string, picture []byte) error {
	if err := results.ReplaceFile(out, picture); err != nil {
		return fmt.Errorf("write chart: %w", err)
	}
	return nil
}

// read reads the files and keeps the rows that are wanted.
func (f *plotFlags) read(names []string) ([]*results.File, error) {
	var all []*results.File
	for _, name := range names {
		file, err := results.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file.Rows = slices.DeleteFunc(file.Rows, func(r results.Row) bool { return !compare.Matches(f.rows, r.FullName()) })
		if len(file.Rows) == 0 {
			return nil, fmt.Errorf("plot %s: --rows: no row is of the pattern %s", name, f.rows)
		}
		all = append(all, file)
	}
	return all, nil
}
