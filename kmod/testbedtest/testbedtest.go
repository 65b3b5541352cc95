// SPDX-License-Identifier: MIT

// Package testbedtest tests kprof_testbed.ko, profiler.ko under load and the
// counts of the workloads in real guests. Its init, in the folder below, makes
// the checks; the tests say which, on which clock, and repeat what came out.
package testbedtest

// Places of the modules in a guest.
const (
	TestbedPath  = "/modules/kprof_testbed.ko"
	ProfilerPath = "/modules/profiler.ko"
)

// Job names the checks that a guest makes, in this order.
type Job struct {
	Checks []string `json:"checks"`
}

// CheckKind is the kind of the record that carries a [Check].
const CheckKind = "check"

// Check is how one check came out.
type Check struct {
	Name string `json:"name"`
	// Problems is what is wrong, a line for each; empty if nothing is.
	Problems string `json:"problems,omitempty"`
	// Notes are numbers that nobody judges.
	Notes []string `json:"notes,omitempty"`
}
