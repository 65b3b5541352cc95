// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"kprof-bench/bench"
	"kprof-bench/kernels"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

func kernelsTableCommand() *cobra.Command {
	var into string
	cmd := &cobra.Command{
		Use:   "table RESULTS",
		Short: "Make a table in Markdown of a run on several kernels",
		Long: `Print for each known series of Linux, in all flavours, what a run on several
kernels has found: the kernel, what it can do by its configuration, and what a
call of getpid costs more by each backend, in instructions. Only good runs have
results, so that all checks held on the kernels that are there.`,
		Example: `  kprof-bench kernels table results/recorded/kernels.txt --into README.md`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, argv []string) error {
			files, err := results.ReadAllFile(argv[0])
			if err != nil {
				return err
			}
			if into != "" {
				return replaceTable(into, kernelTable(files))
			}
			_, err = io.WriteString(cmd.OutOrStdout(), kernelTable(files))
			return err
		},
	}
	cmd.Flags().StringVar(&into, "into", "", "replace the table in this file, between the lines "+tableBegin+" and "+tableEnd)
	return cmd
}

// Backends that the table has, as it heads their columns.
var tableBackends = []bench.Backend{bench.Direct, bench.RetHook, bench.KRetProbe}

// kernelTable has a line for each kernel that is known, and for others in the
// results.
func kernelTable(files []*results.File) string {
	found := map[string]*results.File{}
	names := kernels.All()
	for _, f := range files {
		release := environmentOf(f)["kernel"]
		name := kernels.SeriesOf(release)
		if name == "" {
			name = release
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		found[name] = f
	}
	var b strings.Builder
	b.WriteString("| `--kernel` | release | can do |")
	for _, backend := range tableBackends {
		fmt.Fprintf(&b, " %s |", backend)
	}
	b.WriteString(" checks |\n|---|---|---|" + strings.Repeat("---|", len(tableBackends)) + "---|\n")
	for _, name := range names {
		writeKernelLine(&b, name, found[name])
	}
	return b.String()
}

// writeKernelLine writes the line of one kernel, which may not be in the results.
func writeKernelLine(b *strings.Builder, name string, f *results.File) {
	if f == nil {
		fmt.Fprintf(b, "| %s | - | - |%s not recorded |\n", name, strings.Repeat(" - |", len(tableBackends)))
		return
	}
	env := environmentOf(f)
	fmt.Fprintf(b, "| %s | %s | %s |", name, env["kernel"], strings.ReplaceAll(env["features"], " ", ", "))
	for _, backend := range tableBackends {
		overhead := "no"
		for _, r := range f.Rows {
			if r.Name == "Probe" && param(r, "func") == "sys_getpid" && param(r, "backend") == string(backend) {
				overhead = cell(r, results.UnitOn(env["clock"], "overhead-insn/op"))
			}
		}
		fmt.Fprintf(b, " %s |", overhead)
	}
	b.WriteString(" pass |\n")
}

// The lines around a table that is made.
const (
	tableBegin = "<!-- kernels -->"
	tableEnd   = "<!-- end of kernels -->"
)

// replaceTable writes a table between the two lines in a file.
func replaceTable(path, table string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(b), tableBegin+"\n")
	_, after, ends := strings.Cut(rest, tableEnd+"\n")
	if !begins || !ends {
		return fmt.Errorf("%s has no lines %s and %s around a table; add them where it shall be", path, tableBegin, tableEnd)
	}
	text := before + tableBegin + "\n" + table + tableEnd + "\n" + after
	return results.ReplaceFile(path, []byte(text))
}
