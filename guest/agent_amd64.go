// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"unsafe"
)

// The first process of every guest is the agent. It stops the machine, where
// that was asked for, fetches the payload over QEMU's firmware configuration
// and becomes it. So the machine is the same up to there whatever the payload,
// and a snapshot of it serves all of them.
//
// It is written in assembly because it is a part of the snapshot: anything that
// is compiled changes with the compiler and with what it is linked to.

// agentCode returns the address of the agent's code in this program.
func agentCode() unsafe.Pointer

const (
	agentBase = 0x400000 // where the agent is loaded
	maxAgent  = 2048
)

// agentEnd follows the code.
var agentEnd = []byte("AGENTEND")

// agent returns the agent's executable.
func agent() ([]byte, error) {
	code := unsafe.Slice((*byte)(agentCode()), maxAgent)
	length := bytes.Index(code, agentEnd)
	if length < 0 {
		return nil, fmt.Errorf("the agent's code has no end in %d bytes", maxAgent)
	}
	return staticELF(code[:length])
}

// staticELF returns an executable with one segment, whose code starts with its
// first byte and may be anywhere.
func staticELF(code []byte) ([]byte, error) {
	const headers = 64 + 56 // bytes of one each
	size := uint64(headers + len(code))
	var b bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:    uint16(elf.ET_EXEC),
			Machine: uint16(elf.EM_X86_64),
			Version: uint32(elf.EV_CURRENT),
			Entry:   agentBase + headers,
			Phoff:   64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		},
		elf.Prog64{
			Type:  uint32(elf.PT_LOAD),
			Flags: uint32(elf.PF_R | elf.PF_X),
			Vaddr: agentBase, Paddr: agentBase,
			Filesz: size, Memsz: size, Align: 0x1000,
		},
		code,
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
