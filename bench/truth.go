// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"kprof-bench/kmod"
	"kprof-bench/workloads"

	"golang.org/x/sys/unix"
)

const truthBatches = 100

// truth times the function of a system call, unprobed: the testbed calls it
// as the kernel's entry code would, in the same process that otherwise makes
// the system call, with the same arguments. It returns what a call took in
// each batch, and nothing for functions that the testbed cannot call.
func (l *lab) truth(ctx context.Context, t target) ([]float64, error) {
	// First, so that descriptors have the numbers that they otherwise have: the
	// cost of a select depends on them.
	files, err := nothingToObserve()
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	program, err := t.gen.Prepare()
	if err != nil {
		return nil, err
	}
	defer program.Close()
	if !callable(program, t) {
		return nil, nil
	}
	l.progress("time " + t.fn + " by the testbed")
	answers, err := l.callByTestbed(program, t)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	_, err = workloads.Run(ctx, program, workloads.Options{
		Calls: warmup + truthBatches, Batch: 1, Rate: l.rate, Observe: files,
	})
	if err != nil {
		return nil, err
	}
	return l.answered(answers)
}

// callable tells whether the testbed can make all calls of the target in a round.
// Those of a process that the program makes it cannot, which has no room for the
// answers.
func callable(p *workloads.Program, t target) bool {
	function, ok := t.systemCall()
	return ok && !slices.ContainsFunc(p.Ops, func(op workloads.Op) bool {
		return slices.ContainsFunc(op.Child, func(c workloads.Op) bool { return c.Function() == function })
	})
}

// occurrences is how many system calls of a program call the target.
func occurrences(p *workloads.Program, t target) int {
	function, _ := t.systemCall()
	n := 0
	for _, op := range p.Ops {
		if op.Function() == function {
			n++
		}
	}
	return n
}

// answered reads the testbed's answers, of which there is a list for each call in
// a round. It returns what a call took in each round.
func (l *lab) answered(lists []func() []string) ([]float64, error) {
	empty, err := l.object.KnownLength("tb_empty_syscall")
	if err != nil {
		return nil, err
	}
	took := make([]float64, truthBatches)
	for _, answers := range lists {
		for i, text := range answers()[warmup:] {
			call, err := kmod.ParseCall(text)
			if err != nil {
				return nil, err
			}
			if call.Errors > 0 {
				return nil, fmt.Errorf("it failed when the testbed called it: %w", unix.Errno(-call.Ret))
			}
			took[i] += l.perCall(call.Timing, float64(empty.Of(0))+l.returns) / float64(len(lists))
		}
	}
	return took, nil
}

// callByTestbed replaces each system call of a program that calls the target by
// a command to the testbed that calls its function. The answers are there after
// a run, a list for each call in a round. An answer is read before the next
// command is given, or at the end of the round.
func (l *lab) callByTestbed(p *workloads.Program, t target) (answers []func() []string, err error) {
	function, _ := t.systemCall()
	var ops, reads []workloads.Op
	for _, op := range p.Ops {
		if op.Function() != function {
			ops = append(ops, op)
			continue
		}
		command, read, list, err := l.callCommand(p, t, op)
		if err != nil {
			return nil, err
		}
		ops = append(append(ops, reads...), command)
		reads, answers = []workloads.Op{read}, append(answers, list)
	}
	if len(answers) == 0 {
		return nil, fmt.Errorf("no system call of generator %s is %s", t.gen.Name, function)
	}
	p.Ops = append(ops, reads...)
	return answers, nil
}

// callCommand returns the commands that stand for a system call of a program.
func (l *lab) callCommand(p *workloads.Program, t target, replaced workloads.Op) (command, read workloads.Op, answers func() []string, err error) {
	// One call for each command, as there is one for each system call: what
	// a sleeper costs depends on whether the process was in user space before,
	// and the child of a clone returns from the command. Only where a single
	// call is lost in noise are there more, of a call that needs no other.
	calls := 1
	if !l.Clock.Exact() && !replaced.ChildExits && len(p.Ops) == 1 {
		calls = min(t.gen.Batch, 50)
	}
	text := fmt.Sprintf("call __x64_%s %d", replaced.Function(), calls)
	for _, arg := range replaced.Args {
		text += fmt.Sprintf(" %#x", arg)
	}
	command, read, answers, err = l.command(p, text, warmup+truthBatches)
	command.Measured, command.ChildExits, command.Child = replaced.Measured, replaced.ChildExits, replaced.Child
	return command, read, answers, err
}

// TrueDuration is what a call of a system call's function takes in each of several
// batches, unprobed, according to the testbed: see README.md. It is nil if the
// testbed cannot make these calls. It is for the exact clock.
func TrueDuration(ctx context.Context, t *kmod.Testbed, o *kmod.TestbedObject, function string) ([]float64, error) {
	targets, err := findTargets([]string{function})
	if err != nil {
		return nil, err
	}
	l := &lab{Options: Options{Clock: ICount}, load: load{threads: 1}, testbed: t, object: o, progress: func(string) {}}
	if err := l.measureReturns(); err != nil {
		return nil, err
	}
	return l.truth(ctx, targets[0])
}
