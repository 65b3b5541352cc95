// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
	"kprof-bench/kmod/testbedtest"
	"kprof-bench/workloads"
)

func callersOf(calls []calling) ([]*caller, error) {
	var all []*caller
	for _, c := range calls {
		g, err := workloads.For(c.function)
		if err != nil {
			return nil, err
		}
		all = append(all, &caller{g, c.calls})
	}
	return all, nil
}

// calling is a function and how often one process calls it.
type calling struct {
	function string
	calls    int
}

// total is how often all of them call a function.
func total(calls []calling, function string) uint64 {
	n := 0
	for _, c := range calls {
		if c.function == function {
			n += c.calls
		}
	}
	return uint64(n)
}

// profilerFiles are what is observed of profiler.ko: stats and missed.
func profilerFiles(prof *kmod.Profiler) ([]*os.File, error) {
	stats, err := os.Open(prof.StatsPath())
	if err != nil {
		return nil, err
	}
	missed, err := os.Open(filepath.Join(kmod.ProfilerDir, "missed"))
	if err != nil {
		return nil, errors.Join(err, stats.Close())
	}
	return []*os.File{stats, missed}, nil
}

// checkCounted holds what profiler.ko counted between two readings of its files
// against what was called.
func checkCounted(p *problems, when string, before, after [][]byte, calls []calling, functions ...string) {
	b, err := kmod.ParseStats(before[0])
	p.note(when, err)
	a, err := kmod.ParseStats(after[0])
	p.note(when, err)
	missed, err := kmod.ParseMissed(after[1])
	p.note(when, err)
	for _, f := range functions {
		i := slices.IndexFunc(a, func(s kmod.Stat) bool { return s.Symbol == f })
		m := slices.IndexFunc(missed, func(c kmod.Count) bool { return c.Symbol == f })
		if i < 0 || m < 0 || len(a) != len(b) || b[i].Symbol != f {
			p.add("%s: %s is not in stats or missed", when, f)
			continue
		}
		equal(p, when+": "+f+": invocations", a[i].Invocations-b[i].Invocations, total(calls, f))
		equal(p, when+": "+f+": missed", missed[m].Calls, 0)
		if a[i].AverageNs == 0 {
			p.add("%s: %s takes no time", when, f)
		}
	}
}

// generatorsAtOnce: four processes, each with a function of its own, on two
// processors. profiler.ko and the kernel's tracepoint count what they call.
func (l *lab) generatorsAtOnce() (err error) {
	const rounds = 4
	calls := []calling{{"sys_getpid", 4000}, {"sys_read", 3000}, {"sys_nanosleep", 250}, {"sys_clone", 50}}
	functions := []string{"sys_getpid", "sys_read", "sys_nanosleep", "sys_clone"}
	numbers := []int{unix.SYS_GETPID, unix.SYS_READ, unix.SYS_NANOSLEEP, unix.SYS_CLONE}

	callers, err := callersOf(calls)
	if err != nil {
		return err
	}
	prof, err := kmod.LoadProfiler(testbedtest.ProfilerPath, functions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, prof.Unload()) }()
	files, err := profilerFiles(prof)
	if err != nil {
		return err
	}
	defer files[0].Close()
	defer files[1].Close()
	hist, stop, err := countSyscalls()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()

	t, err := newTroupe(l, rounds, callers)
	if err != nil {
		return err
	}
	p := &problems{}
	for round := range rounds {
		when := fmt.Sprintf("round %d", round)
		if err := errors.Join(t.enter.open(len(callers)), t.ready.await(len(callers))); err != nil {
			return err
		}
		before, after, err := t.observe(l.ctx, files[0], files[1], hist)
		if err != nil {
			t.abandon()
			return err
		}
		checkCounted(p, when, before, after, calls, functions...)
		made, err := histogramChange(before[2], after[2])
		p.note(when, err)
		for i, f := range functions {
			equal(p, when+": "+f+" by the kernel", sum(made[numbers[i]]), int(total(calls, f)))
			equal(p, when+": "+f+": processes", len(made[numbers[i]]), 1)
		}
		if err := t.leave.open(len(callers)); err != nil {
			return err
		}
	}
	p.note("processes", t.close())
	return p.err()
}

const cycles = 5

// napTime is how long the sleepers sleep each time: most of the time all of
// them are inside the function.
const napTime = 5 * time.Millisecond

// reloadUnderLoad loads and unloads profiler.ko while the functions that it
// profiles are called and slept in. In each cycle there is a while in which the
// callers' own count says what it must report.
func (l *lab) reloadUnderLoad() error {
	calls := []calling{{"sys_getpid", 1500}, {"sys_read", 1500}, {"sys_getpid", 700}}
	callers, err := callersOf(calls)
	if err != nil {
		return err
	}
	stop, err := l.startBackground()
	if err != nil {
		return err
	}
	t, err := newTroupe(l, cycles, callers)
	if err != nil {
		return errors.Join(err, stop())
	}
	p := &problems{}
	for cycle := range cycles {
		if err := l.cycle(p, fmt.Sprintf("cycle %d", cycle), t, calls); err != nil {
			t.abandon()
			return errors.Join(err, stop(), p.err())
		}
	}
	p.note("callers", t.close())
	p.note("background", stop())
	l.note("in the background %d naps and %d calls of getppid", l.naps, l.background)
	if l.naps == 0 || l.background == 0 {
		p.add("nothing was going on in the background")
	}
	return p.err()
}

