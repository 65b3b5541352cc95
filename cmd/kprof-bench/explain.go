// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"kprof-bench/bench"
	"kprof-bench/explain"

	"github.com/spf13/cobra"
)

func explainCommand() *cobra.Command {
	var flags hostFlags
	var by, funcs []string
	cmd := &cobra.Command{
		Use: "explain",
		RunE: func(cmd *cobra.Command, argv []string) error {
			p := newProgress(cmd.ErrOrStderr())
			h, err := flags.guestHost(p.say, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			b, err := bench.ParseBackends(by)
			if err != nil {
				return err
			}
			all, err := h.Explain(cmd.Context(), bench.Options{Backends: b, Funcs: funcs})
			if err != nil {
				return err
			}
			var gs []explain.Graph
			for _, e := range all.Explanations {
				e.Table().Write(cmd.OutOrStdout())
				if err := e.Check(); err != nil { fmt.Println(err) }
				fmt.Println()
				gs = append(gs, explain.Graph{Title: e.Name(), Root: e.Diff(), Calls: e.Calls})
			}
			f, _ := os.Create("/tmp/k2.svg")
			explain.WriteSVG(f, gs...)
			f, _ = os.Create("/tmp/k2.folded")
			fmt.Println(explain.WriteFolded(f, gs...))
			return nil
		},
	}
	flags.registerGuest(cmd)
	cmd.Flags().StringSliceVar(&funcs, "funcs", nil, "functions")
	cmd.Flags().StringSliceVar(&by, "backends", []string{"all"}, "ways of probing that are measured")
	return cmd
}
