// SPDX-License-Identifier: MIT

package workloads

import (
	"fmt"
	"slices"
	"strings"
)

// Func is a kernel function that a generator calls.
type Func struct {
	Name  string // without the architecture's prefix: sys_getpid
	PerOp int    // how often it is called for each measured call
	// PerPause is how often it is called more for each measured call of a
	// paced run, by the engine, which sleeps in between.
	PerPause int
	// Leaves says that the function leaves a part of its work for when it has
	// returned, on the way out of the kernel.
	Leaves bool
}

// once says of functions that each is called once for each measured call.
func once(names ...string) []Func {
	var funcs []Func
	for _, name := range names {
		funcs = append(funcs, Func{Name: name, PerOp: 1})
	}
	return funcs
}

// Generator drives kernel functions: it makes rounds of system calls, of which
// one is measured. What has to be there before the first round is made by
// Prepare, or by the child before the first observation, and so is in no count.
type Generator struct {
	Name string
	Doc  string // what a round does
	// Funcs are the functions whose invocations the generator knows. What
	// it knows of others, such as those that these call, it does not say.
	Funcs []Func
	// DefaultCalls and Batch suit [Options].Calls and [Options].Batch on
	// a clock that counts instructions.
	DefaultCalls int
	Batch        int
	// Varies says that what a call takes depends on what went on before: it takes
	// memory of the kernel's that is free again only later, say, or it sleeps.
	Varies bool
	// Loopback says that the network interface lo must be up.
	Loopback bool

	prepare func(*Program) error
}

// Prepare builds the generator's program and opens the files it needs. The
// caller closes the program.
func (g Generator) Prepare() (*Program, error) {
	if g.prepare == nil {
		return nil, fmt.Errorf("generator %q has no program; take it from All or For", g.Name)
	}
	p := &Program{}
	if err := g.prepare(p); err != nil {
		return nil, fmt.Errorf("prepare generator %s: %w", g.Name, closeAfter(p, err))
	}
	return p, nil
}

// Calls returns how often the kernel function is called for each measured
// call, 0 for a function the generator does not answer for. The name may
// carry an architecture's prefix, as in [For].
func (g Generator) Calls(function string) int { return g.find(function).PerOp }

// Issued returns how often the kernel function was called in a run with that
// many measured calls.
func (g Generator) Issued(function string, measured uint64, r Rate) uint64 {
	f := g.find(function)
	per := f.PerOp
	if !r.IsMax() {
		per += f.PerPause
	}
	return measured * uint64(per)
}

// Leaves is [Func].Leaves of a kernel function.
func (g Generator) Leaves(function string) bool { return g.find(function).Leaves }

func (g Generator) find(function string) Func {
	for _, f := range g.Funcs {
		if f.Name == plainName(function) {
			return f
		}
	}
	return Func{}
}

// All returns the generators sorted by name.
func All() []Generator {
	all := []Generator{
		brk(), clone(), clone3(), dup(), epoll(), eventfd(), execve(), fork(), futex(), getdents(),
		getpid(), getTimeOfDay(), ioctl(), mmap(), mprotect(), nanosleep(), open(), pageFault(), pipe(), pipe2(), poll(),
		pread(), pwrite(), read(), schedYield(), selecting(), sendmsg(), stat(), statx(), tcp(), udp(), unixStream(),
		vfork(), write(),
	}
	slices.SortFunc(all, func(a, b Generator) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// For returns the generator that calls the kernel function. The name may be
// the one that people type, sys_getpid, or the kernel's own symbol with the
// prefix of its architecture, __x64_sys_getpid. The error is a
// [*UnknownFunctionError].
func For(function string) (Generator, error) {
	var known []string
	for _, g := range All() {
		if g.Calls(function) > 0 {
			return g, nil
		}
		for _, f := range g.Funcs {
			known = append(known, f.Name)
		}
	}
	slices.Sort(known)
	return Generator{}, &UnknownFunctionError{Function: function, Known: known}
}

// UnknownFunctionError says that no generator calls a function.
type UnknownFunctionError struct {
	Function string
	Known    []string // functions that generators do call, sorted
}

func (e *UnknownFunctionError) Error() string {
	return fmt.Sprintf("no workload calls %q; there are workloads for %s",
		e.Function, strings.Join(e.Known, ", "))
}

func plainName(function string) string {
	for _, prefix := range []string{"__x64_", "__arm64_"} {
		if rest, ok := strings.CutPrefix(function, prefix); ok {
			return rest
		}
	}
	return function
}
