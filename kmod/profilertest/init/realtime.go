// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"regexp"
	"strings"

	"kprof-bench/kmod"
)

// lockTaken is a line of the function tracer's on a kernel with PREEMPT_RT:
// whether interrupts are off, in which kind of interrupt, and how often
// preemption was switched off.
var lockTaken = regexp.MustCompile(`\[\d+\] (.)..(.)(.).. .*: rt_spin_lock <-(\S+)`)

// sleepingLocks fails if a lock on which a kernel with PREEMPT_RT may sleep is
// taken where it must not, while blocks come and go. The kernel would not
// complain: it is not built to look for this.
func sleepingLocks(t *T) {
	const tracing = "/sys/kernel/tracing/"
	tb := loadTestbed(t)
	load(t, nil)
	ok(t, os.WriteFile(tracing+"set_ftrace_filter", []byte("rt_spin_lock"), 0))
	ok(t, os.WriteFile(tracing+"current_tracer", []byte("function"), 0))
	planted := must(tb.Plant("leaked", 50, 4096))(t)
	must(tb.Free(planted.First, 25, kmod.FreeIRQ))(t)
	must(tb.Free(planted.First+25, 25, kmod.FreeVfree))(t)
	text := readFile(t, tracing+"trace")
	ok(t, os.WriteFile(tracing+"current_tracer", []byte("nop"), 0))
	ok(t, os.WriteFile(tracing+"set_ftrace_filter", nil, 0))

	seen := 0
	for line := range strings.Lines(text) {
		m := lockTaken.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		seen++
		// Soft interrupts may sleep, because they run in threads.
		if strings.Contains("dD", m[1]) || strings.Contains("hHzZ", m[2]) || m[3] != "." {
			t.Errorf("%s takes a lock that sleeps: %s", m[4], strings.TrimSpace(line))
		}
	}
	if seen < 100 {
		t.Errorf("only %d locks were seen to be taken:\n%s", seen, text)
	}
}
