// SPDX-License-Identifier: MIT

package workloads

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// execve runs a program that is nothing but an exit, so that the time is the
// kernel's.
func execve() Generator {
	return Generator{
		Name:         "execve",
		Doc:          "clone of a process that executes a program of one page, which exits, and wait4 for it",
		Funcs:        once("sys_execve", "bprm_execve", "begin_new_exec"),
		DefaultCalls: processCalls,
		Batch:        1,
		prepare: func(p *Program) error {
			exec, err := p.execOp()
			if err != nil {
				return err
			}
			p.Ops = process(Op{
				Name: "clone", Nr: unix.SYS_CLONE, Args: [6]uintptr{uintptr(unix.SIGCHLD)}, Child: []Op{exec},
			})
			return nil
		},
	}
}

func (p *Program) execOp() (Op, error) {
	fd, err := p.executable(exitProgram())
	if err != nil {
		return Op{}, fmt.Errorf("make a program to execute: %w", err)
	}
	path, err := p.text(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return Op{}, err
	}
	name, err := p.text("exit")
	if err != nil {
		return Op{}, err
	}
	argv, err := put(p, [2]uintptr{name, 0})
	if err != nil {
		return Op{}, err
	}
	return Op{Name: "execve", Nr: unix.SYS_EXECVE, Args: [6]uintptr{path, argv, argv + 8}}, nil
}

// executable keeps a program in memory and returns a descriptor of it. It is not
// the one it was written by: what is open for writing cannot be executed.
func (p *Program) executable(program []byte) (int, error) {
	const mfdExec = 0x10 // from Linux 6.3 on
	writer, err := unix.MemfdCreate("exit", mfdExec|unix.MFD_CLOEXEC)
	if errors.Is(err, unix.EINVAL) {
		writer, err = unix.MemfdCreate("exit", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return 0, err
	}
	defer unix.Close(writer)
	if _, err := unix.Write(writer, program); err != nil {
		return 0, err
	}
	reader, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", writer), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	p.Own(reader)
	return reader, nil
}

// exitProgram is an executable whose only segment is the file itself.
func exitProgram() []byte {
	const address = 0x400000
	code := []byte{
		0xb8, unix.SYS_EXIT, 0, 0, 0, // mov $SYS_exit, %eax
		0x31, 0xff, // xor %edi, %edi
		0x0f, 0x05, // syscall
	}
	headers := uint64(binary.Size(elf.Header64{}) + binary.Size(elf.Prog64{}))
	size := headers + uint64(len(code))
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Entry: address + headers, Phoff: uint64(binary.Size(elf.Header64{})),
		Ehsize: uint16(binary.Size(elf.Header64{})), Phentsize: uint16(binary.Size(elf.Prog64{})), Phnum: 1,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	header.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
		Vaddr: address, Paddr: address, Filesz: size, Memsz: size, Align: 4096,
	}
	var b bytes.Buffer
	for _, part := range []any{header, segment, code} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err) // all sizes are fixed
		}
	}
	return b.Bytes()
}
