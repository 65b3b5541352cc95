// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"math"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

func (l *lab) referenceProbes(t *kmod.Testbed) error {
	p := &problems{}
	for _, test := range []struct {
		symbol string
		run    func() error
		calls  uint64
	}{
		{"tb_work", func() error { return second(t.Work(3, 250)) }, 250},
		{"tb_empty", func() error { return second(t.Work(3, 250)) }, 250},
		{"tb_work_even", func() error { return second(t.Work(3, 250)) }, 0},
		{"__x64_sys_getppid", func() error { return second(t.Call("__x64_sys_getppid", 333)) }, 333},
		{"tb_sleep", func() error { return second(t.Sleep(50, 40)) }, 40},
		{"tb_recurse", func() error { return second(t.Recurse(100, 9)) }, 909},
		{"tb_timer_fn", func() error { return second(t.Timer(20, 400)) }, 400},
		{"tb_args8", func() error { return second(t.Args8(500)) }, 500},
		{"tb_vpair", func() error { return second(t.VPair(5000, 60)) }, 60},
	} {
		probe, err := t.RefProbe(test.symbol)
		if err != nil {
			return err
		}
		// Twice, so that it is seen to add up.
		for i := range uint64(2) {
			p.note(test.symbol, test.run())
			c, err := probe.Read()
			p.note(test.symbol, err)
			equal(p, fmt.Sprintf("%s: calls after run %d", test.symbol, i+1), c.Calls, (i+1)*test.calls)
			equal(p, test.symbol+": missed", c.Missed, 0)
			if (c.TotalNS > 0) != (test.calls > 0) {
				p.add("%s: %d calls took %d ns", test.symbol, c.Calls, c.TotalNS)
			}
		}
	}
	p.note("durations", l.referenceDurations(t))
	return p.err()
}

// referenceDurations: two functions whose lengths differ by 2000 instructions
// differ so much by the probe too; its own part is the same in both. An
// interrupt now and then lengthens one or the other.
func (l *lab) referenceDurations(t *kmod.Testbed) error {
	var average [2]float64
	for i, n := range []uint64{1, 1001} {
		probe, err := t.RefProbe("tb_work")
		if err != nil {
			return err
		}
		if _, err := t.Work(n, 2000); err != nil {
			return err
		}
		c, err := probe.Read()
		if err != nil {
			return err
		}
		average[i] = float64(c.TotalNS) / float64(c.Calls)
	}
	if got := average[1] - average[0]; math.Abs(got-2000) > 40 {
		return fmt.Errorf("2000 instructions are %v ns", got)
	}
	return nil
}

func (l *lab) sessions(a *kmod.Testbed) error {
	p := &problems{}
	b, err := kmod.OpenTestbed()
	if err != nil {
		return err
	}
	probe, err := a.RefProbe("tb_work")
	p.note("a's probe", err)

	_, err = b.RefProbe("no_such_function")
	equal(p, "b probes a function that is not there", errors.Is(err, unix.ENOENT), true)
	p.note("b's work", second(b.Work(1, 100)))
	other, err := b.RefProbe("tb_work")
	p.note("b's probe", err)
	p.note("a's work", second(a.Work(1, 20)))
	checkCalls(p, "a's probe", probe, 120)
	checkCalls(p, "b's probe", other, 20)

	_, err = b.RefProbe("no_such_function")
	equal(p, "b replaces its probe by one that cannot be", errors.Is(err, unix.ENOENT), true)
	checkCalls(p, "b's old probe", other, 20)
	moved, err := b.RefProbe("tb_empty")
	p.note("b's next probe", err)
	p.note("b's work", second(b.Work(1, 7)))
	checkCalls(p, "b's next probe", moved, 7)
	checkProbed(p, "with two probes", map[string]int{"tb_work": 1, "tb_empty": 1})

	p.note("results", l.sessionResults(a, b))

	kept, err := b.Plant("data", 5, 4096)
	p.note("plant", err)
	p.note("close b", b.Close())
	checkProbed(p, "after one session is closed", map[string]int{"tb_work": 1})
	blocks, err := a.Blocks()
	p.note("blocks", err)
	equal(p, "blocks of a session that is closed", len(blocks), 5)
	p.note("free", second(a.Free(kept.First, 5, kmod.FreeVfree)))

	p.note("remove", probe.Remove())
	checkProbed(p, "after the probe was removed", map[string]int{})
	_, err = probe.Read()
	equal(p, "read of a removed probe", errors.Is(err, unix.ENODEV), true)
	return p.err()
}

// sessionResults: what one session reads does not change by another's commands.
func (l *lab) sessionResults(a, b *kmod.Testbed) error {
	p := &problems{}
	dump, err := a.Dump("bss")
	p.note("dump", err)
	p.note("b's work", second(b.Work(1, 7)))
	n, err := io.Copy(io.Discard, dump)
	p.note("a's dump", err)
	equal(p, "a's dump, bytes", n, 4096*8)
	dump, err = a.Dump("bss")
	p.note("dump", err)
	p.note("a's work", second(a.Work(1, 7)))
	_, err = dump.Read(make([]byte, 8))
	equal(p, "a dump after the next command", errors.Is(err, kmod.ErrSuperseded), true)
	return p.err()
}

func second(_ any, err error) error { return err }

func checkCalls(p *problems, what string, probe *kmod.RefProbe, want uint64) {
	c, err := probe.Read()
	p.note(what, err)
	equal(p, what+": calls", c.Calls, want)
	equal(p, what+": missed", c.Missed, 0)
}

func checkProbed(p *problems, when string, want map[string]int) {
	got, err := probed()
	p.note(when, err)
	equal(p, "probes "+when, fmt.Sprint(got), fmt.Sprint(want))
}
