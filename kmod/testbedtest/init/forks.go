// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
	"kprof-bench/workloads"
)

// commander is a program that writes commands to a session: what happens in
// its process happens without Go.
type commander struct {
	*workloads.Program
	fd uintptr
}

func newCommander(t *kmod.Testbed) commander {
	return commander{&workloads.Program{}, t.Fd()}
}

func (c commander) add(op workloads.Op) { c.Ops = append(c.Ops, op) }

// write adds a command, and returns the call that will write it for changes.
func (c commander) write(format string, args ...any) (*workloads.Op, error) {
	text := fmt.Sprintf(format, args...)
	mem, at, err := c.Alloc(len(text))
	if err != nil {
		return nil, err
	}
	copy(mem, text)
	c.add(workloads.Op{
		Name: text, Nr: unix.SYS_WRITE, Measured: true,
		Args: [6]uintptr{c.fd, at, uintptr(len(text))},
	})
	return &c.Ops[len(c.Ops)-1], nil
}

// result adds the reading of a command's result.
func (c commander) result() (func() string, error) {
	mem, at, err := c.Alloc(4096)
	if err != nil {
		return nil, err
	}
	c.add(workloads.Op{Name: "read the result", Nr: unix.SYS_PREAD64, Args: [6]uintptr{c.fd, at, 4095, 0}})
	return func() string {
		text, _, _ := bytes.Cut(mem, []byte{0})
		return string(text)
	}, nil
}

func (c commander) run(ctx context.Context) error {
	measured := 0
	for _, op := range c.Ops {
		if op.Measured {
			measured++
		}
	}
	_, err := workloads.Run(ctx, c.Program, workloads.Options{Calls: measured})
	return err
}

// forks: children made by "call" start behind the parent's write(), and the
// parent goes on as if it had made the system call.
func (l *lab) forks(t *kmod.Testbed) error {
	p := &problems{}
	for _, test := range []struct {
		command  string
		children int
	}{
		{"call __x64_sys_clone 1 17 0 0 0 0 0", 1},
		{"call __x64_sys_fork 1", 1},
		{fmt.Sprintf("call __x64_sys_clone 1 %#x 0 0 0 0", unix.CLONE_FILES|unix.CLONE_FS|int(unix.SIGCHLD)), 1},
		{"call __x64_sys_clone 20 17", 20},
	} {
		p.note(test.command, l.fork(t, test.command, test.children))
	}
	probe, err := t.RefProbe("__x64_sys_clone")
	if err != nil {
		return err
	}
	other, err := kmod.OpenTestbed()
	if err != nil {
		return err
	}
	p.note("clone with a probe on it", l.fork(other, "call __x64_sys_clone 5 17", 5))
	p.note("close", other.Close())
	c, err := probe.Read()
	p.note("probe", err)
	// The process that writes the command is made by clone as well, and Go may
	// want a thread.
	if c.Calls < 5 || c.Calls > 7 || c.Missed != 0 {
		p.add("the probe saw %+v", c)
	}
	return p.err()
}

func (l *lab) fork(t *kmod.Testbed, command string, children int) error {
	c := newCommander(t)
	defer c.Close()
	op, err := c.write("%s", command)
	if err != nil {
		return err
	}
	op.ChildExits = true
	text, err := c.result()
	if err != nil {
		return err
	}
	mem, at, err := c.Alloc(children * 4)
	if err != nil {
		return err
	}
	statuses := unsafe.Slice((*int32)(unsafe.Pointer(&mem[0])), children)
	for i := range statuses {
		statuses[i] = -1
		c.add(workloads.Op{Name: "wait4", Nr: unix.SYS_WAIT4, Args: [6]uintptr{^uintptr(0), at + uintptr(4*i), unix.WALL}})
	}
	c.add(workloads.Op{Name: "wait4 for one more", Nr: unix.SYS_WAIT4, AllowErr: unix.ECHILD,
		Args: [6]uintptr{^uintptr(0), 0, unix.WALL}})
	if err := c.run(l.ctx); err != nil {
		return err
	}
	p := &problems{}
	r, err := kmod.ParseCall(text())
	p.note("result", err)
	equal(p, "calls", r.Calls, uint64(children))
	equal(p, "failed calls", r.Errors, 0)
	if r.Ret <= 1 {
		p.add("returned %d, want a pid", r.Ret)
	}
	if slices.ContainsFunc(statuses, func(s int32) bool { return s != 0 }) {
		p.add("children ended with %v", statuses)
	}
	return p.err()
}

// closesItself: a command that reaches its own file, in a process of its own.
func (l *lab) closesItself(t *kmod.Testbed) error {
	p := &problems{}
	mem := newCommander(t)
	defer mem.Close()
	_, buf, err := mem.Alloc(64)
	if err != nil {
		return err
	}
	for _, symbol := range []string{"read", "write"} {
		r, err := t.Call("__x64_sys_"+symbol, 1, uint64(t.Fd()), uint64(buf), 10)
		p.note(symbol, err)
		equal(p, symbol+" of the session itself", unix.Errno(-r.Ret), unix.EDEADLK)
	}

	c := newCommander(t)
	defer c.Close()
	if _, err := c.write("call __x64_sys_close 1 %d", c.fd); err != nil {
		return err
	}
	if _, err := c.write("regions"); err != nil {
		return err
	}
	err = c.run(l.ctx)
	var failed *workloads.OpError
	if !errors.As(err, &failed) || failed.Index != 1 || failed.Errno != unix.EBADF {
		p.add("a command after the session closed itself: %v, want it to fail with EBADF", err)
	}
	// This process has the file open still, and it is in order.
	p.note("work afterwards", second(t.Work(1, 1)))
	return p.err()
}

// killedCommands: each long command ends when its process is killed, and what
// it planted so far is gone.
func (l *lab) killedCommands(t *kmod.Testbed) error {
	p := &problems{}
	for _, command := range []string{
		"work 1000000 1000000000",
		"vpair 4096 1000000000",
		"sleep 10000000 100",
		"timer 10000000 100",
		"recurse 100 1000000",
		"args8 1000000",
		"plant leaked 1000000 4096",
		"call __x64_sys_getpid 1000000000",
		"call __x64_sys_pause 1",
	} {
		p.note(command, l.killed(t, command))
		// The lock of the session is free again.
		p.note(command+": work afterwards", second(t.Work(1, 1)))
	}
	blocks, err := t.Blocks()
	p.note("blocks", err)
	equal(p, "blocks after a killed plant", len(blocks), 0)
	return p.err()
}

var errEnough = errors.New("it has run long enough")

func (l *lab) killed(t *kmod.Testbed, command string) error {
	c := newCommander(t)
	defer c.Close()
	if _, err := c.write("%s", command); err != nil {
		return err
	}
	// The engine sleeps for 50 ms before it writes.
	ctx, cancel := context.WithTimeoutCause(l.ctx, 80*time.Millisecond, errEnough)
	defer cancel()
	began := time.Now()
	if err := c.run(ctx); !errors.Is(err, errEnough) {
		return fmt.Errorf("ended with %v, want it to be killed", err)
	}
	// The longest would sleep for a thousand seconds, which cost nothing here.
	if took := time.Since(began); took > 5*time.Second {
		return fmt.Errorf("killed after 80 ms, it went on for %v", took)
	}
	return nil
}
