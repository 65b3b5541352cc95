// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// statOf returns what stats says of a function.
func statOf(t *T, p *kmod.Profiler, symbol string) kmod.Stat {
	for _, s := range must(p.Stats())(t) {
		if s.Symbol == symbol {
			return s
		}
	}
	t.Fatalf("stats says nothing of %s", symbol)
	panic("not reached")
}

// invocations returns the third column of stats.
func invocations(t *T, p *kmod.Profiler) map[string]uint64 {
	n := map[string]uint64{}
	for _, s := range must(p.Stats())(t) {
		n[s.Symbol] = s.Invocations
	}
	return n
}

func missed(t *T, p *kmod.Profiler) map[string]uint64 {
	n := map[string]uint64{}
	for _, m := range must(p.Missed())(t) {
		n[m.Symbol] = m.Calls
	}
	return n
}

// exactCounts has functions of all awkward shapes run a known number of times,
// one after the other.
func exactCounts(t *T) {
	tb := loadTestbed(t)
	p := load(t, []string{"tb_recurse", "tb_timer_fn", "tb_args8", "tb_sleep", "sys_getpid"})
	wantBackend(t, p)

	r := must(tb.Recurse(99, 50))(t)
	must(tb.Recurse(0, 3))(t)
	timer := must(tb.Timer(20, 1000))(t)
	args := must(tb.Args8(1000))(t)
	sleep := must(tb.Sleep(1500, 20))(t)
	must(tb.Call("__x64_sys_getpid", 5000))(t)

	want := map[string]uint64{"tb_recurse": 100*50 + 3, "tb_timer_fn": 1000, "tb_args8": 1000, "tb_sleep": 20, "sys_getpid": 5000}
	if diff := cmp.Diff(want, invocations(t, p)); diff != "" {
		t.Errorf("invocations (-want +got)\n%s", diff)
	}
	none := map[string]uint64{"tb_recurse": 0, "tb_timer_fn": 0, "tb_args8": 0, "tb_sleep": 0, "sys_getpid": 0}
	if diff := cmp.Diff(none, missed(t, p)); diff != "" {
		t.Errorf("missed (-want +got)\n%s", diff)
	}
	if args.Calls != 1000 || args.Value != args.Expect {
		t.Errorf("eight arguments: call %d of 1000 gave %d, want %d", args.Calls, args.Value, args.Expect)
	}
	// A function's own measure is a little less than what its probe sees,
	// which has the entry, the return and part of the probe on top.
	for symbol, in := range map[string]kmod.Inside{"tb_recurse": r, "tb_timer_fn": timer, "tb_args8": args.Inside, "tb_sleep": sleep} {
		inside := in.NS / in.Invocations
		if symbol == "tb_recurse" {
			inside = in.NS * 5000 / in.Invocations / 5003 // and three short ones
		}
		slack := inside/100 + 5000
		if got := statOf(t, p, symbol).AverageNs; got < inside || got > inside+slack {
			t.Errorf("%s: average %d ns, want at least its own %d and at most %d more", symbol, got, inside, slack)
		}
	}
	if got := statOf(t, p, "tb_sleep").AverageNs; got < 1_500_000 {
		t.Errorf("a sleep of 1.5 ms took %d ns", got)
	}
}

// interruptedCounts has interrupts fall everywhere, into the probes as well.
func interruptedCounts(t *T) {
	tb := loadTestbed(t)
	other := session(t)
	p := load(t, []string{"tb_recurse", "tb_timer_fn"})
	var timerErr error
	var wg sync.WaitGroup
	wg.Go(func() { _, timerErr = other.Timer(17, 4000) })
	for range 40 {
		must(tb.Recurse(24, 20))(t)
	}
	wg.Wait()
	ok(t, timerErr)
	want := map[string]uint64{"tb_recurse": 25 * 20 * 40, "tb_timer_fn": 4000}
	if diff := cmp.Diff(want, invocations(t, p)); diff != "" {
		t.Errorf("invocations (-want +got)\n%s", diff)
	}
	m := missed(t, p)
	t.Logf("%d of 4000 interrupts fell into a probe and were not timed", m["tb_timer_fn"])
	most := uint64(0)
	if backendOf(t, p, "tb_timer_fn") == kretprobe {
		// A kretprobe does not time what interrupts another one.
		most = 2000
		if m["tb_timer_fn"] == 0 {
			t.Errorf("no interrupt fell into a probe: nothing was put to the test")
		}
	}
	if m["tb_timer_fn"] > most || m["tb_recurse"] != 0 {
		t.Errorf("missed %v", m)
	}
}

// sleeper is a task asleep in a profiled function.
type sleeper struct {
	done chan error
	took time.Duration
}

func asleep(f func() error) *sleeper {
	s := &sleeper{done: make(chan error, 1)}
	go func() {
		began := time.Now()
		err := f()
		s.took = time.Since(began)
		s.done <- err
	}()
	return s
}

