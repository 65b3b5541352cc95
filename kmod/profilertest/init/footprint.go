// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// footprint is all in which the module shows, in or after its life.
type footprint struct {
	Probes  string   // kprobes
	Traced  string   // functions that ftrace has callbacks on
	Classes []string // in sysfs
	Modules string
	Slab    []string // lines of the module's slab cache
	Areas   []string // of the vmalloc allocator: the module's own, and modules
}

// takeFootprint looks once the kernel has let go of what it needs of modules
// only to load them.
func takeFootprint(t *T) footprint {
	for initSectionsLeft(t) {
		time.Sleep(10 * time.Millisecond)
	}
	f := footprint{
		Probes:  readFile(t, "/sys/kernel/debug/kprobes/list"),
		Traced:  readFile(t, "/sys/kernel/tracing/enabled_functions"),
		Modules: readFile(t, "/proc/modules"),
	}
	for _, e := range must(os.ReadDir("/sys/class"))(t) {
		f.Classes = append(f.Classes, e.Name())
	}
	for line := range strings.Lines(readFile(t, "/proc/slabinfo")) {
		if strings.HasPrefix(line, "kprof_block") {
			f.Slab = append(f.Slab, line)
		}
	}
	for line := range strings.Lines(readFile(t, "/proc/vmallocinfo")) {
		fields := strings.Fields(line)
		// Later kernels have the text of all modules in few areas, which stay,
		// and each one's data in areas of its own.
		if strings.Contains(line, "[profiler]") || strings.Contains(line, "module") || strings.Contains(line, "execmem_alloc_rw") {
			f.Areas = append(f.Areas, strings.Join(fields[1:], " "))
		}
	}
	slices.Sort(f.Areas)
	return f
}

// initSectionsLeft tells whether a module that is loaded still has its init
// sections. The kernel frees them in a work item, after a grace period, for which
// a second is enough: what is there then is something else.
func initSectionsLeft(t *T) bool {
	var areas string
	for _, path := range must(filepath.Glob("/sys/module/*/sections/.init.text"))(t) {
		life := inode(t, path)
		if _, known := initSeen[life]; !known {
			initSeen[life] = time.Now()
		}
		if time.Since(initSeen[life]) > time.Second {
			continue
		}
		if areas == "" {
			areas = readFile(t, "/proc/vmallocinfo")
		}
		section := must(strconv.ParseUint(strings.TrimSpace(readFile(t, path)), 0, 64))(t)
		if isMapped(areas, section) {
			return true
		}
		initSeen[life] = time.Time{}
	}
	return false
}

func isMapped(areas string, addr uint64) bool {
	for line := range strings.Lines(areas) {
		var start, end uint64
		if _, err := fmt.Sscanf(line, "0x%x-0x%x", &start, &end); err == nil && start <= addr && addr < end {
			return true
		}
	}
	return false
}

// initSeen is when the init section of each life of a module was first seen, or
// long ago when it is gone.
var initSeen = map[uint64]time.Time{}

func inode(t *T, path string) uint64 {
	var st unix.Stat_t
	ok(t, unix.Stat(path, &st))
	return st.Ino
}

// wantFootprint fails unless all is as it was. What is freed after a grace
// period may take a little longer.
func wantFootprint(t *T, when string, want footprint) {
	var diff string
	for range 100 {
		if diff = cmp.Diff(want, takeFootprint(t)); diff == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s: something is left behind (-before +after):\n%s", when, diff)
}

// wantSeen fails if the module does not show while it is loaded, because then
// its absence later would mean nothing.
func wantSeen(t *T, before footprint) {
	now := takeFootprint(t)
	for what, same := range map[string]bool{
		"kprobes": now.Probes == before.Probes, "ftrace": now.Traced == before.Traced,
		"classes": len(now.Classes) == len(before.Classes), "modules": now.Modules == before.Modules,
		"slab": len(now.Slab) == len(before.Slab), "vmalloc": len(now.Areas) == len(before.Areas),
	} {
		if same {
			t.Errorf("the loaded module does not show in %s: %q", what, fmt.Sprint(now))
		}
	}
}

func readFile(t *T, path string) string {
	return string(must(os.ReadFile(path))(t))
}
