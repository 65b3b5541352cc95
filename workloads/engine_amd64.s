// SPDX-License-Identifier: MIT

#include "go_asm.h"
#include "textflag.h"

// The child of forkEngine is a copy of a Go process without a Go runtime: it
// may use this file's code, the stack below it and the memory that ctl points
// to. Nothing here calls Go.
//
// Registers that keep their meaning, since the kernel leaves all but AX, CX
// and R11 alone:
//	R13	the control block
//	R14	rounds still to be executed in runBatch
//	BP	when the call of runBatch began, if each is timed
//	R11	how long it took, from the call on
//	R15	measured calls so far. A cloned process has its own copy, and so
//		cannot disturb the count. It must not use the stack, of which it
//		has none: see unshare.
//	BX	cursor of the caller of runBatch

#define SYS_exit		60
#define SYS_readv		19
#define SYS_madvise		28
#define SYS_clone		56
#define SYS_wait4		61
#define SYS_ptrace		101
#define SYS_getppid		110
#define SYS_prctl		157
#define SYS_iopl		172
#define SYS_sched_setaffinity	203
#define SYS_clock_gettime	228
#define SYS_clock_nanosleep	230
#define SYS_exit_group		231
#define SYS_preadv		295

#define MADV_DONTFORK		10
#define SIGCHLD			17
#define SIGKILL			9
#define PR_SET_PDEATHSIG	1
#define PR_SET_TIMERSLACK	29
#define PTRACE_SEIZE		0x4206
#define PTRACE_INTERRUPT	0x4207
#define WALL			0x40000000
#define CLOCK_MONOTONIC		1
#define TIMER_ABSTIME		1
#define ESRCH			3

#define FIRST_ERRNO	$0xfffffffffffff001 // -4095
#define NS_PER_SEC	$1000000000
#define PAGE		$4096

// The fences keep a batch from being timed without its ends on a real CPU.
#define TICKS(reg) \
	LFENCE \
	RDTSC \
	LFENCE \
	SHLQ	$32, DX \
	ORQ	DX, AX \
	MOVQ	AX, reg

#define LOAD_CALL(op) \
	MOVQ	engineOp_nr(op), AX \
	MOVQ	(engineOp_args+0)(op), DI \
	MOVQ	(engineOp_args+8)(op), SI \
	MOVQ	(engineOp_args+16)(op), DX \
	MOVQ	(engineOp_args+24)(op), R10 \
	MOVQ	(engineOp_args+32)(op), R8 \
	MOVQ	(engineOp_args+40)(op), R9

// CALL_KERNEL ends the run if the engine's own system call fails.
#define CALL_KERNEL(nr, step) \
	MOVQ	$step, control_step(R13) \
	MOVL	$nr, AX \
	SYSCALL \
	CMPQ	AX, FIRST_ERRNO \
	JCC	failed

// func forkEngine(ctl *control) uintptr
TEXT ·forkEngine(SB), NOSPLIT, $0-16
	MOVQ	ctl+0(FP), R13
	MOVL	$SIGCHLD, DI
	XORL	SI, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVL	$SYS_clone, AX
	SYSCALL
	TESTQ	AX, AX
	JNZ	parent
	JMP	engine<>(SB)
parent:
	MOVQ	AX, ret+8(FP)
	RET

TEXT engine<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVL	$PR_SET_PDEATHSIG, DI
	MOVL	$SIGKILL, SI
	CALL_KERNEL(SYS_prctl, const_stepDeathSignal)
	// The parent may have died before the signal was asked for.
	CALL_KERNEL(SYS_getppid, const_stepOrphaned)
	CMPQ	AX, control_parent(R13)
	JEQ	hasParent
	MOVQ	$-ESRCH, AX
	JMP	failed
hasParent:
	CMPQ	control_cpus(R13), $0
	JEQ	anyCPU
	XORL	DI, DI
	MOVQ	control_cpusLen(R13), SI
	MOVQ	control_cpus(R13), DX
	CALL_KERNEL(SYS_sched_setaffinity, const_stepAffinity)
anyCPU:
	MOVL	$PR_SET_TIMERSLACK, DI
	MOVL	$1, SI
	CALL_KERNEL(SYS_prctl, const_stepTimerSlack)
	CALL	touch<>(SB)
	CALL	unshare<>(SB)
	CALL	holdThreads<>(SB)
	LEAQ	control_clockA(R13), BX
	CALL	readClocks<>(SB)

	MOVQ	control_quiesceSec(R13), AX
	ORQ	control_quiesceNsec(R13), AX
	JZ	quiet
	MOVL	$CLOCK_MONOTONIC, DI
	XORL	SI, SI
	LEAQ	control_quiesceSec(R13), DX
	XORL	R10, R10
	CALL_KERNEL(SYS_clock_nanosleep, const_stepQuiesce)
