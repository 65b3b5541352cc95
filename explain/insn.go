// SPDX-License-Identifier: MIT

package explain

import (
	"golang.org/x/arch/x86/x86asm"
)

// Insn is an instruction that was executed, as it was at that time: kernels patch
// their code.
type Insn struct {
	PC   uint64
	Size int
	kind kind
	// target is where a call or a jump goes to, 0 if that is in a register or in
	// memory.
	target uint64
}

// kind is what an instruction does to the flow of control.
type kind int

const (
	plain kind = iota
	call
	ret
	jump       // always
	branch     // or not
	systemCall // from user space
	systemRet  // and back to it
	interruptRet
	readTicks // plain, and where a round begins or ends
)

// next is the address behind the instruction.
func (i *Insn) next() uint64 { return i.PC + uint64(i.Size) }

func newInsn(pc uint64, code []byte) (*Insn, error) {
	i := &Insn{PC: pc, Size: len(code)}
	d, err := x86asm.Decode(code, 64)
	switch {
	case err != nil || d.Op == 0:
		return i, nil // too new to be known, and none that goes elsewhere
	case d.Len != len(code):
		return nil, errNotSingle
	}
	i.kind = kindOf(d.Op)
	if rel, ok := d.Args[0].(x86asm.Rel); ok {
		i.target = i.next() + uint64(int64(rel))
	}
	return i, nil
}

func kindOf(op x86asm.Op) kind {
	switch op {
	case x86asm.CALL, x86asm.LCALL:
		return call
	case x86asm.RET, x86asm.LRET:
		return ret
	case x86asm.JMP, x86asm.LJMP:
		return jump
	case x86asm.SYSCALL:
		return systemCall
	case x86asm.SYSRET:
		return systemRet
	case x86asm.IRET, x86asm.IRETD, x86asm.IRETQ:
		return interruptRet
	case x86asm.RDTSC:
		return readTicks
	case x86asm.JA, x86asm.JAE, x86asm.JB, x86asm.JBE, x86asm.JCXZ, x86asm.JE, x86asm.JECXZ, x86asm.JG, x86asm.JGE,
		x86asm.JL, x86asm.JLE, x86asm.JNE, x86asm.JNO, x86asm.JNP, x86asm.JNS, x86asm.JO, x86asm.JP, x86asm.JRCXZ,
		x86asm.JS, x86asm.LOOP, x86asm.LOOPE, x86asm.LOOPNE:
		return branch
	}
	return plain
}

// userSpace is where addresses of user space end.
const userSpace = 1 << 47

// inUserSpace tells whether it is no instruction of the kernel's.
func (i *Insn) inUserSpace() bool { return i.PC < userSpace }
