// SPDX-License-Identifier: MIT

package main

import (
	"slices"
	"time"

	"kprof-bench/kmod"
	"kprof-bench/workloads"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

const (
	stallCalls = 1000
	stallAt    = 500
	stallFor   = 50 * time.Millisecond

	// All as long as each other.
	shortSleep = "sleep    10 1"
	longSleep  = "sleep 50000 1"
)

// stall is a check that a call which takes 50 ms, one of a thousand that are due
// every millisecond, shows at its true size, and so do those that it keeps
// waiting. To a generator that waits for the call it is one in a thousand.
func stall(l *lab, testbed *kmod.Testbed) error {
	rate, err := workloads.ParseRate("1000/s")
	if err != nil {
		return err
	}
	p := &workloads.Program{}
	defer p.Close()
	commands, at, err := p.Alloc(stallCalls * len(shortSleep))
	if err != nil {
		return err
	}
	for i := range stallCalls {
		command := shortSleep
		if i == stallAt {
			command = longSleep
		}
		copy(commands[i*len(command):], command)
	}
	p.Ops = []workloads.Op{{
		Name: "write", Nr: unix.SYS_WRITE, Measured: true,
		Args:   [6]uintptr{testbed.Fd(), at, uintptr(len(shortSleep))},
		Stride: [6]uintptr{1: uintptr(len(shortSleep))},
	}}
	r, err := workloads.Run(l.ctx, p, workloads.Options{Calls: stallCalls, Rate: rate})
	if err != nil {
		return err
	}
	return l.stalled(r)
}

func (l *lab) stalled(r *workloads.Result) error {
	intended := hdrhistogram.New(1, int64(time.Minute), 3)
	var took []time.Duration
	for i, ns := range r.Latencies {
		if err := intended.RecordValue(ns.Nanoseconds()); err != nil {
			return err
		}
		took = append(took, ns-r.Late[i])
	}
	percentile := func(of float64) time.Duration { return time.Duration(intended.ValueAtPercentile(of)) }
	slices.Sort(took)
	l.note("p50 %v, p95 %v, p99 %v, p99.9 %v; without the wait: p99 %v, p99.9 %v", percentile(50), percentile(95),
		percentile(99), percentile(99.9), took[stallCalls*99/100], took[stallCalls-1])

	p := &problems{}
	// It is over 50 ms after its deadline, the next one 49 ms after its own and
	// so on: of a thousand calls ten have waited for more than 40 ms, and less
	// than fifty-one in all.
	around := func(name string, got, want, slack time.Duration) {
		if got < want-slack || got > want+slack {
			p.add("%s is %v, want %v", name, got, want)
		}
	}
	around("p99.9", percentile(99.9), stallFor, time.Millisecond)
	around("p99", percentile(99), stallFor-9*time.Millisecond, time.Millisecond)
	around("p94", percentile(94), 0, time.Millisecond)
	// The same run, as it looks to who does not count the wait.
	around("p99 without the wait", took[stallCalls*99/100], 0, time.Millisecond)
	return p.err()
}
