/* SPDX-License-Identifier: GPL-2.0-only */
/* KRP and its backends: the ways to probe a function. */
#ifndef KPROF_KRP_H
#define KPROF_KRP_H

#include <linux/percpu-defs.h>
#include <linux/timekeeping.h>
#include <linux/types.h>

/**
 * struct krp_counts - what one CPU has counted of one function
 * @entered: calls whose entry was seen
 * @returned: calls whose return was seen, and so were timed
 * @total: time from entry to return of those calls, in ticks of krp_clock()
 *
 * Written only by its own CPU, with interrupt-safe this_cpu operations;
 * a reader on another CPU may see the three at slightly different moments.
 */
struct krp_counts {
	u64 entered;
	u64 returned;
	u64 total;
};

struct krp_backend;

/**
 * struct krp_func - a function that is profiled
 * @name: its name as the user spelled it
 * @symbol: its name in kallsyms
 * @addr: its address
 * @maxactive: calls that can be in progress at once, if the backend limits it
 * @backend: how it is probed
 * @probe: belongs to the backend
 * @counts: what was seen so far
 */
struct krp_func {
	const char *name;
	char *symbol;
	unsigned long addr;
	unsigned int maxactive;
	const struct krp_backend *backend;
	void *probe;
	struct krp_counts __percpu *counts;
};

/**
 * struct krp_backend - a way to probe functions
 * @name: as shown to users
 * @attach: probes @f->symbol and sets @f->addr and @f->probe. Returns 0,
 *	-ENOENT when there is no such symbol, or another error when it cannot
 *	be probed in this way. Sleeps.
 * @detach: stops probing the functions given, all of this backend, and frees
 *	their probes. Does not wait for calls that are in progress: they return
 *	unharmed later. Sleeps.
 * @missed: calls that the probe met but could not time. @counts does not
 *	have them.
 */
struct krp_backend {
	const char *name;
	int (*attach)(struct krp_func *f);
	void (*detach)(struct krp_func **funcs, int n);
	u64 (*missed)(const struct krp_func *f);
};

extern const struct krp_backend krp_kretprobe;

/* Nanoseconds, callable in any context; see ktime_get_mono_fast_ns(). */
static __always_inline u64 krp_clock(void)
{
	return ktime_get_mono_fast_ns();
}

#endif /* KPROF_KRP_H */
