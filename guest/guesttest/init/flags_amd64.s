// SPDX-License-Identifier: MIT

#include "textflag.h"

// func flagsOfExchange(operand uint64, block *[2]uint64) uint64
TEXT ·flagsOfExchange(SB), NOSPLIT, $0-24
	MOVQ operand+0(FP), DI
	MOVQ block+8(FP), SI
	XORL AX, AX
	XORL DX, DX
	XORL BX, BX
	XORL CX, CX
	XORL R8, R8
	// Flags that are known as such, and then as the sum of two operands.
	PUSHFQ
	POPFQ
	ADDQ DI, R8
	CMPXCHG16B (SI)
	PUSHFQ
	POPQ AX
	MOVQ AX, ret+16(FP)
	RET
