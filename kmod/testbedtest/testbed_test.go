// SPDX-License-Identifier: MIT

package testbedtest_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
	"kprof-bench/kmod"
)

// classes are those whose blocks come from vmalloc() or its family.
var classes = append([]string{
	"leaked", "data", "bss", "list", "percpu", "vblock", "chain", "interior",
	"tagged", "packed", "arena", "stack", "oldstack", "self", "evading", "big",
}, kmod.Family...)

// TestObject reads the module as it was built.
func TestObject(t *testing.T) {
	f, err := os.Open(guesttest.Module(t, kmod.TestbedModule, kmod.TestbedSource()).Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o, err := kmod.NewTestbedObject(f)
	if err != nil {
		t.Fatal(err)
	}
	for function, want := range map[string]kmod.Length{
		"tb_empty":         {Fixed: 2},
		"tb_empty_syscall": {Fixed: 3},
		"tb_work":          {Fixed: 3, PerN: 2},
		"tb_work_even":     {Fixed: 4, PerN: 2},
	} {
		if got, err := o.KnownLength(function); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", function, got, err, want)
		}
	}
	callers := map[uint64]string{}
	for _, class := range classes {
		caller, err := o.ExpectedCaller(class, 0)
		if err != nil {
			t.Error(err)
		}
		if other, ok := callers[caller]; ok {
			t.Errorf("%s and %s have the same caller", class, other)
		}
		callers[caller] = class
	}
	if got, err := o.CallerOffset("vmap"); !errors.Is(err, kmod.ErrShape) {
		t.Errorf("vmap: offset %d, %v, want no call of an allocator", got, err)
	}
}

// TestExactClock holds the testbed against what it claims, and what the workloads
// say they issued against what the kernel's own tracepoint saw. One of its checks
// scans words that look like links and lead nowhere.
func TestExactClock(t *testing.T) {
	runChecks(t, guest.ICount, slices.Concat([]string{
		"known lengths", "calls", "arguments of calls", "sleep", "recurse", "timer", "args8",
		"sleepers", "sleepers left", "dying", "stack", "occupied",
		"reference probes", "sessions", "refusals", "forks", "closes itself", "killed commands",
		"reload", "unload in use",
		"planted in regions", "planted elsewhere", "kernel regions", "repeated arena", "callers", "freed",
		"odd neighbours", "stall"}, countChecks)...)
}

// TestExactClockElsewhere repeats what a kernel's own ways could break.
func TestExactClockElsewhere(t *testing.T) {
	for _, series := range guesttest.AllSeries[1:] {
		t.Run(series, func(t *testing.T) {
			runChecksOn(t, series, guest.ICount,
				"known lengths", "calls", "timer", "sleepers", "occupied", "reference probes",
				"planted in regions", "planted elsewhere", "kernel regions", "repeated arena",
				"callers", "freed", "odd neighbours")
		})
	}
}

// TestTwoProcessors counts what the workloads issue on two processors, too, and
// is about races.
func TestTwoProcessors(t *testing.T) {
	runChecks(t, guest.TCG, append(slices.Clone(countChecks),
		"generators at once", "reload under load", "leaks in a storm")...)
}

var countChecks = []string{"count getpid", "count read", "count write", "count nanosleep", "count clone", "count paced"}
