// SPDX-License-Identifier: MIT

package bench

import (
	"errors"
	"fmt"
	"strings"

	"kprof-bench/results"
)

// Clock says what the ticks of the time stamp counter are in the place where a
// run is done.
type Clock string

// The clocks. Under ICount a tick is an instruction and exact; under TCG time
// is nothing to quote; KVM and Native have real, noisy time.
const (
	ICount Clock = "icount"
	TCG    Clock = "tcg"
	KVM    Clock = "kvm"
	Native Clock = "native"
)

// Exact tells whether figures repeat to the digit.
func (c Clock) Exact() bool { return c == ICount }

// Options say what to measure. They travel to the guest as JSON.
type Options struct {
	// Only are the experiments to do; [DefaultExperiments] if there is none.
	Only []Experiment
	// Funcs are the functions to profile, as a user types them, or [AllFuncs].
	// They go with [Counts], [Calls] and [Overhead].
	Funcs []string
	// Cmd is a command for /bin/sh that calls the functions, with [Command].
	Cmd string
	// Backends are the ways of probing that are measured; [DefaultBackends] if
	// there is none.
	Backends []Backend
	// Rate is the rate of calls, or several one after the other, in the notation
	// of workloads.ParseRates.
	Rate string
	// AllowSlow accepts that a rate is not held.
	AllowSlow bool
	// Threads are the numbers of processes that make the calls at the same time,
	// one number after the other; 1 if there is none. They share rate and calls.
	Threads []int
	// CPUs are those that the calls are made on; none is any.
	CPUs []int
	// Warmup is how many rounds are made before those that count, at least.
	Warmup int
	// Calls is the number of probed calls of each function; 0 is what suits
	// its generator.
	Calls int
	Clock Clock
	// Profiler and Testbed are the paths of the two modules.
	Profiler, Testbed string
	// Env describes what the place of the run cannot know by itself: the
	// versions of QEMU, the compiler and the module.
	Env []results.Config
}

// Check tells whether the options make sense, before anything is done. The
// error says what to do.
func (o Options) Check() error {
	if err := o.checkCmd(); err != nil {
		return err
	}
	if _, _, err := o.loads(); err != nil {
		return err
	}
	if err := checkCPUs(o.CPUs); err != nil {
		return err
	}
	if o.Warmup < 0 {
		return fmt.Errorf("%d warm-up rounds: must not be negative", o.Warmup)
	}
	if o.Calls < 0 || o.Calls > 0 && o.Calls < rounds {
		return fmt.Errorf("%d calls: must be 0 for what suits the function, or at least %d, one for each round", o.Calls, rounds)
	}
	_, err := o.targets()
	return err
}

func (o Options) checkCmd() error {
	switch {
	case o.Does(Command) && strings.TrimSpace(o.Cmd) == "":
		return errors.New("the command is empty; say what calls the functions")
	case strings.ContainsAny(o.Cmd, "\n\x00"):
		return fmt.Errorf("command %q: must be one line; put more into a script", o.Cmd)
	}
	return nil
}

// targets are the functions to drive, none if they are not to be.
func (o Options) targets() ([]target, error) {
	if o.Does(Command) {
		return commandTargets(o.Funcs)
	}
	if o.Does(Calls) || o.Does(Counts) || o.Does(Overhead) || o.Does(Traces) {
		return findTargets(o.Funcs)
	}
	if len(o.Funcs) > 0 {
		return nil, fmt.Errorf("functions are given, but none of the experiments %s, %s and %s, which drive them", Counts, Calls, Overhead)
	}
	return nil, nil
}

// Result is what a run found.
type Result struct {
	// Env describes the place: kernel, clock, processor and what Options
	// added.
	Env    []results.Config
	Rows   []results.Row
	Checks []Check
	// Samples are what the medians in Rows were taken of.
	Samples []Sample
	// Traces are what [Traces] had traced, in the order in which it did.
	Traces []Traced `json:",omitempty"`
}

// Sample is what a call took in each batch, without and with the profiler, and
// unprobed according to the testbed, in the unit of the clock.
type Sample struct {
	Row               string
	Base, With, Truth []float64
}

// Good tells whether checks held and none failed.
func (r *Result) Good() bool {
	held := false
	for _, c := range r.Checks {
		switch c.Verdict {
		case Held:
			held = true
		case Failed:
			return false
		}
	}
	return held
}
