// SPDX-License-Identifier: MIT

package main

import (
	"debug/elf"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// seen is what a report says of a block, in terms of what the testbed knows.
type seen struct {
	Class   string
	Verdict kmod.Verdict
}

// wantLive scans the testbed's data array and fails unless the report is about
// exactly the testbed's blocks from vmalloc(), each with the right caller, and
// says "not freed yet" of those whose starts the array holds.
func wantLive(t *T, when string, p *kmod.Profiler, tb *kmod.Testbed) []kmod.Leak {
	data := region(t, tb, "data")
	ok(t, p.SetRange(data.Start, data.End))
	leaks := must(p.Leaks())(t)

	blocks := map[uint64]kmod.Block{}
	want := map[uint64]seen{}
	for _, b := range must(tb.Blocks())(t) {
		blocks[b.Page] = b
		if !isVmalloc(b.Class) {
			continue
		}
		switch b.Class {
		case "data":
			want[b.Page] = seen{b.Class, kmod.NotFreedYet}
		default:
			want[b.Page] = seen{b.Class, kmod.PossibleLeak}
		}
	}
	got := map[uint64]seen{}
	for _, l := range leaks {
		b := blocks[l.Page]
		got[l.Page] = seen{b.Class, l.Verdict}
		// A return address lies behind the call, and so behind the first byte.
		if f := function(t, b.Site); b.Class != "" && (l.IP <= f.start || l.IP > f.end) {
			t.Errorf("%s: a block of %s was allocated at %#x, want in %s, %#x to %#x", when, b.Class, l.IP, f.name, f.start, f.end)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: live blocks (-planted +reported)\n%s", when, diff)
	}
	return leaks
}

// isVmalloc tells whether blocks of a class come from vmalloc(), or from what is
// the same to the kernel.
func isVmalloc(class string) bool {
	switch class {
	case "vmalloc_array":
		return !isInlined()
	case "vrealloc", "vmap":
		return false
	}
	return !slices.Contains(kmod.Family, class)
}

func region(t *T, tb *kmod.Testbed, name string) kmod.Region {
	for _, r := range must(tb.Regions())(t) {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("the testbed has no region %s", name)
	panic("not reached")
}

// symbol is a function of the testbed.
type symbol struct {
	name       string
	start, end uint64
}

// symbols returns the testbed's, which is loaded once for each boot or more
// often, always at another address: from its object file, because kallsyms would
// have to be read to the end.
func symbols(t *T) map[string]symbol {
	f := must(elf.Open(profilertest.TestbedPath))(t)
	defer f.Close()
	starts := map[elf.SectionIndex]uint64{}
	all := map[string]symbol{}
	for _, s := range must(f.Symbols())(t) {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || int(s.Section) >= len(f.Sections) {
			continue
		}
		name := f.Sections[s.Section].Name
		if strings.HasPrefix(name, ".init") || strings.HasPrefix(name, ".exit") {
			continue
		}
		if starts[s.Section] == 0 {
			starts[s.Section] = number(t, "/sys/module/"+kmod.TestbedModule+"/sections/"+name)
		}
		start := starts[s.Section] + s.Value
		all[s.Name] = symbol{s.Name, start, start + s.Size}
	}
	return all
}

// functions of the testbed that is loaded now.
var functions sync.Map

func function(t *T, start uint64) symbol {
	if f, ok := functions.Load(start); ok {
		return f.(symbol)
	}
	for _, s := range symbols(t) {
		functions.Store(s.start, s)
	}
	if f, ok := functions.Load(start); ok {
		return f.(symbol)
	}
	return symbol{name: "no function"}
}

// kernelSymbols returns the lines of kallsyms without those of modules, which
// come last. It is read once: the kernel does not move.
var kernelSymbols = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		return "" // and nothing is found
	}
	text, _, _ := strings.Cut(string(b), "\t[")
	return text[:strings.LastIndex(text, "\n")+1]
})

// inThisKernel returns the name that a function which allocates has in
// kallsyms: kernels that can account for allocations have it with a suffix,
// behind a macro of the old name.
func inThisKernel(function string) string {
	if suffixed := function + "_noprof"; strings.Contains(kernelSymbols(), " "+suffixed+"\n") {
		return suffixed
	}
	return function
}
