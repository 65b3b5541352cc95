// SPDX-License-Identifier: MIT

package workloads

// control is what the engine is told and what it reports. It lies in memory
// that the child shares, and so do the tables it points to. engine_amd64.s
// knows the fields by name.
type control struct {
	parent uint64 // pid

	cpus, cpusLen uintptr // 0 for any CPU

	// uint64 ids of threads to stop while the engine runs.
	hold, holdEnd uintptr

	quiesceSec, quiesceNsec int64

	pages, pagesEnd uintptr // [2]uintptr: start and end of memory to touch
	// [2]uintptr: start and length of ranges that processes cloned by the
	// program do not get a copy of.
	unshared, unsharedEnd uintptr

	team  uintptr // that this engine belongs to, or 0
	mates uint64  // of the leader: how many others there are; 0 in those

	setup, setupEnd uintptr // executed once before all else

	// The table that is executed, and what it is filled from.
	ops, opsEnd      uintptr
	realOps, idleOps uintptr
	//lint:ignore U1000 the assembly sets and reads it
	idle              uint64 // 1 while SYSCALL is left out
	each              uint64 // 1 if each call is timed
	idleRuns          uint64
	warmup            uint64
	batch, tail       uint64 // rounds
	before, beforeEnd uintptr
	after, afterEnd   uintptr
	// engineCounter: the first reading and, from countersHalf on, the second.
	counters, countersHalf, countersEnd uintptr
	words, wordsHalf, wordsEnd          uintptr // engineWord, likewise
	port                                uintptr // to knock at, or 0
	ticks, ticksEnd                     uintptr // one for each batch
	due, started                        uintptr // as long as ticks; 0 unless paced

	// Scratch.
	//lint:ignore U1000 the assembly sets and reads it
	batchStart uint64
	//lint:ignore U1000 the assembly sets it
	deadline [2]int64

	// Reported.
	state    uint64
	step     uint64
	errno    uint64
	failedOp uintptr // in ops or in setup
	got      uintptr // its result if errno is 0
	// The same of a process that the program made.
	childErrno uint64
	childOp    uintptr
	observed   uint64 // 1 once the first observation is complete
	issued     uint64
	ticksDone  uintptr // end of the ticks that are valid
	loopTicks  uint64
	paceSec    int64
	paceNsec   int64
	first      uint64 // ticks
	last       uint64
	clockA     [4]uint64 // ticks, s, ns, ticks
	clockB     [4]uint64
}

// team is what engines that run at the same time share. They wait for each other
// without system calls, of which none is to be counted.
//
//lint:ignore U1000 the assembly sets and reads it
type team struct {
	ready  uint64 // engines, the leader not among them, that could begin
	open   uint64 // 1 once the leader has made its first observation
	done   uint64 // engines, the leader not among them, that have made their calls
	failed uint64 // 1 once one has failed
}

// States of the engine.
const (
	stateStarted = iota
	stateDone
	stateOpFailed
	stateEngineFailed
)

// Steps of the engine, for the message when one fails.
const (
	stepDeathSignal = iota
	stepOrphaned
	stepAffinity
	stepTimerSlack
	stepHold
	stepQuiesce
	stepClock
	stepObserve
	stepCount
	stepPace
	stepPort
)

var stepNames = [...]string{
	stepDeathSignal: "prctl(PR_SET_PDEATHSIG)",
	stepOrphaned:    "getppid: the parent has gone",
	stepAffinity:    "sched_setaffinity",
	stepTimerSlack:  "prctl(PR_SET_TIMERSLACK)",
	stepHold:        "ptrace: stop a thread of this process",
	stepQuiesce:     "sleep before counting",
	stepClock:       "clock_gettime",
	stepObserve:     "read an observed file",
	stepCount:       "read a counter",
	stepPace:        "sleep until a call is due",
	stepPort:        "iopl: write to a port",
}

// engineOp is an Op as the engine reads it.
type engineOp struct {
	nr       uintptr
	args     [6]uintptr
	stride   [6]uintptr
	measured uint64 // 0 or 1, added to the count
	exits    uint64
	strides  uint64
	touch    uint64
	allow    uint64
	want     uintptr // 0 for any
	took     uint64  // ticks of all its calls so far, if each is timed

	child, childEnd uintptr // what the process it makes executes
}

// engineFile is an observed file and where its contents go.
type engineFile struct {
	fd  uintptr
	buf uintptr
	cap uint64
	n   uint64
	//lint:ignore U1000 the assembly sets it
	iov [2]uintptr // struct iovec
}

// engineCounter is a counter at one moment.
type engineCounter struct {
	fd    uintptr
	iov   [2]uintptr // struct iovec: of value
	value uint64
}

// engineWord is a word of memory at one moment.
type engineWord struct {
	at    uintptr
	value uint64
}

// forkEngine starts a child that executes what ctl says and exits. It returns
// the child's pid or, as an unsigned number, the negated errno of clone. All
// signals must be blocked, so that no handler of the Go runtime can run in
// the child.
//
//go:noescape
func forkEngine(ctl *control) uintptr