quiet:
	CALL	setUp<>(SB)
	CALL	calibrate<>(SB)
	CALL	warmUp<>(SB)
	MOVQ	control_realOps(R13), SI
	CALL	loadOps<>(SB)
	XORL	R15, R15

	MOVQ	control_team(R13), SI
	TESTQ	SI, SI
	JEQ	alone
	CMPQ	control_mates(R13), $0
	JNE	leader
	LOCK
	INCQ	team_ready(SI)
closed:
	PAUSE
	CMPQ	team_open(SI), $0
	JEQ	closed
	JMP	opened
leader:
	LEAQ	team_ready(SI), SI
	CALL	awaitMates<>(SB)
alone:
	MOVQ	control_before(R13), BX
	MOVQ	control_beforeEnd(R13), R12
	CALL	observe<>(SB)
	MOVQ	control_counters(R13), BX
	MOVQ	control_countersHalf(R13), R12
	CALL	readCounters<>(SB)
	MOVQ	control_words(R13), BX
	MOVQ	control_wordsHalf(R13), R12
	CALL	readWords<>(SB)
	MOVQ	control_team(R13), SI
	TESTQ	SI, SI
	JEQ	opened
	MOVQ	$1, team_open(SI)
opened:
	MOVQ	$1, control_observed(R13)
	CMPQ	control_due(R13), $0
	JEQ	atMax
	CALL	runPaced<>(SB)
	JMP	finish
atMax:
	CALL	knock<>(SB)
	CALL	runMax<>(SB)
	CALL	knock<>(SB)
finish:
	MOVQ	$const_stateDone, AX
	JMP	finish<>(SB)
failed:
	JMP	engineFailed<>(SB)

// awaitMates returns when all other engines of the team have added one to the
// word at SI, or one of them has failed.
TEXT awaitMates<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	control_mates(R13), CX
	MOVQ	control_team(R13), DX
again:
	PAUSE
	CMPQ	team_failed(DX), $0
	JNE	done
	CMPQ	(SI), CX
	JNE	again
done:
	RET

// knock writes a 1 to the I/O port that was asked for, if any. The right to do so
// is given back at once: while a process has it, each of its returns to user space
// takes longer.
TEXT knock<>(SB), NOSPLIT|NOFRAME, $0-0
	CMPQ	control_port(R13), $0
	JEQ	done
	MOVL	$3, DI
	CALL_KERNEL(SYS_iopl, const_stepPort)
	MOVQ	control_port(R13), DX
	MOVL	$1, AX
	OUTB
	XORL	DI, DI
	CALL_KERNEL(SYS_iopl, const_stepPort)
done:
	RET
failed:
	JMP	engineFailed<>(SB)

// touch writes to every page, so that no counted or timed call faults.
TEXT touch<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	control_pages(R13), BX
nextRange:
	CMPQ	BX, control_pagesEnd(R13)
	JEQ	done
	MOVQ	0(BX), SI
nextPage:
	MOVB	(SI), AX
	MOVB	AX, (SI)
	ADDQ	PAGE, SI
	CMPQ	SI, 8(BX)
	JCS	nextPage
	ADDQ	$16, BX
	JMP	nextRange
done:
	RET

// unshare keeps the Go program's memory from being copied to each process
// that the program clones: the cost of a clone would depend on how much the Go
// heap happens to hold. Such a process needs the code it executes and the
// shared memory, and no stack. madvise fails with ENOMEM where a range has
// holes, but not before it has done the rest.
TEXT unshare<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	control_unshared(R13), BX
nextRange:
	CMPQ	BX, control_unsharedEnd(R13)
	JEQ	done
	MOVQ	0(BX), DI
	MOVQ	8(BX), SI
	MOVL	$MADV_DONTFORK, DX
	MOVL	$SYS_madvise, AX
	SYSCALL
	ADDQ	$16, BX
	JMP	nextRange
done:
	RET

// setUp executes the calls that come before the rounds, once.
TEXT setUp<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	control_setup(R13), R12
nextOp:
	CMPQ	R12, control_setupEnd(R13)
	JEQ	done
	LOAD_CALL(R12)
	SYSCALL
	CMPQ	AX, FIRST_ERRNO
	JCC	failed
	ADDQ	$engineOp__size, R12
	JMP	nextOp
done:
	RET
failed:
	NEGQ	AX
	MOVQ	AX, control_errno(R13)
	MOVQ	R12, control_failedOp(R13)
	MOVQ	$const_stateOpFailed, AX
	JMP	finish<>(SB)

