// SPDX-License-Identifier: MIT

package workloads

import "golang.org/x/sys/unix"

// Operations of futex. A wake that also stores a value is the only way for a
// program of system calls to change what another process waits for.
const (
	futexWait   = 0
	futexWakeOp = 5
)

// futex has two processes wait for each other. Whichever is first: who comes
// late finds the value changed, and his call is one that does not sleep.
func futex() Generator {
	const calls = 6
	return Generator{
		Name:   "futex",
		Varies: true,
		Doc:    "clone of a process; both wait for the other's wake, which is four calls of futex; wait4; two more to begin anew",
		Funcs: []Func{
			{Name: "sys_futex", PerOp: calls},
			{Name: "do_futex", PerOp: calls},
		},
		DefaultCalls: processCalls,
		Batch:        1,
		prepare: func(p *Program) error {
			_, born, err := p.Alloc(8)
			if err != nil {
				return err
			}
			leave := born + 4
			p.Ops = process(Op{
				Name: "clone", Nr: unix.SYS_CLONE, Args: [6]uintptr{uintptr(unix.SIGCHLD)},
				Child: []Op{wake(born, 1), await(leave, 0)},
			})
			wait4 := p.Ops[1]
			p.Ops = append(p.Ops[:1], await(born, 0), wake(leave, 1), wait4, wake(born, 0), wake(leave, 0))
			return nil
		},
	}
}

// await sleeps while a word holds a value.
func await(word, value uintptr) Op {
	return Op{Name: "futex", Nr: unix.SYS_FUTEX, Args: [6]uintptr{word, futexWait, value}, AllowErr: unix.EAGAIN}
}

// wake stores a value and wakes one who waits for that.
func wake(word, value uintptr) Op {
	const ifItWas = 0xfff // what no word ever was: no second wake
	return Op{Name: "futex", Nr: unix.SYS_FUTEX, Args: [6]uintptr{word, futexWakeOp, 1, 0, word, value<<12 | ifItWas}}
}
