// SPDX-License-Identifier: MIT

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"kprof-bench/workloads"

	"golang.org/x/sys/unix"
)

// shell is a program that runs a command once.
type shell struct {
	program *workloads.Program
	text    string
	status  []byte   // as wait4 writes it
	output  *os.File // what it has written
}

// newShell prepares /bin/sh to run a command, with no input.
func newShell(text string) (*shell, error) {
	s := &shell{program: &workloads.Program{}, text: text}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare command %q: %w", text, err), s.close())
	}
	return s, nil
}

func (s *shell) prepare() error {
	fd, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	s.output = os.NewFile(uintptr(fd), "output")
	input, err := s.program.Open(os.DevNull, unix.O_RDONLY)
	if err != nil {
		return err
	}
	exec, err := s.exec()
	if err != nil {
		return err
	}
	_, noSignals, err := s.program.Alloc(8)
	if err != nil {
		return err
	}
	status, statusAt, err := s.program.Alloc(4)
	if err != nil {
		return err
	}
	s.status = status
	everyPid := ^uintptr(0)
	dup := func(from, to uintptr) workloads.Op {
		return workloads.Op{Name: "dup2", Nr: unix.SYS_DUP2, Args: [6]uintptr{from, to}}
	}
	s.program.Ops = []workloads.Op{
		{
			Name: "clone", Nr: unix.SYS_CLONE, Args: [6]uintptr{uintptr(unix.SIGCHLD)}, Measured: true, ChildExits: true,
			Child: []workloads.Op{
				// The process that makes it has all signals blocked, and dies
				// with this one.
				{Name: "rt_sigprocmask", Nr: unix.SYS_RT_SIGPROCMASK, Args: [6]uintptr{unix.SIG_SETMASK, noSignals, 0, 8}},
				{Name: "prctl", Nr: unix.SYS_PRCTL, Args: [6]uintptr{unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL)}},
				dup(input, 0), dup(uintptr(fd), 1), dup(uintptr(fd), 2),
				exec,
			},
		},
		{Name: "wait4", Nr: unix.SYS_WAIT4, Args: [6]uintptr{everyPid, statusAt, unix.WALL}},
	}
	return nil
}

// exec is the call that becomes the shell.
func (s *shell) exec() (workloads.Op, error) {
	path, err := s.string("/bin/sh")
	if err != nil {
		return workloads.Op{}, err
	}
	argv, err := s.strings([]string{"sh", "-c", s.text})
	if err != nil {
		return workloads.Op{}, err
	}
	envp, err := s.strings(os.Environ())
	return workloads.Op{Name: "execve", Nr: unix.SYS_EXECVE, Args: [6]uintptr{path, argv, envp}}, err
}

func (s *shell) string(text string) (uintptr, error) {
	b, at, err := s.program.Alloc(len(text) + 1)
	copy(b, text)
	return at, err
}

// strings is a table of texts that ends with a null pointer.
func (s *shell) strings(all []string) (uintptr, error) {
	table, at, err := s.program.Alloc(8 * (len(all) + 1))
	if err != nil {
		return 0, err
	}
	for i, text := range all {
		p, err := s.string(text)
		if err != nil {
			return 0, err
		}
		binary.NativeEndian.PutUint64(table[8*i:], uint64(p))
	}
	return at, nil
}

// outputEnd is how much of a command's output an error shows.
const outputEnd = 500

// failure tells, after a run, how the command failed, if it did.
func (s *shell) failure() error {
	status := unix.WaitStatus(binary.NativeEndian.Uint32(s.status))
	if status.Exited() && status.ExitStatus() == 0 {
		return nil
	}
	how := fmt.Sprintf("was ended by signal %d", status.Signal())
	if status.Exited() {
		how = fmt.Sprintf("ended with exit status %d", status.ExitStatus())
	}
	end, err := s.end()
	switch {
	case err != nil:
		return fmt.Errorf("%q %s, and its output cannot be read: %w", s.text, how, err)
	case end == "":
		return fmt.Errorf("%q %s and has written nothing", s.text, how)
	}
	return fmt.Errorf("%q %s; its output ends with:\n%s", s.text, how, end)
}

// end is the end of what the command has written.
func (s *shell) end() (string, error) {
	info, err := s.output.Stat()
	if err != nil {
		return "", err
	}
	b := make([]byte, min(info.Size(), outputEnd))
	if _, err := s.output.ReadAt(b, info.Size()-int64(len(b))); err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

func (s *shell) close() error {
	err := s.program.Close()
	if s.output != nil {
		err = errors.Join(err, s.output.Close())
	}
	return err
}
