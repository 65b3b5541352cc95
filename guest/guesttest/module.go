// SPDX-License-Identifier: MIT

package guesttest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"kprof-bench/kernels"
	"kprof-bench/kmod"
)

// Module builds a kernel module for the kernel that tests boot, in the cache
// that the program itself uses.
func Module(tb testing.TB, name string, source fs.FS) *kmod.Module {
	tb.Helper()
	return ModuleFor(tb, Kernel(tb), name, source)
}

// ModuleFor is [Module] for another kernel.
func ModuleFor(tb testing.TB, k *kernels.Kernel, name string, source fs.FS) *kmod.Module {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	m, err := kmod.Build(tb.Context(), kmod.BuildOptions{
		Name: name, Source: source, Make: k.Make, Command: k.Command,
		Kernel: k.Release, Version: k.Version, Compiler: k.Compiler, Check: k.CanCheck(),
		CacheDir: filepath.Join(cache, "kprof-bench", "modules"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// Main runs a package's tests and removes what [Build] made for them. It
// returns the exit code, for a TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	if err := RemoveBuilds(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
