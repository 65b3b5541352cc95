// SPDX-License-Identifier: MIT

// Package verdicts writes what checks came to in forms that other programs
// read: KTAP version 1, the kernel's test protocol, and JUnit XML, which
// continuous integration shows.
//
// A [Suite] is what was checked in one place, such as a kernel. Both forms are
// the same for the same suites: neither tells when or how fast they were made.
package verdicts