// holdThreads stops threads of the parent as a debugger would, and waits until
// they have stopped. They go on when the engine ends, however it does. A thread
// that has ended meanwhile is none that could disturb.
TEXT holdThreads<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	control_hold(R13), BX
nextThread:
	CMPQ	BX, control_holdEnd(R13)
	JEQ	done
	MOVQ	$const_stepHold, control_step(R13)
	MOVL	$PTRACE_SEIZE, DI
	MOVQ	(BX), SI
	XORL	DX, DX
	XORL	R10, R10
	MOVL	$SYS_ptrace, AX
	SYSCALL
	CMPQ	AX, $-ESRCH
	JEQ	ended
	CMPQ	AX, FIRST_ERRNO
	JCC	failed
	MOVL	$PTRACE_INTERRUPT, DI
	MOVL	$SYS_ptrace, AX
	SYSCALL
	MOVQ	(BX), DI
	XORL	SI, SI
	MOVL	$WALL, DX
	XORL	R10, R10
	MOVL	$SYS_wait4, AX
	SYSCALL
ended:
	ADDQ	$8, BX
	JMP	nextThread
done:
	RET
failed:
	JMP	engineFailed<>(SB)

// readClocks fills the four words at BX.
TEXT readClocks<>(SB), NOSPLIT|NOFRAME, $0-0
	TICKS(0(BX))
	MOVL	$CLOCK_MONOTONIC, DI
	LEAQ	8(BX), SI
	CALL_KERNEL(SYS_clock_gettime, const_stepClock)
	TICKS(24(BX))
	RET
failed:
	JMP	engineFailed<>(SB)

// calibrate finds the least time of a batch without its SYSCALL instructions.
// More than one is tried because a timer interrupt can hit any.
TEXT calibrate<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	$1, control_idle(R13)
	MOVQ	$-1, control_loopTicks(R13)
	MOVQ	control_idleRuns(R13), BX
again:
	MOVQ	control_idleOps(R13), SI
	CALL	loadOps<>(SB)
	MOVQ	control_batch(R13), R14
	CALL	runBatch<>(SB)
	CMPQ	AX, control_loopTicks(R13)
	JCC	notLess
	MOVQ	AX, control_loopTicks(R13)
notLess:
	DECQ	BX
	JNZ	again
	MOVQ	$0, control_idle(R13)
	RET

// warmUp executes single rounds, each with the arguments of the first, so
// that strides stay within the memory meant for the counted calls.
TEXT warmUp<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	control_warmup(R13), BX
again:
	TESTQ	BX, BX
	JZ	done
	MOVQ	control_realOps(R13), SI
	CALL	loadOps<>(SB)
	MOVL	$1, R14
	CALL	runBatch<>(SB)
	DECQ	BX
	JMP	again
done:
	RET

// loadOps copies the table at SI to the one that is executed.
TEXT loadOps<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	control_ops(R13), DI
	MOVQ	control_opsEnd(R13), CX
	SUBQ	DI, CX
	REP; MOVSB
	RET

// runMax executes the batches and then the rounds that fill none.
TEXT runMax<>(SB), NOSPLIT|NOFRAME, $0-0
	TICKS(control_first(R13))
	MOVQ	control_ticks(R13), BX
	CMPQ	BX, control_ticksEnd(R13)
	JEQ	tail
nextBatch:
	MOVQ	control_batch(R13), R14
	CALL	runBatch<>(SB)
	MOVQ	AX, (BX)
	ADDQ	$8, BX
	MOVQ	BX, control_ticksDone(R13)
	CMPQ	BX, control_ticksEnd(R13)
	JNE	nextBatch
tail:
	MOVQ	control_tail(R13), R14
	TESTQ	R14, R14
	JZ	done
	CALL	runBatch<>(SB)
done:
	RET

// runPaced executes each round at its deadline, or at once if that is past.
TEXT runPaced<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVL	$CLOCK_MONOTONIC, DI
	LEAQ	control_paceSec(R13), SI
	CALL_KERNEL(SYS_clock_gettime, const_stepClock)
	TICKS(control_first(R13))
	XORL	BX, BX // offset into three tables at once
