// SPDX-License-Identifier: MIT

package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kprof-bench/bench"
	"kprof-bench/kernels"
	"kprof-bench/kmod"

	"github.com/spf13/cobra"
)

// hostFlags are those of all commands that build modules or boot guests.
type hostFlags struct {
	profiler string
	kernel   string
	image    string
	headers  string
	modules  string
	given    func(flag string) bool // on the command line
	memory   int
	seed     uint64
	cpu      string
	cmdline  []string
	console  bool
	cold     bool
}

func (f *hostFlags) register(cmd *cobra.Command) {
	f.given = cmd.Flags().Changed
	cmd.Flags().StringVar(&f.profiler, "profiler", "", "directory with other sources of profiler.ko to use")
	cmd.Flags().StringVar(&f.kernel, "kernel", kmod.DefaultSeries, "the guest's series of Linux: "+
		inWords(kernels.Series, "or")+", each also with "+inWords(kernels.Flavours[1:], "or")+" behind it")
	cmd.Flags().StringVar(&f.image, "kernel-image", "", "another kernel: its bzImage, /boot/vmlinuz-* or vmlinux")
	cmd.Flags().StringVar(&f.headers, "headers", "", "with --kernel-image, the tree it was built in, or the directory of its headers' package")
}

func (f *hostFlags) registerGuest(cmd *cobra.Command) {
	f.register(cmd)
	cmd.Flags().StringVar(&f.modules, "modules", "", "directory with profiler.ko and kprof_testbed.ko for the kernel (default: build them)")
	cmd.Flags().IntVar(&f.memory, "memory", 0, "the guest's memory in MiB (default 512)")
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "the guest's seed of randomness, which moves its addresses (default 1)")
	cmd.Flags().StringVar(&f.cpu, "cpu", "", "the guest's model of processor, by QEMU's name; without cx16 if it does not say +cx16 (default max)")
	cmd.Flags().StringArrayVar(&f.cmdline, "append", nil, "add this to the guest's kernel command line, such as retbleed=stuff")
	cmd.Flags().BoolVar(&f.cold, "cold", false, "boot the guest instead of starting it from a snapshot")
	cmd.Flags().BoolVar(&f.console, "console", false, "show what the guest's kernel prints")
}

// host makes what the experiments run on. Progress goes to stderr.
func (f *hostFlags) host(progress func(string), stderr io.Writer) (bench.Host, error) {
	if err := f.check(); err != nil {
		return bench.Host{}, err
	}
	h := bench.Host{Series: f.kernel, Image: f.image, Headers: f.headers, Modules: f.modules, MemoryMiB: f.memory, Seed: f.seed, CPU: f.cpu, Cmdline: f.cmdline, Cold: f.cold, Progress: progress}
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

// check finds what does not go together, before anything is done.
func (f *hostFlags) check() error {
	switch {
	case f.image == "" && !slices.Contains(kernels.All(), f.kernel):
		return fmt.Errorf("there is no kernel %q; %s are, each also with %s behind it",
			f.kernel, inWords(kernels.Series, "and"), inWords(kernels.Flavours[1:], "or"))
	case f.image != "" && f.given("kernel"):
		return errors.New("--kernel and --kernel-image are two kernels; give one of them")
	case f.image == "" && f.headers != "":
		return errors.New("--headers are those of --kernel-image, which is not given")
	case f.image != "" && f.headers == "" && f.modules == "":
		return errors.New("--kernel-image needs --headers to build the modules with, or --modules that are built")
	case f.modules != "" && f.profiler != "":
		return errors.New("--modules are built already, and --profiler is to be built; give one of them")
	}
	return nil
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
