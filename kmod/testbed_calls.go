// SPDX-License-Identifier: MIT

package kmod

import (
	"fmt"
	"strings"
)

// Timing is what a loop of calls took. The Loop fields are the same loop
// around an empty function, measured right before. Ticks are of the TSC, one
// for each instruction on the icount clock.
type Timing struct {
	Calls             uint64
	Ticks, NS         uint64
	LoopTicks, LoopNS uint64
}

// TicksPerCall is what the function costs more than the empty one, which has
// a length of its own: see [TestbedObject.KnownLength] of tb_empty, or of
// tb_empty_syscall for Call.
func (t Timing) TicksPerCall() float64 {
	return (float64(t.Ticks) - float64(t.LoopTicks)) / float64(t.Calls)
}

// CallResult is what calls of a system call's function took and returned.
type CallResult struct {
	Timing
	// Ret is what the last call returned.
	Ret int64
	// Errors counts calls that returned a negative number.
	Errors uint64
}

// Inside is what a function measured of itself, from its first statement to
// its last, summed over its invocations.
type Inside struct {
	Calls       uint64
	Invocations uint64
	Ticks, NS   uint64
}

// Args8Result is the outcome of Args8.
type Args8Result struct {
	Inside
	// Value is what the last call returned, Expect what it should have. Calls
	// end at the first that differ.
	Value, Expect int64
}

var (
	timingKeys = []string{"calls", "ticks", "ns", "loop_ticks", "loop_ns"}
	callKeys   = []string{"calls", "ticks", "ns", "loop_ticks", "loop_ns", "ret", "errors"}
	insideKeys = []string{"calls", "invocations", "inside_ticks", "inside_ns"}
	args8Keys  = []string{"calls", "invocations", "inside_ticks", "inside_ns", "value", "expect"}
)

func timingOf(v map[string]int64) Timing {
	return Timing{
		Calls: uint64(v["calls"]),
		Ticks: uint64(v["ticks"]), NS: uint64(v["ns"]),
		LoopTicks: uint64(v["loop_ticks"]), LoopNS: uint64(v["loop_ns"]),
	}
}

func insideOf(v map[string]int64) Inside {
	return Inside{
		Calls: uint64(v["calls"]), Invocations: uint64(v["invocations"]),
		Ticks: uint64(v["inside_ticks"]), NS: uint64(v["inside_ns"]),
	}
}

func (t *Testbed) timing(format string, args ...any) (Timing, error) {
	text, err := t.text(format, args...)
	if err != nil {
		return Timing{}, err
	}
	return ParseTiming(text)
}

// ParseTiming parses the testbed's answer to a work, work_even or vpair
// command, for those who write the command themselves: see [Testbed.Fd].
func ParseTiming(text string) (Timing, error) {
	v, err := parseTestbedValues(text, timingKeys)
	return timingOf(v), err
}

func (t *Testbed) inside(format string, args ...any) (Inside, error) {
	v, err := t.values(insideKeys, format, args...)
	return insideOf(v), err
}

// Work calls tb_work(n) calls times: a function of 2n+3 instructions. Make many
// short runs and take the median of their TicksPerCall: an interrupt makes a
// run too long, or, when it hits the empty loop, too short, so neither the mean
// nor the minimum will do.
func (t *Testbed) Work(n, calls uint64) (Timing, error) {
	return t.timing("work %d %d", n, calls)
}

// WorkEven calls tb_work_even(n) calls times: a function of 2n+4 instructions.
func (t *Testbed) WorkEven(n, calls uint64) (Timing, error) {
	return t.timing("work_even %d %d", n, calls)
}

// Returns times returns, calls of them: TicksPerCall is what one takes beyond an
// instruction. That is 0 unless the kernel has returns jump to a thunk.
func (t *Testbed) Returns(calls uint64) (Timing, error) {
	return t.timing("returns %d", calls)
}

// VPair calls vmalloc(size) and vfree() of its result, calls times.
func (t *Testbed) VPair(size, calls uint64) (Timing, error) {
	return t.timing("vpair %d %d", size, calls)
}

// Call calls a system call's function, named as kallsyms does
// (__x64_sys_getpid), as the kernel's entry code would, with up to six
// arguments. Arguments that are addresses must belong to memory that Go does
// not move. A call that forks works only through [Testbed.Fd].
func (t *Testbed) Call(symbol string, calls uint64, args ...uint64) (CallResult, error) {
	var b strings.Builder
	for _, a := range args {
		fmt.Fprintf(&b, " %#x", a)
	}
	text, err := t.text("call %s %d%s", symbol, calls, b.String())
	if err != nil {
		return CallResult{}, err
	}
	return ParseCall(text)
}

// ParseCall parses the testbed's answer to a call command, for those who write
// the command themselves: see [Testbed.Fd].
func ParseCall(text string) (CallResult, error) {
	v, err := parseTestbedValues(text, callKeys)
	return CallResult{Timing: timingOf(v), Ret: v["ret"], Errors: uint64(v["errors"])}, err
}

// Sleep calls tb_sleep calls times, each asleep for us microseconds.
func (t *Testbed) Sleep(us, calls uint64) (Inside, error) {
	return t.inside("sleep %d %d", us, calls)
}

// Recurse calls tb_recurse calls times, each with depth further levels inside,
// so there are (depth+1)*calls invocations. The time of an inner level counts
// in the outer ones too.
func (t *Testbed) Recurse(depth, calls uint64) (Inside, error) {
	return t.inside("recurse %d %d", depth, calls)
}

// Timer has tb_timer_fn called in hard interrupt context calls times, us
// microseconds apart.
func (t *Testbed) Timer(us, calls uint64) (Inside, error) {
	return t.inside("timer %d %d", us, calls)
}

// Args8 calls tb_args8, which takes eight arguments, calls times, and checks
// that each arrived in its place.
func (t *Testbed) Args8(calls uint64) (Args8Result, error) {
	v, err := t.values(args8Keys, "args8 %d", calls)
	return Args8Result{Inside: insideOf(v), Value: v["value"], Expect: v["expect"]}, err
}

// RefProbe is a kretprobe of the testbed's own, made like profiler.ko's and
// sharing no code with it.
type RefProbe struct {
	t *Testbed
}

// RefCount is what a RefProbe has seen.
type RefCount struct {
	// Entered are the calls that have begun.
	Entered uint64
	// Calls that have returned, and the time they took.
	Calls, TotalNS uint64
	// Missed counts calls it could not follow.
	Missed uint64
}

// RefProbe puts the session's reference probe on a symbol, named as kallsyms
// does, in place of the one it had. It lasts until Remove or Close.
func (t *Testbed) RefProbe(symbol string) (*RefProbe, error) {
	if _, err := t.text("refprobe %s", symbol); err != nil {
		return nil, err
	}
	return &RefProbe{t: t}, nil
}

// Read returns what the probe has seen so far.
func (p *RefProbe) Read() (RefCount, error) {
	v, err := p.t.values([]string{"entered", "calls", "total_ns", "missed"}, "refread")
	return RefCount{
		Entered: uint64(v["entered"]), Calls: uint64(v["calls"]), TotalNS: uint64(v["total_ns"]), Missed: uint64(v["missed"]),
	}, err
}

// Remove takes the probe away.
func (p *RefProbe) Remove() error {
	_, err := p.t.text("refprobe off")
	return err
}
