/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trampolines that ftrace calls from the entry of a profiled function.
 *
 * On entry the stack holds the address behind the call, which lies in the
 * function, and below it the function's own return address. The trampoline
 * takes the former off, and puts a frame in between before it goes there:
 *
 *	label of the exit half		where the function will return to
 *	start				the clock when it began
 *	counters			struct krp_counts, for %gs
 *	caller				where it should have returned to
 *
 * So all that belongs to a call lies on the stack of the task that makes it,
 * and nothing is limited: neither the number of calls in progress, nor
 * recursion, nor migration from one CPU to another in between.
 *
 * Entry half: all registers that hold arguments are left alone (rdi, rsi, rdx,
 * rcx, r8, r9), and so are those that belong to the caller. Free are rax, r10
 * and r11: nothing is passed to a C function in them. Arguments on the stack
 * would be moved away from where the function looks for them; such functions
 * are not hooked.
 * Exit half: rax and rdx hold the result. Free are rcx, rsi, rdi and r8 to r11.
 *
 * A system call takes one argument and returns one word, whatever it is called
 * with from user space. It has nothing in rdx, which need not be saved.
 *
 * The exit half begins with a call. The return of the function has taken an
 * entry off the processor's stack of predicted returns that it did not belong
 * to; the call puts one back, and the returns above are predicted right. It
 * must not be a call to the next instruction, which processors do not count.
 *
 * For unwinders: before the frame is there we say that the caller called us;
 * when it is, that the function did, which was interrupted at its entry.
 * Returns are looked up one byte below, at the int3 before the label.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>
#include <asm/orc_types.h>
#include <asm/unwind_hints.h>

#include "compat.h"
#include "krp_layout.h"


/* The stack pointer was so many bytes higher before the caller's call. */
.macro FRAME_HINT bytes:req
	UNWIND_HINT type=UNWIND_HINT_TYPE_CALL sp_reg=ORC_REG_SP sp_offset=\bytes
.endm

/* rdx:rax of the time stamp counter, in rax. */
.macro READ_TSC
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
.endm

/*
 * Notes the duration in rax, in ticks and with the bias, in the histogram of
 * the counters in rcx. Clobbers rax and rdx.
 */
.macro RECORD bias:req
	xor	%edx, %edx
	sub	\bias(%rip), %rax
	cmovb	%rdx, %rax
	mulq	krp_ns_mult(%rip)
	shrd	$32, %rdx, %rax
	mov	%rax, %rdx
	or	$1, %rdx
	bsr	%rdx, %rdx
	incq	%gs:KRP_BUCKETS(%rcx, %rdx, 8)
	cmp	%gs:KRP_MIN(%rcx), %rax
	jb	.Lshortest_\@
.Lnot_shortest_\@:
	cmp	%gs:KRP_MAX(%rcx), %rax
	ja	.Llongest_\@
.Lrecorded_\@:
	.pushsection .text.unlikely, "ax"
	/* Another CPU's task, or an interrupt, may have been faster: compare again. */
.Lshortest_\@:
	FRAME_HINT 32
	mov	%rax, %rdx
	mov	%gs:KRP_MIN(%rcx), %rax
.Lshorter_\@:
	cmp	%rax, %rdx
	jae	1f
	cmpxchg	%rdx, %gs:KRP_MIN(%rcx)
	jne	.Lshorter_\@
1:	mov	%rdx, %rax
	jmp	.Lnot_shortest_\@
.Llongest_\@:
	FRAME_HINT 32
	mov	%rax, %rdx
	mov	%gs:KRP_MAX(%rcx), %rax
.Llonger_\@:
	cmp	%rax, %rdx
	jbe	.Lrecorded_\@
	cmpxchg	%rdx, %gs:KRP_MAX(%rcx)
	jne	.Llonger_\@
	jmp	.Lrecorded_\@
	.popsection
.endm

.macro TRAMPOLINE name:req table:req multiplier:req rdx:req bias=none
SYM_START(\name, SYM_L_GLOBAL, SYM_A_ALIGN)
	ANNOTATE_NOENDBR
	pop	%r10
	UNWIND_HINT_FUNC
	imul	$\multiplier, %r10d, %eax
	shr	$(32 - KRP_SLOT_BITS), %eax
	mov	krp_table\table(, %rax, 8), %rax
	push	%rax
	incq	%gs:KRP_ENTERED(%rax)
	.if \rdx
	mov	%rdx, %r11
	.endif
	READ_TSC
	push	%rax
	.if \rdx
	mov	%r11, %rdx
	.endif
	push	$\name\()_return
	push	%r10
	UNWIND_HINT_FUNC
	RET

	FRAME_HINT 24
	int3
SYM_INNER_LABEL(\name\()_return, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	FRAME_HINT 24
	ANNOTATE_INTRA_FUNCTION_CALL
	call	1f
	int3
1:	mov	%rax, %r10
	.if \rdx
	mov	%rdx, %r11
	.endif
	READ_TSC
	mov	16(%rsp), %rcx
	sub	8(%rsp), %rax
	add	%rax, %gs:KRP_TOTAL(%rcx)
	incq	%gs:KRP_RETURNED(%rcx)
	.ifnc \bias,none
	RECORD	\bias
	.endif
	mov	%r10, %rax
	.if \rdx
	mov	%r11, %rdx
	.endif
	add	$24, %rsp
	UNWIND_HINT_FUNC
	RET
SYM_FUNC_END(\name)
.endm

	.text
/* With rdx, for any function; and without, for system calls. */
TRAMPOLINE krp_any0, 0, KRP_MULTIPLIER0, 1
TRAMPOLINE krp_any1, 1, KRP_MULTIPLIER1, 1
TRAMPOLINE krp_syscall0, 0, KRP_MULTIPLIER0, 0
TRAMPOLINE krp_syscall1, 1, KRP_MULTIPLIER1, 0
/* The same with a histogram. */
TRAMPOLINE krp_any_hist0, 0, KRP_MULTIPLIER0, 1, krp_bias_any
TRAMPOLINE krp_any_hist1, 1, KRP_MULTIPLIER1, 1, krp_bias_any
TRAMPOLINE krp_syscall_hist0, 0, KRP_MULTIPLIER0, 0, krp_bias_syscall
TRAMPOLINE krp_syscall_hist1, 1, KRP_MULTIPLIER1, 0, krp_bias_syscall

/*
 * A return that is never executed. The module loader has patched it like all
 * others, and so it tells what a return looks like on this machine. Aligned to
 * the half of a cache line in which some processors want another kind.
 */
	.balign 64
SYM_START(krp_sample_return, SYM_L_GLOBAL, SYM_A_NONE)
	ANNOTATE_NOENDBR
	RET
SYM_FUNC_END(krp_sample_return)