// backgroundRate leaves processor time for others: the emulator would spend all
// of its own otherwise, also while a cycle only waits.
const backgroundRate = "1000/s"

// startBackground calls getppid and sleeps in nanosleep, three times over, until it
// is stopped.
func (l *lab) startBackground() (stop func() error, err error) {
	rate, err := workloads.ParseRate(backgroundRate)
	if err != nil {
		return nil, err
	}
	programs := []*workloads.Program{
		{Ops: []workloads.Op{{Name: "getppid", Nr: unix.SYS_GETPPID, Measured: true}}},
	}
	for range 3 {
		p := &workloads.Program{}
		nap, err := timespec(p, napTime)
		if err != nil {
			return nil, err
		}
		p.Ops = []workloads.Op{{Name: "nanosleep", Nr: unix.SYS_NANOSLEEP, Args: [6]uintptr{nap}, Measured: true}}
		programs = append(programs, p)
	}
	ctx, cancel := context.WithCancelCause(l.ctx)
	ended := make(chan error, len(programs))
	for i, p := range programs {
		o := workloads.Options{Calls: math.MaxInt32, Batch: math.MaxInt32, Quiesce: -1}
		if i == 0 {
			o.Calls, o.Batch, o.Rate = 1_000_000, 0, rate
		}
		go func() {
			_, err := workloads.Run(ctx, p, o)
			if errors.Is(err, errEnough) {
				err = nil
			}
			ended <- errors.Join(err, p.Close())
		}()
	}
	return func() error {
		cancel(errEnough)
		var err error
		for range programs {
			err = errors.Join(err, <-ended)
		}
		return err
	}, nil
}

func timespec(p *workloads.Program, d time.Duration) (uintptr, error) {
	mem, at, err := p.Alloc(16)
	if err != nil {
		return 0, err
	}
	ts := unix.NsecToTimespec(int64(d))
	for i, v := range []int64{ts.Sec, ts.Nsec} {
		for b := range 8 {
			mem[8*i+b] = byte(v >> (8 * b))
		}
	}
	return at, nil
}

func (l *lab) cycle(p *problems, when string, t *troupe, calls []calling) error {
	n := len(t.callers)
	if err := t.enter.open(n); err != nil {
		return err
	}
	prof, err := kmod.LoadProfiler(testbedtest.ProfilerPath,
		[]string{"sys_nanosleep", "sys_getpid", "sys_getppid", "sys_read"})
	if err != nil {
		return err
	}
	err = l.profiled(p, when, prof, t, calls)
	return errors.Join(err, prof.Unload())
}

// profiled is the part of a cycle in which the module is there. The callers go
// on while it is unloaded.
func (l *lab) profiled(p *problems, when string, prof *kmod.Profiler, t *troupe, calls []calling) error {
	n := len(t.callers)
	files, err := profilerFiles(prof)
	if err != nil {
		return err
	}
	defer files[0].Close()
	defer files[1].Close()
	if err := t.ready.await(n); err != nil {
		return err
	}
	before, after, err := t.observe(l.ctx, files...)
	if err != nil {
		return err
	}
	checkCounted(p, when, before, after, calls, "sys_getpid", "sys_read")
	if err := t.leave.open(n); err != nil {
		return err
	}
	if err := readAlong(p, when, prof, after[0]); err != nil {
		return err
	}
	stats, err := prof.Stats()
	if err != nil {
		return err
	}
	l.naps += stats[0].Invocations
	l.background += stats[2].Invocations
	return nil
}

// readAlong reads the files from several threads while everything is called:
// each text is whole, and counts only rise.
func readAlong(p *problems, when string, prof *kmod.Profiler, first []byte) error {
	start, err := kmod.ParseStats(first)
	if err != nil {
		return err
	}
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() { errs <- readRising(prof, start) }()
	}
	for range cap(errs) {
		p.note(when+": readers", <-errs)
	}
	return nil
}

func readRising(prof *kmod.Profiler, last []kmod.Stat) error {
	for range 5 {
		now, err := prof.Stats()
		if err != nil {
			return err
		}
		if len(now) != len(last) {
			return fmt.Errorf("%d lines of stats after %d", len(now), len(last))
		}
		for i := range now {
			if now[i].Symbol != last[i].Symbol || now[i].Invocations < last[i].Invocations {
				return fmt.Errorf("%+v after %+v", now[i], last[i])
			}
		}
		missed, err := prof.Missed()
		if err != nil {
			return err
		}
		for _, m := range missed {
			if m.Calls != 0 {
				return fmt.Errorf("%s: %d missed", m.Symbol, m.Calls)
			}
		}
		last = now
	}
	return nil
}
