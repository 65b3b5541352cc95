// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"kprof-bench/kmod"

	"github.com/spf13/cobra"
)

func buildCommand() *cobra.Command {
	var flags hostFlags
	var out string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build both modules for the guest's kernel",
		Long: `Build both modules for the guest's kernel, and show what the compiler with all its
warnings (W=1), sparse and objtool say about their sources.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := newProgress(cmd.ErrOrStderr())
			h, err := flags.host(p.say, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			k, err := h.Kernel(cmd.Context())
			if err != nil {
				return err
			}
			m, err := h.Build(cmd.Context(), k)
			p.clear()
			if err != nil {
				return err
			}
			for _, module := range []*kmod.Module{m.Profiler, m.Testbed} {
				warnings, err := module.Warnings()
				if err != nil {
					return err
				}
				for _, w := range warnings {
					fmt.Fprintln(cmd.ErrOrStderr(), w)
				}
				if err := install(module, out); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), filepath.Join(out, filepath.Base(module.Path)))
			}
			return nil
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&out, "out", ".", "directory to put profiler.ko and kprof_testbed.ko into")
	return cmd
}

// install copies a module into dir, whole or not at all.
func install(m *kmod.Module, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(m.Path)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, filepath.Base(m.Path))
	if err := os.WriteFile(name+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
