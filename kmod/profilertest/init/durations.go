// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// durations is about what is there with hist, on all backends.
func durations(t *T) {
	tb := loadTestbed(t)
	for _, backend := range backends(t, direct, rethook, kretprobe) {
		p := load(t, []string{"tb_work", "tb_work_even"}, testbedArgs, hist, kmod.Param{Name: "backend", Value: backend})
		// Of 5, 203, 2003 and 20003 instructions; one tick of the clock each.
		for _, n := range []uint64{1, 100, 1000, 10000} {
			must(tb.Work(n, 10))(t)
		}
		must(tb.WorkEven(32, 7))(t)
		wantDurations(t, backend, p)
		wantHistogram(t, backend, p)

		ok(t, p.Reset())
		must(tb.Work(100, 3))(t)
		l := must(p.Latency())(t)
		if s := statOf(t, p, "tb_work"); s.Invocations != 3 || near(s.AverageNs, 203) != nil || near(l[0].MinNs, 203) != nil {
			t.Errorf("%s: after a reset %+v, %+v", backend, s, l[0])
		}
		ok(t, remove(kmod.ProfilerModule))
	}
	if _, err := os.Stat(kmod.ProfilerDir + "/histogram"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("without the module: %v", err)
	}
	p := load(t, []string{"tb_work"}, testbedArgs)
	if _, err := p.Histogram(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("without hist: %v", err)
	}
	log := openLog(t)
	if err := os.WriteFile(kmod.ProfilerDir+"/reset", []byte("now\n"), 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("reset now: %v", err)
	}
	wantOneLine(t, "reset now", log.lines(t), []string{"reset:", "write 1"})
}

// near fails if a duration is off by more than an instruction, or than what a
// timer interrupt in one of the calls may add to the shortest of them: nothing.
func near(got, want uint64) error {
	if got+1 < want || got > want+1 {
		return fmt.Errorf("%d ns, want %d", got, want)
	}
	return nil
}

func wantDurations(t *T, backend string, p *kmod.Profiler) {
	l := must(p.Latency())(t)
	if len(l) != 2 {
		t.Fatalf("%s: %d lines of latency", backend, len(l))
	}
	if err := errors.Join(near(l[0].MinNs, 5), near(l[1].MinNs, 68)); err != nil {
		t.Errorf("%s: the shortest: %v", backend, err)
	}
	// The longest may have met an interrupt.
	if l[0].MaxNs < 20002 || l[0].MaxNs > 20003+20000 {
		t.Errorf("%s: the longest takes %d ns, want 20003 or a little more", backend, l[0].MaxNs)
	}
	const total = 10 * (5 + 203 + 2003 + 20003)
	if l[0].TotalNs < total-40 || l[0].TotalNs > total+40000 {
		t.Errorf("%s: together %d ns, want %d or a little more", backend, l[0].TotalNs, total)
	}
}

// wantHistogram allows that an interrupt has moved a few calls up.
func wantHistogram(t *T, backend string, p *kmod.Profiler) {
	got := map[string]uint64{}
	var all uint64
	for _, b := range must(p.Histogram())(t) {
		got[fmt.Sprintf("%s %d-%d", b.Symbol, b.FromNs, b.ToNs)] = b.Calls
		all += b.Calls
	}
	for name, calls := range map[string]uint64{
		"tb_work 4-7": 10, "tb_work 128-255": 10, "tb_work 1024-2047": 10, "tb_work 16384-32767": 10, "tb_work_even 64-127": 7,
	} {
		if got[name] > calls || got[name] < calls-2 {
			t.Errorf("%s: %s has %d calls, want %d; all: %v", backend, name, got[name], calls, got)
		}
	}
	if all != 47 {
		t.Errorf("%s: %d calls in all, want 47: %v", backend, all, got)
	}
}

// calibration holds each kind of probe on each clock against functions of known
// length, which run without interrupts.
func calibration(t *T) {
	tb := loadTestbed(t)
	clocks := map[string][]string{direct: {"tsc"}, rethook: {"tsc", "mono"}, kretprobe: {"tsc", "mono"}}
	for _, backend := range backends(t, direct, rethook, kretprobe) {
		for _, clock := range clocks[backend] {
			calibrated(t, tb, backend, clock)
		}
	}
	p := load(t, []string{"sys_getpid", "tb_work", "tb_args8", inThisKernel("vmalloc")}, testbedArgs)
	var probes []string
	for _, b := range must(p.Calibration())(t) {
		probes = append(probes, b.Probe)
	}
	want := "direct direct-syscall rethook kretprobe"
	if lacking(direct) != "" {
		want = kretprobe
	}
	if got := strings.Join(probes, " "); got != want {
		t.Errorf("calibrated %q, want %q", got, want)
	}
}

func calibrated(t *T, tb *kmod.Testbed, backend, clock string) {
	name := backend + " on " + clock
	how := []kmod.Param{{Name: "backend", Value: backend}, {Name: "clock", Value: clock}, testbedArgs}
	p := load(t, []string{"tb_work", "tb_work_even"}, how...)
	wantAverages(t, name, p, tb, 0)
	biases := must(p.Calibration())(t)
	if len(biases) != 1 || biases[0].Probe != backend || biases[0].Clock != clock || biases[0].Ticks == 0 {
		t.Fatalf("%s: calibration %+v", name, biases)
	}
	ok(t, remove(kmod.ProfilerModule))

	// Without it the bias is in the durations, and is what was subtracted.
	p = load(t, []string{"tb_work", "tb_work_even"}, append(how, kmod.Param{Name: "calibrate", Value: "N"})...)
	wantAverages(t, name+", not calibrated", p, tb, biases[0].Ticks)
	if left := must(p.Calibration())(t); len(left) != 0 {
		t.Errorf("%s, not calibrated: %v", name, left)
	}
	ok(t, remove(kmod.ProfilerModule))
}

// wantAverages has functions of 5, 68, 203 and 20003 instructions called, and
// fails unless they are reported to have taken so long and what is said to be
// added, to an instruction or one in a thousand.
func wantAverages(t *T, name string, p *kmod.Profiler, tb *kmod.Testbed, added uint64) {
	for _, n := range []uint64{1, 100, 10000} {
		ok(t, p.Reset())
		must(tb.Work(n, 500))(t)
		want := 2*n + 3 + added
		if got := statOf(t, p, "tb_work").AverageNs; max(got, want)-min(got, want) > max(1, want/1000) {
			t.Errorf("%s: tb_work(%d) takes %d ns, want %d", name, n, got, want)
		}
	}
	must(tb.WorkEven(32, 500))(t)
	if err := near(statOf(t, p, "tb_work_even").AverageNs, 68+added); err != nil {
		t.Errorf("%s: tb_work_even(32): %v", name, err)
	}
}
