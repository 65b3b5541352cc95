// SPDX-License-Identifier: MIT

#include "textflag.h"

// The agent is the first process of every guest: see agent.go. Its code is
// copied out of this program into an executable of its own, so it may refer to
// nothing outside: no symbol, no data. Text is made on the stack.
//
// Registers that keep their meaning, since the kernel leaves all but AX, CX and
// R11 alone:
//	R12	where the kernel put argc, argv and the environment
//	R13	the page that DMA is commanded from
//	R14	the physical address of that page
//	R15	the length of the payload
//	BX	where the payload is mapped
//
// On the stack:
//	0, 8, 16	text
//	24	the payload's file
//	32	what is left to copy
//	40, 48	entries of pagemap
//	56	pagemap

#define SYS_open		2
#define SYS_close		3
#define SYS_mmap		9
#define SYS_munmap		11
#define SYS_pread64		17
#define SYS_execve		59
#define SYS_exit		60
#define SYS_ftruncate		77
#define SYS_mount		165
#define SYS_umount2		166
#define SYS_iopl		172

#define O_RDWR_CREAT_EXCL	0xc2
#define PROT_READ_WRITE		3
#define SHARED_POPULATED	0x8001
#define PRIVATE_POPULATED	0x8022 // and without a file

// QEMU's pvpanic: docs/specs/pvpanic.txt. Writing 1 stops the machine where it
// was started so, and does nothing otherwise.
#define PVPANIC_PORT	0x505

// QEMU's firmware configuration: docs/specs/fw_cfg.txt. All numbers in it have
// their highest byte first. A command is 4 bytes of what to do, 4 bytes of
// length and the 8 bytes of a physical address.
#define DMA_PORT_HIGH	0x514
#define DMA_PORT_LOW	0x518
#define DMA_READ	2
#define DMA_SELECT	8
#define DIRECTORY	0x19 // the selector
#define ENTRY		64   // bytes of a file in the directory
#define MAX_ENTRIES	63   // in a page

#define PAGE		4096
#define FRAME_BITS	55 // of an entry of pagemap: the page frame
#define PRESENT		63

// The second of two pages holds what is read, which is at most a page.
#define ANSWER		PAGE

#define SOON	(1<<23) // ticks: two of the kernel's
#define LATE	(1<<20) // more than interrupts take
#define FEW	64
#define MANY	4096

#define NOW \
	RDTSC \
	SHLQ	$32, DX \
	ORQ	DX, AX

// SPIN takes twice as many instructions as are in CX.
#define SPIN(label) \
label: \
	DECQ	CX \
	JNE	label

#define CALL_KERNEL(nr) \
	MOVL	$nr, AX \
	SYSCALL

// OR_FAIL ends the agent, and so the guest, if the system call has failed.
#define OR_FAIL \
	TESTQ	AX, AX \
	JLT	fail

// DMA executes the command that R13 points to.
#define DMA \
	MOVQ	R14, AX \
	SHRQ	$32, AX \
	BSWAPL	AX \
	MOVL	$DMA_PORT_HIGH, DX \
	OUTL \
	MOVL	R14, AX \
	BSWAPL	AX \
	MOVL	$DMA_PORT_LOW, DX \
	OUTL \
	CMPL	(R13), $0 \
	JNE	fail

// FRAME makes the physical address of a page of its entry of pagemap.
#define FRAME(reg) \
	BTQ	$PRESENT, reg \
	JCC	fail \
	SHLQ	$(64-FRAME_BITS), reg \
	SHRQ	$(64-FRAME_BITS), reg \
	SHLQ	$12, reg

