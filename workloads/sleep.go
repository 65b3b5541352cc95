// SPDX-License-Identifier: MIT

package workloads

import (
	"time"

	"golang.org/x/sys/unix"
)

// nanosleep sleeps inside the function that is watched. The engine's timer
// slack is 1 ns, so the sleep is about as long as it asks for. A paced run
// sleeps between the calls too, with clock_nanosleep.
func nanosleep() Generator {
	return Generator{
		Name:   "nanosleep",
		Doc:    "nanosleep of 1 µs, a function that sleeps",
		Varies: true,
		Funcs: []Func{
			{Name: "sys_nanosleep", PerOp: 1},
			{Name: "hrtimer_nanosleep", PerOp: 1, PerPause: 1},
			{Name: "do_nanosleep", PerOp: 1, PerPause: 1},
		},
		DefaultCalls: 2000,
		Batch:        20,
		prepare: func(p *Program) error {
			request, err := put(p, unix.NsecToTimespec(int64(time.Microsecond)))
			p.Ops = []Op{{Name: "nanosleep", Nr: unix.SYS_NANOSLEEP, Args: [6]uintptr{request}, Measured: true}}
			return err
		},
	}
}

func schedYield() Generator {
	return Generator{
		Name:         "sched_yield",
		Doc:          "sched_yield, with nobody else to run",
		Funcs:        once("sys_sched_yield"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			p.Ops = []Op{{Name: "sched_yield", Nr: unix.SYS_SCHED_YIELD, Measured: true}}
			return nil
		},
	}
}

// getTimeOfDay asks the kernel, where the C library would ask the vDSO.
func getTimeOfDay() Generator {
	return Generator{
		Name:         "gettimeofday",
		Doc:          "gettimeofday by a system call",
		Funcs:        once("sys_gettimeofday"),
		DefaultCalls: 20000,
		Batch:        100,
		prepare: func(p *Program) error {
			at, err := put(p, unix.Timeval{})
			p.Ops = []Op{{Name: "gettimeofday", Nr: unix.SYS_GETTIMEOFDAY, Args: [6]uintptr{at}, Measured: true}}
			return err
		},
	}
}
