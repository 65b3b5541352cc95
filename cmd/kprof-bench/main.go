// SPDX-License-Identifier: MIT

// Kprof-bench checks profiler.ko, a profiler of kernel functions and of
// vmalloc'ed memory, and measures what it costs.
//
//	kprof-bench run --funcs sys_getpid,sys_clone
//
// boots a stock Debian kernel in QEMU, loads the module, drives the functions
// at a controlled rate, and prints what the module reported beside the truth,
// with a verdict. The other commands are listed by kprof-bench help.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"kprof-bench/bench"
	"kprof-bench/guest"
	"kprof-bench/peers"

	"github.com/spf13/cobra"
)

func main() {
	if guest.InGuest() {
		bench.GuestMain(peers.GuestJob()) // does not return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	code := Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes, besides those of [guest.Ending]. exitFailure also stands for a
// command line that makes no sense: either way nothing was learned.
const (
	exitWrong   = 1
	exitFailure = 2
)

// exitError is an error with an exit code of its own. Without a message it has
// said what it has to say already.
type exitError struct {
	code    int
	message string
}

func (e exitError) Error() string { return cmp.Or(e.message, fmt.Sprintf("exit code %d", e.code)) }

// Main runs a command line and returns its exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "kprof-bench",
		Short:         "Check profiler.ko against truth and measure what it costs",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		runCommand(),
		compareCommand(),
		gateCommand(),
		bisectCommand(),
		explainCommand(),
		historyCommand(),
		peersCommand(),
		nightlyCommand(),
		reportCommand(),
		plotCommand(),
		execCommand(),
		buildCommand(),
		argsCommand(),
		workloadsCommand(),
		kernelsCommand(),
		doctorCommand(),
	)

	err := root.ExecuteContext(ctx)
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if exit.message != "" {
			fmt.Fprintln(stderr, "kprof-bench:", err)
		}
		return exit.code
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "kprof-bench: interrupted")
	default:
		fmt.Fprintln(stderr, "kprof-bench:", err)
	}
	return exitFailure
}
