// SPDX-License-Identifier: GPL-2.0-only
/*
 * KMP: which blocks of vmalloc() have not been released by vfree().
 *
 * A block is added when vmalloc() returns and removed when vfree() begins. In
 * between its address belongs to nobody else, so that the two can never be
 * seen in the wrong order for one address.
 *
 * Allocations are caught by a kretprobe. The probe point is __vmalloc_node(),
 * into which vmalloc() jumps, and not vmalloc() itself: vmalloc() notes its
 * return address for /proc/vmallocinfo, and a kretprobe on it would replace
 * that by the address of the trampoline. Whether the compiler left
 * __vmalloc_node() in place is tried out when the module is loaded; if not,
 * the probe goes on vmalloc(), and a line in the log says what that costs.
 *
 * Releases are caught at the entry of vfree(), see kmp_frees.c; the rest of the
 * family, if it is asked for, is caught elsewhere, see kmp_family.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/numa.h>
#include <linux/vmalloc.h>

#include "blocks.h"
#include "compat.h"
#include "kmp.h"
#include "profiler.h"
#include "scan.h"
#include "symbols.h"
#include "vmap.h"

/* Allocations of vmalloc() that can be in progress at once. */
#define MAX_ACTIVE	4096

/* Whether the rest of the family was asked for. */
bool kmp_family;

static bool family;	/* whether it is traced */
static struct kretprobe alloc_probe;

/* Text of the function that vmallocs the page array of a large block. */
static unsigned long nested_start, nested_size;

/*
 * vmalloc(n) calls __vmalloc_node(n, 1, GFP_KERNEL, NUMA_NO_NODE, caller).
 * Other members of the family (vzalloc, vmalloc_node, ...) differ in this.
 * Returns 0 if the return of this call is wanted.
 */
static int on_vmalloc_node(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned long align = regs_get_kernel_argument(regs, 1);
	gfp_t gfp = (__force gfp_t)regs_get_kernel_argument(regs, 2);
	int node = regs_get_kernel_argument(regs, 3);

	return align != 1 || gfp != GFP_KERNEL || node != NUMA_NO_NODE;
}
NOKPROBE_SYMBOL(on_vmalloc_node);

static int on_allocated(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned long addr = regs_return_value(regs);
	unsigned long ip = kprof_ri_return(ri, regs);

	if (addr && ip - nested_start >= nested_size)
		blocks_add(addr, ip);
	return 0;
}
NOKPROBE_SYMBOL(on_allocated);

static int trace_allocs(const char *symbol, kretprobe_handler_t filter)
{
	memset(&alloc_probe, 0, sizeof(alloc_probe));
	alloc_probe.kp.symbol_name = symbol;
	alloc_probe.entry_handler = filter;
	alloc_probe.handler = on_allocated;
	alloc_probe.maxactive = MAX_ACTIVE;
	return register_kretprobe(&alloc_probe);
}

/*
 * Whether a block is seen when it is allocated, with the right caller, and
 * when it is released. Each part is a function of its own, so that the
 * compiler cannot make one of it.
 */
static noinline void *selftest_alloc(void)
{
	void *block = vmalloc(PAGE_SIZE);

	/* Not a tail call: the caller of vmalloc() is this function. */
	OPTIMIZER_HIDE_VAR(block);
	return block;
}

static noinline bool selftest(void)
{
	void *block = selftest_alloc();
	unsigned long ip = 0;
	bool seen, gone;

	if (!block)
		return false;
	seen = blocks_find((unsigned long)block, &ip) &&
	       ip - (unsigned long)selftest_alloc < PAGE_SIZE;
	vfree(block);
	gone = !blocks_find((unsigned long)block, &ip);
	return seen && gone;
}

static int find_nested(void)
{
	nested_start = kprof_symbol_address(KPROF_SYM_VMALLOC_RANGE);
	nested_size = nested_start ? kprof_symbol_rest(nested_start) : 0;
	return nested_size ? 0 : -ENOENT;
}

