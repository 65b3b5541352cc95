// SPDX-License-Identifier: MIT

package main

import (
	"fmt"

	"kprof-bench/bench"
	"kprof-bench/guest"

	"github.com/spf13/cobra"
)

func execCommand() *cobra.Command {
	var flags hostFlags
	var clock string
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARG]...",
		Short: "Run a command in a guest, with the modules in /modules",
		Long: `Boot the guest's kernel and run a command in it, as root, to try the modules by
hand: profiler.ko and kprof_testbed.ko lie in /modules, busybox's commands and
kprof-bench itself in /bin. The exit code is the command's.`,
		Example: `  kprof-bench exec -- sh -c 'insmod /modules/profiler.ko funcs=sys_getpid; cat /sys/class/qeexo/profiler/stats'`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, argv []string) error {
			c, err := parseClock(clock)
			if err != nil {
				return err
			}
			p := newProgress(cmd.ErrOrStderr())
			h, err := flags.guestHost(p.say, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			out, status, err := h.ExecInGuest(cmd.Context(), c, argv, &cleared{p, cmd.OutOrStdout()})
			p.clear()
			if err != nil {
				return err
			}
			if out.Ending != guest.Done {
				fmt.Fprintf(cmd.ErrOrStderr(), "kprof-bench: %s: %s\n", out.Ending, out.Detail)
				return exitError{code: out.Ending.ExitCode()}
			}
			if status != 0 {
				return exitError{code: status}
			}
			return nil
		},
	}
	flags.registerGuest(cmd)
	cmd.Flags().StringVar(&clock, "clock", string(bench.ICount), "what drives the guest: icount or tcg")
	return cmd
}

// parseClock accepts the clocks of guests.
func parseClock(name string) (bench.Clock, error) {
	switch c := bench.Clock(name); c {
	case bench.ICount, bench.TCG, bench.KVM:
		return c, nil
	}
	return "", fmt.Errorf("there is no clock %q; icount, tcg and kvm are", name)
}
