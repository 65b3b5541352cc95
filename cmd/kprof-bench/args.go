// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"kprof-bench/kmod"

	"github.com/spf13/cobra"
)

func argsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "args FUNC[,FUNC]...",
		Short: "Print the parameter args of profiler.ko for functions of the running kernel",
		Long: `Print how many 8-byte words the arguments of functions take, as the parameter
args of profiler.ko, which probes functions that are no system calls in the
cheap way when it knows that their arguments are passed in registers. The
running kernel is asked, which must be built with CONFIG_DEBUG_INFO_BTF; it
knows the functions of modules that are loaded and have BTF of their own.

A function that takes more than 6 words has arguments on the stack. One whose
result takes two registers is said to take two words at least, so that the
module saves both. Nothing is printed unless all functions are known.`,
		Example: `  insmod profiler.ko funcs=vfs_read $(kprof-bench args vfs_read)`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, argv []string) error {
			return printArgs(cmd.OutOrStdout(), strings.Split(argv[0], ","))
		},
	}
}

func printArgs(w io.Writer, funcs []string) error {
	if err := checkNames(funcs); err != nil {
		return err
	}
	btf, err := kmod.LoadBTF()
	if err != nil {
		return err
	}
	items := make([]string, len(funcs))
	for i, name := range funcs {
		words, err := btf.ArgWords(name)
		if err != nil {
			return err
		}
		items[i] = fmt.Sprintf("%s:%d", name, words)
	}
	_, err = fmt.Fprintf(w, "args=%s\n", strings.Join(items, ","))
	return err
}

// checkNames refuses lists that the module does not take for funcs either.
func checkNames(funcs []string) error {
	for i, name := range funcs {
		if name == "" {
			return fmt.Errorf("name %d of %d is empty", i+1, len(funcs))
		}
		if slices.Contains(funcs[:i], name) {
			return fmt.Errorf("%s is given twice", name)
		}
	}
	return nil
}
