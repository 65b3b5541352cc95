// SPDX-License-Identifier: MIT

package workloads

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"
	"time"
)

// ErrNotSupported is returned by Run on an architecture without an engine.
var ErrNotSupported = errors.New("workloads need linux/amd64")

// Result is what a run found. Ticks are those of the time stamp counter; in a
// QEMU guest with -icount shift=0 one tick is one instruction.
type Result struct {
	// Issued is the number of measured calls that were executed between
	// the two observations, those that failed included.
	Issued uint64
	// Batch is the number of measured calls in each of Ticks.
	Batch int
	// Ticks is what each batch took, the engine's own instructions
	// included. When paced, each is a single round of the program.
	Ticks []uint64
	// LoopTicks is what a batch takes when the engine leaves out the
	// SYSCALL instructions and does all the rest: the least of several
	// times, in the same run. So Ticks[i]-LoopTicks is what the system
	// calls took, the SYSCALL instructions included.
	LoopTicks uint64
	// OpTicks is what a call of each operation of the program took, on average
	// of those between the two observations, if [Options].Each is set and none
	// failed. About twenty instructions of the engine are part of each, always
	// the same.
	OpTicks []float64
	// Before and After are the contents of the observed files.
	Before, After [][]byte
	// Counted is by how much each counter is higher the second time.
	Counted []uint64
	// Written is by how much each of the words is higher the second time.
	Written []uint64
	// Start and End are the moments before the first and after the last
	// counted call.
	Start, End Stamp
	// TicksPerSec is the rate of the time stamp counter against
	// CLOCK_MONOTONIC, from before Quiesce to the end of the run.
	TicksPerSec float64
	// Asked and Achieved are the rates of the measured calls; Achieved is
	// in calls per second. Of a paced run it is that of the starts, until the
	// start of the last round.
	Asked    Rate
	Achieved float64
	// Late is by how much each round of a paced run began after its
	// deadline. It is good to about the time of one clock_gettime, and so
	// may be a little below 0.
	Late []time.Duration
	// Latencies is what passed from each deadline of a paced run to the end
	// of its round: what somebody waits who cannot choose when to ask. A round
	// that starts late because the one before it stalled has waited too.
	// (Tene, How NOT to Measure Latency: coordinated omission.)
	Latencies []time.Duration
	// Overrun is the number of paced rounds that began after the deadline
	// of the next one: if it is not 0 the rate was not held.
	Overrun int
}

// Merge returns what several programs found that ran together, of which the
// first has observed. All must have batches of one size.
func Merge(all []*Result) *Result {
	if len(all) == 1 {
		return all[0]
	}
	m := *all[0]
	for _, r := range all[1:] {
		m.Issued += r.Issued
		m.Achieved += r.Achieved
		m.Overrun += r.Overrun
		m.LoopTicks = min(m.LoopTicks, r.LoopTicks)
		m.Ticks = slices.Concat(m.Ticks, r.Ticks)
		m.Late = slices.Concat(m.Late, r.Late)
		m.Latencies = slices.Concat(m.Latencies, r.Latencies)
	}
	m.OpTicks = nil // which are of one program
	return &m
}

// Stamp is one moment on two clocks.
type Stamp struct {
	Ticks  uint64
	MonoNs int64
}

// CallTicks returns what a measured call took in each batch, without the
// engine's own instructions. Calls of the program that are not measured are
// part of it. It may be below 0 by noise where ticks are time.
func (r *Result) CallTicks() []float64 {
	per := make([]float64, len(r.Ticks))
	for i, t := range r.Ticks {
		per[i] = (float64(t) - float64(r.LoopTicks)) / float64(r.Batch)
	}
	return per
}

// Lateness returns the median and the maximum of Late, 0 if there is none.
func (r *Result) Lateness() (median, most time.Duration) {
	if len(r.Late) == 0 {
		return 0, 0
	}
	s := slices.Sorted(slices.Values(r.Late))
	return s[len(s)/2], s[len(s)-1]
}

// OpError says that a call of the program failed, which ends a run. It wraps
// the errno.
type OpError struct {
	Index  int // in Program.Ops, Program.Setup or Op.Child
	Op     Op
	Errno  syscall.Errno // 0 if the call succeeded with another result than it must have
	Got    uintptr       // the result, if Errno is 0
	Issued uint64        // measured calls executed between the observations, the failed one included
	Warmup bool          // it failed before the first observation
	Child  bool          // it failed in a process that the program made
}

func (e *OpError) Error() string {
	when := fmt.Sprintf("with %d measured calls made", e.Issued)
	if e.Warmup {
		when = "while warming up"
	}
	where := "the program"
	if e.Child {
		where = "a new process"
	}
	if e.Errno == 0 {
		return fmt.Sprintf("%s (call %d of %s) returned %#x and not %#x %s", e.Op, e.Index, where, e.Got, e.Op.Want, when)
	}
	return fmt.Sprintf("%s (call %d of %s) failed %s: %v", e.Op, e.Index, where, when, e.Errno)
}

// Unwrap returns the errno, or nil if there is none.
func (e *OpError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// clockPair relates the two clocks from two stamps.
type clockPair struct{ a, b Stamp }

func (c clockPair) ticksPerSec() float64 {
	if c.b.MonoNs <= c.a.MonoNs {
		return 0
	}
	return float64(c.b.Ticks-c.a.Ticks) / float64(c.b.MonoNs-c.a.MonoNs) * 1e9
}

func (c clockPair) at(ticks uint64) Stamp {
	s := Stamp{Ticks: ticks, MonoNs: c.a.MonoNs}
	if hz := c.ticksPerSec(); hz > 0 {
		s.MonoNs += int64(math.Round(float64(int64(ticks-c.a.Ticks)) / hz * 1e9))
	}
	return s
}

// paced is how the rounds of a paced run went, in ns.
type paced struct {
	late, latencies []time.Duration
	overrun         int
	lastStart       int64 // after the start of the run
}

// pacing compares when rounds started, and when they had taken their ticks, with
// when they were due, in ns after start.
func pacing(clocks clockPair, start int64, due []int64, started, ticks []uint64) paced {
	p := paced{late: make([]time.Duration, len(started)), latencies: make([]time.Duration, len(started))}
	for i, begin := range started {
		at := clocks.at(begin).MonoNs - start
		p.late[i] = time.Duration(at - due[i])
		p.latencies[i] = time.Duration(clocks.at(begin+ticks[i]).MonoNs - start - due[i])
		if i+1 < len(due) && at > due[i+1] {
			p.overrun++
		}
		p.lastStart = at
	}
	return p
}
