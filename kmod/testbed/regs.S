/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What C cannot say: what is in the registers after a call, a function that is
 * nothing but a return, and loops that differ in a return alone.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>

#include "compat.h"
#include "regs.h"

/*
 * void tb_call_guarded(struct tb_guarded *call)
 *
 * Each register that belongs to the caller holds the address of the call plus
 * a number of its own while the function runs, so that neither a register
 * which is lost nor two which are exchanged go unnoticed.
 */
SYM_FUNC_START(tb_call_guarded)
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdi
	pushq	TB_GUARDED_ARG(7)(%rdi)
	pushq	TB_GUARDED_ARG(6)(%rdi)
	movq	%rsp, %rax
	movq	%rax, TB_GUARDED_SP(%rdi)

	leaq	1(%rdi), %rbx
	leaq	2(%rdi), %rbp
	leaq	3(%rdi), %r12
	leaq	4(%rdi), %r13
	leaq	5(%rdi), %r14
	leaq	6(%rdi), %r15

	movq	TB_GUARDED_FN(%rdi), %r11
	movq	TB_GUARDED_ARG(5)(%rdi), %r9
	movq	TB_GUARDED_ARG(4)(%rdi), %r8
	movq	TB_GUARDED_ARG(3)(%rdi), %rcx
	movq	TB_GUARDED_ARG(2)(%rdi), %rdx
	movq	TB_GUARDED_ARG(1)(%rdi), %rsi
	movq	TB_GUARDED_ARG(0)(%rdi), %rdi
	CALL_NOSPEC r11

	movq	16(%rsp), %rdi
	movq	%rax, TB_GUARDED_LO(%rdi)
	movq	%rdx, TB_GUARDED_HI(%rdi)
	movq	%rsp, %rax
	subq	TB_GUARDED_SP(%rdi), %rax
	.set	tb_number, 1
	.irp	reg, rbx, rbp, r12, r13, r14, r15
	subq	%rdi, %\reg
	xorq	$tb_number, %\reg
	orq	%\reg, %rax
	.set	tb_number, tb_number + 1
	.endr
	movq	%rax, TB_GUARDED_CHANGED(%rdi)

	addq	$24, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	RET
SYM_FUNC_END(tb_call_guarded)

/*
 * void tb_occupant(void)
 *
 * A direct user of ftrace that does nothing: it is called from the first
 * instruction of the function it occupies, and returns there.
 */
SYM_FUNC_START(tb_occupant)
	ANNOTATE_NOENDBR
	RET
SYM_FUNC_END(tb_occupant)

	.balign 64
SYM_START(tb_bare_return, SYM_L_LOCAL, SYM_A_NONE)
	ANNOTATE_NOENDBR
	RET
SYM_FUNC_END(tb_bare_return)

/*
 * void tb_loop_returns(unsigned long n)
 *
 * Four instructions a turn, if a return is one.
 */
SYM_FUNC_START(tb_loop_returns)
	ENDBR
1:	call	tb_bare_return
	dec	%rdi
	jnz	1b
	RET
SYM_FUNC_END(tb_loop_returns)

/*
 * void tb_loop_calls(unsigned long n)
 *
 * The same, but what was called takes the return address off the stack.
 */
SYM_FUNC_START(tb_loop_calls)
	ENDBR
1:	ANNOTATE_INTRA_FUNCTION_CALL
	call	2f
	int3
2:	addq	$8, %rsp
	dec	%rdi
	jnz	1b
	RET
SYM_FUNC_END(tb_loop_calls)
