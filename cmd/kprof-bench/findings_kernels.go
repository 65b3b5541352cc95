// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kprof-bench/kernels"
	"kprof-bench/kmod"
)

// wanted is a kernel that is fetched when something wants it.
type wanted struct {
	series string
	by     string
	// Of it and of the system that its modules are built in.
	downloadMB, diskMB int64
}

// wantedKernels are those of make run and of make test.
var wantedKernels = []wanted{
	{kmod.DefaultSeries, "make run", 85, 130},
	{"5.10", "make test", 70, 130},
	{kmod.NewestSeries, "make test", 125, 170},
	{"7.3", "make test", 95, 375},
	{kmod.RealTimeSeries, "make test", 85, 115},
}

// Megabytes that are wanted beside those of what is missing: for what a fetch
// unpacks, and to build modules for one kernel or for all.
const (
	toFetchMB    = 270
	toBuildMB    = 50
	toBuildAllMB = 250
)

// findKernels looks for those kernels, and returns the one that make run boots.
func findKernels(dir string) (*kernels.Kernel, []finding) {
	entries, err := kernels.List(kernels.Options{Dir: dir})
	if err != nil {
		return nil, []finding{findSpace(dir, nil), {Name: "kernels", State: unknown, Detail: err.Error()}}
	}
	var all []finding
	var missing []wanted
	var first *kernels.Kernel
	for _, w := range wantedKernels {
		i := slices.IndexFunc(entries, func(e kernels.Entry) bool { return e.Series == w.series })
		f := w.find(entries[i])
		all = append(all, f)
		if f.Mend == w.fetch() {
			missing = append(missing, w)
		}
		if w.series == kmod.DefaultSeries {
			first = entries[i].Kernel
		}
	}
	return first, append([]finding{findSpace(dir, missing)}, append(all, findOtherKernels(entries))...)
}

func (w wanted) fetch() string { return "kprof-bench kernels fetch " + w.series }

// find tells what the cache has of the kernel, and whether its modules can be
// built.
func (w wanted) find(e kernels.Entry) finding {
	f := finding{Name: "kernel " + w.series, State: unused, Mend: w.fetch()}
	if e.Kernel == nil {
		f.Detail = fmt.Sprintf("not fetched: %s does that, %d MB by way of apt", w.by, w.downloadMB)
		return f
	}
	f.Detail = fmt.Sprintf("%s with headers, version %s, built with %s", e.Kernel.Release, e.Kernel.Version, e.Kernel.Compiler)
	if e.NoRoot {
		f.Detail += fmt.Sprintf(", which is not fetched: %s does that", w.by)
		return f
	}
	if e.Kernel.Root != "" {
		f.Detail += " in " + filepath.Base(e.Kernel.Root)
	} else if _, err := exec.LookPath(e.Kernel.Compiler); err != nil {
		f.Detail += ", which is not there"
		f.Mend = aptInstall + e.Kernel.Compiler
		return f
	}
	f.State, f.Mend = good, ""
	return f
}

func findOtherKernels(entries []kernels.Entry) finding {
	f := finding{Name: "other kernels", State: good, Detail: "none"}
	var names []string
	for _, e := range entries {
		if e.Kernel != nil && !slices.ContainsFunc(wantedKernels, func(w wanted) bool { return w.series == e.Series }) {
			names = append(names, e.Series)
		}
	}
	if len(names) > 0 {
		f.Detail = strings.Join(names, ", ")
	}
	return f
}

// findSpace looks whether there is room for the kernels that are missing.
func findSpace(dir string, missing []wanted) finding {
	f := finding{Name: "cache", State: good}
	existing := dir
	for existing != "/" {
		if _, err := os.Stat(existing); !errors.Is(err, os.ErrNotExist) {
			break
		}
		existing = filepath.Dir(existing)
	}
	var st unix.Statfs_t
	err := unix.Access(existing, unix.W_OK|unix.X_OK)
	if err == nil {
		err = unix.Statfs(existing, &st)
	}
	if err != nil {
		f.State, f.Detail = bad, fmt.Sprintf("%s cannot be written to: %v; set XDG_CACHE_HOME to a directory that can", existing, err)
		return f
	}
	free := int64(st.Bavail) * st.Bsize
	f.Detail = fmt.Sprintf("%s, %s free", dir, megabytes(free))
	toRun, toTest := spaceWanted(missing)
	switch {
	case free < toRun:
		f.State, f.Detail = bad, fmt.Sprintf("%s: %s are needed; set XDG_CACHE_HOME to a directory with more", f.Detail, megabytes(toRun))
	case free < toTest:
		f.State, f.Detail = unused, fmt.Sprintf("%s: make test needs %s; set XDG_CACHE_HOME to a directory with more", f.Detail, megabytes(toTest))
	}
	return f
}

// spaceWanted is how many bytes make run and make test may yet use.
func spaceWanted(missing []wanted) (toRun, toTest int64) {
	toRun, toTest = toBuildMB, toBuildAllMB
	for _, w := range missing {
		if w.by == "make run" {
			toRun += toFetchMB + w.diskMB
		}
		toTest += w.diskMB
	}
	if len(missing) > 0 {
		toTest += toFetchMB
	}
	return toRun * 1e6, toTest * 1e6
}
