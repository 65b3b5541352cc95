// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// check is a test that runs in the guest.
type check struct {
	name string
	run  func(*T)
}

// T is to a check what testing.T is to a test.
type T struct {
	job     profilertest.Job
	outcome profilertest.Outcome
	cleanup []func()
}

// stop is the panic that ends a check.
type stop struct{}

// do runs a check of a group. A panic in it is a failure like any other.
func (c check) do(job profilertest.Job, group string) profilertest.Outcome {
	t := &T{job: job, outcome: profilertest.Outcome{Name: group + "/" + c.name}}
	began, worked := time.Now(), busy()
	t.guard(func() { c.run(t) })
	for len(t.cleanup) > 0 {
		last := len(t.cleanup) - 1
		f := t.cleanup[last]
		t.cleanup = t.cleanup[:last]
		t.guard(f)
	}
	t.outcome.GuestNs = time.Since(began).Nanoseconds()
	t.outcome.BusyNs = (busy() - worked).Nanoseconds()
	return t.outcome
}

// busy returns how long the processors have worked since boot, all together.
func busy() time.Duration {
	var up, idle float64
	b, err := os.ReadFile("/proc/uptime")
	if err == nil {
		_, err = fmt.Sscan(string(b), &up, &idle)
	}
	if err != nil {
		panic(err) // init has mounted it
	}
	return time.Duration((up*float64(runtime.NumCPU()) - idle) * float64(time.Second))
}

func (t *T) guard(f func()) {
	defer func() {
		if p := recover(); p != nil && p != any(stop{}) {
			t.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	f()
}

// Errorf notes a failure.
func (t *T) Errorf(format string, args ...any) {
	t.outcome.Failures = append(t.outcome.Failures, fmt.Sprintf(format, args...))
}

// Fatalf notes a failure and ends the check. It must not be called on another
// goroutine.
func (t *T) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	panic(stop{})
}

// Logf notes what is no failure.
func (t *T) Logf(format string, args ...any) {
	t.outcome.Notes = append(t.outcome.Notes, fmt.Sprintf(format, args...))
}

// NotSupported notes what this kernel cannot do, and why. The test on the other
// side has a list of all that may be.
func (t *T) NotSupported(what, why string) {
	t.outcome.NotSupported = append(t.outcome.NotSupported, what+": "+why)
}

// Cleanup has f called when the check has ended, last in, first out.
func (t *T) Cleanup(f func()) { t.cleanup = append(t.cleanup, f) }

// must ends the check when there is an error.
func must[V any](v V, err error) func(*T) V {
	return func(t *T) V {
		ok(t, err)
		return v
	}
}

func ok(t *T, err error) {
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// waitFor polls until the condition holds.
func waitFor(t *T, what string, holds func() bool) {
	deadline := time.Now().Add(5 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 5 s in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// load loads profiler.ko until the end of the check, with the job's backend.
func load(t *T, funcs []string, params ...kmod.Param) *kmod.Profiler {
	for _, param := range backendParams(t.job.Backend, funcs) {
		if !slices.ContainsFunc(params, func(p kmod.Param) bool { return p.Name == param.Name }) {
			params = append(params, param)
		}
	}
	p := must(kmod.LoadProfiler(profilertest.ProfilerPath, funcs, params...))(t)
	t.Cleanup(func() {
		if err := remove(kmod.ProfilerModule); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Errorf("unload: %v", err)
		}
	})
	return p
}

// loadTestbed loads kprof_testbed.ko until the end of the check, and starts a
// session.
func loadTestbed(t *T) *kmod.Testbed {
	must(kmod.Load(profilertest.TestbedPath))(t)
	t.Cleanup(func() {
		if err := remove(kmod.TestbedModule); err != nil {
			t.Errorf("unload: %v", err)
		}
	})
	return session(t)
}

// session starts a session with the testbed until the end of the check.
func session(t *T) *kmod.Testbed {
	tb := must(kmod.OpenTestbed())(t)
	t.Cleanup(func() { tb.Close() })
	return tb
}

// remove unloads a module in one attempt.
func remove(module string) error {
	return unix.DeleteModule(module, unix.O_NONBLOCK)
}
