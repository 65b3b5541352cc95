// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// noLosses fails if the module admits to have missed anything.
func noLosses(t *T, p *kmod.Profiler) kmod.Status {
	s := must(p.Status())(t)
	if s.Overwritten != 0 || s.Lost != 0 || s.Missed != 0 || s.Live != s.Allocated-s.Freed {
		t.Errorf("something was missed: %+v", s)
	}
	return s
}

func freedInEveryWay(t *T) {
	tb := loadTestbed(t)
	must(tb.Plant("leaked", 5, 4096))(t) // before the module: never reported
	old := must(tb.Free(0, 5, kmod.FreeVfree))(t)
	p := load(t, nil)
	before := must(p.Status())(t)
	first := must(tb.Plant("leaked", 60, 8192))(t).First
	must(tb.Plant("data", 7, 4096))(t)
	wantLive(t, "planted", p, tb)
	for i, how := range []kmod.FreeHow{kmod.FreeVfree, kmod.FreeKvfree, kmod.FreeIRQ} {
		must(tb.Free(first+uint64(20*i), 20, how))(t)
		wantLive(t, "freed by "+string(how), p, tb)
	}
	s := noLosses(t, p)
	if a, f := s.Allocated-before.Allocated, s.Freed-before.Freed; a != 67 || f != 60 || s.Live != 7 {
		t.Errorf("%d allocated, %d freed, %d live; want 67, 60 and 7 (%d before the module)", a, f, s.Live, old.Count)
	}
}

// otherAllocators is about all that must not be reported.
func otherAllocators(t *T) {
	p := load(t, nil)
	tb := loadTestbed(t)
	makeForbidden(t, session(t))
	live := 0
	for _, kind := range append(familyKinds(), "vmap") {
		planted := must(tb.PlantOther(kind, 3, familySize(kind)))(t)
		wantLive(t, kind, p, tb)
		// Some of them go again.
		must(tb.Free(planted.First, 2, kmod.FreeKvfree))(t)
		wantLive(t, kind+", two of them freed", p, tb)
		if isVmalloc(kind) {
			live++
		}
	}
	if s := noLosses(t, p); s.Live != uint64(live) || s.Family != 0 || s.Stale != 0 {
		t.Errorf("%d blocks are live, %d stale, family %d; want %d of vmalloc() alone", s.Live, s.Stale, s.Family, live)
	}
}

// vmallocinfo holds the callers that the module reports against those that the
// testbed's object file says, and that the kernel itself noted, which the probe
// must not spoil.
func vmallocinfo(t *T) {
	tb := loadTestbed(t)
	p := load(t, nil)
	must(tb.Plant("leaked", 20, 4096))(t)
	must(tb.Plant("data", 20, 12288))(t)
	must(tb.PlantOther("big", 2, 3<<20))(t)
	must(tb.PlantOther("vzalloc", 3, 4096))(t)

	leaks := wantLive(t, "planted", p, tb)
	wantExpectedCallers(t, leaks, plantedBlocks(t, tb))
	if isInlined() {
		t.NotSupported("callers in vmallocinfo", "vmalloc() itself is probed, for want of a function behind it")
		return
	}
	areas := takeAreas(t)
	syms := symbols(t)
	for _, b := range must(tb.Blocks())(t) {
		if f := function(t, b.Site); areas[b.Page].symbol != f.name {
			t.Errorf("vmallocinfo says that %q allocated a block of %s", areas[b.Page].symbol, f.name)
		}
	}
	for _, l := range leaks {
		a := areas[l.Page]
		if ip := syms[a.symbol].start + a.offset; ip != l.IP {
			t.Errorf("a block allocated at %s+%#x, %#x, is reported with %#x", a.symbol, a.offset, ip, l.IP)
		}
	}
}

