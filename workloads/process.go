// SPDX-License-Identifier: MIT

package workloads

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Calls that make a process. Waiting for each keeps the number of processes at
// one, and makes wait4 sleep inside the kernel. One batch is one process: some
// take a third longer than others, which a median leaves out.
const processCalls = 500

func clone() Generator {
	return Generator{
		Name:         "clone",
		Doc:          "clone of a process that exits at once, and wait4 for it; the time is that of both",
		Funcs:        once("sys_clone", "sys_wait4"),
		Varies:       true,
		DefaultCalls: processCalls,
		Batch:        1,
		prepare: func(p *Program) error {
			p.Ops = process(Op{Name: "clone", Nr: unix.SYS_CLONE, Args: [6]uintptr{uintptr(unix.SIGCHLD)}})
			return nil
		},
	}
}

func fork() Generator {
	return Generator{
		Name:         "fork",
		Doc:          "fork of a process that exits at once, and wait4 for it",
		Funcs:        once("sys_fork"),
		Varies:       true,
		DefaultCalls: processCalls,
		Batch:        1,
		prepare: func(p *Program) error {
			p.Ops = process(Op{Name: "fork", Nr: sysFork})
			return nil
		},
	}
}

// vfork sleeps until the new process is gone, which has the memory of this one.
func vfork() Generator {
	return Generator{
		Name:         "vfork",
		Doc:          "vfork of a process that exits at once, and wait4 for it",
		Funcs:        once("sys_vfork"),
		Varies:       true,
		DefaultCalls: processCalls,
		Batch:        1,
		prepare: func(p *Program) error {
			p.Ops = process(Op{Name: "vfork", Nr: sysVfork})
			return nil
		},
	}
}

func clone3() Generator {
	return Generator{
		Name:         "clone3",
		Doc:          "clone3 of a process that exits at once, and wait4 for it",
		Funcs:        once("sys_clone3"),
		Varies:       true,
		DefaultCalls: processCalls,
		Batch:        1,
		prepare: func(p *Program) error {
			// struct clone_args as the first kernels with clone3 have it, of
			// which exit_signal is set.
			args := [8]uint64{4: uint64(unix.SIGCHLD)}
			at, err := put(p, args)
			p.Ops = process(Op{Name: "clone3", Nr: unix.SYS_CLONE3, Args: [6]uintptr{at, unsafe.Sizeof(args)}})
			return err
		},
	}
}

// process makes a call that makes a process the measured one of a round, and
// waits for the process.
func process(op Op) []Op {
	everyPid := ^uintptr(0)
	op.Measured, op.ChildExits = true, true
	return []Op{op, {Name: "wait4", Nr: unix.SYS_WAIT4, Args: [6]uintptr{everyPid, 0, unix.WALL}}}
}
