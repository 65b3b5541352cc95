// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"kprof-bench/kmod"
	"kprof-bench/workloads"

	"golang.org/x/sys/unix"
)

const truthBatches = 100

// truth times the function of a system call, unprobed: the testbed calls it
// as the kernel's entry code would, in the same process that otherwise makes
// the system call, with the same arguments. It returns what a call took in
// each batch.
func (l *lab) truth(ctx context.Context, t target) ([]float64, error) {
	program, err := t.gen.Prepare()
	if err != nil {
		return nil, err
	}
	defer program.Close()
	answers, err := l.callByTestbed(program, t)
	if err != nil {
		return nil, err
	}
	files, err := nothingToObserve()
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	runtime.GC()
	_, err = workloads.Run(ctx, program, workloads.Options{
		Calls: warmup + truthBatches, Batch: 1, Rate: l.rate, Observe: files,
	})
	if err != nil {
		return nil, err
	}
	empty, err := l.object.KnownLength("tb_empty_syscall")
	if err != nil {
		return nil, err
	}
	var batches []float64
	for _, text := range answers()[warmup:] {
		call, err := kmod.ParseCall(text)
		if err != nil {
			return nil, err
		}
		if call.Errors > 0 {
			return nil, fmt.Errorf("it failed when the testbed called it: %w", unix.Errno(-call.Ret))
		}
		batches = append(batches, l.perCall(call.Timing, float64(empty.Of(0))+l.returns))
	}
	return batches, nil
}

// callByTestbed replaces the system call of a program that calls the target by
// a command to the testbed that calls its function. The answers are there after
// a run.
func (l *lab) callByTestbed(p *workloads.Program, t target) (answers func() []string, err error) {
	function := strings.TrimPrefix(t.fn, "__x64_")
	at := slices.IndexFunc(p.Ops, func(op workloads.Op) bool { return "sys_"+op.Name == function })
	if at < 0 {
		return nil, fmt.Errorf("no system call of generator %s is %s", t.gen.Name, function)
	}
	replaced := p.Ops[at]
	// One call for each command, as there is one for each system call: what
	// a sleeper costs depends on whether the process was in user space before,
	// and the child of a clone returns from the command. Only where a single
	// call is lost in noise are there more.
	calls := 1
	if !l.Clock.Exact() && !replaced.ChildExits {
		calls = min(t.gen.Batch, 50)
	}
	text := fmt.Sprintf("call __x64_%s %d", function, calls)
	for _, arg := range replaced.Args {
		text += fmt.Sprintf(" %#x", arg)
	}
	command, read, answers, err := l.command(p, text, warmup+truthBatches)
	if err != nil {
		return nil, err
	}
	command.Measured, command.ChildExits = replaced.Measured, replaced.ChildExits
	p.Ops[at] = command
	p.Ops = append(p.Ops, read)
	return answers, nil
}
