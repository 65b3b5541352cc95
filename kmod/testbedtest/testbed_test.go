// SPDX-License-Identifier: MIT

package testbedtest_test

import (
	"errors"
	"flag"
	"os"
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

// series is for those who look for what a kernel breaks.
var series = flag.String("series", guesttest.Series, "the series of Linux that TestTestbed boots")

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

// TestTestbed holds the testbed against what it claims, on the exact clock.
func TestTestbed(t *testing.T) {
	runChecksOn(t, *series, guest.ICount,
		"known lengths", "calls", "arguments of calls", "sleep", "recurse", "timer", "args8",
		"sleepers", "sleepers left", "dying", "stack", "occupied",
		"reference probes", "sessions", "refusals", "forks", "closes itself", "killed commands",
		"reload", "unload in use",
		"planted in regions", "planted elsewhere", "kernel regions", "repeated arena", "callers", "freed")
}

// TestTestbedElsewhere repeats what a kernel's own ways could break.
func TestTestbedElsewhere(t *testing.T) {
	for _, series := range guesttest.AllSeries[1:] {
		t.Run(series, func(t *testing.T) {
			runChecksOn(t, series, guest.ICount,
				"known lengths", "calls", "timer", "sleepers", "occupied", "reference probes",
				"planted in regions", "planted elsewhere", "kernel regions", "repeated arena",
				"callers", "freed", "odd neighbours")
		})
	}
}

// TestCountsExactClock and TestCountsTwoProcessors hold what the workloads say
// they issued against what the kernel's own tracepoint saw.
func TestCountsExactClock(t *testing.T) {
	runChecks(t, guest.ICount, append([]string{"stall"}, countChecks...)...)
}

func TestCountsTwoProcessors(t *testing.T) {
	runChecks(t, guest.TCG, countChecks...)
}

var countChecks = []string{"count getpid", "count read", "count write", "count nanosleep", "count clone", "count paced"}

// TestOddNeighbours scans words that look like links and lead nowhere.
func TestOddNeighbours(t *testing.T) {
	runChecks(t, guest.ICount, "odd neighbours")
}

// TestProfilerUnderLoad is about races, so it runs on two processors.
func TestProfilerUnderLoad(t *testing.T) {
	runChecks(t, guest.TCG, "generators at once", "reload under load", "leaks in a storm")
}
