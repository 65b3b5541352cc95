// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kprof-bench/kmod"
)

// background calls each function again and again until the function returned
// is called, at the end of the check at the latest.
func background(t *T, functions ...func() error) (stop func()) {
	var working atomic.Bool
	working.Store(true)
	errs := make([]error, len(functions))
	var wg sync.WaitGroup
	for i, f := range functions {
		wg.Go(func() { errs[i] = until(&working, f)() })
	}
	stop = sync.OnceFunc(func() {
		working.Store(false)
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				t.Errorf("meanwhile: %v", err)
			}
		}
	})
	t.Cleanup(stop)
	return stop
}

// sleepAgain returns a function that has sleepers sleep, and fails if one was
// not well.
func sleepAgain(tb *kmod.Testbed, slept *atomic.Uint64, n uint64, each time.Duration, turns uint64) func() error {
	return func() error {
		s, err := tb.Sleepers(n, each, turns)
		if err != nil {
			return err
		}
		r, err := s.Wait()
		if err == nil && r != (kmod.SleeperResult{Threads: n, OK: n}) {
			err = fmt.Errorf("sleepers for %v: %+v", each, r)
		}
		slept.Add(n * turns)
		return err
	}
}

// cycles loads and unloads the module while its functions are called and slept
// in. One function has a caller that takes turns with the reader of its count.
func cycles(t *T) {
	loadTestbed(t)
	tb := [6]*kmod.Testbed{}
	for i := range tb {
		tb[i] = session(t)
	}
	before := takeFootprint(t)
	var slept atomic.Uint64
	stop := background(t,
		func() error { _, err := tb[0].Recurse(30, 10); return err },
		func() error { _, err := tb[1].Timer(200, 50); return err },
		func() error { _, err := tb[2].Call("__x64_sys_getpid", 500); return err },
		sleepAgain(tb[3], &slept, 25, 5*time.Millisecond, 20),
		sleepAgain(tb[4], &slept, 25, 700*time.Millisecond, 2))
	var unloads []time.Duration
	for i := range t.job.Cycles {
		unloads = append(unloads, cycle(t, i, tb[5], before))
	}
	stop()
	if len(unloads) == 0 || slept.Load() == 0 {
		t.Fatalf("%d cycles, and %d sleeps meanwhile", len(unloads), slept.Load())
	}
	slices.Sort(unloads)
	t.Logf("%d cycles, %d sleeps meanwhile; rmmod took %v in the middle and %v at most",
		len(unloads), slept.Load(), unloads[len(unloads)/2], unloads[len(unloads)-1])
}

// cycle is one life of the module.
func cycle(t *T, i int, tb *kmod.Testbed, before footprint) time.Duration {
	p := loadFor(t, 50, "tb_recurse", "tb_timer_fn", "sys_getpid", "tb_args8")
	var want uint64
	for _, calls := range []uint64{0, 100 + uint64(i), 37} {
		if calls > 0 {
			args := must(tb.Args8(calls))(t)
			if args.Calls != calls || args.Value != args.Expect {
				t.Errorf("cycle %d: call %d with eight arguments gave %d, want %d", i, args.Calls, args.Value, args.Expect)
			}
		}
		want += calls
		if got := invocations(t, p)["tb_args8"]; got != want {
			t.Errorf("cycle %d: %d invocations after %d calls", i, got, want)
		}
	}
	began := time.Now()
	ok(t, p.Unload())
	took := time.Since(began)
	wantFootprint(t, fmt.Sprintf("cycle %d", i), before)
	return took
}
