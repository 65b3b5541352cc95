// SPDX-License-Identifier: MIT

package workloads

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func pipe() Generator {
	return Generator{
		Name:         "pipe",
		Doc:          "write of 8 bytes to a pipe and read of them, without anybody waiting",
		Funcs:        once("pipe_write", "pipe_read", "anon_pipe_write", "anon_pipe_read"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			fds, err := p.pipe()
			if err != nil {
				return err
			}
			return p.thereAndBack(fds[1], fds[0])
		},
	}
}

// thereAndBack writes to one descriptor what it then reads from another.
func (p *Program) thereAndBack(to, from uintptr) error {
	write, err := p.transfer("write", unix.SYS_WRITE, to)
	if err != nil {
		return err
	}
	write.Measured = true
	read, err := p.transfer("read", unix.SYS_READ, from)
	p.Ops = []Op{write, read}
	return err
}

// pipe makes a pipe that the program owns, the end to read from first.
func (p *Program) pipe() (fds [2]uintptr, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return fds, err
	}
	return [2]uintptr{p.Own(ends[0]), p.Own(ends[1])}, nil
}

// fullPipe makes a pipe with bytes in it, and returns the end to read from.
func (p *Program) fullPipe() (uintptr, error) {
	fds, err := p.pipe()
	if err != nil {
		return 0, err
	}
	_, err = unix.Write(int(fds[1]), make([]byte, transferBytes))
	return fds[0], err
}

func pipe2() Generator {
	return Generator{
		Name:         "pipe2",
		Doc:          "pipe2 and two times close",
		Funcs:        once("sys_pipe2", "create_pipe_files", "alloc_pipe_info"),
		DefaultCalls: 5000,
		Batch:        50,
		Varies:       true,
		prepare: func(p *Program) error {
			ends, err := p.FreeDescriptors(2)
			if err != nil {
				return err
			}
			at, err := put(p, [2]int32{})
			p.Ops = []Op{
				{Name: "pipe2", Nr: unix.SYS_PIPE2, Args: [6]uintptr{at}, Measured: true},
				closing(ends[0]), closing(ends[1]),
			}
			return err
		},
	}
}

func closing(fd uintptr) Op { return Op{Name: "close", Nr: unix.SYS_CLOSE, Args: [6]uintptr{fd}} }

func ioctl() Generator {
	return Generator{
		Name:         "ioctl",
		Doc:          "ioctl FIONREAD of a pipe, which asks how many bytes it holds",
		Funcs:        once("sys_ioctl", "pipe_ioctl"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			fd, err := p.fullPipe()
			if err != nil {
				return err
			}
			_, at, err := p.Alloc(int(unsafe.Sizeof(int32(0))))
			p.Ops = []Op{{Name: "ioctl", Nr: unix.SYS_IOCTL, Args: [6]uintptr{fd, unix.TIOCINQ, at}, Measured: true}}
			return err
		},
	}
}
