// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// alone gives testbed commands to a session without letting anything else run
// before the last is done: there is one processor, and no worker of the kernel's
// comes before a task with a real-time priority.
func alone(t *T, tb *kmod.Testbed, commands ...string) {
	const limit = "/proc/sys/kernel/sched_rt_runtime_us"
	before := readFile(t, limit)
	ok(t, os.WriteFile(limit, []byte("-1"), 0))
	defer os.WriteFile(limit, []byte(before), 0)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ok(t, unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 50}, 0))
	var err error
	for _, c := range commands {
		// Not by way of the session's methods, which may wait for others.
		if _, e := unix.Write(int(tb.Fd()), []byte(c)); e != nil {
			err = fmt.Errorf("%s: %w", c, e)
			break
		}
	}
	ok(t, unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0))
	ok(t, err)
}

// noRecordsLeft allocates more blocks than the module has records for, with no
// chance for it to get more. Some have the addresses of blocks whose release it
// did not see: those must not stand in for them.
func noRecordsLeft(t *T) {
	const planted, strays = 12_000, 50
	tb := loadTestbed(t)
	p := load(t, nil)
	before := must(p.Status())(t)
	strayed := must(tb.Stray(strays))(t)
	wantLive(t, "strays are not there", p, tb)
	if s := must(p.Status())(t); s.Stale != strays || s.Live != strays || s.Freed != before.Freed {
		t.Errorf("%d strays: %+v", strays, s)
	}
	alone(t, tb, "plant leaked 10000 4096", "purge", "plant leaked 2000 4096")

	lost, tookOver := lostBlocks(t, p, tb, strayed)
	s := must(p.Status())(t)
	t.Logf("%d of %d blocks lost, %d at the address of a stray", len(lost), planted, tookOver)
	if s.Lost != uint64(len(lost)) || s.Overwritten != tookOver || s.Allocated-before.Allocated != planted+strays || s.Missed != 0 {
		t.Errorf("%d lost, %d at the address of a stray, %d allocated: %+v", len(lost), tookOver, planted+strays, s)
	}
	if len(lost) == 0 || tookOver == 0 {
		t.Errorf("nothing was put to the test")
	}
	if want := planted + strays - s.Lost - tookOver; s.Live != want {
		t.Errorf("%d live, want %d", s.Live, want)
	}

	freed := must(p.Status())(t)
	for _, b := range lost {
		must(tb.Free(b.ID, 1, kmod.FreeVfree))(t)
	}
	s = must(p.Status())(t)
	if n := s.UnknownFree - freed.UnknownFree; n != uint64(len(lost)) || s.Freed != freed.Freed || s.Live != freed.Live {
		t.Errorf("%d lost blocks freed: %d unknown; %+v, before %+v", len(lost), n, s, freed)
	}
	// Meanwhile there are records again.
	must(tb.Plant("data", 100, 4096))(t)
	wantLive(t, "afterwards", p, tb)
	if got := must(p.Status())(t).Lost; got != s.Lost {
		t.Errorf("%d blocks lost afterwards", got-s.Lost)
	}
}

// lostBlocks returns the planted blocks that are not in the report, and how many
// blocks, in the report or not, have the page of a stray. There must be nothing
// else in it.
func lostBlocks(t *T, p *kmod.Profiler, tb *kmod.Testbed, strayed []uint64) (lost []kmod.Block, tookOver uint64) {
	reported := map[uint64]uint64{}
	for _, l := range must(p.Leaks())(t) {
		reported[l.Page] = l.IP
	}
	n, lostThere := len(reported), 0
	for _, b := range must(tb.Blocks())(t) {
		there := slices.Contains(strayed, b.Page)
		if there {
			tookOver++
		}
		ip, known := reported[b.Page]
		if !known {
			lost = append(lost, b)
			if there {
				lostThere++
			}
			continue
		}
		n--
		if f := function(t, b.Site); ip <= f.start || ip > f.end {
			t.Errorf("a block of %s was allocated at %#x", f.name, ip)
		}
	}
	if n != 0 {
		t.Errorf("%d lines are about no block", n)
	}
	if lostThere == 0 {
		t.Errorf("no lost block has the address of a stray")
	}
	return lost, tookOver
}
