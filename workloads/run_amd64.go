// SPDX-License-Identifier: MIT

package workloads

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// idleRuns is how often the engine's own cost is measured.
const idleRuns = 8

// Run executes the program in a child and waits for it. When ctx ends first
// the child is killed, and the error is the cause. When a call of the program
// fails, Run returns the result up to there together with an [*OpError].
//
// The child is a fork of this process: it is killed when this process dies,
// and it holds copies of its open files while it lives.
func Run(ctx context.Context, p *Program, o Options) (*Result, error) {
	all, err := RunTeam(ctx, []*Program{p}, o)
	if len(all) == 0 {
		return nil, err
	}
	return all[0], err
}

// RunTeam is [Run] for several programs at once, each in a child of its own, with
// the results in the same order. [Options].Calls are those of each program, and
// the rate is that of all together: a paced call is made by one program after the
// other in turn. If there are CPUs, each program has one of them, in turn as well.
//
// All children begin together, once the files have been observed, and those are
// observed again when all have made their calls. Meanwhile they wait for each
// other without system calls.
func RunTeam(ctx context.Context, programs []*Program, o Options) (_ []*Result, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("run workload: %w", err)
	}
	t := &teamRunner{}
	defer func() {
		if e := t.free(); err == nil && e != nil {
			err = e
		}
	}()
	if err := t.build(programs, o); err != nil {
		return nil, fmt.Errorf("run workload: %w", err)
	}
	// An engine dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := t.execute(ctx); err != nil {
		return nil, fmt.Errorf("run workload: %w", err)
	}
	return t.results()
}

// teamRunner runs a team, whose leader is the first.
type teamRunner struct {
	mem     shared
	runners []*runner
}

func (t *teamRunner) build(programs []*Program, o Options) error {
	shares, err := newPlans(programs, o)
	if err != nil {
		return err
	}
	for i, p := range programs {
		own := o
		if n := len(o.CPUs); n > 0 && len(programs) > 1 {
			own.CPUs = o.CPUs[i%n : i%n+1]
		}
		if i > 0 {
			own.Observe, own.Counters, own.Words, own.Hold, own.Port = nil, nil, nil, false, 0
		}
		r := &runner{program: p, options: own, plan: shares[i]}
		t.runners = append(t.runners, r)
		if err := r.build(); err != nil {
			return err
		}
	}
	if len(programs) == 1 {
		return nil
	}
	shared, err := table[team](&t.mem, 1)
	if err != nil {
		return err
	}
	for _, r := range t.runners {
		r.ctl.team = addr(shared)
	}
	t.runners[0].ctl.mates = uint64(len(programs) - 1)
	return nil
}

