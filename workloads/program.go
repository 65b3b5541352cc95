// SPDX-License-Identifier: MIT

package workloads

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Op is one system call of a program.
type Op struct {
	Name string // for messages
	Nr   uintptr
	Args [6]uintptr
	// Stride is added to Args after each execution, so that a call can
	// fill one slot after another. Each run begins with Args as given, and
	// so does each warm-up call.
	Stride [6]uintptr
	// Measured calls are counted in [Result].Issued.
	Measured bool
	// ChildExits says that the call returns twice, as clone does. Where it
	// returns 0 the process is the new one, and it exits with status 0 once it
	// has executed Child, which is a call of exit that nobody counts.
	ChildExits bool
	// Child are calls of the new process, which has no stack and whose memory
	// is the program's, what [Program.Alloc] returned being shared. The last
	// one may be an execve. Of their fields Name, Nr, Args and AllowErr count.
	Child []Op
	// AllowErr is the errno, besides none, that is no failure.
	AllowErr syscall.Errno
	// Want is what the call must return; 0 is for any result.
	Want uintptr
	// Touch makes a write to the byte at Args[0] of this, instead of a system
	// call.
	Touch bool
}

// Function is the kernel's function of the call, such as sys_getpid, or nothing if
// it is no system call.
func (o Op) Function() string {
	if o.Touch {
		return ""
	}
	return "sys_" + o.Name
}

// String returns the name of the call, or its number if it has none.
func (o Op) String() string {
	if o.Name != "" {
		return o.Name
	}
	return fmt.Sprintf("system call %d", o.Nr)
}

// Program is a round of system calls that is executed again and again. The
// zero value is an empty program. A program owns what Alloc and Open gave
// out until Close. It must not be run twice at the same time.
type Program struct {
	Ops []Op
	// Setup are calls that the child makes once, before the first round, and
	// that are not counted. Of their fields Name, Nr and Args count.
	Setup []Op

	mem   shared
	files []*os.File
	fds   []int
}

// Alloc returns n bytes of zeroed memory and their address, for arguments
// and results of calls. The memory is shared with the child that executes
// them, stays where it is, and is gone after Close. The engine touches every
// page before it counts, so that no call meets a page fault.
func (p *Program) Alloc(n int) ([]byte, uintptr, error) {
	b, err := p.mem.alloc(n)
	if err != nil {
		return nil, 0, err
	}
	return b, uintptr(unsafe.Pointer(&b[0])), nil
}

// Open opens a file for use in arguments.
func (p *Program) Open(name string, flag int) (fd uintptr, err error) {
	f, err := os.OpenFile(name, flag, 0)
	if err != nil {
		return 0, err
	}
	p.files = append(p.files, f)
	return f.Fd(), nil
}

// Own has the descriptor closed when the program is.
func (p *Program) Own(fd int) uintptr {
	p.fds = append(p.fds, fd)
	return uintptr(fd)
}

// FreeDescriptors returns the n numbers that the kernel will give to the first
// n files that a round opens. They are closed in the child when it sets up.
func (p *Program) FreeDescriptors(n int) ([]uintptr, error) {
	var free []uintptr
	for range n {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", os.DevNull, err)
		}
		free = append(free, p.Own(fd))
	}
	for _, fd := range free {
		p.Setup = append(p.Setup, Op{Name: "close", Nr: unix.SYS_CLOSE, Args: [6]uintptr{fd}})
	}
	return free, nil
}

// Close frees the program's memory and closes its files. The program is
// empty afterwards.
func (p *Program) Close() error {
	err := p.mem.free()
	for _, f := range p.files {
		err = errors.Join(err, f.Close())
	}
	for _, fd := range p.fds {
		err = errors.Join(err, unix.Close(fd))
	}
	p.Ops, p.Setup, p.files, p.fds = nil, nil, nil, nil
	return err
}

// measured is the number of measured calls in a round.
func (p *Program) measured() int {
	n := 0
	for _, op := range p.Ops {
		if op.Measured {
			n++
		}
	}
	return n
}

func closeAfter(p *Program, err error) error {
	return errors.Join(err, p.Close())
}

// shared is memory that a forked child and its parent both see.
type shared struct {
	maps [][]byte
}

func (s *shared) alloc(n int) ([]byte, error) {
	if n <= 0 {
		return nil, fmt.Errorf("allocate %d bytes of shared memory: the size must be positive", n)
	}
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("allocate %d bytes of shared memory: %w", n, err)
	}
	s.maps = append(s.maps, b)
	return b, nil
}

func (s *shared) free() error {
	var err error
	for _, b := range s.maps {
		err = errors.Join(err, unix.Munmap(b))
	}
	s.maps = nil
	return err
}

// table returns room for n values, and at least for one so that it has an
// address. T must be free of pointers.
func table[T any](s *shared, n int) ([]T, error) {
	var zero T
	b, err := s.alloc(max(n, 1) * int(unsafe.Sizeof(zero)))
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), max(n, 1))[:n], nil
}

func addr[T any](s []T) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(s)))
}

func end[T any](s []T) uintptr {
	var zero T
	return addr(s) + uintptr(len(s))*unsafe.Sizeof(zero)
}
