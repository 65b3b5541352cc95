// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// sleepers: they sleep as long and as often as they were told, and call what
// they are said to call.
func (l *lab) sleepers(t *kmod.Testbed) error {
	const n, turns, each = 10, 3, 20 * time.Millisecond
	p := &problems{}
	counter, err := kmod.OpenTestbed()
	if err != nil {
		return err
	}
	for function, want := range kmod.SleeperCalls(n) {
		ref, err := counter.RefProbe(function)
		if err != nil {
			return errors.Join(err, counter.Close())
		}
		began := time.Now()
		s, err := t.Sleepers(n, each, turns)
		if err != nil {
			return errors.Join(err, counter.Close())
		}
		_, err = t.Sleepers(1, each, 1)
		equal(p, "a second set is refused", errors.Is(err, unix.EBUSY), true)
		r, err := s.Wait()
		p.note("wait", err)
		equal(p, "sleepers", r, kmod.SleeperResult{Threads: n, OK: n})
		if took := time.Since(began); took < turns*each || took > turns*each+10*time.Millisecond {
			p.add("%d sleeps of %v took %v", turns, each, took)
		}
		count, err := ref.Read()
		p.note("read", err)
		equal(p, function, count.Calls, want*turns)
	}
	p.note("close", counter.Close())
	return p.err()
}

// sleepersLeft: the end of a session wakes its sleepers and waits until they
// have left the module. They may then take a little longer to be gone.
func (l *lab) sleepersLeft(*kmod.Testbed) error {
	p := &problems{}
	t, err := kmod.OpenTestbed()
	if err != nil {
		return err
	}
	began := time.Now()
	s, err := t.Sleepers(8, time.Minute, 5)
	for state := (kmod.SleeperState{}); err == nil && state.Asleep < 8; state, err = s.State() {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return errors.Join(err, t.Close())
	}
	list, err := s.List()
	p.note("list", err)
	p.note("close", t.Close())
	if took := time.Since(began); took > time.Second {
		p.add("closing took %v", took)
	}
	equal(p, "threads", len(list), 8)
	for i, one := range list {
		equal(p, "shape", one.Shape, []string{"plain", "deep", "jump", "args8"}[i%4])
		if !isGoneSoon(one.PID) {
			p.add("thread %d is still there", one.PID)
		}
	}
	return p.err()
}

func isGoneSoon(pid int) bool {
	for range 100 {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); errors.Is(err, fs.ErrNotExist) {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// dying: the threads end inside of tb_die, in both ways.
func (l *lab) dying(t *kmod.Testbed) error {
	p := &problems{}
	ref, err := t.RefProbe("tb_die")
	if err != nil {
		return err
	}
	r, err := t.Dying(20)
	p.note("dying", err)
	equal(p, "threads", r, kmod.DyingResult{Threads: 20, Died: 20})
	count, err := ref.Read()
	p.note("read", err)
	equal(p, "calls", count, kmod.RefCount{Entered: 20})
	return p.err()
}

// stack: the trace begins and ends where it must.
func (l *lab) stack(t *kmod.Testbed) error {
	p := &problems{}
	tr, err := t.Stack()
	if err != nil {
		return err
	}
	if len(tr) < 6 {
		p.add("only %d functions: %q", len(tr), tr)
		return p.err()
	}
	for i, want := range []string{"tb_stack_inner+", "tb_stack_outer+", "tb_cmd_stack+"} {
		if !strings.HasPrefix(tr[i], want) {
			p.add("function %d is %s, want %s", i, tr[i], want)
		}
	}
	if last := tr[len(tr)-1]; !strings.HasPrefix(last, "entry_SYSCALL_64_after_hwframe+") {
		p.add("the outermost function is %s", last)
	}
	return p.err()
}

// occupied: a function has one direct user, and works with it.
func (l *lab) occupied(t *kmod.Testbed) error {
	p := &problems{}
	other, err := kmod.OpenTestbed()
	if err != nil {
		return err
	}
	p.note("occupy", t.Occupy("tb_args8"))
	enabled, err := os.ReadFile(enabledFunctions)
	p.note("enabled functions", err)
	equal(p, "direct users that ftrace knows", strings.Count(string(enabled), "tb_occupant"), 1)
	equal(p, "a second one is refused", errors.Is(other.Occupy("tb_args8"), unix.EBUSY), true)
	r, err := t.Args8(100)
	p.note("args8", err)
	equal(p, "calls", r.Invocations, 100)
	equal(p, "value", r.Value, r.Expect)

	// The next one takes the place of the first, and the session's end of the
	// next.
	p.note("occupy another", t.Occupy("tb_recurse"))
	p.note("occupy by the second", other.Occupy("tb_args8"))
	p.note("close", other.Close())
	p.note("occupy again", t.Occupy("tb_args8"))
	p.note("vacate", t.Vacate())
	return p.err()
}
