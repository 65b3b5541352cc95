/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared between regs.S and C. */
#ifndef KPROF_TESTBED_REGS_H
#define KPROF_TESTBED_REGS_H

/* Offsets in struct tb_guarded, checked where that is used from C. */
#define TB_GUARDED_FN		0
#define TB_GUARDED_ARG(n)	(8 + 8 * (n))
#define TB_GUARDED_LO		72
#define TB_GUARDED_HI		80
#define TB_GUARDED_SP		88
#define TB_GUARDED_CHANGED	96

#ifndef __ASSEMBLY__

/**
 * struct tb_guarded - a call by tb_call_guarded()
 * @fn:		function to call
 * @arg:	its arguments; one that takes fewer does not see the rest
 * @lo:		what it returned in %rax
 * @hi:		what it returned in %rdx
 * @sp:		the stack pointer before the call
 * @changed:	not 0 if the call changed a register that it must preserve
 */
struct tb_guarded {
	void *fn;
	long arg[8];
	long lo;
	long hi;
	long sp;
	long changed;
};

void tb_call_guarded(struct tb_guarded *call);
void tb_occupant(void);
void tb_loop_returns(unsigned long n);
void tb_loop_calls(unsigned long n);

#endif /* __ASSEMBLY__ */
#endif /* KPROF_TESTBED_REGS_H */
