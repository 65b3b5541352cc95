// SPDX-License-Identifier: MIT

// Package bench holds the experiments: what profiler.ko reports is measured
// under a controlled load and held against truth that does not come from it.
//
// [Run] does the experiments in the kernel it runs on, as root. [RunInGuest]
// boots a kernel in QEMU and has the same done there.
//
// An experiment measures first and judges after: the judges are plain functions
// of what was measured, and turn it into rows for a results file and into
// checks. A run is good when every check held.
package bench
