// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// timings is how many loops a median is of. An interrupt falls into few of
// them.
const timings = 51

// medianTicks is what a function costs beyond the empty one.
func medianTicks(run func() (kmod.Timing, error)) (float64, error) {
	var all []float64
	for range timings {
		t, err := run()
		if err != nil {
			return 0, err
		}
		all = append(all, t.TicksPerCall())
	}
	slices.Sort(all)
	return all[timings/2], nil
}

// knownLengths: what the object code says is what the clock says. The commands
// come from a process without Go, whose runtime would interrupt the long ones
// again and again.
func (l *lab) knownLengths(t *kmod.Testbed) error {
	p := &problems{}
	empty, err := l.object.KnownLength("tb_empty")
	if err != nil {
		return err
	}
	for _, test := range []struct {
		fn      string
		n, want uint64
	}{
		{"tb_work", 1, 5},
		{"tb_work_even", 32, 68},
		{"tb_work", 100, 203},
		{"tb_work", 1000, 2003},
		{"tb_work", 10000, 20003},
	} {
		what := fmt.Sprintf("%s(%d)", test.fn, test.n)
		known, err := l.object.KnownLength(test.fn)
		p.note(what, err)
		equal(p, what+" by its object code", known.Of(test.n), test.want)
		for _, calls := range []uint64{1, min(50, 1+40000/test.n)} {
			ticks, err := l.askTicks(t, fmt.Sprintf("%s %d %d", strings.TrimPrefix(test.fn, "tb_"), test.n, calls))
			p.note(what, err)
			equal(p, fmt.Sprintf("%s by the clock, %d at a time", what, calls), ticks+float64(empty.Of(0)), float64(test.want))
		}
	}
	return p.err()
}

// askTicks is medianTicks for a command that is written without Go.
func (l *lab) askTicks(t *kmod.Testbed, command string) (float64, error) {
	c := newCommander(t)
	defer c.Close()
	var answers []func() string
	for range timings {
		if _, err := c.write("%s", command); err != nil {
			return 0, err
		}
		text, err := c.result()
		if err != nil {
			return 0, err
		}
		answers = append(answers, text)
	}
	if err := c.run(l.ctx); err != nil {
		return 0, err
	}
	return medianTicks(func() (kmod.Timing, error) {
		text := answers[0]()
		answers = answers[1:]
		return kmod.ParseTiming(text)
	})
}

// calls: a call costs the same however many are made, and the next time too.
func (l *lab) calls(t *kmod.Testbed) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &problems{}
	empty, err := l.object.KnownLength("tb_empty_syscall")
	if err != nil {
		return err
	}
	for _, test := range []struct {
		symbol string
		ret    int
	}{
		{"getpid", os.Getpid()},
		{"getppid", os.Getppid()},
		{"gettid", unix.Gettid()},
		{"getuid", os.Getuid()},
	} {
		symbol := "__x64_sys_" + test.symbol
		costs := map[float64]int{}
		for _, calls := range []uint64{1, 10, 50, 10} {
			ticks, err := medianTicks(func() (kmod.Timing, error) {
				r, err := t.Call(symbol, calls)
				equal(p, test.symbol+" calls", r.Calls, calls)
				equal(p, test.symbol+" returns", r.Ret, int64(test.ret))
				equal(p, test.symbol+" fails", r.Errors, 0)
				return r.Timing, err
			})
			p.note(test.symbol, err)
			costs[ticks+float64(empty.Of(0))]++
		}
		l.note("%s takes %v", test.symbol, costs)
		for ticks := range costs {
			if len(costs) != 1 || ticks != float64(int(ticks)) || ticks < 10 {
				p.add("%s takes %v instructions: want always the same", test.symbol, costs)
			}
		}
	}
	r, err := t.Call("__x64_sys_openat", 7, uint64(unix.AT_FDCWD&(1<<64-1)), 0)
	p.note("openat", err)
	equal(p, "openat of no name", syscall.Errno(-r.Ret), unix.EFAULT)
	equal(p, "openat of no name: failed calls", r.Errors, 7)
	return p.err()
}

