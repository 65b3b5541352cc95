// SPDX-License-Identifier: MIT

package main

import (
	"kprof-bench/bench"

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
			return h.Trace(cmd.Context(), bench.Options{Backends: b, Funcs: funcs})
		},
	}
	flags.registerGuest(cmd)
	cmd.Flags().StringSliceVar(&funcs, "funcs", nil, "functions")
	cmd.Flags().StringSliceVar(&by, "backends", []string{"all"}, "ways of probing that are measured")
	return cmd
}