static int pick_probe_point(void)
{
	if (!find_nested() &&
	    !trace_allocs(KPROF_SYM_VMALLOC_NODE, on_vmalloc_node)) {
		if (selftest())
			return 0;
		unregister_kretprobe(&alloc_probe);
	}
	pr_warn("%s cannot be used; probing %s: /proc/vmallocinfo will not show who called it\n",
		KPROF_SYM_VMALLOC_NODE, KPROF_SYM_VMALLOC);

	if (!trace_allocs(KPROF_SYM_VMALLOC, NULL)) {
		if (selftest())
			return 0;
		unregister_kretprobe(&alloc_probe);
	}
	pr_err("no probe point sees what vmalloc() allocates\n");
	return -EOPNOTSUPP;
}

/**
 * kmp_init() - Make the table of blocks and start to trace vfree().
 *
 * Before any probe is armed: with kernel.ftrace_enabled=0 that would leave
 * ftrace in a state that it takes for corruption later. This fails then, and
 * while it is in effect the switch cannot be turned.
 *
 * Context: Sleeps.
 * Return: 0, -EBUSY when tracing is switched off, -ENOMEM or another error.
 */
int kmp_init(void)
{
	int ret;

	ret = blocks_init();
	if (ret)
		return ret;
	vmap_init();
	ret = frees_start();
	if (ret)
		blocks_exit();
	return ret;
}

/**
 * kmp_start() - Start to trace vmalloc(), and its family if that is asked for.
 *
 * Where the family cannot be traced, vmalloc() is; a line in the log and
 * `kmp_status` say so.
 *
 * Context: Sleeps.
 * Return: 0, or -EOPNOTSUPP when the self-test finds no probe point that works.
 */
int kmp_start(void)
{
	int ret;

	family = false;
	if (kmp_family) {
		ret = family_start();
		if (!ret) {
			family = true;
			return 0;
		}
		pr_warn("kmp_family: what the family of vmalloc() allocates cannot be told on this kernel (error %d); only vmalloc() is traced\n",
			ret);
	}
	return pick_probe_point();
}

static u64 missed(void)
{
	if (family)
		return family_missed();
	return (u64)READ_ONCE(alloc_probe.nmissed) +
	       READ_ONCE(alloc_probe.kp.nmissed);
}

/**
 * kmp_stop() - Stop to trace allocations.
 *
 * Context: Sleeps.
 */
void kmp_stop(void)
{
	if (family)
		family_stop();
	else
		unregister_kretprobe(&alloc_probe);
}

/**
 * kmp_exit() - Stop to trace vfree() and forget all blocks.
 *
 * Context: Sleeps. No probe is armed any more.
 */
void kmp_exit(void)
{
	frees_stop();
	blocks_exit();
}

/**
 * kmp_status_show() - Write the contents of `kmp_status`.
 * @buf: a page
 *
 * Lines of a name and a number: the state of the tracer, everything it ever
 * missed, and what the last scan did.
 *
 * Context: Sleeps.
 * Return: Bytes written.
 */
ssize_t kmp_status_show(char *buf)
{
	struct blocks_counts c = blocks_counts();
	struct scan_report r = memleaks_last_scan();
	ssize_t n;

	n = sysfs_emit(buf, "live %llu\nallocated %llu\nfreed %llu\n",
		       c.live, c.added, c.removed);
	n += sysfs_emit_at(buf, n,
			   "unknown_free %llu\noverwritten %llu\nlost %llu\nmissed %llu\n",
			   c.unknown, c.replaced, c.lost, missed());
	n += sysfs_emit_at(buf, n,
			   "scans %llu\nscan_passes %llu\nscan_ns %llu\nscan_read_ns %llu\nscan_words %llu\n",
			   r.scans, r.passes, r.ns, r.read_ns, r.words);
	n += sysfs_emit_at(buf, n,
			   "scan_unreadable_pages %llu\nscan_device_pages %llu\nscan_poisoned_pages %llu\nscan_free_pages %llu\n",
			   r.unreadable, r.device, r.poisoned, r.free);
	n += sysfs_emit_at(buf, n,
			   "scan_bookkeeping_words %llu\nscan_idle_words %llu\nscan_self_words %llu\nscan_stale %llu\n",
			   r.bookkeeping, r.idle, r.self, r.stale);
	n += sysfs_emit_at(buf, n, "bookkeeping_known %d\nfamily %d\n",
			   vmap_known(), family);
	return n;
}
