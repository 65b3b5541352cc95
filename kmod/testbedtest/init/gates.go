// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"kprof-bench/workloads"
)

// gate is a pipe through which processes wait for each other: a byte lets one
// of them pass. They read and write it with readv and writev, so that read and
// write are free to be counted.
type gate struct{ r, w int }

func newGate() (gate, error) {
	var fds [2]int
	// Not of package os, which would make them non-blocking.
	err := unix.Pipe2(fds[:], unix.O_CLOEXEC)
	return gate{fds[0], fds[1]}, err
}

func (g gate) close() {
	unix.Close(g.r)
	unix.Close(g.w)
}

// open lets n processes pass.
func (g gate) open(n int) error {
	_, err := unix.Write(g.w, make([]byte, n))
	return err
}

// await waits for n processes.
func (g gate) await(n int) error {
	b := make([]byte, n)
	for len(b) > 0 {
		got, err := unix.Read(g.r, b)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		b = b[max(got, 0):]
	}
	return nil
}

// vector makes an argument for readv and writev, of n bytes.
func vector(p *workloads.Program, n int) (uintptr, error) {
	mem, at, err := p.Alloc(16 + n)
	if err != nil {
		return 0, err
	}
	binary.LittleEndian.PutUint64(mem, uint64(at)+16)
	binary.LittleEndian.PutUint64(mem[8:], uint64(n))
	return at, nil
}

// pass waits at the gate.
func (g gate) pass(p *workloads.Program) (workloads.Op, error) {
	v, err := vector(p, 1)
	return workloads.Op{Name: "wait at a gate", Nr: unix.SYS_READV, Args: [6]uintptr{uintptr(g.r), v, 1}}, err
}

// tell lets n others pass.
func (g gate) tell(p *workloads.Program, n int) (workloads.Op, error) {
	v, err := vector(p, n)
	return workloads.Op{Name: "open a gate", Nr: unix.SYS_WRITEV, Args: [6]uintptr{uintptr(g.w), v, 1}}, err
}

// troupe is a number of processes without Go that make known numbers of calls
// at the same time, while one more observes files before and after. Each goes
// through these gates in each round:
//
//	enter  opened by the parent; then the process makes its calls once, which
//	       nobody counts
//	ready  it tells the parent that it has
//	start  opened by the observer after its first reading; then the process
//	       makes the calls that count
//	done   it tells the observer, which then reads again
//	leave  opened by the parent; then it makes its calls once more
//
// So nothing but the calls that count happens between the two readings, except
// for readv and writev.
type troupe struct {
	enter, ready, start, done, leave gate

	callers []*caller
	cancel  context.CancelFunc
	ended   chan error
}

// caller is one of the processes.
type caller struct {
	generator workloads.Generator
	calls     int // measured ones each time
}

func newTroupe(l *lab, rounds int, callers []*caller) (*troupe, error) {
	ctx, cancel := context.WithCancel(l.ctx)
	t := &troupe{callers: callers, cancel: cancel, ended: make(chan error, len(callers))}
	for _, g := range t.gates() {
		var err error
		if *g, err = newGate(); err != nil {
			return nil, err
		}
	}
	for _, c := range callers {
		go func() { t.ended <- t.run(ctx, c, rounds) }()
	}
	return t, nil
}

func (t *troupe) gates() []*gate {
	return []*gate{&t.enter, &t.ready, &t.start, &t.done, &t.leave}
}

func (t *troupe) run(ctx context.Context, c *caller, rounds int) error {
	p, err := c.generator.Prepare()
	if err != nil {
		return err
	}
	defer p.Close()
	once := slices.Repeat(p.Ops, c.calls)
	uncounted := slices.Clone(once)
	for i := range uncounted {
		uncounted[i].Measured = false
	}
	var errs [5]error
	var steps [5]workloads.Op
	steps[0], errs[0] = t.enter.pass(p)
	steps[1], errs[1] = t.ready.tell(p, 1)
	steps[2], errs[2] = t.start.pass(p)
	steps[3], errs[3] = t.done.tell(p, 1)
	steps[4], errs[4] = t.leave.pass(p)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	p.Ops = slices.Concat(steps[:1], uncounted, steps[1:3], once, steps[3:5], uncounted)
	result, err := workloads.Run(ctx, p, workloads.Options{Calls: rounds * c.calls, Batch: c.calls, Quiesce: -1})
	if err != nil {
		return fmt.Errorf("%s: %w", c.generator.Name, err)
	}
	if result.Issued != uint64(rounds*c.calls) {
		return fmt.Errorf("%s: issued %d, want %d", c.generator.Name, result.Issued, rounds*c.calls)
	}
	return nil
}

// quiesce is how long Go's runtime has to come to rest.
const quiesce = 150 * time.Millisecond

// observe has all processes make their calls, and returns what the files held
// before and after. The callers must be ready.
func (t *troupe) observe(ctx context.Context, files ...*os.File) (before, after [][]byte, err error) {
	p := &workloads.Program{}
	defer p.Close()
	first, err := t.start.tell(p, len(t.callers))
	if err != nil {
		return nil, nil, err
	}
	first.Measured = true
	p.Ops = append(p.Ops, first)
	for range t.callers {
		op, err := t.done.pass(p)
		if err != nil {
			return nil, nil, err
		}
		p.Ops = append(p.Ops, op)
	}
	r, err := workloads.Run(ctx, p, workloads.Options{Calls: 1, Observe: files, Quiesce: quiesce})
	if err != nil {
		return nil, nil, err
	}
	return r.Before, r.After, nil
}

// close waits for the processes to end, which they do after the last round.
func (t *troupe) close() error {
	var err error
	for range t.callers {
		err = errors.Join(err, <-t.ended)
	}
	t.cancel()
	for _, g := range t.gates() {
		g.close()
	}
	return err
}

// abandon is close for when something went wrong before the last round.
func (t *troupe) abandon() {
	t.cancel()
	_ = t.close()
}
