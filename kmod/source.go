// SPDX-License-Identifier: MIT

package kmod

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed profiler/Kbuild profiler/*.c profiler/*.h profiler/*.S
//go:embed testbed/Kbuild testbed/*.c testbed/*.h testbed/*.S
var sources embed.FS

// Names of the two modules, as insmod and /proc/modules spell them.
const (
	ProfilerModule = "profiler"
	TestbedModule  = "kprof_testbed"
)

// ProfilerSource returns the C sources of profiler.ko that this binary was
// built with.
func ProfilerSource() fs.FS { return subdir("profiler") }

// TestbedSource returns the C sources of kprof_testbed.ko that this binary was
// built with.
func TestbedSource() fs.FS { return subdir("testbed") }

func subdir(name string) fs.FS {
	sub, err := fs.Sub(sources, name)
	if err != nil {
		panic(fmt.Sprintf("kmod: %v", err)) // the name is a constant
	}
	return sub
}

// Series of Linux that both modules support, of those that tests boot.
const (
	DefaultSeries  = "6.1" // unless another is asked for
	NewestSeries   = "6.12"
	RealTimeSeries = "6.1-rt" // built with PREEMPT_RT
)
