// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"strings"

	"kprof-bench/workloads"

	"github.com/spf13/cobra"
)

func workloadsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "workloads",
		Short: "List the workloads and the functions that they call",
		Long: `List the workloads that drive functions: what a round of each does, and which
functions it calls, how often in each round. What a round needs is made before
the first one that counts, so that no call is made that is not in the list.

A run picks the workload by the function. With --funcs all it drives all that
the kernel has.`,
		Example: `  kprof-bench run --funcs sys_openat,vfs_read
  kprof-bench run --only counts --funcs all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listWorkloads(cmd.OutOrStdout(), workloads.All())
		},
	}
}

func listWorkloads(w io.Writer, all []workloads.Generator) error {
	for _, g := range all {
		var calls []string
		for _, f := range g.Funcs {
			calls = append(calls, callsPerRound(f))
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n    %s\n", g.Name, g.Doc, strings.Join(calls, ", ")); err != nil {
			return err
		}
	}
	return nil
}

func callsPerRound(f workloads.Func) string {
	text := fmt.Sprintf("%d %s", f.PerOp, f.Name)
	if f.PerPause > 0 {
		text += fmt.Sprintf(" (%d at a rate)", f.PerOp+f.PerPause)
	}
	return text
}
