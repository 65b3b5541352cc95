// SPDX-License-Identifier: MIT

package main

import (
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// sharing are the checks of functions that somebody else traces as well.
func sharing() []check {
	var all []check
	for _, o := range otherTracers {
		all = append(all, check{o.name + " first", otherFirst(o)}, check{o.name + " last", otherLast(o)})
	}
	return append(all, check{"other functions under function_graph", changeBeside})
}

// sharedFuncs are functions of the shapes that matter to those who change return
// addresses: one that recurses, one whose arguments lie on the stack, one that
// sleeps, and a system call.
var sharedFuncs = []string{"__x64_sys_times", "tb_args8", "tb_recurse", "tb_sleep"}

const clockSleep = "__x64_sys_clock_nanosleep"

// allShared are these, and those that sleepers sleep in.
var allShared = slices.Concat(sleeperFuncs, sharedFuncs, []string{clockSleep})

const nrBeside = 20

// deepest is how deep the recursion goes; each level is a call in progress.
const deepest = 99

func loadShared(t *T) *kmod.Profiler {
	return loadFor(t, deepest+1, append(slices.Clone(sharedFuncs), clockSleep)...)
}

// someCalls calls each of sharedFuncs and returns how often. The recursion is
// as deep as function_graph can follow.
func someCalls(t *T, tb *kmod.Testbed) map[string]uint64 {
	must(tb.Recurse(19, 20))(t)
	must(tb.Sleep(50, 10))(t)
	must(tb.Call("__x64_sys_times", 100))(t)
	if a := must(tb.Args8(60))(t); a.Calls != 60 || a.Value != a.Expect {
		t.Errorf("call %d with eight arguments gave %d, want %d", a.Calls, a.Value, a.Expect)
	}
	return map[string]uint64{"__x64_sys_times": 100, "tb_args8": 60, "tb_recurse": 400, "tb_sleep": 10}
}

// called leaves out the functions that were not.
func called(n map[string]uint64) map[string]uint64 {
	maps.DeleteFunc(n, func(_ string, calls uint64) bool { return calls == 0 })
	return n
}

// wantCounted fails unless the module has counted so many calls and timed all.
func wantCounted(t *T, when string, p *kmod.Profiler, want map[string]uint64) {
	if diff := cmp.Diff(want, called(invocations(t, p))); diff != "" {
		t.Errorf("%s: invocations (-want +got)\n%s", when, diff)
	}
	for symbol, m := range missed(t, p) {
		if m != 0 {
			t.Errorf("%s: %s: %d calls missed", when, symbol, m)
		}
	}
}

// wantBoth has calls made and fails unless the module and the other tracer have
// seen every one.
func wantBoth(t *T, when string, p *kmod.Profiler, o otherTracer, tb *kmod.Testbed) {
	ok(t, p.Reset())
	calls := someCalls(t, tb)
	wantCounted(t, when, p, calls)
	o.wantHits(t, when, calls)
	o.clear(t)
	// Deeper than function_graph keeps track.
	ok(t, p.Reset())
	must(tb.Recurse(deepest, 3))(t)
	wantCounted(t, when+", deep", p, map[string]uint64{"tb_recurse": 3 * (deepest + 1)})
}

// otherFirst has the other tracer come first and go last.
func otherFirst(o otherTracer) func(*T) {
	return func(t *T) {
		tb := loadTestbed(t)
		before := takeFootprint(t)
		o.on(t, allShared)
		p := loadShared(t)
		wantBoth(t, "beside", p, o, tb)
		unloadBeside(t, p, o, tb, true)
		wantFootprint(t, "after both are gone", before)
	}
}

// otherLast has the module come first, and the other tracer come, go and come
// again. The module must not have been harmed by that.
func otherLast(o otherTracer) func(*T) {
	return func(t *T) {
		tb := loadTestbed(t)
		before := takeFootprint(t)
		p := loadShared(t)
		o.on(t, allShared)
		wantBoth(t, "beside", p, o, tb)
		o.off(t)
		ok(t, p.Reset())
		wantCounted(t, "alone", p, someCalls(t, tb))
		o.on(t, allShared)
		unloadBeside(t, p, o, tb, false)
		wantFootprint(t, "after both are gone", before)
	}
}

// unloadBeside takes the module away from under sleepers whose return addresses
// the other tracer has changed too, and switches that off before or after they
// have woken.
func unloadBeside(t *T, p *kmod.Profiler, o otherTracer, tb *kmod.Testbed, offAsleep bool) {
	const long = 2 * time.Second
	ok(t, p.Reset())
	o.clear(t)
	process := asleep(func() error { return clockNanosleep(long) })
	s := startAsleep(t, tb, nrBeside, long)
	waitFor(t, "the process sleeps", func() bool { return statOf(t, p, clockSleep).Invocations == 1 })
	calls := kmod.SleeperCalls(nrBeside)
	calls[clockSleep] = 1
	wantCounted(t, "asleep", p, calls)
	o.wantEntries(t, "asleep", calls)

	text := textOf(t, kmod.ProfilerModule, profilertest.ProfilerPath)
	unload(t)
	antidote := poison(t, text)
	if offAsleep {
		o.off(t)
	}
	wantAsleep(t, "after rmmod", s, nrBeside)
	if !process.isAsleep() {
		t.Errorf("the process woke too early")
	}
	wantWell(t, s, nrBeside)
	process.wake(t, "the process", long)
	if !offAsleep {
		o.wantHits(t, "awake", calls)
		o.off(t)
	}
	antidote()
}

// changeBeside sets other functions while tasks sleep in those that there were,
// and one is preempted in one of them again and again, all under function_graph.
func changeBeside(t *T) {
	const n = 20
	o := functionGraph
	tb, busy := loadTestbed(t), session(t)
	before := takeFootprint(t)
	o.on(t, append(slices.Clone(sleeperFuncs), "tb_recurse"))
	p := loadFor(t, n, "tb_recurse")
	s := startAsleep(t, tb, n, 4*time.Second)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- recurseUntil(busy, stop) }()

	changes := 0
	for range 2 {
		ok(t, p.SetFuncs("tb_nap"))
		ok(t, p.SetFuncs(append(slices.Clone(sleeperFuncs), "tb_recurse")...))
		waitFor(t, "the busy one is counted", func() bool { return statOf(t, p, "tb_recurse").Invocations > 0 })
		changes += 2
	}
	wantAsleep(t, "after the changes", s, n)
	close(stop)
	ok(t, <-done)
	// It alone was there all the time.
	if got := statOf(t, p, "tb_nap").Invocations; got != n {
		t.Errorf("%d changes: %d calls of tb_nap, want %d", changes, got, n)
	}
	unloadFromUnder(t, s, n)
	o.off(t)
	wantFootprint(t, "after all have returned", before)
}

func recurseUntil(tb *kmod.Testbed, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if _, err := tb.Recurse(99, 20); err != nil {
			return err
		}
	}
}
