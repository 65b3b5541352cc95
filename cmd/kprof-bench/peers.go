// SPDX-License-Identifier: MIT

package main

import (
	"fmt"

	"kprof-bench/guest"
	"kprof-bench/peers"

	"github.com/spf13/cobra"
)

func peersCommand() *cobra.Command {
	var flags hostFlags
	var o peers.Options
	cmd := &cobra.Command{
		Use:   "peers --funcs FUNC[,FUNC]...",
		Short: "Measure profiler.ko beside what else the kernel offers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			p := newProgress(cmd.ErrOrStderr())
			h, err := flags.guestHost(p.say, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			r, report, err := peers.RunInGuest(cmd.Context(), h, o)
			p.clear()
			if err != nil {
				return err
			}
			if report.Ending != guest.Done {
				fmt.Fprintf(cmd.ErrOrStderr(), "kprof-bench: %s: %s\n", report.Ending, report.Detail)
				return exitError{code: report.Ending.ExitCode()}
			}
			for _, m := range r.Peers {
				fmt.Println(m.Facts.Name, m.Lacking)
				for _, c := range m.Calls {
					fmt.Println("   ", c.Subject, c.Lacking, "added", c.Added(), "avg", c.Reported, "truth", c.Truth, "issued", c.Issued, "counted", c.Counted, "lost", c.Lost)
				}
			}
			return nil
		},
	}
	flags.registerGuest(cmd)
	cmd.Flags().StringSliceVar(&o.Funcs, "funcs", nil, "functions to measure, such as sys_getpid: see kprof-bench workloads")
	cmd.Flags().StringSliceVar(&o.Peers, "peers", nil, "only these peers")
	return cmd
}