// profiledAtTheSameTime has the same functions probed by both halves of the
// module, and by the testbed on top.
func profiledAtTheSameTime(t *T) {
	tb := loadTestbed(t)
	probe := session(t)
	vmalloc, node := inThisKernel("vmalloc"), inThisKernel("__vmalloc_node")
	p := load(t, []string{vmalloc, node, "vfree"})
	for _, symbol := range []string{"", vmalloc, node} {
		if symbol != "" {
			must(probe.RefProbe(symbol))(t)
		}
		before := invocations(t, p)
		planted := must(tb.Plant("leaked", 30, 4096))(t)
		must(tb.Plant("data", 5, 4096))(t)
		wantLive(t, fmt.Sprintf("%q probed by another", symbol), p, tb)
		must(tb.Free(planted.First, 30, kmod.FreeVfree))(t)
		wantLive(t, fmt.Sprintf("%q probed by another, freed", symbol), p, tb)
		after := invocations(t, p)
		if n := after[vmalloc] - before[vmalloc]; n != 35 {
			t.Errorf("%s: %d invocations, want 35", vmalloc, n)
		}
		if n := after[node] - before[node]; n < 35 && !isInlined() {
			t.Errorf("%s: %d invocations, want 35 or more", node, n)
		}
		if n := after["vfree"] - before["vfree"]; n < 30 {
			t.Errorf("vfree: %d invocations, want 30 or more", n)
		}
	}
	noLosses(t, p)
}

// ftraceSwitchedOff is about the switch that would blind the module.
func ftraceSwitchedOff(t *T) {
	const file = "/proc/sys/kernel/ftrace_enabled"
	if err := os.WriteFile(file, []byte("0"), 0); errors.Is(err, unix.EOPNOTSUPP) {
		t.NotSupported("ftrace switched off", "the switch does nothing in this kernel")
		return
	}
	ok(t, os.WriteFile(file, []byte("1"), 0))
	before := takeFootprint(t)
	log := openLog(t)
	load(t, []string{"sys_getpid"})
	if err := os.WriteFile(file, []byte("0"), 0); !errors.Is(err, unix.EBUSY) {
		t.Errorf("switched off while the module is loaded: %v, want EBUSY", err)
	}
	if got := readFile(t, file); got != "1\n" {
		t.Errorf("ftrace_enabled is %q", got)
	}
	ok(t, remove(kmod.ProfilerModule))
	if lines := log.lines(t); lines != nil {
		t.Errorf("the log says %q", lines)
	}
	wantFootprint(t, "unloaded", before)

	ok(t, os.WriteFile(file, []byte("0"), 0))
	for _, params := range []string{"", "funcs=sys_getpid"} {
		if err := attempt(t, params); !errors.Is(err, unix.EBUSY) {
			t.Errorf("loaded with %q while ftrace is off: %v, want EBUSY", params, err)
		}
		wantOneLine(t, "ftrace is off", log.lines(t), []string{"vfree", "ftrace_enabled"})
	}
	ok(t, os.WriteFile(file, []byte("1"), 0))
	wantFootprint(t, "refused", before)

	load(t, nil)
	if lines := log.lines(t); lines != nil {
		t.Errorf("switched on again, the log says %q", lines)
	}
}

// storm scans while blocks come and go.
func storm(t *T) {
	tb := loadTestbed(t)
	p := load(t, nil)
	must(tb.Plant("leaked", 200, 4096))(t)
	near := must(tb.Blocks())(t)[0].Page >> 18 << 18 // 1 GiB
	before := must(p.Status())(t)

	const rounds, pairs = 60, 200
	blower := session(t)
	done := asleep(func() error {
		for range rounds {
			if _, err := blower.VPair(8192, pairs); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	reports := 0
	for ; done.isAsleep(); reports++ {
		ok(t, p.SetRange(near<<kmod.PageShift, (near+1<<18)<<kmod.PageShift))
		if n := len(must(p.Leaks())(t)); n < 200 || n > 201 {
			t.Errorf("report %d of %d blocks, want 200 and perhaps one more", reports, n)
		}
	}
	done.wake(t, "storm", 0)
	t.Logf("%d reports during the storm", reports)
	if reports < 5 {
		t.Errorf("only %d reports during the storm", reports)
	}
	wantLive(t, "after the storm", p, tb)
	if s := noLosses(t, p); s.Allocated-before.Allocated != rounds*pairs || s.Live != 200 {
		t.Errorf("%d allocated, %d live; want %d and 200", s.Allocated-before.Allocated, s.Live, rounds*pairs)
	}
}