nextRound:
	MOVQ	control_paceSec(R13), AX
	MOVQ	NS_PER_SEC, CX
	MULQ	CX
	ADDQ	control_paceNsec(R13), AX
	MOVQ	control_due(R13), SI
	ADDQ	(SI)(BX*1), AX
	XORL	DX, DX
	DIVQ	CX
	MOVQ	AX, control_deadline(R13)
	MOVQ	DX, (control_deadline+8)(R13)
	MOVL	$CLOCK_MONOTONIC, DI
	MOVL	$TIMER_ABSTIME, SI
	LEAQ	control_deadline(R13), DX
	XORL	R10, R10
	CALL_KERNEL(SYS_clock_nanosleep, const_stepPace)
	MOVL	$1, R14
	CALL	runBatch<>(SB)
	MOVQ	control_started(R13), SI
	MOVQ	control_batchStart(R13), DX
	MOVQ	DX, (SI)(BX*1)
	MOVQ	control_ticks(R13), SI
	MOVQ	AX, (SI)(BX*1)
	ADDQ	$8, BX
	ADDQ	BX, SI
	MOVQ	SI, control_ticksDone(R13)
	CMPQ	SI, control_ticksEnd(R13)
	JNE	nextRound
	RET
failed:
	JMP	engineFailed<>(SB)

// runBatch executes R14 rounds of the program, adds the measured calls to R15
// and returns the ticks they took in AX. It is the same code with and without
// the SYSCALL instruction, so that what it costs itself can be taken away.
TEXT runBatch<>(SB), NOSPLIT|NOFRAME, $0-0
	TICKS(control_batchStart(R13))
round:
	MOVQ	control_ops(R13), R12
op:
	CMPQ	control_each(R13), $0
	JEQ	untimed
	TICKS(BP)
untimed:
	LOAD_CALL(R12)
	CMPQ	engineOp_touch(R12), $0
	JNE	memory
	CMPQ	control_idle(R13), $0
	JNE	called
	SYSCALL
called:
	CMPQ	control_each(R13), $0
	JEQ	returned
	MOVQ	AX, CX
	TICKS(R11)
	SUBQ	BP, R11
	MOVQ	CX, AX
returned:
	ADDQ	engineOp_measured(R12), R15
	CMPQ	AX, FIRST_ERRNO
	JCC	refused
	CMPQ	engineOp_want(R12), $0
	JNE	compare
succeeded:
	CMPQ	engineOp_exits(R12), $0
	JNE	twice
once:
	CMPQ	engineOp_strides(R12), $0
	JNE	stride
next:
	CMPQ	control_each(R13), $0
	JEQ	notAdded
	ADDQ	R11, engineOp_took(R12)
notAdded:
	ADDQ	$engineOp__size, R12
	CMPQ	R12, control_opsEnd(R13)
	JNE	op
	DECQ	R14
	JNZ	round
	LFENCE
	RDTSC
	LFENCE
	SHLQ	$32, DX
	ORQ	DX, AX
	SUBQ	control_batchStart(R13), AX
	RET
memory:
	CMPQ	control_idle(R13), $0
	JNE	called
	MOVB	$1, (DI)
	JMP	called
twice:
	TESTQ	AX, AX
	JNZ	once
	JMP	child<>(SB)
compare:
	CMPQ	AX, engineOp_want(R12)
	JEQ	succeeded
	MOVQ	AX, control_got(R13)
	XORL	AX, AX
	JMP	stop
refused:
	NEGQ	AX
	CMPQ	AX, engineOp_allow(R12)
	JEQ	succeeded
stop:
	MOVQ	AX, control_errno(R13)
	MOVQ	R12, control_failedOp(R13)
	MOVQ	$const_stateOpFailed, AX
	JMP	finish<>(SB)
stride:
	MOVQ	(engineOp_stride+0)(R12), AX
	ADDQ	AX, (engineOp_args+0)(R12)
	MOVQ	(engineOp_stride+8)(R12), AX
	ADDQ	AX, (engineOp_args+8)(R12)
	MOVQ	(engineOp_stride+16)(R12), AX
	ADDQ	AX, (engineOp_args+16)(R12)
	MOVQ	(engineOp_stride+24)(R12), AX
	ADDQ	AX, (engineOp_args+24)(R12)
	MOVQ	(engineOp_stride+32)(R12), AX
	ADDQ	AX, (engineOp_args+32)(R12)
	MOVQ	(engineOp_stride+40)(R12), AX
	ADDQ	AX, (engineOp_args+40)(R12)
	JMP	next

// child executes what a process that the operation at R12 made is to call, and
// ends it. If a call fails the parent is told, by memory that both share.
TEXT child<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	engineOp_childEnd(R12), R14
	MOVQ	engineOp_child(R12), R12
nextOp:
	CMPQ	R12, R14
	JEQ	done
	LOAD_CALL(R12)
	SYSCALL
	CMPQ	AX, FIRST_ERRNO
	JCC	refused
succeeded:
	ADDQ	$engineOp__size, R12
	JMP	nextOp
