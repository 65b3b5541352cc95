// SPDX-License-Identifier: MIT

// Package profilertest proves profiler.ko in guests with a stock kernel. Its
// tests boot them; the checks themselves are in the folder init, because they
// run in the guest. All it exports is what the two sides say to each other.
package profilertest

// Job names the groups of checks that a guest is to do.
type Job struct {
	Groups []string `json:"groups"` // in this order
	// Backend is how functions are to be probed, by the module's name for it;
	// empty leaves the choice to the module, which is told how many arguments
	// they take.
	Backend string `json:"backend,omitempty"`
	// Cycles is how often the module is loaded and unloaded in the group that
	// is about that.
	Cycles int `json:"cycles,omitempty"`
	// Pairs is how many blocks come and go in the check of what two processors
	// do to the table of blocks.
	Pairs int `json:"pairs,omitempty"`
}

// OutcomeKind is the kind of the record that carries an [Outcome].
const OutcomeKind = "outcome"

// Outcome is what became of one check.
type Outcome struct {
	Name string `json:"name"` // with the group: group/check
	// Failures says what was wrong; it is empty when all was well.
	Failures []string `json:"failures,omitempty"`
	// NotSupported says what of the check this kernel cannot do, and why.
	NotSupported []string `json:"not_supported,omitempty"`
	// Notes are for a reader who asks, such as how long something took.
	Notes []string `json:"notes,omitempty"`
	// GuestNs is how long the check took, in guest time.
	GuestNs int64 `json:"guest_ns"`
	// BusyNs is how much of it the guest's processors were at work, which is
	// what costs time outside, to a hundredth of a second.
	BusyNs int64 `json:"busy_ns"`
}

// Places in a guest.
const (
	ProfilerPath = "/modules/profiler.ko"
	TestbedPath  = "/modules/kprof_testbed.ko"
	PoisonPath   = "/modules/poison.ko"
)