TEXT agent<>(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, R12
	SUBQ	$72, SP

	MOVL	$3, DI
	CALL_KERNEL(SYS_iopl)
	OR_FAIL

	// Stop, and go on at a time that is the same whether the machine was
	// stopped or not. On the exact clock a stop moves time on to the next
	// event, which is less than SOON away.
	NOW
	MOVQ	AX, R8
	ORQ	$(SOON-1), R8
	ADDQ	$(SOON+1), R8
	MOVL	$PVPANIC_PORT, DX
	MOVL	$1, AX
	OUTB
wait:
	NOW
	MOVQ	R8, CX
	SUBQ	AX, CX
	CMPQ	CX, $FEW
	JGE	early
	CMPQ	CX, $-LATE
	JLT	ready // it is real time, of which nothing repeats
	ADDQ	$SOON, R8 // an interrupt came in between
	JMP	wait
early:
	CMPQ	CX, $MANY
	JLE	last
	SHRQ	$2, CX
	SPIN(half)
	JMP	wait
last:
	// As many instructions as are left, and some more, but always as many.
	TESTQ	$1, CX
	JEQ	even
	BYTE	$0x90
even:
	SHRQ	$1, CX
	SPIN(rest)
ready:

	// mount("proc", "/proc", "proc", 0, nil)
	MOVQ	$0x636f72702f, AX // "/proc"
	MOVQ	AX, 0(SP)
	LEAQ	1(SP), DI
	MOVQ	SP, SI
	MOVQ	DI, DX
	XORL	R10, R10
	XORL	R8, R8
	CALL_KERNEL(SYS_mount)
	OR_FAIL

	// open("/proc/1/pagemap", O_RDONLY)
	MOVQ	$0x312f636f72702f2f, AX // "//proc/1"
	MOVQ	AX, 0(SP)
	MOVQ	$0x70616d656761702f, AX // "/pagemap"
	MOVQ	AX, 8(SP)
	MOVQ	$0, 16(SP)
	MOVQ	SP, DI
	XORL	SI, SI
	CALL_KERNEL(SYS_open)
	OR_FAIL
	MOVQ	AX, 56(SP)

	XORL	DI, DI
	MOVL	$(2*PAGE), SI
	MOVL	$PROT_READ_WRITE, DX
	MOVL	$PRIVATE_POPULATED, R10
	MOVQ	$-1, R8
	XORL	R9, R9
	CALL_KERNEL(SYS_mmap)
	OR_FAIL
	MOVQ	AX, R13

	// The physical addresses of both pages.
	MOVL	56(SP), DI
	LEAQ	40(SP), SI
	MOVL	$16, DX
	MOVQ	R13, R10
	SHRQ	$9, R10
	CALL_KERNEL(SYS_pread64)
	CMPQ	AX, $16
	JNE	fail
	MOVQ	40(SP), R14
	FRAME(R14)
	MOVQ	48(SP), R9
	FRAME(R9)

	// Read the directory, and look for the payload in it.
	MOVL	$(DIRECTORY<<16 | DMA_SELECT | DMA_READ), AX
	BSWAPL	AX
	MOVL	AX, 0(R13)
	MOVL	$PAGE, AX
	BSWAPL	AX
	MOVL	AX, 4(R13)
	BSWAPQ	R9
	MOVQ	R9, 8(R13)
	DMA
	MOVL	ANSWER(R13), CX
	BSWAPL	CX
	CMPL	CX, $MAX_ENTRIES
	JHI	fail
	LEAQ	(ANSWER+4)(R13), SI
	MOVQ	$0x6f72706b2f74706f, AX // "opt/kpro"
search:
	SUBL	$1, CX
	JLT	fail
	CMPQ	8(SI), AX
	JEQ	found
	ADDQ	$ENTRY, SI
	JMP	search
found:
	MOVL	0(SI), R15
	BSWAPL	R15
	MOVWLZX	4(SI), R9
	BSWAPL	R9 // now in the upper half, as a command wants it
	ORL	$(DMA_SELECT | DMA_READ), R9

	// Make the file, and map it.
	MOVQ	$0x6e692f6e6962732f, AX // "/sbin/in"
	MOVQ	AX, 0(SP)
	MOVQ	$0x7469, 8(SP) // "it"
	MOVQ	SP, DI
	MOVL	$O_RDWR_CREAT_EXCL, SI
	MOVL	$0700, DX
	CALL_KERNEL(SYS_open)
	OR_FAIL
	MOVQ	AX, 24(SP)
	MOVL	AX, DI
	MOVQ	R15, SI
	CALL_KERNEL(SYS_ftruncate)
	OR_FAIL
	XORL	DI, DI
	MOVQ	R15, SI
	MOVL	$PROT_READ_WRITE, DX
	MOVL	$SHARED_POPULATED, R10
	MOVQ	24(SP), R8
	MOVQ	R9, 32(SP)
	XORL	R9, R9
	CALL_KERNEL(SYS_mmap)
	OR_FAIL
	MOVQ	AX, BX
	MOVQ	32(SP), R9

	// Copy page by page. SI is in the mapping, DI the bytes that are left.
	MOVQ	BX, R8
copy:
	MOVQ	BX, DI
	ADDQ	R15, DI
	SUBQ	R8, DI
	JLE	copied
	MOVQ	DI, 32(SP)
	MOVL	56(SP), DI
	LEAQ	40(SP), SI
	MOVL	$8, DX
	MOVQ	R8, R10
	SHRQ	$9, R10
	CALL_KERNEL(SYS_pread64)
	CMPQ	AX, $8
	JNE	fail
	MOVQ	40(SP), CX
	FRAME(CX)
	BSWAPQ	CX
	MOVQ	CX, 8(R13)
	MOVQ	32(SP), AX
	CMPQ	AX, $PAGE
	JLE	part
	MOVL	$PAGE, AX
part:
	BSWAPL	AX
	MOVL	AX, 4(R13)
	MOVL	R9, AX
	BSWAPL	AX
	MOVL	AX, 0(R13)
	DMA
	MOVL	$DMA_READ, R9
	ADDQ	$PAGE, R8
	JMP	copy

copied:
	MOVQ	BX, DI
	MOVQ	R15, SI
	CALL_KERNEL(SYS_munmap)
	OR_FAIL
	MOVQ	24(SP), DI
	CALL_KERNEL(SYS_close)
	OR_FAIL
	MOVL	56(SP), DI
	CALL_KERNEL(SYS_close)
	OR_FAIL
	MOVQ	R13, DI
	MOVL	$(2*PAGE), SI
	CALL_KERNEL(SYS_munmap)
	OR_FAIL
	MOVQ	$0x636f72702f, AX // "/proc"
	MOVQ	AX, 16(SP)
	LEAQ	16(SP), DI
	XORL	SI, SI
	CALL_KERNEL(SYS_umount2)
	OR_FAIL
	XORL	DI, DI
	CALL_KERNEL(SYS_iopl)
	OR_FAIL

	// execve("/sbin/init", with its name as the only argument, our environment)
	MOVQ	SP, DI
	MOVQ	SP, 40(SP)
	MOVQ	$0, 48(SP)
	LEAQ	40(SP), SI
	MOVQ	0(R12), AX
	LEAQ	16(R12)(AX*8), DX
	CALL_KERNEL(SYS_execve)

fail:
	MOVL	$1, DI
	CALL_KERNEL(SYS_exit)
	// The end, for who copies the code.
	BYTE $'A'; BYTE $'G'; BYTE $'E'; BYTE $'N'; BYTE $'T'; BYTE $'E'; BYTE $'N'; BYTE $'D'

// func agentCode() unsafe.Pointer
TEXT ·agentCode(SB), NOSPLIT, $0-8
	LEAQ	agent<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
