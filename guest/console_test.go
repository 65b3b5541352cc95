// SPDX-License-Identifier: MIT

package guest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindComplaint(t *testing.T) {
	// As kernels print them, one for each pattern and each of its branches.
	complaints := map[string][]string{
		"panic": {
			"[    1.204921] Kernel panic - not syncing: sysrq triggered crash",
			"[    0.000000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
			"[   12.345678] traps: PANIC: double fault, error_code: 0x0",
			"[   12.345678] PANIC: double fault, error_code: 0x0",
		},
		"bug": {
			"[   35.672124] BUG: kernel NULL pointer dereference, address: 0000000000000000",
			"[   35.672124] BUG: unable to handle page fault for address: ffffffffc0402000",
			"[   35.672124] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580",
			"[   35.672124] BUG: scheduling while atomic: insmod/84/0x00000002",
			"[   35.672124] BUG: KASAN: slab-out-of-bounds in profiler_show+0x4c/0x90 [profiler]",
			"[   35.672124] BUG: KFENCE: use-after-free read in test+0x1/0x2",
			"[   35.672124] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!",
			"[   56.116046] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [rmmod:112]",
			"[   35.672124] kernel BUG at mm/vmalloc.c:2741!",
			"[    2.012345] [ BUG: Invalid wait context ]",
		},
		"oops": {
			"[   35.672130] Oops: 0002 [#1] PREEMPT SMP PTI",
			"[   35.672130] Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI",
			"[   35.672130] Oops: general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1] PREEMPT SMP",
			"[   35.672130] Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP",
		},
		"fault": {
			"[   35.672130] general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1] PREEMPT SMP NOPTI",
			"[   35.672130] general protection fault: 0000 [#1] SMP PTI",
			"[   35.672130] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI",
			"[   35.672130] divide error: 0000 [#1] PREEMPT SMP NOPTI",
			"[   35.672130] int3: 0000 [#1] PREEMPT SMP NOPTI",
			"[   35.672130] stack guard page was hit at 00000000d1b1b1b1 (stack is 000000007e3e3e3e..00000000aaaaaaaa)",
			"[   35.672130] Unable to handle kernel paging request at virtual address ffff800010000000",
			"[   35.672130] traps: Missing ENDBR: find_vm_area+0x0/0x40",
		},
		"warning": {
			"[   17.001002] WARNING: CPU: 0 PID: 117 at kernel/trace/ftrace.c:2001 ftrace_bug+0x25d/0x290",
			"[   17.001002][  T117] WARNING: CPU: 0 PID: 117 at kernel/kprobes.c:1060 kprobe_ftrace_handler+0x1/0x2",
			"[   17.001002] WARNING: possible circular locking dependency detected",
			"[   17.001002] WARNING: suspicious RCU usage",
			"[   17.001002] WARNING: stack going in the wrong direction? at trampoline+0x1/0x2",
		},
		"lockdep": {
			"[   17.001002] INFO: trying to register non-static key.",
			"[   17.001002] [ INFO: suspicious RCU usage. ]",
			"[   17.001002] [ INFO: possible recursive locking detected ]",
		},
		"lockup": {
			"[  100.000001] NMI watchdog: Watchdog detected hard LOCKUP on cpu 1",
			"[  100.000001] watchdog: Watchdog detected hard LOCKUP on cpu 1",
			"[  100.000001] watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 1",
		},
		"stall": {
			"[   84.001000] rcu: INFO: rcu_preempt self-detected stall on CPU",
			"[   84.001000] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
			"[   84.001000] rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... } 21 jiffies s: 105 root: 0x2/.",
			"[  604.001000] INFO: rcu_tasks detected stalls on tasks:",
		},
		"hung task": {
			"[  242.820187] INFO: task rmmod:112 blocked for more than 120 seconds.",
		},
		"sanitizer": {
			"[    9.000001] UBSAN: array-index-out-of-bounds in kernel/x.c:12:3",
			"[  610.000001] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
			"[    9.000001] usercopy: Kernel memory exposure attempt detected from SLUB object 'kmalloc-64' (offset 0, size 96)!",
		},
		"corruption": {
			"[    9.000001] list_del corruption. prev->next should be ffff888003c5a008, but was dead000000000122",
			"[    9.000001] list_add corruption. next->prev should be prev (ffffffff82a1c2c0), but was 0000000000000000.",
			"[    9.000001] page dumped because: VM_BUG_ON_PAGE(page_ref_count(page) == 0)",
		},
		"out of memory": {
			"[    9.000001] kprof-bench invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0",
			"[    9.000001] insmod: page allocation failure: order:10, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0",
			"[    9.000001] insmod: vmalloc error: size 1073741824, failed to allocate pages, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0",
		},
		"msr": {
			"[    0.100000] unchecked MSR access error: RDMSR from 0x10a at rIP: 0xffffffff81078f34 (native_read_msr+0x4/0x40)",
		},
		"stack trace": {
			"[    0.614315] Call Trace:",
			"[    0.614315] Call trace:",
			"half a line of the job[    0.614315] Call Trace:",
		},
	}
	seen := map[string]bool{}
	for name, lines := range complaints {
		seen[name] = true
		for _, line := range lines {
			c, ok := findComplaint(line)
			if !ok || c.name != name || !strings.HasSuffix(line, c.line) || strings.HasPrefix(c.line, "[ 0") {
				t.Errorf("%q is taken for %+v, want %s", line, c, name)
			}
		}
	}
	for _, c := range consolePatterns() {
		if !seen[c] {
			t.Errorf("no sample for %q", c)
		}
	}
}

