// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"kprof-bench/workloads"
)

// counting is a check that a generator issues what it says, and that nobody
// makes any other call meanwhile.
func counting(function string, calls int, rate string) func(*lab) error {
	return func(l *lab) error {
		g, err := workloads.For(function)
		if err != nil {
			return err
		}
		r, err := workloads.ParseRate(rate)
		if err != nil {
			return err
		}
		program, err := g.Prepare()
		if err != nil {
			return err
		}
		defer program.Close()
		file, stop, err := countSyscalls()
		if err != nil {
			return err
		}
		result, err := workloads.Run(l.ctx, program, workloads.Options{
			Calls: calls, Batch: min(g.Batch, calls), Rate: r, Warmup: 3, Observe: []*os.File{file},
		})
		if err := errors.Join(err, stop()); err != nil {
			return err
		}
		p := &problems{}
		equal(p, "issued", result.Issued, uint64(calls))
		made, err := histogramChange(result.Before[0], result.After[0])
		p.note("histogram", err)
		p.note("calls", checkMade(made, program.Ops, calls, !r.IsMax()))
		return p.err()
	}
}

// checkMade: each call of the program was made as often as the others by one
// process, and beside it there were only the readings of the observed file, the
// exits of children, and what paces.
func checkMade(made map[int]map[int]int, ops []workloads.Op, calls int, paced bool) error {
	p := &problems{}
	engine := 0
	for _, op := range ops {
		byPid := made[int(op.Nr)]
		equal(p, op.Name+": calls counted by the kernel", sum(byPid), calls)
		for pid := range byPid {
			if engine != 0 && pid != engine {
				p.add("%s: made by %d and %d", op.Name, engine, pid)
			}
			engine = pid
		}
		if op.ChildExits {
			exits := made[unix.SYS_EXIT]
			equal(p, "exits of children", sum(exits), calls)
			equal(p, "children", len(exits), calls)
			equal(p, "exits of the engine", exits[engine], 0)
			delete(made, unix.SYS_EXIT)
		}
		delete(made, int(op.Nr))
	}
	// The end of the first reading and the beginning of the second.
	equal(p, "preadv", fmt.Sprint(made[unix.SYS_PREADV]), fmt.Sprint(map[int]int{engine: 2}))
	delete(made, unix.SYS_PREADV)
	if paced {
		equal(p, "clock_nanosleep", fmt.Sprint(made[unix.SYS_CLOCK_NANOSLEEP]), fmt.Sprint(map[int]int{engine: calls}))
		equal(p, "clock_gettime", fmt.Sprint(made[unix.SYS_CLOCK_GETTIME]), fmt.Sprint(map[int]int{engine: 1}))
		delete(made, unix.SYS_CLOCK_NANOSLEEP)
		delete(made, unix.SYS_CLOCK_GETTIME)
	}
	equal(p, "other calls, by number and pid", fmt.Sprint(made), "map[]")
	return p.err()
}
