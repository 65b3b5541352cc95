// SPDX-License-Identifier: MIT

package workloads

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// atWorkingDir is AT_FDCWD.
const atWorkingDir = ^uintptr(0) - 99

// someFile is there on every machine, and opening it does nothing to it.
const someFile = os.DevNull

func open() Generator {
	return Generator{
		Name: "openat",
		Doc:  "openat of /dev/null, and close",
		Funcs: append(once("sys_openat", "do_sys_openat2", "vfs_open", "do_dentry_open", "chrdev_open"),
			Func{Name: "sys_close", PerOp: 1, Leaves: true}),
		DefaultCalls: 10000,
		Batch:        100,
		Varies:       true,
		prepare: func(p *Program) error {
			fds, err := p.FreeDescriptors(1)
			if err != nil {
				return err
			}
			name, err := p.text(someFile)
			p.Ops = []Op{
				{Name: "openat", Nr: unix.SYS_OPENAT, Args: [6]uintptr{atWorkingDir, name, unix.O_RDONLY}, Want: fds[0], Measured: true},
				closing(fds[0]),
			}
			return err
		},
	}
}

func dup() Generator {
	return Generator{
		Name:         "dup",
		Doc:          "dup of a descriptor, and close",
		Funcs:        once("sys_dup"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			fd, err := p.Open(someFile, os.O_RDONLY)
			if err != nil {
				return err
			}
			fds, err := p.FreeDescriptors(1)
			if err != nil {
				return err
			}
			p.Ops = []Op{
				{Name: "dup", Nr: unix.SYS_DUP, Args: [6]uintptr{fd}, Want: fds[0], Measured: true},
				closing(fds[0]),
			}
			return nil
		},
	}
}

func stat() Generator {
	return Generator{
		Name:         "newfstatat",
		Doc:          "newfstatat, the stat of today's C libraries, of /dev/null",
		Funcs:        once("sys_newfstatat", "vfs_statx"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			name, err := p.text(someFile)
			if err != nil {
				return err
			}
			at, err := put(p, unix.Stat_t{})
			p.Ops = []Op{{Name: "newfstatat", Nr: unix.SYS_NEWFSTATAT, Args: [6]uintptr{atWorkingDir, name, at}, Measured: true}}
			return err
		},
	}
}

func statx() Generator {
	return Generator{
		Name:         "statx",
		Doc:          "statx of /dev/null",
		Funcs:        once("sys_statx"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			name, err := p.text(someFile)
			if err != nil {
				return err
			}
			at, err := put(p, unix.Statx_t{})
			p.Ops = []Op{{
				Name: "statx", Nr: unix.SYS_STATX, Measured: true,
				Args: [6]uintptr{atWorkingDir, name, 0, unix.STATX_BASIC_STATS, at},
			}}
			return err
		},
	}
}

// getdents reads a directory from its beginning, as far as the buffer goes.
func getdents() Generator {
	const size = 512
	return Generator{
		Name:         "getdents64",
		Doc:          "lseek to the beginning of the directory /dev, and getdents64 of 512 bytes",
		Funcs:        once("sys_getdents64", "sys_lseek", "iterate_dir"),
		DefaultCalls: 10000,
		Batch:        100,
		prepare: func(p *Program) error {
			fd, err := p.Open("/dev", os.O_RDONLY)
			if err != nil {
				return err
			}
			_, at, err := p.Alloc(size)
			p.Ops = []Op{
				{Name: "lseek", Nr: unix.SYS_LSEEK, Args: [6]uintptr{fd, 0, unix.SEEK_SET}},
				{Name: "getdents64", Nr: unix.SYS_GETDENTS64, Args: [6]uintptr{fd, at, size}, Measured: true},
			}
			return err
		},
	}
}

// text puts a string into memory as the kernel wants it.
func (p *Program) text(s string) (uintptr, error) {
	b, at, err := p.Alloc(len(s) + 1)
	copy(b, s)
	return at, err
}

// put puts a value without Go pointers into memory of the program.
func put[T any](p *Program, v T) (uintptr, error) {
	b, at, err := p.Alloc(int(unsafe.Sizeof(v)))
	if err != nil {
		return 0, err
	}
	*(*T)(unsafe.Pointer(&b[0])) = v
	return at, nil
}
