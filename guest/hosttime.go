// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"slices"
)

// On the exact clock, QEMU is started with a library of ours that takes the place of
// the C library's gettimeofday.
//
// QEMU keeps addresses that it has translated, and with every flush it may make the
// table of them larger or smaller, by how full it was in the last 100 ms of the host's
// time. How large it is decides what is thrown out early, and the guest feels that: fork
// takes from a process the right to write to its pages and has the processor forget
// what it knew when it is through with all of them. Another thread of it that runs in
// between still writes where a translation is at hand, and faults where there is none.
//
// QEMU asks for the time of day for nothing else that such a guest could notice, so
// what it gets is the number of times that it has asked, as milliseconds.

// preload is the variable that tells the host's linker of libraries to load first.
const preload = "LD_PRELOAD"

// preloading returns this process's environment, to which a library is added.
func preloading(path string) []string {
	if others := os.Getenv(preload); others != "" {
		path += ":" + others
	}
	return append(os.Environ(), preload+"="+path)
}

const (
	timeCode = 0x200  // where in the library the function is
	timeData = 0x1000 // and the page that is written to
	// timeCount is the microseconds until now, behind six entries for the linker.
	timeCount = timeData + 6*16
	timeSize  = timeCount + 8
)

// timeOfDay is int gettimeofday(struct timeval *tv, void *) in machine code.
var timeOfDay = slices.Concat(
	[]byte{0xb8, 0xe8, 0x03, 0, 0},              // mov    $1000,%eax
	[]byte{0xf0, 0x48, 0x0f, 0xc1, 0x05},        // lock xadd %rax,count(%rip)
	littleEndian(int32(timeCount-timeCode-5-9)), // from the next instruction
	[]byte{0x31, 0xd2},                          // xor    %edx,%edx
	[]byte{0xb9, 0x40, 0x42, 0x0f, 0},           // mov    $1000000,%ecx
	[]byte{0x48, 0xf7, 0xf1},                    // div    %rcx
	[]byte{0x48, 0x89, 0x07},                    // mov    %rax,(%rdi)
	[]byte{0x48, 0x89, 0x57, 0x08},              // mov    %rdx,8(%rdi)
	[]byte{0x31, 0xc0},                          // xor    %eax,%eax
	[]byte{0xc3},                                // ret
)

// timeLibrary returns the library: a shared object for x86-64 with one function, in
// a segment that is executed and one that is written to.
func timeLibrary() []byte {
	const (
		progs  = 4
		hash   = 64 + progs*56
		syms   = hash + 5*4 + 4 // aligned to 8
		names  = syms + 2*24
		strtab = "\x00gettimeofday\x00"
	)
	var b bytes.Buffer
	at := func(offset int, parts ...any) {
		b.Write(make([]byte, offset-b.Len()))
		for _, p := range parts {
			b.Write(littleEndian(p))
		}
	}
	at(0, elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_DYN),
		Machine: uint16(elf.EM_X86_64),
		Version: uint32(elf.EV_CURRENT),
		Phoff:   64, Ehsize: 64, Phentsize: 56, Phnum: progs,
	},
		segment(elf.PT_LOAD, elf.PF_R|elf.PF_X, 0, timeCode+len(timeOfDay)),
		segment(elf.PT_LOAD, elf.PF_R|elf.PF_W, timeData, timeSize-timeData),
		segment(elf.PT_DYNAMIC, elf.PF_R|elf.PF_W, timeData, timeCount-timeData),
		// Without it the linker thinks that the stack must be executable.
		segment(elf.PT_GNU_STACK, elf.PF_R|elf.PF_W, 0, 0))
	// One bucket, which holds the second of two symbols.
	at(hash, []uint32{1, 2, 1, 0, 0})
	at(syms, elf.Sym64{}, elf.Sym64{
		Name: 1, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC),
		Shndx: 1, Value: timeCode, Size: uint64(len(timeOfDay)),
	})
	at(names, []byte(strtab))
	at(timeCode, timeOfDay)
	at(timeData, []elf.Dyn64{
		{Tag: int64(elf.DT_HASH), Val: hash},
		{Tag: int64(elf.DT_SYMTAB), Val: syms},
		{Tag: int64(elf.DT_SYMENT), Val: 24},
		{Tag: int64(elf.DT_STRTAB), Val: names},
		{Tag: int64(elf.DT_STRSZ), Val: uint64(len(strtab))},
		{Tag: int64(elf.DT_NULL)},
	})
	at(timeCount, uint64(0))
	return b.Bytes()
}

// segment returns a segment that is in memory as it is in the file.
func segment(typ elf.ProgType, flags elf.ProgFlag, at, size int) elf.Prog64 {
	return elf.Prog64{
		Type: uint32(typ), Flags: uint32(flags),
		Off: uint64(at), Vaddr: uint64(at), Paddr: uint64(at),
		Filesz: uint64(size), Memsz: uint64(size), Align: 0x1000,
	}
}

// littleEndian returns a value of fixed size as x86 has it in memory.
func littleEndian(v any) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err)
	}
	return b
}
