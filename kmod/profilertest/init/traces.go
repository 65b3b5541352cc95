// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kprof-bench/kmod"
)

// trace is a stack trace: the names of functions, the innermost first.
type trace []string

// traceOf takes the names from lines that end in "function+offset/size", with
// a module behind it or not.
func traceOf(lines []string) trace {
	var tr trace
	for _, line := range lines {
		line = strings.TrimPrefix(line, "[<0>] ")
		name, _, _ := strings.Cut(line, "+")
		tr = append(tr, name)
	}
	return tr
}

func (tr trace) count(name string) (n int) {
	for _, f := range tr {
		if f == name {
			n++
		}
	}
	return n
}

// probed counts the calls of functions that have probes.
func (tr trace) probed() (n int) {
	for _, f := range tr {
		if _, ok := kmod.TestbedArgs[f]; ok {
			n++
		}
	}
	return n
}

// wantWhole fails unless a trace has all that it had without probes, in this
// order and to the end. A probe may show itself, but no more than three times
// for each call: of a call that was let go the frame has three words.
func wantWhole(t *T, what string, plain, got trace) {
	rest := plain
	var more trace
	for _, f := range got {
		if len(rest) > 0 && f == rest[0] {
			rest = rest[1:]
		} else {
			more = append(more, f)
		}
	}
	// A jump's probe shows too, and the function does not.
	most := 3 * (plain.probed() + 1)
	if len(rest) > 0 || len(more) > most || len(got) == 0 || got[len(got)-1] != plain[len(plain)-1] {
		t.Errorf("%s: the trace is\n%q, without probes\n%q", what, got, plain)
	}
	if len(more) > 0 {
		t.Logf("%s: beside what is there without probes: %q", what, more)
	}
}

// sleeperTraces returns what /proc shows of sleepers, by shape.
func sleeperTraces(t *T, s *kmod.Sleepers) map[string]trace {
	all := map[string]trace{}
	for _, one := range must(s.List())(t) {
		if !one.Asleep {
			t.Fatalf("%s is awake", one.Shape)
		}
		text := readFile(t, fmt.Sprintf("/proc/%d/stack", one.PID))
		all[one.Shape] = traceOf(strings.Split(strings.TrimSpace(text), "\n"))
	}
	return all
}

// plainTraces are those without probes. That they are what the source says
// shows that a trace can be believed.
func plainTraces(t *T, tb *kmod.Testbed) map[string]trace {
	s := startAsleep(t, tb, 4, 100*time.Millisecond)
	all := sleeperTraces(t, s)
	wantWell(t, s, 4)
	for shape, calls := range map[string]map[string]int{
		"plain": {"tb_sleeper": 1},
		"deep":  {"tb_sleeper_deep": 7},
		"jump":  {"tb_sleeper_landing": 1, "tb_sleeper_jump": 0},
		"args8": {"tb_sleeper_args8": 1},
	} {
		tr := all[shape]
		for name, n := range calls {
			if got := tr.count(name); got != n {
				t.Errorf("%s: %s is %d times in %q, want %d", shape, name, got, tr, n)
			}
		}
		// Newer kernels have a part of the last one in assembly.
		if tr[len(tr)-1] == "ret_from_fork_asm" {
			tr = tr[:len(tr)-1]
		}
		end := []string{"tb_call_guarded", "tb_sleeper_turn", "tb_sleeper_thread", "kthread", "ret_from_fork"}
		if tr.count("tb_nap") != 1 || len(tr) < len(end) || !slices.Equal(tr[len(tr)-len(end):], end) {
			t.Errorf("%s: the trace is %q", shape, tr)
		}
	}
	return all
}

// stackTraces looks through probed functions, from outside and from inside.
func stackTraces(t *T) {
	if is510() {
		t.NotSupported("stack traces through probed calls", "the unwinder of this kernel stops at a kretprobe")
		return
	}
	tb := loadTestbed(t)
	plain := plainTraces(t, tb)
	plainStack := traceOf(must(tb.Stack())(t))
	if last := plainStack[len(plainStack)-1]; plainStack[0] != "tb_stack_inner" || plainStack[1] != "tb_stack_outer" ||
		last != "entry_SYSCALL_64_after_hwframe" {
		t.Errorf("the trace of the command is %q", plainStack)
	}
	compare := func(when string, s *kmod.Sleepers) {
		for shape, tr := range sleeperTraces(t, s) {
			wantWhole(t, shape+" "+when, plain[shape], tr)
		}
		wantWhole(t, "command "+when, plainStack, traceOf(must(session(t).Stack())(t)))
	}

	p := loadFor(t, 4, "tb_stack_outer", "tb_stack_inner")
	s := startAsleep(t, tb, 4, 10*time.Second)
	compare("while loaded", s)
	if n := invocations(t, p)["tb_stack_inner"]; n != 1 {
		t.Errorf("the trace was taken in %d probed calls, want 1", n)
	}
	unload(t)
	compare("after rmmod", s)
	wantAsleep(t, "after all traces", s, 4)
	wantWell(t, s, 4)
}