refused:
	NEGQ	AX
	CMPQ	AX, engineOp_allow(R12)
	JEQ	succeeded
	MOVQ	R12, control_childOp(R13)
	MOVQ	AX, control_childErrno(R13)
done:
	XORL	DI, DI
	MOVL	$SYS_exit, AX
	SYSCALL
	INT	$3

// observe reads the files from BX to R12 whole. It does so with preadv, so that
// vfs_read is called by nobody but the program. R8, the upper half of the offset,
// has a meaning for kernels of 32 bits alone.
TEXT observe<>(SB), NOSPLIT|NOFRAME, $0-0
nextFile:
	CMPQ	BX, R12
	JEQ	done
more:
	MOVQ	engineFile_fd(BX), DI
	LEAQ	engineFile_iov(BX), SI
	MOVQ	engineFile_n(BX), R10
	MOVQ	engineFile_buf(BX), AX
	ADDQ	R10, AX
	MOVQ	AX, 0(SI)
	MOVQ	engineFile_cap(BX), DX
	SUBQ	R10, DX
	JZ	full
	MOVQ	DX, 8(SI)
	MOVL	$1, DX
	CALL_KERNEL(SYS_preadv, const_stepObserve)
	ADDQ	AX, engineFile_n(BX)
	TESTQ	AX, AX
	JNZ	more
full:
	ADDQ	$engineFile__size, BX
	JMP	nextFile
done:
	RET
failed:
	JMP	engineFailed<>(SB)

// readCounters reads the counters from BX to R12, with readv, which calls vfs_read
// no more than preadv does.
TEXT readCounters<>(SB), NOSPLIT|NOFRAME, $0-0
nextCounter:
	CMPQ	BX, R12
	JEQ	done
	MOVQ	engineCounter_fd(BX), DI
	LEAQ	engineCounter_iov(BX), SI
	MOVL	$1, DX
	CALL_KERNEL(SYS_readv, const_stepCount)
	ADDQ	$engineCounter__size, BX
	JMP	nextCounter
done:
	RET
failed:
	JMP	engineFailed<>(SB)

// readWords reads the words of memory from BX to R12.
TEXT readWords<>(SB), NOSPLIT|NOFRAME, $0-0
nextWord:
	CMPQ	BX, R12
	JEQ	done
	MOVQ	engineWord_at(BX), SI
	MOVQ	(SI), AX
	MOVQ	AX, engineWord_value(BX)
	ADDQ	$engineWord__size, BX
	JMP	nextWord
done:
	RET

// finish makes the second observation if there was a first, and ends the
// child in the state AX. Nothing returns from here, so the stack is not
// unwound.
TEXT finish<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	AX, R8
	TICKS(control_last(R13))
	CMPQ	control_observed(R13), $0
	JEQ	unobserved
	MOVQ	R15, control_issued(R13)
	MOVQ	control_team(R13), SI
	TESTQ	SI, SI
	JEQ	alone
	LEAQ	team_done(SI), SI
	CMPQ	control_mates(R13), $0
	JNE	leader
	LOCK
	INCQ	(SI)
	JMP	alone
leader:
	CALL	awaitMates<>(SB)
alone:
	MOVQ	control_after(R13), BX
	MOVQ	control_afterEnd(R13), R12
	CALL	observe<>(SB)
	MOVQ	control_countersHalf(R13), BX
	MOVQ	control_countersEnd(R13), R12
	CALL	readCounters<>(SB)
	MOVQ	control_wordsHalf(R13), BX
	MOVQ	control_wordsEnd(R13), R12
	CALL	readWords<>(SB)
	JMP	stopped
unobserved:
	CALL	failTeam<>(SB)
stopped:
	LEAQ	control_clockB(R13), BX
	CALL	readClocks<>(SB)
	MOVQ	R8, control_state(R13)
	XORL	DI, DI
	MOVL	$SYS_exit_group, AX
	SYSCALL
	INT	$3

// engineFailed ends the child with the negated errno in AX.
TEXT engineFailed<>(SB), NOSPLIT|NOFRAME, $0-0
	CALL	failTeam<>(SB)
	NEGQ	AX
	MOVQ	AX, control_errno(R13)
	MOVQ	$const_stateEngineFailed, control_state(R13)
	XORL	DI, DI
	MOVL	$SYS_exit_group, AX
	SYSCALL
	INT	$3

// failTeam lets the leader go on, and all others, if there is a team.
TEXT failTeam<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	control_team(R13), SI
	TESTQ	SI, SI
	JEQ	alone
	MOVQ	$1, team_failed(SI)
	MOVQ	$1, team_open(SI)
alone:
	RET