// execute starts the engines, the leader last because it may stop this process,
// and waits for all of them.
func (t *teamRunner) execute(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if len(t.runners) == 1 {
		return t.runners[0].execute(ctx)
	}
	var all sync.WaitGroup
	for _, r := range slices.Backward(t.runners) {
		pid, err := startEngine(r.ctl)
		if err != nil {
			cancel(fmt.Errorf("fork: %w", err))
			break
		}
		all.Go(func() {
			if err := waitEngine(ctx, pid); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	runtime.KeepAlive(t.runners)
	return context.Cause(ctx)
}

// results are those of all engines, with the error of the first that failed.
func (t *teamRunner) results() (all []*Result, failure error) {
	for _, r := range t.runners {
		res, err := r.result()
		if res == nil {
			return nil, err
		}
		if failure == nil {
			failure = err
		}
		all = append(all, res)
	}
	return all, failure
}

func (t *teamRunner) free() error {
	err := t.mem.free()
	for _, r := range t.runners {
		err = errors.Join(err, r.mem.free())
	}
	return err
}

// runner holds the engine's tables for one run.
type runner struct {
	program *Program
	options Options
	plan    *plan
	mem     shared

	ctl            *control
	ops            []engineOp
	ticks, started []uint64
	before, after  []engineFile
	bufs           [][]byte        // for before and then for after
	counters       []engineCounter // likewise
	words          []engineWord    // likewise
}

func (r *runner) build() error {
	ctl, err := table[control](&r.mem, 1)
	if err != nil {
		return err
	}
	r.ctl = &ctl[0]
	r.ctl.parent = uint64(os.Getpid())
	r.ctl.idleRuns = idleRuns
	r.ctl.each = flag(r.options.Each)
	r.ctl.port = uintptr(r.options.Port)
	r.ctl.warmup = uint64(r.options.Warmup)
	r.ctl.batch, r.ctl.tail = uint64(r.plan.batch), uint64(r.plan.tail)
	if r.plan.quiesce > 0 {
		ts := unix.NsecToTimespec(int64(r.plan.quiesce))
		r.ctl.quiesceSec, r.ctl.quiesceNsec = ts.Sec, ts.Nsec
	}
	for _, step := range []func() error{r.buildOps, r.buildTimes, r.buildFiles, r.buildCounters, r.buildWords, r.buildCPUs, r.buildThreads, r.buildPages} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) buildOps() error {
	n := len(r.program.Ops)
	all, err := table[engineOp](&r.mem, 3*n)
	if err != nil {
		return err
	}
	var real, idle []engineOp
	r.ops, real, idle = all[:n], all[n:2*n], all[2*n:]
	for i, op := range r.program.Ops {
		if real[i], err = r.engineOp(op); err != nil {
			return err
		}
		idle[i] = real[i]
		idle[i].nr = idleResult(op)
	}
	r.ctl.ops, r.ctl.opsEnd = addr(r.ops), end(r.ops)
	r.ctl.realOps, r.ctl.idleOps = addr(real), addr(idle)
	r.ctl.setup, r.ctl.setupEnd, err = r.list(r.program.Setup)
	return err
}

func (r *runner) engineOp(op Op) (engineOp, error) {
	e := engineOp{
		nr: op.Nr, args: op.Args, stride: op.Stride, allow: uint64(op.AllowErr), want: op.Want,
		measured: flag(op.Measured), exits: flag(op.ChildExits), touch: flag(op.Touch),
		strides: flag(op.Stride != [6]uintptr{}),
	}
	if len(op.Child) == 0 {
		return e, nil
	}
	var err error
	e.child, e.childEnd, err = r.list(op.Child)
	return e, err
}

// list makes a table of calls that are executed one after the other.
func (r *runner) list(ops []Op) (from, to uintptr, err error) {
	list, err := table[engineOp](&r.mem, len(ops))
	if err != nil {
		return 0, 0, err
	}
	for i, op := range ops {
		list[i] = engineOp{nr: op.Nr, args: op.Args, allow: uint64(op.AllowErr)}
	}
	return addr(list), end(list), nil
}

// idleResult stands in the place of the call's number, where the engine finds
// it as the result of the SYSCALL it left out, and takes the usual path.
func idleResult(op Op) uintptr {
	switch {
	case op.AllowErr != 0:
		return -uintptr(op.AllowErr)
	case op.Want != 0:
		return op.Want
	}
	return 1
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (r *runner) buildTimes() (err error) {
	if r.ticks, err = table[uint64](&r.mem, r.plan.timed); err != nil {
		return err
	}
	r.ctl.ticks, r.ctl.ticksEnd = addr(r.ticks), end(r.ticks)
	r.ctl.ticksDone = r.ctl.ticks
	if r.options.Rate.IsMax() {
		return nil
	}
	due, err := table[int64](&r.mem, r.plan.timed)
	if err != nil {
		return err
	}
	copy(due, r.plan.due)
	r.started, err = table[uint64](&r.mem, r.plan.timed)
	r.ctl.due, r.ctl.started = addr(due), addr(r.started)
	return err
}

func (r *runner) buildFiles() error {
	n := len(r.options.Observe)
	all, err := table[engineFile](&r.mem, 2*n)
	if err != nil {
		return err
	}
	r.before, r.after = all[:n], all[n:]
	for i := range all {
		// One byte more than may be there tells whether there is more.
		b, err := r.mem.alloc(r.plan.size + 1)
		if err != nil {
			return err
		}
		r.bufs = append(r.bufs, b)
		all[i] = engineFile{fd: r.options.Observe[i%n].Fd(), buf: addr(b), cap: uint64(len(b))}
	}
	r.ctl.before, r.ctl.beforeEnd = addr(r.before), end(r.before)
	r.ctl.after, r.ctl.afterEnd = addr(r.after), end(r.after)
	return nil
}

func (r *runner) buildCounters() (err error) {
	n := len(r.options.Counters)
	if r.counters, err = table[engineCounter](&r.mem, 2*n); err != nil {
		return err
	}
	for i := range r.counters {
		c := &r.counters[i]
		value := uintptr(unsafe.Pointer(&c.value))
		*c = engineCounter{fd: r.options.Counters[i%n], iov: [2]uintptr{value, unsafe.Sizeof(c.value)}}
	}
	r.ctl.counters, r.ctl.countersHalf, r.ctl.countersEnd = addr(r.counters), addr(r.counters[n:]), end(r.counters)
	return nil
}

func (r *runner) buildWords() (err error) {
	n := len(r.options.Words)
	if r.words, err = table[engineWord](&r.mem, 2*n); err != nil {
		return err
	}
	for i := range r.words {
		r.words[i].at = uintptr(unsafe.Pointer(r.options.Words[i%n]))
	}
	r.ctl.words, r.ctl.wordsHalf, r.ctl.wordsEnd = addr(r.words), addr(r.words[n:]), end(r.words)
	return nil
}

func (r *runner) buildCPUs() error {
	if len(r.options.CPUs) == 0 {
		return nil
	}
	set, err := table[unix.CPUSet](&r.mem, 1)
	if err != nil {
		return err
	}
	for _, cpu := range r.options.CPUs {
		if set[0].Set(cpu); !set[0].IsSet(cpu) {
			return fmt.Errorf("CPU %d: no such CPU", cpu)
		}
	}
	r.ctl.cpus, r.ctl.cpusLen = addr(set), unsafe.Sizeof(set[0])
	return nil
}

func (r *runner) buildThreads() error {
	if !r.options.Hold {
		return nil
	}
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	ids, err := table[uint64](&r.mem, len(entries))
	if err != nil {
		return err
	}
	for i, e := range entries {
		if ids[i], err = strconv.ParseUint(e.Name(), 10, 32); err != nil {
			return err
		}
	}
	r.ctl.hold, r.ctl.holdEnd = addr(ids), end(ids)
	return nil
}

// buildPages comes last: it lists all the memory there is.
func (r *runner) buildPages() error {
	n := len(r.mem.maps) + len(r.program.mem.maps)
	// One table for both lists. It is itself among the maps, as the last.
	all, err := table[[2]uintptr](&r.mem, 2*n+5)
	if err != nil {
		return err
	}
	kept := all[:n+1]
	for i, b := range slices.Concat(r.mem.maps, r.program.mem.maps) {
		kept[i] = [2]uintptr{addr(b), end(b)}
	}
	r.ctl.pages, r.ctl.pagesEnd = addr(kept), end(kept)
	code, err := codeRange()
	if err != nil {
		return err
	}
	local, err := threadLocal()
	if err != nil {
		return err
	}
	gaps := between(append(slices.Clone(kept), code, local))
	unshared := all[n+1 : n+1+len(gaps)]
	copy(unshared, gaps)
	r.ctl.unshared, r.ctl.unsharedEnd = addr(unshared), end(unshared)
	return nil
}

// execute starts the engine and waits for its end.
func (r *runner) execute(ctx context.Context) error {
	pid, err := startEngine(r.ctl)
	runtime.KeepAlive(r.options.Observe)
	if err != nil {
		return fmt.Errorf("fork: %w", err)
	}
	return waitEngine(ctx, pid)
}

func startEngine(ctl *control) (pid int, err error) {
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	// A process that os/exec starts now must not have its pipe held open by
	// the engine.
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return 0, err
	}
	ret := forkEngine(ctl)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		panic(fmt.Sprintf("workloads: restore the signal mask: %v", err))
	}
	if int(ret) < 0 {
		return 0, syscall.Errno(-ret)
	}
	return int(ret), nil
}

// waitEngine reaps the child, after killing it if ctx ends first. The child is
// waited for before it is reaped, so that its pid cannot have been given to
// another process when it is killed.
func waitEngine(ctx context.Context, pid int) error {
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		_ = unix.Kill(pid, unix.SIGKILL)
	})
	var status unix.WaitStatus
	err := ignoringEINTR(func() error {
		return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	})
	if !stop() {
		<-killed
	}
	if err == nil {
		err = ignoringEINTR(func() error {
			_, err := unix.Wait4(pid, &status, unix.WALL, nil)
			return err
		})
	}
	// In an init process somebody else may reap every child. Then the
	// engine's own record says how far it came.
	if err != nil && err != unix.ECHILD {
		return fmt.Errorf("wait for the engine: %w", err)
	}
	if !status.Signaled() && err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		return fmt.Errorf("the engine was killed by signal %d (%v)", int(status.Signal()), status.Signal())
	}
	return nil
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

