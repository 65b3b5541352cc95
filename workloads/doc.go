// SPDX-License-Identifier: MIT

// Package workloads drives kernel functions with a number of calls that is
// known exactly, and times them.
//
// The Go runtime makes system calls of its own whenever it likes: its
// monitor thread sleeps with nanosleep, it starts threads with clone, it
// asks for its pid before it preempts one. A goroutine can therefore not
// tell how often a system call was made while it ran. So a [Program] is run
// by an engine in a forked child that has one thread and no Go runtime,
// written in assembly, with all signals blocked. Between its two readings of
// the observed files (see [Options].Observe) the child executes the program's
// system calls and nothing else; a paced run adds one clock_gettime before
// the first call and a clock_nanosleep before each, see [Rate].
//
// Before it counts, the child sleeps for [Options].Quiesce, so that the
// runtime of its parent, which only waits for it, has come to rest as well.
// Outside of the two readings the child also uses clone, prctl, getppid,
// sched_setaffinity, madvise, clock_gettime, clock_nanosleep, preadv, readv and
// exit_group, and what [Program].Setup says. The readings themselves are made with
// preadv and readv, so that read and vfs_read are free to be measured.
//
// Several programs can be run at once, by [RunTeam].
//
// A [Generator] is the program for one family of system calls; [For] finds
// it by the kernel function that is to be called. How often it calls that is
// known in closed form, for the rounds between the readings: what rounds need is
// made before, and processes that they make have ended before the round has.
//
// The engine exists for linux/amd64. Elsewhere [Run] returns
// [ErrNotSupported].
package workloads
