// SPDX-License-Identifier: MIT

package main

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// unloadLimit is how long rmmod may take, however long calls sleep.
const unloadLimit = time.Second

// sleeperFuncs are the functions that the testbed's sleepers sleep in.
var sleeperFuncs = slices.Sorted(maps.Keys(kmod.SleeperCalls(1)))

// loadFor loads the module with the sleepers' functions, ready to time all
// calls of n at once. Further functions may follow.
func loadFor(t *T, n uint64, more ...string) *kmod.Profiler {
	p := load(t, slices.Concat(sleeperFuncs, more),
		kmod.Param{Name: "maxactive", Value: strconv.FormatUint(2*n+16, 10)})
	wantBackend(t, p)
	return p
}

// startAsleep starts n sleepers and waits until all of them sleep.
func startAsleep(t *T, tb *kmod.Testbed, n uint64, each time.Duration) *kmod.Sleepers {
	s := must(tb.Sleepers(n, each, 1))(t)
	waitFor(t, "all sleep", func() bool { return must(s.State())(t).Asleep == n })
	return s
}

// wantAsleep fails unless all n sleep: what was done to their probes must not
// have waited for them, or woken them.
func wantAsleep(t *T, when string, s *kmod.Sleepers, n uint64) {
	if diff := cmp.Diff(kmod.SleeperState{Threads: n, Asleep: n}, must(s.State())(t)); diff != "" {
		t.Errorf("%s (-want +got)\n%s", when, diff)
	}
}

// wantWell waits for all n and fails unless each found its results, its
// arguments and its registers as they should be.
func wantWell(t *T, s *kmod.Sleepers, n uint64) {
	if diff := cmp.Diff(kmod.SleeperResult{Threads: n, OK: n}, must(s.Wait())(t)); diff != "" {
		t.Errorf("sleepers (-want +got)\n%s", diff)
	}
}

// wantSleeperCalls fails unless the calls of n sleepers are counted, and none
// of them was missed.
func wantSleeperCalls(t *T, p *kmod.Profiler, n uint64) {
	if diff := cmp.Diff(kmod.SleeperCalls(n), invocations(t, p)); diff != "" {
		t.Errorf("invocations (-want +got)\n%s", diff)
	}
	for symbol, m := range missed(t, p) {
		if m != 0 {
			t.Errorf("%s: %d calls missed", symbol, m)
		}
	}
}

// unload unloads the module in one attempt, and fails if it takes too long.
func unload(t *T) {
	began := time.Now()
	ok(t, remove(kmod.ProfilerModule))
	took := time.Since(began)
	t.Logf("unloaded in %v", took)
	if took >= unloadLimit {
		t.Errorf("rmmod took %v, want less than %v", took, unloadLimit)
	}
}

// unloadFromUnder takes the module away from under n sleepers and has
// breakpoints in its place when they return.
func unloadFromUnder(t *T, s *kmod.Sleepers, n uint64) {
	text := textOf(t, kmod.ProfilerModule, profilertest.ProfilerPath)
	unload(t)
	antidote := poison(t, text)
	wantAsleep(t, "after rmmod", s, n)
	wantWell(t, s, n)
	antidote()
}

// unloadUnder returns a check that does so to n threads, each asleep that long
// in probed functions.
func unloadUnder(n uint64, each time.Duration) func(*T) {
	return func(t *T) {
		tb := loadTestbed(t)
		before := takeFootprint(t)
		p := loadFor(t, n)
		began := time.Now()
		s := startAsleep(t, tb, n, each)
		wantSleeperCalls(t, p, n)
		unloadFromUnder(t, s, n)
		if took := time.Since(began); took < each {
			t.Errorf("all are awake after %v, and were to sleep for %v", took, each)
		}
		wantFootprint(t, "after all have returned", before)
	}
}

// unloadUnderBoth has functions that one backend probes end in jumps to those of
// another, each of which finds a return address of the other's.
func unloadUnderBoth(t *T) {
	const n = 50
	if len(backends(t, direct, rethook)) < 2 {
		return
	}
	tb := loadTestbed(t)
	before := takeFootprint(t)
	for _, c := range []struct{ direct, rethook string }{
		{"tb_sleeper_jump", "tb_sleeper_landing"}, {"tb_sleeper_landing", "tb_sleeper_jump"},
	} {
		p := load(t, sleeperFuncs, kmod.Param{Name: "args", Value: c.direct + ":2"})
		if d, r := backendOf(t, p, c.direct), backendOf(t, p, c.rethook); d != direct || r != rethook {
			t.Fatalf("%s is probed by %s, and %s by %s", c.direct, d, c.rethook, r)
		}
		wantWell(t, must(tb.Sleepers(n, time.Millisecond, 1))(t), n)
		wantSleeperCalls(t, p, n)
		s := startAsleep(t, tb, n, time.Second)
		unloadFromUnder(t, s, n)
	}
	wantFootprint(t, "after all have returned", before)
}

// manySleepers has more calls in progress than any table of them would hold.
func manySleepers(t *T) {
	const n = 10_000
	tb := loadTestbed(t)
	before := takeFootprint(t)
	p := loadFor(t, n)
	s := startAsleep(t, tb, n, 10*time.Second)
	wantSleeperCalls(t, p, n)
	// The first half returns into the module, and nothing is lost.
	wantWell(t, s, n)
	wantSleeperCalls(t, p, n)
	if got := statOf(t, p, "tb_nap").AverageNs; got < 10_000_000_000 || got > 11_000_000_000 {
		t.Errorf("sleeps of 10 s took %d ns on average", got)
	}

	s = startAsleep(t, tb, n, 10*time.Second)
	wantSleeperCalls(t, p, 2*n)
	unloadFromUnder(t, s, n)
	wantFootprint(t, "after all have returned", before)
}

// dying has threads end inside of a probed function, which so never returns.
func dying(t *T) {
	const n = 20
	tb := loadTestbed(t)
	before := takeFootprint(t)
	for range 2 {
		p := load(t, []string{"tb_die"})
		wantBackend(t, p)
		if diff := cmp.Diff(kmod.DyingResult{Threads: n, Died: n}, must(tb.Dying(n))(t)); diff != "" {
			t.Errorf("threads (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff([]kmod.Stat{{Symbol: "tb_die", Invocations: n}}, must(p.Stats())(t)); diff != "" {
			t.Errorf("stats (-want +got)\n%s", diff)
		}
		if m := missed(t, p)["tb_die"]; m != 0 {
			t.Errorf("%d calls missed", m)
		}
		unload(t)
		wantFootprint(t, "after the threads have died", before)
	}
}