func (r *runner) result() (*Result, error) {
	c := r.ctl
	var failure error
	switch c.state {
	case stateDone:
		if c.childErrno != 0 {
			failure = r.childError()
		}
	case stateOpFailed:
		failure = r.opError()
	case stateEngineFailed:
		return nil, fmt.Errorf("run workload: %s: %w", stepNames[c.step], syscall.Errno(c.errno))
	default:
		return nil, fmt.Errorf("run workload: the engine ended early, after %s", stepNames[c.step])
	}
	res := &Result{
		Issued:    c.issued,
		Batch:     r.plan.batch * r.plan.perRound,
		Ticks:     slices.Clone(r.ticks[:(c.ticksDone-c.ticks)/8]),
		LoopTicks: c.loopTicks,
		Asked:     r.options.Rate,
	}
	if r.options.Each && failure == nil {
		for _, op := range r.ops {
			res.OpTicks = append(res.OpTicks, float64(op.took)/float64(r.plan.rounds))
		}
	}
	n := len(r.options.Counters)
	for i := range n {
		res.Counted = append(res.Counted, r.counters[n+i].value-r.counters[i].value)
	}
	n = len(r.options.Words)
	for i := range n {
		res.Written = append(res.Written, r.words[n+i].value-r.words[i].value)
	}
	var err error
	if res.Before, res.After, err = r.contents(); err != nil {
		return nil, fmt.Errorf("run workload: %w", err)
	}
	r.timing(res)
	return res, failure
}

