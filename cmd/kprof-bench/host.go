// SPDX-License-Identifier: MIT

package main

import (
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kprof-bench/bench"
	"kprof-bench/kmod"

	"github.com/spf13/cobra"
)

// hostFlags are those of all commands that build modules or boot guests.
type hostFlags struct {
	profiler string
	kernel   string
	memory   int
	seed     uint64
	cpu      string
	cmdline  []string
	console  bool
	cold     bool
}

func (f *hostFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.profiler, "profiler", "", "directory with other sources of profiler.ko to use")
	cmd.Flags().StringVar(&f.kernel, "kernel", kmod.DefaultSeries, "the guest's series of Linux: "+inWords(kmod.AllSeries, "or"))
}

func (f *hostFlags) registerGuest(cmd *cobra.Command) {
	f.register(cmd)
	cmd.Flags().IntVar(&f.memory, "memory", 0, "the guest's memory in MiB (default 512)")
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "the guest's seed of randomness, which moves its addresses (default 1)")
	cmd.Flags().StringVar(&f.cpu, "cpu", "", "the guest's model of processor, by QEMU's name (default max)")
	cmd.Flags().StringArrayVar(&f.cmdline, "append", nil, "add this to the guest's kernel command line, such as retbleed=stuff")
	cmd.Flags().BoolVar(&f.cold, "cold", false, "boot the guest instead of starting it from a snapshot")
	cmd.Flags().BoolVar(&f.console, "console", false, "show what the guest's kernel prints")
}

// host makes what the experiments run on. Progress goes to stderr.
func (f *hostFlags) host(progress func(string), stderr io.Writer) (bench.Host, error) {
	if !slices.Contains(kmod.AllSeries, f.kernel) {
		return bench.Host{}, fmt.Errorf("there is no kernel %q; %s are", f.kernel, inWords(kmod.AllSeries, "and"))
	}
	h := bench.Host{Series: f.kernel, MemoryMiB: f.memory, Seed: f.seed, CPU: f.cpu, Cmdline: f.cmdline, Cold: f.cold, Progress: progress}
	var err error
	if h.CacheDir, err = cacheDir(); err != nil {
		return h, err
	}
	if f.profiler != "" {
		if h.Profiler, err = sourceDir(f.profiler); err != nil {
			return h, err
		}
	}
	if f.console {
		h.Console = stderr
	}
	return h, nil
}

// inWords lists words, the last of which follows the conjunction.
func inWords(words []string, conjunction string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}

// guestHost is host for commands that boot guests.
func (f *hostFlags) guestHost(progress func(string), stderr io.Writer) (bench.Host, error) {
	h, err := f.host(progress, stderr)
	if err == nil {
		h.Init, err = staticSelf()
	}
	return h, err
}

func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("where to keep kernels: %w; set XDG_CACHE_HOME", err)
	}
	return filepath.Join(dir, "kprof-bench"), nil
}

// sourceDir returns the sources in a directory, without what an earlier build
// left there.
func sourceDir(dir string) (fs.FS, error) {
	if _, err := os.Stat(filepath.Join(dir, "Kbuild")); err != nil {
		return nil, fmt.Errorf("no sources of a module in %s: %w", dir, err)
	}
	return sources{os.DirFS(dir)}, nil
}

// sources is a directory of which only C files, assembly and Kbuild show.
type sources struct{ fs.FS }

func (s sources) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	var kept []fs.DirEntry
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".c", ".h", ".S":
			if filepath.Ext(e.Name()[:len(e.Name())-2]) != ".mod" {
				kept = append(kept, e)
			}
		default:
			if e.Name() == "Kbuild" {
				kept = append(kept, e)
			}
		}
	}
	return kept, err
}

// staticSelf is the path of this program, which is also the guest's init.
func staticSelf() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := elf.Open(self)
	if err != nil {
		return "", fmt.Errorf("this program cannot be a guest's init: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return "", fmt.Errorf("this program is linked dynamically and cannot be a guest's init; build it with CGO_ENABLED=0")
		}
	}
	return self, nil
}
