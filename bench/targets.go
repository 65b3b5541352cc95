// SPDX-License-Identifier: MIT

package bench

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"kprof-bench/kmod"
	"kprof-bench/workloads"

	"golang.org/x/sys/unix"
)

// target is a function to profile and what drives it.
type target struct {
	fn        string
	gen       workloads.Generator
	words     int    // its arguments take; 0 for a system call, or if nobody knows
	notDirect string // why it cannot be probed directly, if so
}

// AllFuncs stands for every function that a workload calls.
const AllFuncs = "all"

func findTargets(funcs []string) ([]target, error) {
	if slices.Equal(funcs, []string{AllFuncs}) {
		return allTargets(), nil
	}
	var targets []target
	for _, fn := range funcs {
		gen, err := workloads.For(fn)
		if err != nil {
			return nil, fmt.Errorf("%w; --cmd has a command of your own call others", err)
		}
		targets = append(targets, target{fn: fn, gen: gen})
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("no functions are given: say which with --funcs, or what else to do with --only")
	}
	return targets, noneTwice(targets)
}

func noneTwice(targets []target) error {
	for i, t := range targets {
		if slices.ContainsFunc(targets[:i], func(other target) bool { return other.fn == t.fn }) {
			return fmt.Errorf("%s is given twice", t.fn)
		}
	}
	return nil
}

func allTargets() []target {
	var targets []target
	for _, gen := range workloads.All() {
		for _, f := range gen.Funcs {
			targets = append(targets, target{fn: f.Name, gen: gen})
		}
	}
	return targets
}

// present leaves out what the kernel has no symbol of, with a check that says so
// for each: functions come and go between versions of Linux.
func present(all []target, symbols map[string]bool) (kept []target, lacking []Check) {
	for _, t := range all {
		if symbols[t.symbol()] {
			kept = append(kept, t)
			continue
		}
		lacking = append(lacking, notSupported(t.fn, "this kernel has no function of that name"))
	}
	return kept, lacking
}

// kernelSymbols returns the names of all functions and data of the kernel.
func kernelSymbols() (map[string]bool, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) >= 3 {
			symbols[words[2]] = true
		}
	}
	return symbols, lines.Err()
}

// symbol is the kernel's own name.
func (t target) symbol() string {
	if strings.HasPrefix(t.fn, "sys_") {
		return "__x64_" + t.fn
	}
	return t.fn
}

// systemCall is the name under which a system call's function is known to
// everybody. It is not ok for functions that are none.
func (t target) systemCall() (name string, ok bool) {
	name = strings.TrimPrefix(t.fn, "__x64_")
	return name, strings.HasPrefix(name, "sys_")
}

// learnWords finds out how many words the arguments of a target take, which
// profiler.ko knows of system calls only.
func (t *target) learnWords(btf func() (*kmod.BTF, error)) {
	if _, ok := t.systemCall(); ok {
		return
	}
	kernel, err := btf()
	if err == nil {
		t.words, err = kernel.ArgWords(t.fn)
	}
	switch {
	case err != nil:
		t.notDirect = err.Error()
	case t.words > mostWords:
		t.notDirect = fmt.Sprintf("its arguments take %d words, some of them on the stack", t.words)
	}
}

// mostWords is how many words of arguments are passed in registers.
const mostWords = 6

// callsVary tells whether calls differ from each other. Of a function that leaves work
// for later it is the work that does.
func (t target) callsVary() bool { return t.gen.Varies && !t.leaves() }

// leaves is [workloads.Func].Leaves.
func (t target) leaves() bool { return t.gen.Leaves(t.fn) }

// supports tells whether a target can be probed by a backend at all.
func (t target) supports(b Backend) bool {
	name, _ := b.module()
	return t.notDirect == "" || name != string(Direct)
}

// able are those that a backend supports.
func able(targets []target, b Backend) []target {
	return slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return !t.supports(b) })
}

// args is what the parameter args of profiler.ko says of functions.
func args(targets []target) string {
	words := testbedArgs
	for _, t := range targets {
		if t.words > 0 {
			words += fmt.Sprintf(",%s:%d", t.fn, t.words)
		}
	}
	return words
}

// needLoopback sets the network interface lo up, which nobody else does in a guest.
// Somebody's own kernel is left as it is.
func needLoopback(own bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return fmt.Errorf("ask for the flags of lo: %w", err)
	}
	if lo.Uint16()&unix.IFF_UP != 0 {
		return nil
	}
	if !own {
		return errors.New("the network interface lo is down, and workloads need it: set it up with ip link set lo up")
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// settle makes everything ready that targets need, once, and returns those that
// the kernel has.
func (l *lab) settle(targets []target) ([]target, error) {
	if l.settled != nil {
		return l.settled, nil
	}
	if slices.Equal(l.Funcs, []string{AllFuncs}) {
		symbols, err := kernelSymbols()
		if err != nil {
			return nil, err
		}
		var lacking []Check
		targets, lacking = present(targets, symbols)
		l.add(nil, lacking)
	}
	loopback := slices.ContainsFunc(targets, func(t target) bool { return t.gen.Loopback })
	if loopback || l.Cmd != "" && l.ownKernel() {
		if err := needLoopback(l.ownKernel()); err != nil {
			return nil, err
		}
	}
	btf := sync.OnceValues(kmod.LoadBTF)
	for i := range targets {
		targets[i].learnWords(btf)
	}
	l.settled = targets
	return targets, nil
}
