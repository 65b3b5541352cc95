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
		Funcs:        []Func{{"sys_read", 1}},
		DefaultCalls: 150000,
		Batch:        500,
		prepare: func(p *Program) error {
			return p.transfer("read", unix.SYS_READ, "/dev/zero", os.O_RDONLY)
		},
	}
}

func write() Generator {
	return Generator{
		Name:         "write",
		Doc:          "write of 8 bytes to /dev/null",
		Funcs:        []Func{{"sys_write", 1}},
		DefaultCalls: 150000,
		Batch:        500,
		prepare: func(p *Program) error {
			return p.transfer("write", unix.SYS_WRITE, "/dev/null", os.O_WRONLY)
		},
	}
}

func (p *Program) transfer(name string, nr uintptr, file string, flag int) error {
	fd, err := p.Open(file, flag)
	if err != nil {
		return err
	}
	_, buf, err := p.Alloc(transferBytes)
	if err != nil {
		return err
	}
	p.Ops = []Op{{Name: name, Nr: nr, Args: [6]uintptr{fd, buf, transferBytes}, Measured: true}}
	return nil
}
