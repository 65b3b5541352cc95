// SPDX-License-Identifier: MIT

package bench

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"kprof-bench/kmod"
	"kprof-bench/workloads"

	"golang.org/x/sys/unix"
)

// answerSize is room for the testbed's answer to one command, with a zero byte
// behind it.
const answerSize = 256

// ask is [Ask] of the lab's testbed.
func (l *lab) ask(ctx context.Context, n int, text string) ([]string, error) {
	return Ask(ctx, l.testbed, n, text)
}

// Ask has a testbed execute a command n times, and returns its answers. The
// commands come from a process in which nothing else runs: Go's runtime beside
// them would be measured too.
func Ask(ctx context.Context, t *kmod.Testbed, n int, text string) ([]string, error) {
	p := &workloads.Program{}
	defer p.Close()
	command, read, answers, err := commandOf(p, t, text, n)
	if err != nil {
		return nil, err
	}
	p.Ops = []workloads.Op{command, read}
	if _, err := workloads.Run(ctx, p, workloads.Options{Calls: n, Batch: 1}); err != nil {
		return nil, fmt.Errorf("testbed command %q (see the kernel log): %w", text, err)
	}
	return answers(), nil
}

// askTimings is ask for commands that time a loop. It returns what a call took
// in each; empty is the length of the function that the loop itself was timed
// with.
func (l *lab) askTimings(ctx context.Context, n int, text string, empty float64) ([]float64, error) {
	answers, err := l.ask(ctx, n, text)
	if err != nil {
		return nil, err
	}
	took := make([]float64, n)
	for i, answer := range answers {
		t, err := kmod.ParseTiming(answer)
		if err != nil {
			return nil, err
		}
		took[i] = l.perCall(t, empty)
	}
	return took, nil
}

// command returns the calls that give the testbed a command and read its
// answer, and a function that returns the first n answers after a run.
func (l *lab) command(p *workloads.Program, text string, n int) (write, read workloads.Op, answers func() []string, err error) {
	return commandOf(p, l.testbed, text, n)
}

func commandOf(p *workloads.Program, t *kmod.Testbed, text string, n int) (write, read workloads.Op, answers func() []string, err error) {
	mem, at, err := p.Alloc(len(text))
	if err != nil {
		return write, read, nil, err
	}
	copy(mem, text)
	slots, slotsAt, err := p.Alloc(n * answerSize)
	if err != nil {
		return write, read, nil, err
	}
	fd := t.Fd()
	write = workloads.Op{
		Name: "write to the testbed", Nr: unix.SYS_WRITE, Measured: true,
		Args: [6]uintptr{fd, at, uintptr(len(text))},
	}
	read = workloads.Op{
		Name: "read from the testbed", Nr: unix.SYS_PREAD64,
		Args:   [6]uintptr{fd, slotsAt, answerSize - 1, 0},
		Stride: [6]uintptr{1: answerSize},
	}
	return write, read, func() []string {
		var all []string
		for slot := range slices.Chunk(slots, answerSize) {
			answer, _, _ := bytes.Cut(slot, []byte{0})
			all = append(all, string(answer))
		}
		return all
	}, nil
}

// perCall is what a call took, in instructions on the exact clock and else in
// nanoseconds. empty is the length of the function that the loop itself was
// timed with.
func (l *lab) perCall(t kmod.Timing, empty float64) float64 {
	if l.Clock.Exact() {
		return t.TicksPerCall() + empty
	}
	return (float64(t.NS) - float64(t.LoopNS)) / float64(t.Calls)
}