func consolePatterns() []string {
	var names []string
	for _, c := range complaints {
		names = append(names, c.name)
	}
	return names
}

func TestHarmlessLines(t *testing.T) {
	lines := []string{
		"",
		// Of a healthy boot.
		"[    0.419284] acpi PNP0A03:00: fail to add MMCONFIG information, can't access extended PCI configuration space under this bridge.",
		"[    0.847660] mtrr: your CPUs had inconsistent fixed MTRR settings",
		"[    0.000000] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!",
		`[    1.508389] Unstable clock detected, switching default tracing clock to "global"`,
		"[    0.860438] reboot: Power down",
		"[    2.104404] hello: loading out-of-tree module taints kernel.",
		"[    2.104410] hello: module verification failed: signature and/or required key missing - tainting kernel",
		"[    0.000000] Kernel command line: console=ttyS0 oops=panic panic=-1",
		"[    1.204900] sysrq: Trigger a crash",
		"[    0.614320]  <TASK>",
		"[    0.614284] rcu: INFO: rcu_preempt is the flavour in use",
		"[    3.000000] INFO: lockdep is turned off.",
		// Of a process, and its fault alone.
		"[    3.000000] traps: job[85] general protection fault ip:401000 sp:7ffd error:0 in job[401000+1000]",
		"[    3.000000] job[85]: segfault at 0 ip 0000000000401000 sp 00007ffd error 4 in job[401000+1000]",
		// Of a module that has such a word in its message.
		"[    3.000000] profiler: BUG: no, only a word",
		"[    3.000000] profiler: WARNING: no such symbol",
		"[    3.000000] profiler: cannot probe oops_enter: Oops: is in the name",
		// Of the job, which has no time stamp.
		"WARNING: CPU: 0 PID: 1 at kernel/panic.c:1",
		"BUG: kernel NULL pointer dereference",
		"Kernel panic - not syncing: said the job",
		"Call Trace:",
		"[0.1] Call Trace:",
	}
	for _, line := range lines {
		if c, ok := findComplaint(line); ok {
			t.Errorf("%q is taken for %+v", line, c)
		}
	}
}

func TestConsoleInPieces(t *testing.T) {
	const text = "[    1.000000] one\r\n[    1.000001] BUG: two\r\nthree\r\n[    1.000002] Call Trace:"
	for n := 1; n <= len(text); n++ {
		var w consoleWatch
		for rest := text; rest != ""; {
			piece := rest[:min(n, len(rest))]
			rest = rest[len(piece):]
			w.write([]byte(piece))
		}
		w.finish()
		want := []complaint{{"bug", "BUG: two"}, {"stack trace", "Call Trace:"}}
		if diff := cmp.Diff(want, w.found, cmp.AllowUnexported(complaint{})); diff != "" {
			t.Errorf("pieces of %d (-want +got):\n%s", n, diff)
		}
		if got := w.text.String(); got != strings.ReplaceAll(text, "\r", "") {
			t.Errorf("pieces of %d: text %q", n, got)
		}
	}
}

func TestConsoleKeepsFewComplaints(t *testing.T) {
	var w consoleWatch
	w.write([]byte(strings.Repeat("[    1.000000] BUG: again\n", 10*maxComplaints)))
	if len(w.found) != maxComplaints {
		t.Errorf("%d complaints are kept, want %d", len(w.found), maxComplaints)
	}
}

func FuzzConsole(f *testing.F) {
	f.Add([]byte("[    1.000000] BUG: x\r\n"), 2)
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		n = max(1, min(n, 1<<16))
		var whole, pieces consoleWatch
		whole.write(text)
		whole.finish()
		for len(text) > 0 {
			piece := text[:min(n, len(text))]
			text = text[len(piece):]
			pieces.write(piece)
		}
		pieces.finish()
		if diff := cmp.Diff(whole.found, pieces.found, cmp.AllowUnexported(complaint{})); diff != "" {
			t.Error("(-whole +pieces)\n", diff)
		}
	})
}