// callArguments maps a file: each of the six arguments shows in the result.
func (l *lab) callArguments(t *kmod.Testbed) error {
	p := &problems{}
	const path = "/tmp/mapped"
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer f.Close()
	if err := f.Truncate(16 << 12); err != nil {
		return err
	}
	const at = 0x123450000
	r, err := t.Call("__x64_sys_mmap", 1, at, 3<<12,
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED_NOREPLACE, uint64(f.Fd()), 5<<12)
	p.note("mmap", err)
	equal(p, "mmap returns", r.Ret, at)
	maps, err := os.ReadFile("/proc/self/maps")
	p.note("maps", err)
	found := 0
	for line := range strings.Lines(string(maps)) {
		if strings.HasPrefix(line, "123450000-123453000 rw-s 00005000 ") && strings.HasSuffix(line, " "+path+"\n") {
			found++
		}
	}
	equal(p, "mappings as asked for", found, 1)
	_, _, errno := unix.Syscall(unix.SYS_MUNMAP, at, 3<<12, 0)
	equal(p, "munmap", errno, 0)
	return p.err()
}

func (l *lab) sleep(t *kmod.Testbed) error {
	p := &problems{}
	for _, test := range []struct{ us, calls uint64 }{{1, 30}, {200, 25}, {5000, 3}} {
		what := fmt.Sprintf("sleep %d %d", test.us, test.calls)
		began := time.Now()
		in, err := t.Sleep(test.us, test.calls)
		took := uint64(time.Since(began))
		p.note(what, err)
		checkInside(p, what, in, test.calls, test.calls)
		// All of the sleep is inside, and nothing is that lies outside.
		if least := test.us * 1000 * test.calls; in.NS < least || in.NS > took {
			p.add("%s: %d ns inside, want %d to %d", what, in.NS, least, took)
		}
	}
	return p.err()
}

func checkInside(p *problems, what string, in kmod.Inside, calls, invocations uint64) {
	equal(p, what+": calls", in.Calls, calls)
	equal(p, what+": invocations", in.Invocations, invocations)
	// On this clock an instruction is a tick and a nanosecond. Two readings of
	// a clock are at least one instruction apart, and the nanosecond clock is
	// the one that is read outside.
	if in.Ticks < invocations || in.NS < in.Ticks {
		p.add("%s: %d ticks and %d ns inside", what, in.Ticks, in.NS)
	}
}

func (l *lab) recurse(t *kmod.Testbed) error {
	p := &problems{}
	var one, two uint64
	for _, test := range []struct{ depth, calls uint64 }{{0, 7}, {1, 7}, {37, 11}, {100, 5}} {
		what := fmt.Sprintf("recurse %d %d", test.depth, test.calls)
		in, err := t.Recurse(test.depth, test.calls)
		p.note(what, err)
		checkInside(p, what, in, test.calls, (test.depth+1)*test.calls)
		switch test.depth {
		case 0:
			one = in.Ticks
		case 1:
			two = in.Ticks
		}
	}
	// The outer level holds the inner one, whose time counts twice then.
	if two <= 3*one {
		p.add("two levels take %d ticks, one takes %d: the outer level does not hold the inner one", two, one)
	}
	return p.err()
}

func (l *lab) timer(t *kmod.Testbed) error {
	p := &problems{}
	for _, test := range []struct{ us, calls uint64 }{{10, 300}, {100, 50}, {1000, 1}} {
		what := fmt.Sprintf("timer %d %d", test.us, test.calls)
		began := time.Now()
		in, err := t.Timer(test.us, test.calls)
		took := time.Since(began)
		p.note(what, err)
		checkInside(p, what, in, test.calls, test.calls)
		// The first comes after one interval, and none is early.
		if least := time.Duration(test.us*test.calls) * time.Microsecond; took < least {
			p.add("%s: took %v, want at least %v", what, took, least)
		}
	}
	return p.err()
}

func (l *lab) args8(t *kmod.Testbed) error {
	p := &problems{}
	for _, calls := range []uint64{1, 2, 9, 10, 1000} {
		what := fmt.Sprintf("args8 %d", calls)
		r, err := t.Args8(calls)
		p.note(what, err)
		checkInside(p, what, r.Inside, calls, calls)
		var want, weight int64 = 0, 1
		for j := range int64(8) {
			want += weight * (1 + (int64(calls)-1+j)%9)
			weight *= 10
		}
		equal(p, what+": value", r.Value, want)
		equal(p, what+": expected value", r.Expect, want)
	}
	return p.err()
}
