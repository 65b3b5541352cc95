// SPDX-License-Identifier: MIT

package workloads

import "golang.org/x/sys/unix"

// clone makes processes the way fork does. Waiting for each keeps the number
// of processes at one, and makes wait4 sleep inside the kernel.
func clone() Generator {
	everyPid := ^uintptr(0)
	return Generator{
		Name:         "clone",
		Doc:          "clone of a process that exits at once, and wait4 for it; the time is that of both",
		Funcs:        []Func{{"sys_clone", 1}, {"sys_wait4", 1}},
		DefaultCalls: 500,
		Batch:        1, // some take a third longer, which a median leaves out
		prepare: func(p *Program) error {
			p.Ops = []Op{
				{Name: "clone", Nr: unix.SYS_CLONE, Args: [6]uintptr{uintptr(unix.SIGCHLD)}, Measured: true, ChildExits: true},
				{Name: "wait4", Nr: unix.SYS_WAIT4, Args: [6]uintptr{everyPid, 0, unix.WALL}},
			}
			return nil
		},
	}
}
