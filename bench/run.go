// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"kprof-bench/kmod"
	"kprof-bench/results"

	"golang.org/x/sys/unix"
)

// lab is a place where experiments are done: a kernel with the testbed loaded.
type lab struct {
	Options
	load
	sweep, slow  bool // the rate need not be held; it was not
	testbed      *kmod.Testbed
	object       *kmod.TestbedObject
	returns      float64 // instructions of a return beyond the one in object code
	timedReturns bool
	settled      []target
	reached      reached             // by rounds of workloads, if there was a survey
	calibrated   []float64           // what the testbed found the function of that name to take
	around       map[Backend]float64 // what its caller sees beyond that
	bias         float64             // of BPF programs, but for a function's arguments
	beside       float64             // what the caller sees beyond what they find
	knowsBias    bool
	progress     func(string)
	result       Result
}

// Run does the experiments in the running kernel, as root. progress is told in
// a few words what is being done.
//
// An error means that the experiments could not be done. That a check failed
// is no error: see [Result.Good].
func Run(ctx context.Context, o Options, progress func(string)) (*Result, error) {
	loads, _, err := o.loads()
	if err != nil {
		return nil, err
	}
	targets, err := o.targets()
	if err != nil {
		return nil, err
	}
	if len(o.Backends) == 0 {
		o.Backends = DefaultBackends
	}
	var lacking []Check
	if o.Backends, lacking, err = supported(o.Backends, kmod.RunningRelease()); err != nil {
		return nil, err
	}
	defer QuietRuntime()()
	if err := SettleClock(ctx, o.Clock); err != nil {
		return nil, err
	}

	progress("load kprof_testbed.ko")
	loaded, err := kmod.Load(o.Testbed)
	if err != nil {
		return nil, err
	}
	l := &lab{Options: o, load: loads[0], progress: progress}
	l.add(nil, lacking)
	err = l.open()
	if err == nil {
		err = l.experiments(ctx, targets)
	}
	err = errors.Join(err, l.close(), loaded.Unload())
	if err != nil {
		return nil, err
	}
	l.result.Env, err = Environment(o)
	return &l.result, err
}

func (l *lab) open() error {
	f, err := os.Open(l.Options.Testbed)
	if err != nil {
		return err
	}
	defer f.Close()
	if l.object, err = kmod.NewTestbedObject(f); err != nil {
		return err
	}
	l.testbed, err = kmod.OpenTestbed()
	return err
}

func (l *lab) close() error {
	if l.testbed == nil {
		return nil
	}
	return l.testbed.Close()
}

func (l *lab) experiments(ctx context.Context, targets []target) error {
	for _, e := range []struct {
		name Experiment
		what string
		do   func(context.Context) error
	}{
		{Leaks, "leak scan", l.leaks},
		{Pairs, "vmalloc() and vfree()", l.vmallocCost},
		{Lengths, "functions of known length", l.lengths},
		{Counts, "invocations", func(ctx context.Context) error { return l.counts(ctx, targets) }},
		{Calls, "system calls", func(ctx context.Context) error { return l.calls(ctx, targets) }},
		{Overhead, "cost of a probe", func(ctx context.Context) error { return l.overhead(ctx, targets) }},
		{Traces, "trace calls", func(ctx context.Context) error { return l.traces(ctx, targets) }},
		{Command, "command", func(ctx context.Context) error { return l.userCommand(ctx, targets) }},
		{Latency, "latency of leak scans", l.latency},
	} {
		if !l.Does(e.name) {
			continue
		}
		if err := e.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", e.what, err)
		}
	}
	return nil
}

func (l *lab) add(rows []results.Row, checks []Check) {
	l.result.Rows = append(l.result.Rows, rows...)
	l.result.Checks = append(l.result.Checks, checks...)
}

// withProfiler calls fn while profiler.ko is loaded, to profile funcs. Other
// parameters of the module may be given.
func (l *lab) withProfiler(funcs []string, fn func(*kmod.Profiler) error, params ...kmod.Param) error {
	p, err := kmod.LoadProfiler(l.Options.Profiler, funcs, params...)
	if err != nil {
		return err
	}
	return errors.Join(fn(p), p.Unload())
}

// QuietRuntime keeps Go's runtime from working beside a measurement. It
// returns what undoes that.
func QuietRuntime() func() {
	runtime.LockOSThread()
	percent := debug.SetGCPercent(-1)
	return func() {
		debug.SetGCPercent(percent)
		runtime.UnlockOSThread()
	}
}

// SettleClock waits until the kernel has settled on its final clock. A guest
// boots on a preliminary one, which is a few millionths off, and changes over
// after about a second.
func SettleClock(ctx context.Context, clock Clock) error {
	if clock != ICount {
		return nil
	}
	const file = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
	for range 100 {
		b, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(b)) == "tsc" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("the kernel does not use the time stamp counter for its clock, so its time is no count of instructions")
}

// Environment describes the place, as configuration lines of a results file.
func Environment(o Options) ([]results.Config, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, err
	}
	cpu, err := cpuModel()
	if err != nil {
		return nil, err
	}
	env := []results.Config{
		{Key: "kernel", Value: unix.ByteSliceToString(u.Release[:])},
		{Key: "clock", Value: string(o.Clock)},
		{Key: "vcpus", Value: strconv.Itoa(runtime.NumCPU())},
		{Key: "cpu", Value: cpu},
	}
	if o.Cmd != "" {
		env = append(env, results.Config{Key: "command", Value: o.Cmd})
	}
	return append(env, o.Env...), nil
}

func cpuModel() (string, error) {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value), nil
		}
	}
	return "unknown", nil
}
