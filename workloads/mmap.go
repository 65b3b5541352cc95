// SPDX-License-Identifier: MIT

package workloads

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	page            = 4096
	anonymous       = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	readWrite       = unix.PROT_READ | unix.PROT_WRITE
	noFile          = ^uintptr(0)
	readable        = uintptr(unix.PROT_READ)
	breakBeyondHeap = 1 << 20
)

func mmap() Generator {
	return Generator{
		Name:         "mmap",
		Doc:          "mmap of one page of anonymous memory that nobody touches, and munmap",
		Funcs:        once("sys_mmap", "sys_munmap", "vm_mmap_pgoff", "do_mmap", "__vm_munmap"),
		DefaultCalls: 10000,
		Batch:        100,
		Varies:       true,
		prepare: func(p *Program) error {
			_, at, err := p.Alloc(page)
			unmap := Op{Name: "munmap", Nr: unix.SYS_MUNMAP, Args: [6]uintptr{at, page}}
			p.Setup = []Op{unmap} // there is room now
			p.Ops = []Op{
				{Name: "mmap", Nr: unix.SYS_MMAP, Args: [6]uintptr{at, page, readWrite, anonymous, noFile}, Want: at, Measured: true},
				unmap,
			}
			return err
		},
	}
}

// pageFault frees the page again with madvise, so that the next round finds the
// same mapping without a page.
func pageFault() Generator {
	return Generator{
		Name:         "pagefault",
		Doc:          "write to a page of anonymous memory that is not there, and madvise that takes it away",
		Funcs:        once("handle_mm_fault", "sys_madvise"),
		DefaultCalls: 10000,
		Batch:        100,
		Varies:       true,
		prepare: func(p *Program) error {
			_, at, err := p.Alloc(page)
			p.Setup = []Op{{
				Name: "mmap", Nr: unix.SYS_MMAP, Args: [6]uintptr{at, page, readWrite, anonymous | unix.MAP_FIXED, noFile},
			}}
			p.Ops = []Op{
				{Name: "write to memory", Touch: true, Args: [6]uintptr{at}, Measured: true},
				{Name: "madvise", Nr: unix.SYS_MADVISE, Args: [6]uintptr{at, page, unix.MADV_DONTNEED}},
			}
			return err
		},
	}
}

func mprotect() Generator {
	return Generator{
		Name:         "mprotect",
		Doc:          "mprotect of a page twice, to read only and back",
		Funcs:        []Func{{Name: "sys_mprotect", PerOp: 2}},
		DefaultCalls: 10000,
		Batch:        100,
		Varies:       true,
		prepare: func(p *Program) error {
			_, at, err := p.Alloc(page)
			p.Ops = []Op{
				{Name: "mprotect", Nr: unix.SYS_MPROTECT, Args: [6]uintptr{at, page, readable}, Measured: true},
				{Name: "mprotect", Nr: unix.SYS_MPROTECT, Args: [6]uintptr{at, page, readWrite}},
			}
			return err
		},
	}
}

// brk begins where the heap of no C library is.
func brk() Generator {
	return Generator{
		Name:         "brk",
		Doc:          "brk twice, one page up and back",
		Funcs:        []Func{{Name: "sys_brk", PerOp: 2}},
		DefaultCalls: 10000,
		Batch:        100,
		Varies:       true,
		prepare: func(p *Program) error {
			now, _, errno := unix.RawSyscall(unix.SYS_BRK, 0, 0, 0)
			if errno != 0 {
				return os.NewSyscallError("brk", errno)
			}
			low := (now+breakBeyondHeap)&^(page-1) + page
			to := func(end uintptr) Op {
				return Op{Name: "brk", Nr: unix.SYS_BRK, Args: [6]uintptr{end}, Want: end}
			}
			up := to(low + page)
			up.Measured = true
			p.Setup = []Op{to(low)}
			p.Ops = []Op{up, to(low)}
			return nil
		},
	}
}