func (s *sleeper) isAsleep() bool { return len(s.done) == 0 }

// wake waits for the end, and fails if the sleep failed or was cut short.
func (s *sleeper) wake(t *T, what string, atLeast time.Duration) {
	if err := <-s.done; err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if s.took < atLeast {
		t.Errorf("%s took %v, want at least %v", what, s.took, atLeast)
	}
}

// unloadUnderSleepers takes the module away from under tasks that will return
// through its probes, and loads it again before they do.
func unloadUnderSleepers(t *T) {
	const long = 2 * time.Second
	loadTestbed(t)
	tb := session(t)
	// Go's own threads take naps by sys_nanosleep, so that it is not counted.
	p := load(t, []string{"sys_clock_nanosleep", "tb_sleep", "sys_nanosleep"})
	sleepers := map[string]*sleeper{
		"sys_nanosleep": asleep(func() error {
			ts := unix.NsecToTimespec(long.Nanoseconds())
			return unix.Nanosleep(&ts, nil)
		}),
		"sys_clock_nanosleep": asleep(func() error { return clockNanosleep(long) }),
		"tb_sleep": asleep(func() error {
			_, err := tb.Sleep(uint64(long.Microseconds()), 1)
			return err
		}),
	}
	// Calls show when they begin, and have no time yet.
	begun := []kmod.Stat{{Symbol: "sys_clock_nanosleep", Invocations: 1}, {Symbol: "tb_sleep", Invocations: 1}}
	waitFor(t, "both sleep", func() bool { return cmp.Equal(begun, must(p.Stats())(t)[:2]) })

	began := time.Now()
	ok(t, p.Unload())
	took := time.Since(began)
	t.Logf("unloaded in %v", took)
	for name, s := range sleepers {
		if !s.isAsleep() {
			t.Errorf("%s: rmmod waited until it woke", name)
		}
	}
	if took > long/2 {
		t.Errorf("rmmod took %v of a sleep of %v", took, long)
	}

	p = load(t, []string{"sys_clock_nanosleep", "tb_sleep"})
	for name, s := range sleepers {
		if !s.isAsleep() {
			t.Errorf("%s woke before the module was loaded again", name)
		}
	}
	for name, s := range sleepers {
		s.wake(t, name, long)
	}
	// What began in an earlier life of the module does not count in this one.
	if diff := cmp.Diff([]kmod.Stat{{Symbol: "sys_clock_nanosleep"}, {Symbol: "tb_sleep"}}, must(p.Stats())(t)); diff != "" {
		t.Errorf("in its second life (-want +got)\n%s", diff)
	}
	ok(t, clockNanosleep(time.Millisecond))
	if got := statOf(t, p, "sys_clock_nanosleep"); got.Invocations != 1 || got.AverageNs < 1_000_000 {
		t.Errorf("after a sleep of 1 ms: %v", got)
	}
}

func clockNanosleep(d time.Duration) error {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	return unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil)
}

// moreSleepersThanInstances has calls that cannot be timed by backends that keep
// something of each call. They must count them, and say so. The direct one times
// them.
func moreSleepersThanInstances(t *T) {
	const nap = 300 * time.Millisecond
	loadTestbed(t)
	p := load(t, []string{"tb_sleep"}, kmod.Param{Name: "maxactive", Value: "1"})
	var sleepers []*sleeper
	for range 5 {
		tb := session(t)
		sleepers = append(sleepers, asleep(func() error {
			_, err := tb.Sleep(uint64(nap.Microseconds()), 1)
			return err
		}))
	}
	waitFor(t, "all five are counted", func() bool { return statOf(t, p, "tb_sleep").Invocations == 5 })
	for _, s := range sleepers {
		if !s.isAsleep() {
			t.Fatalf("one woke before all slept")
		}
	}
	for _, s := range sleepers {
		s.wake(t, "tb_sleep", nap)
	}
	check := func(when string, calls, notTimed uint64) {
		s := statOf(t, p, "tb_sleep")
		if m := missed(t, p)["tb_sleep"]; s.Invocations != calls || m != notTimed {
			t.Errorf("%s: %d invocations, %d missed; want %d and %d", when, s.Invocations, m, calls, notTimed)
		}
		// The average is over the calls that were timed.
		if got := time.Duration(s.AverageNs); got < nap || got > nap+10*time.Millisecond {
			t.Errorf("%s: average %v, want a little over %v", when, got, nap)
		}
	}
	var notTimed uint64
	if backendOf(t, p, "tb_sleep") != direct {
		notTimed = 4
	}
	check("five at once", 5, notTimed)
	must(session(t).Sleep(uint64(nap.Microseconds()), 1))(t)
	check("one alone", 6, notTimed)
}