func (r *runner) opError() *OpError {
	c := r.ctl
	e := &OpError{
		Errno: syscall.Errno(c.errno), Got: c.got, Issued: c.issued, Warmup: c.observed == 0,
	}
	if c.setup <= c.failedOp && c.failedOp < c.setupEnd {
		e.Index = opIndex(c.failedOp, c.setup)
		e.Op = r.program.Setup[e.Index]
	} else {
		e.Index = opIndex(c.failedOp, c.ops)
		e.Op = r.program.Ops[e.Index]
	}
	return e
}

func (r *runner) childError() *OpError {
	for i, op := range r.ops {
		if op.child <= r.ctl.childOp && r.ctl.childOp < op.childEnd {
			at := opIndex(r.ctl.childOp, op.child)
			return &OpError{
				Index: at, Op: r.program.Ops[i].Child[at], Child: true,
				Errno: syscall.Errno(r.ctl.childErrno), Issued: r.ctl.issued,
			}
		}
	}
	panic("workloads: a process failed in a call that is none of the program's")
}

func opIndex(op, table uintptr) int { return int((op - table) / unsafe.Sizeof(engineOp{})) }

func (r *runner) contents() (before, after [][]byte, err error) {
	n := len(r.before)
	for i, f := range slices.Concat(r.before, r.after) {
		if f.n > uint64(r.plan.size) {
			return nil, nil, fmt.Errorf("%s holds more than the %d bytes that may be observed", r.options.Observe[i%n].Name(), r.plan.size)
		}
		b := slices.Clone(r.bufs[i][:f.n])
		if i < n {
			before = append(before, b)
		} else {
			after = append(after, b)
		}
	}
	return before, after, nil
}

func (r *runner) timing(res *Result) {
	c := r.ctl
	clocks := clockPair{stamp(c.clockA), stamp(c.clockB)}
	res.TicksPerSec = clocks.ticksPerSec()
	if c.observed == 0 {
		return
	}
	if c.first != 0 {
		res.Start, res.End = clocks.at(c.first), clocks.at(c.last)
	}
	if d := res.End.MonoNs - res.Start.MonoNs; d > 0 {
		res.Achieved = float64(res.Issued) / time.Duration(d).Seconds()
	}
	if r.started != nil {
		start := c.paceSec*1e9 + c.paceNsec
		res.Start.MonoNs = start
		p := pacing(clocks, start, r.plan.due, r.started[:len(res.Ticks)], res.Ticks)
		res.Late, res.Latencies, res.Overrun = p.late, p.latencies, p.overrun
		if p.lastStart > 0 {
			res.Achieved = float64(len(res.Ticks)*r.plan.perRound) / time.Duration(p.lastStart).Seconds()
		}
	}
}

// stamp places the reading of the clock midway between the ticks around it.
func stamp(c [4]uint64) Stamp {
	return Stamp{Ticks: c[0] + (c[3]-c[0])/2, MonoNs: int64(c[1])*1e9 + int64(c[2])}
}
