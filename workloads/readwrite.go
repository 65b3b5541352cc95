// SPDX-License-Identifier: MIT

package workloads

import (
	"os"

	"golang.org/x/sys/unix"
)

const transferBytes = 8

func read() Generator {
	return Generator{
		Name:         "read",
		Doc:          "read of 8 bytes from /dev/zero",
		Funcs:        once("sys_read", "ksys_read", "vfs_read"),
		DefaultCalls: 150000,
		Batch:        500,
		prepare: func(p *Program) error {
			return p.device("read", unix.SYS_READ, "/dev/zero", os.O_RDONLY)
		},
	}
}

func write() Generator {
	return Generator{
		Name:         "write",
		Doc:          "write of 8 bytes to /dev/null",
		Funcs:        once("sys_write", "ksys_write", "vfs_write", "write_null"),
		DefaultCalls: 150000,
		Batch:        500,
		prepare: func(p *Program) error {
			return p.device("write", unix.SYS_WRITE, "/dev/null", os.O_WRONLY)
		},
	}
}

func (p *Program) device(name string, nr uintptr, file string, flag int) error {
	fd, err := p.Open(file, flag)
	if err != nil {
		return err
	}
	op, err := p.transfer(name, nr, fd)
	op.Measured = true
	p.Ops = []Op{op}
	return err
}

// transfer reads or writes a few bytes, all of them. As a number they are 1.
func (p *Program) transfer(name string, nr, fd uintptr) (Op, error) {
	buf, err := put(p, uint64(1))
	return Op{Name: name, Nr: nr, Args: [6]uintptr{fd, buf, transferBytes}, Want: transferBytes}, err
}

func pread() Generator {
	return Generator{
		Name:         "pread64",
		Doc:          "pread64 of 8 bytes from a file in tmpfs",
		Funcs:        once("sys_pread64", "shmem_file_read_iter"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			return p.inMemory("pread64", unix.SYS_PREAD64)
		},
	}
}

func pwrite() Generator {
	return Generator{
		Name:         "pwrite64",
		Doc:          "pwrite64 of 8 bytes to a file in tmpfs, where its first bytes are",
		Funcs:        once("sys_pwrite64", "generic_perform_write"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			return p.inMemory("pwrite64", unix.SYS_PWRITE64)
		},
	}
}

func (p *Program) inMemory(name string, nr uintptr) error {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	p.Own(fd)
	if err := unix.Ftruncate(fd, transferBytes); err != nil {
		return err
	}
	op, err := p.transfer(name, nr, uintptr(fd))
	op.Measured = true
	p.Ops = []Op{op}
	return err
}
